"""The columns that a version takes, as described by its fitted encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layerwise.tables import ENCODINGS

MOST_CATEGORIES = 256
"""Categories that are listed with a column; the rest comes in pages of their own."""


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column: its kind ("number", "category", "date" or "text") and its encoding, with every "auto" decided.

    `categories` are the first that have an output or a rank of their own, in that order, or empty if they were not
    asked for; `category_count` is the number of all.
    """

    name: str
    kind: str
    encoding: Mapping[str, Any]
    categories: tuple[str, ...]
    category_count: int
    allows_missing: bool


@dataclass(frozen=True, slots=True)
class ColumnCounts:
    """How many columns of each kind there are, and how many have an output for missing values, as training had some."""

    numbers: int
    categories: int
    dates: int
    with_gaps: int
    texts: int = 0


def column_counts(preprocessing: Mapping[str, Any]) -> ColumnCounts:
    """Count the columns of a fitted encoder in its JSON form."""
    fitted: Sequence[Mapping[str, Any]] = preprocessing["fitted"]
    kinds = [column_kind(item) for item in fitted]
    gaps = sum(item["encoding"]["missing"] in ("indicator", "own") for item in fitted)
    numbers, categories, dates, texts = (kinds.count(kind) for kind in ("number", "category", "date", "text"))
    return ColumnCounts(numbers, categories, dates, gaps, texts)


def column_kind(item: Mapping[str, Any]) -> str:
    """Return the kind of a fitted column in its JSON form: "number", "category", "date" or "text"."""
    return ENCODINGS[item["encoding"]["kind"]].reads


def allows_missing(item: Mapping[str, Any]) -> bool:
    """Return whether values of a fitted column, in its JSON form, may be missing."""
    return bool(item["encoding"]["missing"] != "error")
