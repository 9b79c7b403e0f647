"""Targets: what the column of a table that is to be predicted is taken for, and its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise import variants
from layerwise.checks import counted, shown
from layerwise.data.whole_numbers import SeenNumbers
from layerwise.errors import Place
from layerwise.tables import FORMATS, BooleanFormat, Format, NumberFormat
from layerwise.tables.doubt import Doubt
from layerwise_service.domain.datasets import Label
from layerwise_service.domain.jobs import Task
from layerwise_service.domain.table_datasets import Cell, DatasetColumn, cells
from layerwise_service.errors import InvalidRequest

_MOST_LISTED = 10
_INEXACT = 2**53
_FEW_ROWS = 20
"""In a table of so few rows, each may well be a class of its own."""
_KINDS = ("number", "boolean", "category", "text")
Stored = NDArray[np.float64] | list[str]


@dataclass(slots=True)
class TargetValues:
    """What is known of a target's values, which `add` collects block by block."""

    rows: int = 0
    """Rows with a value."""
    left_out: int = 0
    """Rows without one."""
    numbers: SeenNumbers = field(default_factory=SeenNumbers)
    example: str | float | None = None
    """The first value."""
    varies: bool = False
    """Whether there is another."""
    texts: set[str] | None = field(default_factory=set[str])
    """All texts, as long as none comes twice."""

    def add(self, stored: Stored) -> None:
        there = has_value(stored)
        rows = int(there.sum())
        self.rows += rows
        self.left_out += len(there) - rows
        if not rows:
            return
        if isinstance(stored, list):
            texts = [text for text in stored if text]
            self.example = self.example or texts[0]
            self.varies = self.varies or any(text != self.example for text in texts)
            if self.texts is not None:
                before = len(self.texts)
                self.texts.update(texts)
                self.texts = self.texts if len(self.texts) == before + rows else None
            return
        values = stored[there]
        self.example = float(values[0]) if self.example is None else self.example
        self.varies = self.varies or bool((values != self.example).any())
        self.numbers.add(values)


def has_value(stored: Stored) -> NDArray[np.bool_]:
    """Return in which rows a stored column has a value, (rows,)."""
    if isinstance(stored, list):
        return np.array([bool(text) for text in stored], bool)
    return ~np.isnan(stored)


def decide_task(column: DatasetColumn, values: TargetValues, wanted: Task | None) -> tuple[Task, str]:
    """Return what the target is taken for, and why in words.

    Raises `InvalidRequest` if it cannot be what is wanted.
    """
    name, kind = column.name, column.kind
    if kind not in _KINDS:
        detail = f"expected a column of numbers or classes, {name!r} is one of kind {kind}: choose another column"
        raise InvalidRequest(detail, pointer="target", reason="NO_TARGET")
    if values.rows == 0:
        raise InvalidRequest(f"{name!r} has no value in any row", pointer="target", reason="NO_TARGET")
    if kind != "number":
        if wanted is Task.AMOUNT:
            raise InvalidRequest(f"{name!r} has values that are no numbers, such as {column.example!r}", pointer="task")
        return Task.CLASSES, "booleans are classes" if kind == "boolean" else "texts are classes"
    if wanted is Task.CLASSES and not values.numbers.whole:
        raise InvalidRequest(f"{name!r} has numbers with fractions, which are no classes", pointer="task")
    if wanted is not None:
        return wanted, "as asked"
    return Task.CLASSES if values.numbers.are_classes else Task.AMOUNT, values.numbers.why


def check_learnable(column: DatasetColumn, values: TargetValues) -> None:
    """Raise `InvalidRequest` for a target that is the same in all rows, or a text of its own in each of many rows."""
    detail = ""
    if not values.varies:
        detail = f"every row has the same value in {column.name!r}, such as {column.example!r}: nothing can be learnt"
    elif values.texts and values.rows > _FEW_ROWS:
        detail = f"every row has another text in {column.name!r}, such as {column.example!r}: each would be a class"
    if detail:
        raise InvalidRequest(f"{detail}; choose another column", pointer="target", reason="NO_TARGET")


