"""Whole columns read as numbers, categories or times, with the same result as cell by cell."""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.tables.cells import is_missing
from layerwise.tables.format import Format, numbers_in
from layerwise.tables.formats import BooleanFormat, CategoryFormat, DateFormat, NumberFormat, TimeFormat
from layerwise.tables.table import RawColumn

NUMBERS = frozenset({float, int, bool, type(None)})
FLOAT32_MAX = float(np.finfo(np.float32).max)
"""The largest number and output, so that networks of either dtype can take it."""


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """The distinct categories of a column, `texts`, and the code of each row, `codes` (n,), -1 if missing."""

    codes: NDArray[np.intp]
    texts: list[str]


def read_numbers(column: RawColumn, form: NumberFormat | BooleanFormat) -> NDArray[np.float64]:
    """Return the column as finite numbers (n,), NaN if missing. Raises InvalidInput at the first other cell."""
    values = column.values
    if column.categories is None:
        if isinstance(values, np.ndarray):
            if values.dtype.kind == "M":
                _refuse_times(column, values, form.wanted)
                return np.full(len(values), np.nan)
            return _checked(column, values.astype(np.float64, copy=False), form)
        if (numbers := column.numbers if column.numbers is not None else plain_numbers_in(values, form)) is not None:
            return _checked(column, numbers, form)
    codes, different = read_distinct(column, form)
    return _checked(column, np.array([math.nan if number is None else number for number in different])[codes], form)


def plain_numbers_in(cells: list[Any], form: NumberFormat | BooleanFormat) -> NDArray[np.float64] | None:
    """Return numbers, and texts in plain notation, as floats (n,); None if there are other cells."""
    types = set(map(type, cells))
    try:
        if types <= NUMBERS:
            return np.array(cells, np.float64)
        if not types <= NUMBERS | {str} or not isinstance(form, NumberFormat) or not is_plain(form):
            return None
        texts = cells if types == {str} else [cell for cell in cells if type(cell) is str]
        if "_" in (text := "".join(texts)) or not text.isascii():
            return None  # float() would read 1_000, and digits of every script
        numbers = _floats(cells, frozenset(form.gaps))
    except (ValueError, OverflowError):
        return None
    missing = np.flatnonzero(np.isnan(numbers)).tolist()
    odd = any(type(cells[row]) is str and cells[row].strip() not in form.gaps for row in missing)
    return None if odd else numbers


def _floats(cells: list[Any], gaps: frozenset[str]) -> NDArray[np.float64]:
    """Return numbers, texts and None as floats (n,). Raises ValueError."""
    try:
        return np.array([float("nan" if cell is None or cell == "" else cell) for cell in cells])
    except ValueError:  # only on demand: looking up each text costs half as much as parsing it
        return np.array([float("nan" if cell is None or cell in gaps else cell) for cell in cells])


@lru_cache(maxsize=256)
def is_plain(form: NumberFormat) -> bool:
    """Return whether float() reads all texts of numbers as `form` does: plain notation, and no number is a gap."""
    if form.thousands or form.unit or form.decimal != ".":
        return False
    for word in form.gaps:
        try:
            if not math.isnan(float(word)):
                return False
        except ValueError:
            continue
    return True


def _checked(
    column: RawColumn, numbers: NDArray[np.float64], form: NumberFormat | BooleanFormat
) -> NDArray[np.float64]:
    """Return `numbers`, NaN for those that mean a gap.

    Raises InvalidInput if one exceeds float32, or is neither true nor false in a boolean column.
    """
    if gaps := numbers_in(form.gaps):
        numbers = np.where(np.isin(numbers, gaps), np.nan, numbers)
    if (beyond := np.abs(numbers) > FLOAT32_MAX).any():
        row = first_row(beyond)
        wanted = "a number within float32" if math.isfinite(numbers[row]) else "a finite number"
        raise column.bad_cell(row, wanted, column.cell(row), "NOT_FINITE")
    if isinstance(form, BooleanFormat) and (odd := ~np.isnan(numbers) & (numbers != 0) & (numbers != 1)).any():
        raise column.unreadable_cell(first_row(odd), form.wanted)
    return numbers


def read_categories(column: RawColumn, form: CategoryFormat | BooleanFormat) -> Categories:
    """Return the categories of the column. Raises InvalidInput at a cell that is not a text, boolean or number."""
    values = column.values
    if column.categories is not None:
        codes = cast(NDArray[Any], values).astype(np.intp)
        return _merged_by_text(column, codes, list(column.categories), form)
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "M":
            _refuse_times(column, values, form.wanted)
            return Categories(np.full(len(values), -1), [])
        found, inverse = np.unique(values, return_inverse=True)
        short = found.dtype.kind == "f" and found.dtype.itemsize < 8
        different: list[object] = list(found) if short else found.tolist()
        return _merged_by_text(column, inverse.astype(np.intp, copy=False), different, form)
    codes, different = factorized(column, values, form.wanted)
    if not _are_texts(different) and len(set(map(type, values))) > 1:
        # True and 1 are equal, so only the first of them is among the distinct values
        codes, different = factorized(
            column, [_text_or_value(value, form.category_reader()) for value in values], form.wanted
        )
    return _merged_by_text(column, codes, different, form)


