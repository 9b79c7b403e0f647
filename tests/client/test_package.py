"""What the package shows, and what it must not pull in."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import layerwise_client
from layerwise_client import errors


def test_every_public_name_exists_and_no_other_is_shown():
    public = {name for name in vars(layerwise_client) if not name.startswith("_") and name not in _modules()}

    assert public | {"datasets"} == set(layerwise_client.__all__)


@pytest.mark.parametrize("module", ["layerwise_client", "layerwise_client.cli", "layerwise_client.datasets"])
def test_an_import_pulls_in_none_of_the_heavy_libraries(module):
    heavy = ("layerwise", "numpy", "pandas", "flask", "click", "rich")
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_hierarchy_drawn_in_the_docstring_is_the_one_in_the_code():
    drawn = set(re.findall(r"^\W*([A-Z]\w+)", errors.__doc__.split("\n", 2)[2], re.MULTILINE))
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}

    assert drawn == defined
    assert all(issubclass(getattr(errors, name), errors.LayerwiseError) for name in defined)


def test_no_key_is_taken_for_a_channel_that_anybody_can_read():
    with pytest.raises(TypeError, match="api_key"):
        layerwise_client.Client("127.0.0.1:1", api_key="secret")  # type: ignore[call-arg]


def _modules() -> set[str]:
    return {name.split(".")[1] for name in sys.modules if name.startswith("layerwise_client.")}


def test_the_documentation_names_every_public_name_of_the_client_and_every_command():
    text = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
    shown = {name for kind in (layerwise_client.Client, layerwise_client.Job) for name in vars(kind) if name[0] != "_"}
    shown |= {name for name, value in vars(errors).items() if isinstance(value, type)}
    shown |= {f"layerwise {command}" for command in ("train", "predict", "jobs", "models", "datasets")}

    assert {name for name in shown - {"close"} if name not in text} == set()


def test_the_documentation_names_every_option_of_train_and_predict():
    from layerwise_client.cli.predict import predict
    from layerwise_client.cli.train import train

    text = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
    options = {option.opts[0] for command in (train, predict) for option in command.params if option.opts[0][0] == "-"}

    assert {option for option in options if option not in text} == {"--follow"}  # --no-follow is what one writes
