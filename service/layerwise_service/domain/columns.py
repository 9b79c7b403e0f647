"""The columns that a version takes, as its encoder was fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layerwise.tables import ENCODINGS

MOST_CATEGORIES = 256
"""Categories that a column comes with; the others are asked for."""


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column: what it holds, "number", "category" or "date", and its encoding, in which nothing is "auto" any more.

    `categories` are the first of those that have an output or a place of their own, in that order, if they were asked
    for; `category_count` says how many there are.
    """

    name: str
    kind: str
    encoding: Mapping[str, Any]
    categories: tuple[str, ...]
    category_count: int
    allows_missing: bool


@dataclass(frozen=True, slots=True)
class ColumnCounts:
    """How many columns of each kind there are, and how many of them may lack values."""

    numbers: int
    categories: int
    dates: int
    with_gaps: int


def column_counts(preprocessing: Mapping[str, Any]) -> ColumnCounts:
    """The columns of a fitted encoder in its JSON form, counted."""
    fitted: Sequence[Mapping[str, Any]] = preprocessing["fitted"]
    kinds = [column_kind(item) for item in fitted]
    gaps = sum(allows_missing(item) for item in fitted)
    return ColumnCounts(kinds.count("number"), kinds.count("category"), kinds.count("date"), gaps)


def column_kind(item: Mapping[str, Any]) -> str:
    """ "number", "category" or "date": what a fitted column in its JSON form reads."""
    return ENCODINGS[item["encoding"]["kind"]].reads


def allows_missing(item: Mapping[str, Any]) -> bool:
    """Whether a value of a fitted column in its JSON form may be missing."""
    return bool(item["encoding"]["missing"] != "error")
