"""docs/architecture.md says where things are: what it names is there, and its table is that of the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
SOURCES = ("core/layerwise", "service/layerwise_service", "clients/python/layerwise_client", "proto/layerwise_proto")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.partition("| to add |")[2].splitlines()[2:]
    if line.startswith("|")
]


def sources() -> dict[str, str]:
    """The text of every source file by its path, without what protoc generates."""
    paths = [path for folder in SOURCES for ending in ("py", "proto") for path in (ROOT / folder).rglob(f"*.{ending}")]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths if "_pb2" not in path.name}


def paths(text: str) -> set[str]:
    return set(re.findall(r"`([a-z_]+/[\w/.]+)`", text))


def test_every_file_it_names_exists() -> None:
    named = {path for path in paths(TEXT) if path.split("/")[0] in {"core", "service", "clients", "proto", "docs"}}

    assert len(named) > 50
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_method_it_names_exists() -> None:
    code = "\n".join(sources().values())

    methods = set(re.findall(r"`([A-Z]\w+)\.([a-z]\w+)`", TEXT))
    assert len(methods) > 8
    for owner, method in methods:
        defined = re.search(rf"^class {owner}\b.*?(?=^class |^def |\Z)", code, re.MULTILINE | re.DOTALL)
        assert defined, owner
        assert f"def {method}(" in defined[0], f"{owner}.{method}"


def test_every_package_is_drawn() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    drawn: set[str] = set()
    for box in re.findall(r"^```\n(\w+/\S*/\n.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        for left in re.findall(r"^  (\S.*?)(?: {3,}|$)", box, re.MULTILINE):
            drawn.update(re.findall(r"\w+", left.replace(".py", "")))
    for contract in contracts:
        for line in contract.get("layers", ()):
            for name in re.findall(r"\w+", line):
                assert name in drawn, name


@pytest.mark.parametrize("row", [row for row in ROWS if row[1]], ids=lambda row: row[0])
def test_the_files_that_have_an_example_are_those_of_its_row(row: list[str]) -> None:
    example, code = row[1].strip("`"), sources()
    classes = re.findall(
        rf'^class (\w+)\((?:(?!^class ).)*?^    kind = "{example}"', "\n".join(code.values()), re.M | re.S
    )
    word = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, [example, *classes]))})(?![\w-])")

    found = {path for path, text in code.items() if word.search(text)}

    needed, optional = ({path for path in paths(cell) if path.startswith(SOURCES)} for cell in row[2:4])
    assert sorted(needed - found) == []
    assert sorted(found - needed - optional) == []
