"""The tables of docs/training.md and docs/format.md name every class and field of the library, and no other."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from layerwise import Architecture, EarlyStopping, Layer, Plan
from layerwise.activations import ACTIVATIONS
from layerwise.initializers import INITIALIZERS
from layerwise.losses import LOSSES
from layerwise.optimizers import OPTIMIZERS
from layerwise.optimizers.schedules import SCHEDULES

DOCS = Path(__file__).parents[2] / "docs"
TRAINING, FORMAT = ((DOCS / name).read_text() for name in ("training.md", "format.md"))
VALUES = {"weston_watkins", "one_vs_rest", "validation_loss"}
"""Values of fields in the tables of classes."""


def names(text: str) -> list[str]:
    """The names between backticks."""
    return re.findall(r"`([a-z]\w*)`", text)


def table(heading: str) -> Iterator[tuple[list[str], str]]:
    """The names in the first cell of each row below `heading`, and the text of the other cells."""
    _, found, rest = TRAINING.partition(f"\n{heading}")
    assert found, heading
    for line in rest.partition("\n\n")[0].splitlines()[2:]:
        first, other = line.strip("|").split("|", 1)
        yield names(first), other


def own_fields(cls: type[Any]) -> set[str]:
    return {field.name for field in fields(cls)}


@pytest.mark.parametrize(
    ("heading", "classes"),
    [
        ("| activation | a = |", ACTIVATIONS),
        ("| loss | for |", LOSSES),
        ("| optimizer | options |", OPTIMIZERS),
        ("| schedule | options |", SCHEDULES),
    ],
)
def test_the_tables_of_classes_have_every_class_with_its_fields(heading: str, classes: Mapping[str, type[Any]]) -> None:
    written: set[str] = set()
    before: set[str] = set()
    for kinds, text in table(heading):
        own = set().union(*(own_fields(classes[kind]) for kind in kinds))
        named = set(names(text)) - VALUES - (classes.keys() - own)
        assert named <= own, kinds
        missing = own - named
        assert not missing or ("the same" in text and missing <= before), kinds
        written |= set(kinds)
        before = own

    assert written | {"constant"} >= classes.keys()


@pytest.mark.parametrize(
    ("heading", "cls"),
    [("| field | default | |\n|---|---|---|\n| `inputs`", Architecture), ("| field of a layer |", Layer)],
)
def test_the_tables_of_an_architecture_have_every_field(heading: str, cls: type[Any]) -> None:
    start = heading.partition("\n")[0]

    assert {name for kinds, _ in table(start) for name in kinds} == own_fields(cls)


def test_the_table_of_a_plan_has_every_option() -> None:
    plan = TRAINING.partition("\n## Plan\n")[2].partition("\n\n")[0]

    assert {name for line in plan.splitlines()[2:] for name in names(line.split("|")[1])} == own_fields(Plan)
    (stopping,) = (line for line in plan.splitlines() if line.startswith("| `early_stopping`"))
    assert set(re.findall(r'"(\w+)":', stopping)) == own_fields(EarlyStopping)


def test_every_initializer_is_documented() -> None:
    (line,) = (line for line in TRAINING.splitlines() if line.startswith("| `initializer`"))

    assert set(names(line.split("|")[3])) | set(re.findall(r'"kind": "(\w+)"', line)) == INITIALIZERS.keys()


@pytest.mark.parametrize(("field", "cls"), [("plan", Plan), ("architecture", Architecture)])
def test_the_manifest_of_a_model_file_has_every_field(field: str, cls: type[Any]) -> None:
    (line,) = (line for line in FORMAT.splitlines() if line.startswith(f"| `{field}` |"))
    wanted = own_fields(cls) | (own_fields(Layer) if cls is Architecture else set())

    assert set(names(line.partition("|")[2].split("|")[1])) == wanted


@pytest.mark.parametrize("classes", [ACTIVATIONS, LOSSES], ids=["activations", "losses"])
def test_the_page_of_the_format_has_every_class_with_its_fields(classes: Mapping[str, type[Any]]) -> None:
    page = set(names(FORMAT))

    assert classes.keys() | set().union(*map(own_fields, classes.values())) <= page
