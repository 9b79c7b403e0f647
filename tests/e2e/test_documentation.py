"""What the documentation tells a reader to type works, in its order, against a service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.running import Service, running_service

ROOT = Path(__file__).parents[2]
# README.md first: it trains the models that others ask. docs/format.md is held by the core's tests, docs/notes.md by
# test_notes.py: it needs no service.
PAGES = ["README.md", "docs/client.md", "docs/training.md", "docs/tables.md", "docs/metrics.md", "docs/evaluation.md"]
PAGES += [
    "docs/sklearn.md",
    "docs/interchange.md",
    "docs/rest.md",
    "docs/dialects.md",
    "docs/oip.md",
    "docs/operations.md",
]
# bash: commands of a fresh machine, which other tests run (clone, make demo, docker-compose)
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run(language: str, code: str, service: Service, folder: Path) -> str:
    code = code.replace("http://127.0.0.1:8000", service.rest).replace("127.0.0.1:50051", service.rpc)
    environment = os.environ | {
        "LAYERWISE_RPC_ADDRESS": service.rpc,
        "LAYERWISE_REST_ADDRESS": service.rest.removeprefix("http://"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = [sys.executable, "-"] if language == "python" else ["bash", "-euo", "pipefail", "-"]
    ended = subprocess.run(
        command, input=code, env=environment, cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, f"{code}\n{ended.stdout}\n{ended.stderr}"
    assert not re.search('about:blank|^{"error', ended.stdout, re.MULTILINE), ended.stdout  # no problem+json
    return ended.stdout


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A new one, as a reader has it: the versions are those that the pages tell."""
    with running_service(tmp_path_factory.mktemp("service") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, service: Service) -> Path:
    """Where a reader works: he has run the demo."""
    made = tmp_path_factory.mktemp("reader")
    run("sh", "layerwise train digits --hidden 64 --epochs 30 --model digits", service, made)
    return made


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_tells_to_type_works(page: str, service: Service, folder: Path) -> None:
    blocks = BLOCK.findall((ROOT / page).read_text())

    assert blocks
    shell = [code for language, code in blocks if language == "sh"]
    python = [code for language, code in blocks if language == "python"]
    if python:
        run("python", "\n".join(python), service, folder)  # one page is one session
    for code in shell:
        run("sh", code, service, folder)


def test_the_readmes_digit_is_told_as_the_zero_that_it_is(service: Service, folder: Path) -> None:
    blocks = [
        code for _, code in BLOCK.findall((ROOT / "README.md").read_text()) if "digits" in code and "curl" in code
    ]

    assert '"predictions":[0]' in run("sh", blocks[0], service, folder)


def test_every_setting_and_command_is_documented() -> None:
    from layerwise_service.settings import Settings

    text = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])

    assert [name for name in Settings.__struct_fields__ if f"`{name}`" not in text] == []
    for command in (
        "serve",
        "rest",
        "rpc",
        "worker",
        "config",
        "healthcheck",
        "adopt",
        "train",
        "predict",
        "jobs",
        "models",
        "export",
        "backup",
        "restore",
    ):
        assert re.search(rf"layerwise {command}\b", text), command


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            path, _, heading = target.partition("#")
            if path.startswith("https:"):
                continue
            file = page.parent / path if path else page
            assert file.exists(), f"{page.name}: {target}"
            assert not heading or heading in anchors(file.read_text()), f"{page.name}: {target}"


def anchors(text: str) -> set[str]:
    """Return the names by which links reach the headings of a document."""
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
