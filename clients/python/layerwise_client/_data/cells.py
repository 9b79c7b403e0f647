"""Cells of a column as Python objects: their type, and the number or text of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, cast

from layerwise_client._data.places import invalid
from layerwise_client._data.rows import IN_RANGE
from layerwise_client.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Cell = str | float
Take = Callable[[int, int], list[object]]
Family = Literal["missing", "boolean", "number", "text", "date", "time"]

_ROWS = 65_536  # checked together
EXACT = 2**53
"""float64 holds whole numbers exactly up to here; larger ones would be rounded to their neighbours."""
_WORDS: dict[Family, str] = {
    "boolean": "a boolean",
    "number": "a number",
    "text": "a text",
    "date": "a date",
    "time": "a time of day",
}
_BY_VALUE = frozenset({"float", "float64", "float32", "float16", "Decimal", "datetime64"})  # NaN and NaT among them


@dataclass(frozen=True, slots=True)
class ColumnReader:
    """Reads one column in blocks of rows.

    `take(start, stop)` returns numbers (rows,), NaN where one is missing, or texts, "" where one is missing, among
    which numbers may be. `type` is "number", "whole", "boolean" (the numbers 1 and 0),
    "category", "date" or "time"; "" for texts that may be anything.
    """

    name: str
    take: Callable[[int, int], npt.NDArray[np.float64] | list[str] | list[Cell]]
    type: str = ""


def open_cells(name: str, take: Take, count: int, *, kind: str | None) -> ColumnReader:
    """Open the column `name` of `count` cells.

    They travel as numbers if all are numbers or booleans, or if `kind` (see `UncheckedTable.opened`) says so. Raises
    `InvalidRequest` with row and column.
    """
    families, whole, exact = _families(name, take, count)
    if kind == "":
        _check_mixture(name, take, count, families)

    def numbers(start: int, stop: int) -> npt.NDArray[np.float64]:
        return _numbers(name, take(start, stop), start)

    def texts(start: int, stop: int) -> list[str]:
        return _texts(name, take(start, stop), start)

    def numbers_and_texts(start: int, stop: int) -> list[Cell]:
        cells = take(start, stop)
        return [_number_or(text, cell) for cell, text in zip(cells, _texts(name, cells, start), strict=True)]

    match sorted(families - {"missing"}):
        case ["boolean"]:
            return ColumnReader(name, numbers, "boolean")
        case ["number"]:
            return ColumnReader(name, numbers if exact or kind == "number" else texts, "whole" if whole else "number")
        case ["boolean", "number"] if kind == "number":
            return ColumnReader(name, numbers, "number")
        case ["date" | "time" as single]:
            return ColumnReader(name, texts, single)
        case [_, _, *_] if kind == "number":
            return ColumnReader(name, numbers_and_texts)
        case _:
            return ColumnReader(name, texts)


def text_of(value: object) -> str:
    """Return the text of a value, "" if it is missing; dates and times in ISO 8601, 1.0 as 1."""
    import numpy as np

    if isinstance(value, str):
        return str(value)
    if family_of(value) == "missing":
        return ""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.datetime64):
        return str(value.astype("M8[s]"))
    if is_short(value):
        return text_of(short_float(value))
    if isinstance(value, np.generic):
        return text_of(cast(object, value.item()))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.strftime("%H:%M:%S")
    return str(value)


def is_short(value: object) -> bool:
    """Return whether a value is a float16 or float32 of NumPy."""
    return type(value).__name__ in ("float32", "float16")


def short_float(value: object) -> float:
    """Return a float16 or float32 with the digits of its own precision, as a file shows them: 0.1 of a float32 0.1."""
    return float(str(value))


def family_of(value: object) -> Family | None:
    """Return what a value is; None if no column can hold it."""
    family = _family_of_type(type(value))
    if family in ("number", "date") and type(value).__name__ in _BY_VALUE and value != value:  # noqa: PLR0124 – NaN, NaT
        return "missing"
    return "missing" if family == "text" and not value else family


def _family_of_type(cls: type) -> Family | None:
    import numpy as np

    if cls is type(None) or cls.__name__ in ("NAType", "NaTType"):  # of pandas
        return "missing"
    if issubclass(cls, bool | np.bool_):
        return "boolean"
    if issubclass(cls, str | bytes):
        return "text"
    if issubclass(cls, date | np.datetime64):
        return "date"
    if issubclass(cls, time):
        return "time"
    return "number" if issubclass(cls, Real | Decimal) else None


def _blocks(take: Take, count: int) -> Iterator[tuple[int, list[object]]]:
    for start in range(0, count, _ROWS):
        yield start, take(start, min(start + _ROWS, count))


def _families(name: str, take: Take, count: int) -> tuple[set[Family], bool, bool]:
    """Return the families of the cells, whether all numbers are of whole types, and whether float64 holds these."""
    families: set[Family] = set()
    whole = exact = True
    for start, cells in _blocks(take, count):
        for cls in set(map(type, cells)):
            family = _family_of_type(cls)
            if family is None:
                row = next(row for row, cell in enumerate(cells) if type(cell) is cls)
                raise refused(name, start + row, "a number, text, boolean, date or time", cells[row])
            if family not in families and (family == "text" or cls.__name__ in _BY_VALUE):
                present = {family_of(cell) for cell in cells if type(cell) is cls}
                families |= cast("set[Family]", present)
            else:
                families.add(family)
            if family == "number" and not issubclass(cls, Integral):  # NumPy's integers are integral too
                whole = False
            elif exact and family == "number":
                exact = all(-EXACT <= int(cell) <= EXACT for cell in cells if isinstance(cell, Integral))
    return families, whole, exact


def _check_mixture(name: str, take: Take, count: int, families: set[Family]) -> None:
    """Raise an error for the first cell whose type does not fit those before it.

    Text fits booleans, as another category, and numbers or dates if it can be read as one.
    """
    typed = families - {"missing", "text"}
    if len(typed) < 2 and not ("text" in families and typed & {"number", "date"}):
        return
    first: Family | None = None
    for start, cells in _blocks(take, count):
        for row, cell in enumerate(cells, start):
            family = family_of(cell)
            if family == "text" and typed & {"number", "date"}:
                wanted: Family = "number" if "number" in typed else "date"
                family = wanted if reads_as(str(cell), wanted) else "text"
            if family in (None, "missing", first):
                continue
            if first is None:
                first = family
                continue
            if {first, family} == {"boolean", "text"}:
                continue
            hint = f"; choose an encoding if they are meant, such as columns={{{name!r}: 'one_hot'}}"
            raise refused(name, row, f"{_WORDS[first]}, as in earlier rows", cell, hint)


def reads_as(text: str, family: Family) -> bool:
    """Return whether a column of numbers, or of dates, accepts `text`, also one that says that a value is missing."""
    from layerwise.tables import DateFormat, NumberFormat

    try:
        (NumberFormat() if family == "number" else DateFormat()).read(text)
    except (ValueError, OverflowError):
        return False
    return True


def _numbers(name: str, cells: list[Any], start: int) -> npt.NDArray[np.float64]:
    import numpy as np

    if set(map(type, cells)) <= {float, int, bool, type(None)}:
        try:
            return np.array(cells, dtype=np.float64)
        except OverflowError:
            pass  # refused below, with its place
    numbers = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            if family_of(cell) == "missing":
                numbers[row] = math.nan
            else:
                numbers[row] = short_float(cell) if is_short(cell) else float(cell)
        except OverflowError:
            raise refused(name, start + row, IN_RANGE, cell) from None
    return numbers


def _texts(name: str, cells: list[object], start: int) -> list[str]:
    if set(map(type, cells)) == {str}:
        return cast("list[str]", cells)
    texts: list[str] = []
    for row, cell in enumerate(cells, start):
        try:
            texts.append(text_of(cell))
        except UnicodeDecodeError:
            raise refused(name, row, "text in UTF-8", cell) from None
    return texts


def _number_or(text: str, cell: Any) -> Cell:
    """Return a cell as a finite number, if it is one or a boolean, and else as its `text`."""
    if family_of(cell) not in ("number", "boolean"):
        return text
    try:
        number = short_float(cell) if is_short(cell) else float(cell)
    except OverflowError:
        return text
    return number if math.isfinite(number) else text


def refused(name: str, row: int, wanted: str, value: object, hint: str = "") -> InvalidRequest:
    """Return the error for the value in `row` of the column `name`."""
    shown = f"{value:g}" if isinstance(value, float) else repr(value)
    got = shown if len(shown) <= 60 else f"{shown[:57]}…"
    return invalid(("X", row, name), f"expected {wanted}, got {got}{hint}")
