"""Columns of Parquet and JSON Lines with no single value in each row: the parts of an object become columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from duckdb.sqltypes import DuckDBPyType

from layerwise.checks import shown
from layerwise.errors import Place
from layerwise.tables.doubt import Doubt
from layerwise_service.errors import InvalidRequest

_MOST_DEPTH = 16
MIXED = "JSON[]"
"""The type of a part whose values are objects or lists in some rows."""
DURATION = "DURATION"
_NESTED = {
    r"JSON\[\]": "an object or a list",
    r".*\]": "a list",
    r"STRUCT.*|MAP.*": "an object",
    "UNION.*": "a union",
    "BLOB": "bytes",
    DURATION: "a length of time",
}
"""What columns that are left out hold, by DuckDB's type."""


@dataclass(frozen=True, slots=True)
class Part:
    """A column, or a part of one that holds objects: `path` has the column's name and those of the parts down to it."""

    path: tuple[str, ...]
    type: str

    @property
    def name(self) -> str:
        """As `pandas.json_normalize` names it."""
        return ".".join(self.path)

    @property
    def nested(self) -> str:
        """What each row holds if it is no single value, else ""."""
        return next((what for form, what in _NESTED.items() if re.fullmatch(form, self.type, re.DOTALL)), "")


def parts_of(names: Sequence[str], types: Sequence[DuckDBPyType]) -> list[Part]:
    """Return the columns, and in the place of one that holds objects, their parts."""
    return [part for name, given in zip(names, types, strict=True) for part in _parts((name,), given)]


def without_nested(parts: Sequence[Part]) -> tuple[list[Part], list[Doubt]]:
    """Return the parts with a single value in each row, and what is said of the others and of objects.

    Raises `InvalidRequest` if none remains.
    """
    found = [part for part in parts if not part.nested]
    if not found:
        detail = f"expected a single value in each row, got {parts[0].nested}: {_advice(parts[0])}"
        raise InvalidRequest(detail, pointer=Place("columns", parts[0].name), reason="NESTED_COLUMN")
    first = {part.path[0]: part for part in reversed(found) if len(part.path) > 1}
    objects = [
        f"{shown(name)} holds an object in each row: its parts are columns, such as {shown(part.name)}"
        for name, part in reversed(first.items())
    ]
    left_out = [
        f"{shown(part.name)} holds {part.nested} in each row, and is left out: {_advice(part)}"
        for part in parts
        if part.nested
    ]
    return found, [Doubt("NESTED_COLUMN", said) for said in (*objects, *left_out)]


def _advice(part: Part) -> str:
    return "write it as a number of seconds" if part.type == DURATION else "make columns of what matters in it"


def _parts(path: tuple[str, ...], given: DuckDBPyType) -> Iterator[Part]:
    is_object = given.id == "struct" and len(path) < _MOST_DEPTH
    children = cast("list[tuple[str, DuckDBPyType]]", given.children) if is_object else []
    if not children:
        yield Part(path, str(given))
    for name, child in children:
        yield from _parts((*path, name), child)