def coded(column: RawColumn) -> RawColumn:
    """Return a column of texts as a categorical one, whose distinct cells are then read once; others as they are."""
    if column.categories is not None or isinstance(column.values, np.ndarray):
        return column
    codes, different = factorized(column, column.values, "a single value")
    return replace(column, values=codes, categories=tuple(different)) if _are_texts(different) else column


def _are_texts(different: list[object]) -> bool:
    """Return whether distinct values are texts or missing. Among others, True and 1 would be equal."""
    return all(isinstance(value, str | bytes) or is_missing(value) for value in different)


def _text_or_value(value: object, read: Callable[[object], str | None]) -> object:
    try:
        return read(value)
    except ValueError:
        return value


def factorized(column: RawColumn, values: list[object], wanted: str) -> tuple[NDArray[np.intp], list[object]]:
    """Return the code of each row, and the distinct values in the order of their first row.

    Raises InvalidInput at a cell that is not a single value, such as a list.
    """
    found: defaultdict[object, int] = defaultdict(count().__next__)
    try:
        codes = np.fromiter(map(found.__getitem__, values), np.intp, len(values))
    except TypeError:  # an unhashable value, such as a list; NumPy's masked values are unhashable too
        for row, value in enumerate(values):
            if not _has_hash(value) and not is_missing(value):
                raise column.unreadable_cell(row, wanted) from None
        return factorized(column, [None if is_missing(value) else value for value in values], wanted)
    return codes, list(found)


def _has_hash(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _merged_by_text(
    column: RawColumn, codes: NDArray[np.intp], different: list[object], form: CategoryFormat | BooleanFormat
) -> Categories:
    """Merge distinct values that have the same text into one category."""
    texts: dict[str, int] = {}
    place = np.empty(len(different) + 1, np.intp)
    place[-1] = -1
    read = form.category_reader()
    for code, value in enumerate(different):
        try:
            text = read(value)
            if text is not None:
                text.encode()
        except ValueError:
            raise column.unreadable_cell(first_row(codes == code), form.wanted) from None
        place[code] = -1 if text is None else texts.setdefault(text, len(texts))
    if len(texts) == len(different):
        return Categories(codes, list(texts))
    return Categories(place[codes], list(texts))


def read_times(column: RawColumn, form: DateFormat | TimeFormat) -> NDArray[np.datetime64]:
    """Return the column as datetime64[s] (n,), NaT if missing; a time of day is one of 1970-01-01.

    Raises InvalidInput at the first other cell.
    """
    values = column.values
    if column.categories is None and isinstance(values, np.ndarray):
        if values.dtype.kind == "M":
            if isinstance(form, DateFormat):
                return values.astype("M8[s]")
            _refuse_times(column, values, form.wanted)
            return np.full(len(values), "NaT", "M8[s]")
        if values.dtype.kind == "f" and np.isnan(values).all():
            return np.full(len(values), "NaT", "M8[s]")
    codes, different = read_distinct(column, form)
    seconds = np.empty(len(different), "M8[s]")
    for code, found in enumerate(different):
        seconds[code] = np.datetime64("NaT" if found is None else found, "s")
    return seconds[codes]


def read_distinct(column: RawColumn, form: Format) -> tuple[NDArray[np.intp], list[Any]]:
    """Return a code for each row and the value of each code, None for a gap. Raises InvalidInput."""
    if column.categories is not None:
        codes, different = cast(NDArray[Any], column.values).astype(np.intp), [*column.categories]
        if (codes < 0).any():
            different.append(None)
    else:
        cells = column.values.tolist() if isinstance(column.values, np.ndarray) else column.values
        codes, different = factorized(column, cells, form.wanted)
    read = form.reader()
    found: list[Any] = []
    for code, value in enumerate(different):
        try:
            found.append(read(value))
        except (ValueError, OverflowError):
            if column.categories is not None and not (codes == code).any():
                found.append(None)  # a category that no row has
                continue
            # a whole number beyond all floats is one, but not finite
            reason = "NOT_FINITE" if isinstance(value, int) and form.kind == "number" else ""
            raise column.unreadable_cell(first_row(codes == code), form.wanted, reason) from None
    return codes, found


def _refuse_times(column: RawColumn, values: NDArray[Any], wanted: str) -> None:
    """Raise InvalidInput if one of the datetime64 `values` is not missing."""
    if (there := ~np.isnat(values)).any():
        row = first_row(there)
        raise column.bad_cell(row, wanted, values[row])


def first_row(wrong: NDArray[np.bool_]) -> int:
    """Return the first row that is true."""
    return int(np.argmax(wrong))
