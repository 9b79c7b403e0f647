"""Whole columns read as numbers, categories or times, with the same result as cell by cell."""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.tables.cells import ABSENT, is_missing, number_of, seconds_of, text_of
from layerwise.tables.table import RawColumn

PLAIN = frozenset({float, int, bool, type(None)})
FLOAT32_MAX = float(np.finfo(np.float32).max)
"""The largest number and output, so that networks of either dtype can take it."""
CATEGORY = "a category (text in UTF-8, a boolean or a number)"


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """The distinct categories of a column, `texts`, and the code of each row, `codes` (n,), -1 if missing."""

    codes: NDArray[np.intp]
    texts: list[str]


def read_numbers(column: RawColumn) -> NDArray[np.float64]:
    """Return the column as finite numbers (n,), NaN if missing. Raises InvalidInput at the first other cell."""
    values = column.values
    if column.categories is not None:
        values = _category_cells(column, column.categories)
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "M":
            _refuse_times(column, values, "a number")
            return np.full(len(values), np.nan)
        return _within_float32(column, values.astype(np.float64, copy=False))
    types = set(map(type, values))
    try:
        if types <= PLAIN:
            numbers = np.array(values, np.float64)
        elif types <= PLAIN | {str}:
            cells = cast(list[Any], values)
            numbers = _floats(cells)
            missing = np.flatnonzero(np.isnan(numbers)).tolist()
            wrong = any(type(cells[row]) is str and cells[row] not in ABSENT for row in missing)
            if wrong or any(type(cell) is str and "_" in cell for cell in cells):
                return _one_by_one(column, values)
        else:
            return _one_by_one(column, values)
    except (ValueError, OverflowError):
        return _one_by_one(column, values)
    return _within_float32(column, numbers)


def _floats(cells: list[Any]) -> NDArray[np.float64]:
    """Return numbers, texts and None as floats (n,). Raises ValueError."""
    try:
        return np.array([float("nan" if cell is None or cell == "" else cell) for cell in cells])
    except ValueError:  # only on demand: looking up each text costs half as much as parsing it
        return np.array([float("nan" if cell is None or cell in ABSENT else cell) for cell in cells])


def _within_float32(column: RawColumn, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `numbers`; raise InvalidInput if one exceeds float32."""
    if (beyond := np.abs(numbers) > FLOAT32_MAX).any():
        row = first_row(beyond)
        wanted = "a number within float32" if math.isfinite(numbers[row]) else "a finite number"
        raise column.bad_cell(row, wanted, column.cell(row), "NOT_FINITE")
    return numbers


def _one_by_one(column: RawColumn, values: list[object]) -> NDArray[np.float64]:
    numbers = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            numbers[row] = number_of(value)
        except ValueError:
            reason = "NOT_FINITE" if isinstance(value, int) else ""  # a whole number beyond all floats
            raise column.bad_cell(row, "a number", value, reason) from None
    return _within_float32(column, numbers)


def read_categories(column: RawColumn) -> Categories:
    """Return the categories of the column. Raises InvalidInput at a cell that is not a text, boolean or number."""
    values = column.values
    if column.categories is not None:
        codes = cast(NDArray[Any], values).astype(np.intp)
        return _merged_by_text(column, codes, list(column.categories))
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "M":
            _refuse_times(column, values, CATEGORY)
            return Categories(np.full(len(values), -1), [])
        found, inverse = np.unique(values, return_inverse=True)
        return _merged_by_text(column, inverse.astype(np.intp, copy=False), cast(list[object], found.tolist()))
    codes, different = _factorize(column, values)
    texts = all(isinstance(value, str | bytes) or is_missing(value) for value in different)
    if not texts and len(set(map(type, values))) > 1:
        # True and 1 are equal, so only the first of them is among the distinct values
        codes, different = _factorize(column, [_text_or_value(value) for value in values])
    return _merged_by_text(column, codes, different)


def _text_or_value(value: object) -> object:
    try:
        return text_of(value)
    except ValueError:
        return value


def _factorize(column: RawColumn, values: list[object]) -> tuple[NDArray[np.intp], list[object]]:
    """Return the code of each row, and the distinct values in the order of their first row."""
    found: defaultdict[object, int] = defaultdict(count().__next__)
    try:
        codes = np.fromiter(map(found.__getitem__, values), np.intp, len(values))
    except TypeError:  # an unhashable value, such as a list; NumPy's masked values are unhashable too
        for row, value in enumerate(values):
            if not _has_hash(value) and not is_missing(value):
                raise column.bad_cell(row, "a single value", value) from None
        return _factorize(column, [None if is_missing(value) else value for value in values])
    return codes, list(found)


def _has_hash(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _merged_by_text(column: RawColumn, codes: NDArray[np.intp], different: list[object]) -> Categories:
    """Merge distinct values that have the same text into one category."""
    texts: dict[str, int] = {}
    place = np.empty(len(different) + 1, np.intp)
    place[-1] = -1
    for code, value in enumerate(different):
        try:
            text = text_of(value)
            text.encode()
        except ValueError:
            row = int(np.argmax(codes == code))
            raise column.bad_cell(row, CATEGORY, column.cell(row)) from None
        place[code] = texts.setdefault(text, len(texts)) if text else -1
    if len(texts) == len(different) and "" not in texts:
        return Categories(codes, list(texts))
    return Categories(place[codes], list(texts))


def read_times(column: RawColumn) -> NDArray[np.datetime64]:
    """Return the column as datetime64[s] (n,), NaT if missing. Raises InvalidInput at the first other cell."""
    wanted = "a date (ISO 8601, as 2013-01-31 or 2013-01-31T10:00)"
    values = column.values
    if column.categories is not None:
        values = _category_cells(column, column.categories)
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "M":
            return values.astype("M8[s]")
        if values.dtype.kind == "f" and np.isnan(values).all():
            return np.full(len(values), "NaT", "M8[s]")
        values = cast(list[object], values.tolist())
    codes, different = _factorize(column, values)
    seconds = np.empty(len(different), "M8[s]")
    for code, value in enumerate(different):
        try:
            found = seconds_of(value)
        except (ValueError, OverflowError):
            row = int(np.argmax(codes == code))
            raise column.bad_cell(row, wanted, values[row]) from None
        seconds[code] = np.datetime64("NaT" if found is None else found, "s")
    return seconds[codes]


def _refuse_times(column: RawColumn, values: NDArray[Any], wanted: str) -> None:
    """Raise InvalidInput if one of the datetime64 `values` is not missing."""
    if (there := ~np.isnat(values)).any():
        row = first_row(there)
        raise column.bad_cell(row, wanted, values[row])


def _category_cells(column: RawColumn, categories: tuple[object, ...]) -> list[object]:
    """Return a categorical column as a list of cells."""
    lookup = [*categories, None]
    return [lookup[code] for code in cast(list[int], cast(NDArray[Any], column.values).tolist())]


def first_row(wrong: NDArray[np.bool_]) -> int:
    """Return the first row that is true."""
    return int(np.argmax(wrong))


def is_empty(column: RawColumn) -> bool:
    """Return whether every value of the column is missing."""
    values = column.values
    if column.categories is not None:
        return bool((cast(NDArray[Any], values) < 0).all())
    if isinstance(values, np.ndarray):
        return values.dtype.kind in "fM" and bool(np.isnan(values).all())
    return all(map(cast(Callable[[object], bool], is_missing), values))