def held_out_classes(target: str, counts: Mapping[Label, int]) -> Doubt:
    """Return the doubt about classes that only rows held out have, `counts` of them."""
    listed = ", ".join(f"{shown(label)} ({count:,})" for label, count in islice(counts.items(), _MOST_LISTED))
    more = f" and {len(counts) - _MOST_LISTED:,} more" if len(counts) > _MOST_LISTED else ""
    what = counted(len(counts), "class is", "classes are")
    message = f"{what} only in rows held out, and cannot be learnt: {listed}{more}. Hold out others, or leave them out"
    return Doubt("HELD_OUT_CLASSES", message, column=target)


def target_values(column: DatasetColumn, task: Task, stored: Stored) -> Sequence[Label] | NDArray[np.float32]:
    """Return the labels or the amounts in stored values of the target `column`, none of which is missing.

    The labels of booleans are the words that the file has for them, such as yes and no, or True and False.
    """
    if isinstance(stored, list):
        return stored
    if task is Task.AMOUNT:
        with np.errstate(over="ignore"):  # too large a number becomes infinite, and is refused as a target
            return stored.astype(np.float32)
    if column.kind == "boolean":
        labels = cast(BooleanFormat, variants.from_json("format", column.format, FORMATS)).labels
        return [labels[int(value)] for value in stored.tolist()]
    if len(stored):
        _check_exact(float(np.abs(stored).max()), f"the column {column.name!r}")
    return [int(value) for value in stored.tolist()]


def _check_exact(value: Any, what: str) -> None:
    """Raise `InvalidRequest` for a class that is a number that float64 does not tell from its neighbours."""
    if isinstance(value, float) and abs(value) >= _INEXACT:
        detail = f"expected numbers below {_INEXACT} as classes, {what} has {value:.0f} or a number next to it"
        detail = f"{detail}, which cannot be told apart: read the column as a category, and train on that"
        raise InvalidRequest(detail, pointer="target")


class TrueValues:
    """Reads a column of true values in the terms of a version that predicts `labels`, or numbers if these are None.

    Values are compared by their meaning. Labels that are texts are read as the cells of the column were. If they are of
    another type, the cells are read by `target_format`, in its JSON form, which the target had in training.
    """

    def __init__(
        self, column: DatasetColumn, labels: Sequence[Label] | None, target_format: Mapping[str, Any] | None = None
    ) -> None:
        self.column = column
        self._labels = labels
        form = column.format if labels and isinstance(labels[0], str) else target_format
        given = _format_of(labels) if form is None else variants.from_json("format", form, FORMATS)
        if isinstance(given, NumberFormat) and column.format.get("numeric"):
            given = NumberFormat()  # numbers of Parquet and the like, which have no signs of texts
        self._read = given.reader()
        self._wanted = given.wanted
        self._codes: dict[object, int] = {}
        for code, label in enumerate(labels or ()):
            with suppress(ValueError, OverflowError):  # a label that no cell can have
                value = self._read(label)
                _check_exact(value, "the version")
                self._codes[value] = code
        self._code_of = lru_cache(10_000)(self._code)

    def read(self, stored: Stored) -> NDArray[np.float64]:
        """Return what some stored values of the column say, (rows,): the place among the labels, or the number.

        A value that is none of the labels is -1, one that is missing is NaN. Raises `InvalidRequest`, with the row and
        the column, for one that is no number.
        """
        kind = self.column.kind
        if self._labels is not None:
            return np.array([self._code_of(cell) for cell in cells(kind, stored)], np.float64)
        if kind == "number" and not isinstance(stored, list):
            return stored
        found = np.full(len(stored), np.nan)
        for row, cell in enumerate(cells(kind, stored)):
            try:
                value = self._read(cell)
            except (ValueError, OverflowError):
                detail = f"expected {self._wanted}, got {shown(cell)}"
                raise InvalidRequest(detail, pointer=Place("rows", row, self.column.name)) from None
            found[row] = np.nan if value is None else value
        return found

    def _code(self, cell: Cell) -> float:
        if cell is None:
            return np.nan
        try:
            value = self._read(cell)
        except (ValueError, OverflowError):
            return -1.0
        return np.nan if value is None else self._codes.get(value, -1.0)


def _format_of(labels: Sequence[Label] | None) -> Format:
    """Return the format of cells that hold booleans or numbers, as these labels are."""
    return BooleanFormat() if labels and isinstance(labels[0], bool) else NumberFormat()
