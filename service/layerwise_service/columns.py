"""The columns that a version takes, as its encoder was fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from layerwise.tables import ENCODINGS

MOST_CATEGORIES = 256  # told of a column


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column: what it holds, "number", "category" or "date", and its encoding, in which nothing is "auto" any more.

    `categories` are the first of those that have an output or a place of their own, in that order; `category_count`
    says how many there are.
    """

    name: str
    kind: str
    encoding: Mapping[str, Any]
    categories: tuple[str, ...]
    category_count: int
    allows_missing: bool


def columns_of(preprocessing: Mapping[str, Any] | None) -> tuple[ColumnInfo, ...]:
    """The columns of a fitted encoder in its JSON form, in their order; none without an encoder."""
    return tuple(_column(item) for item in (preprocessing or {}).get("fitted") or ())


def _column(item: Mapping[str, Any]) -> ColumnInfo:
    encoding, categories = item["encoding"], item.get("categories", ())
    return ColumnInfo(
        item["name"],
        ENCODINGS[encoding["kind"]].reads,
        encoding,
        tuple(categories[:MOST_CATEGORIES]),
        len(categories),
        encoding["missing"] != "error",
    )
