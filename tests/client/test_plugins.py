"""Commands that other packages bring, and what happens where a library is missing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


@pytest.fixture
def plugins(tmp_path):
    """A directory with a distribution that brings a good and a broken command."""
    (tmp_path / "good.py").write_text(
        "import click\n@click.command(short_help='Says hello.')\ndef hello():\n    click.echo('hello')\n"
    )
    (tmp_path / "broken.py").write_text("import a_module_that_is_not_there\n")
    (tmp_path / "plain.py").write_text("command = print\n")
    information = tmp_path / "plugins-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[layerwise.commands]\nhello = good:hello\nbroken = broken:command\nplain = plain:command\n"
        "lean = broken:command [all]\ntrain = good:hello\n"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from layerwise_client.cli import main; main()"
    return lambda *arguments: subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_plugins_join_the_commands_and_a_broken_one_harms_no_other(plugins):
    shown = plugins("--help")

    assert "Says hello." in shown.stdout
    assert "broken" in shown.stdout
    assert "Train a model on a table file" in shown.stdout
    assert plugins("hello").stdout == "hello\n"


@pytest.mark.parametrize(("name", "problem"), [("broken", "ModuleNotFoundError: No module"), ("plain", "not a click")])
def test_a_broken_plugin_says_what_is_wrong_with_it(plugins, name, problem):
    done = plugins(name)

    assert done.returncode == 1
    assert done.stderr.startswith(f"layerwise: the command {name} ({name}:command) cannot be loaded: {problem}")
    assert len(done.stderr.splitlines()) == 1


def test_a_plugin_whose_extra_is_not_installed_says_what_to_install(plugins):
    done = plugins("lean")

    assert done.returncode == 1
    assert done.stderr == "layerwise: the command lean needs pip install 'plugins[all]'\n"
    assert "(needs pip install 'plugins[all]')" in plugins("--help").stdout


@pytest.mark.parametrize("library", ["click", "rich"])
def test_without_click_or_rich_the_command_says_what_to_install(library):
    code = f"""
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == {library!r} else find(name, *rest)
from layerwise_client.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert done.stderr == "layerwise: the command line needs click and rich: pip install 'layerwise[cli]'\n"


@pytest.mark.parametrize("module", ["layerwise_client", "grpc", "click", "layerwise_client.cli.predict"])
def test_ctrl_c_while_the_command_is_imported_ends_it_without_a_traceback(module):
    code = f"""
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

from layerwise_command import main
sys.meta_path.insert(0, Interrupting())
sys.argv = ["layerwise", "predict", "m", "--row", "1"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_installed_command_begins_there():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert project["scripts"]["layerwise"] == "layerwise_command:main"
