"""CSV files with a header, read as float32 rows and a target column.

Cells go into one compact array as they are read, so a file takes 4 bytes a number and little more. Rows are counted as
editors count lines: the header is row 1.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple

from layerwise_client.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Task = Literal["classification", "regression"]

_FIRST = 2  # row number of the first row below the header
_CHECK_ROWS = 65_536
_SCALE_ROWS = 10_000
_FAR = 10.0
_MANY_CLASSES = 50
_FEW_ROWS = 10  # of a class: with fewer it can hardly be learnt


@dataclass(frozen=True, slots=True)
class Table:
    """`X` (rows, features) float32, its column names, and the target's cells as text, None without a target column."""

    name: str
    columns: tuple[str, ...]
    X: npt.NDArray[np.float32]
    target: str | None
    cells: list[str] | None


class Scale(NamedTuple):
    """Mean and standard deviation of a column."""

    column: str
    mean: float
    deviation: float


def read(data: BinaryIO, name: str, *, target: str | None) -> Table:
    """The table in `data`, a file opened for its bytes; errors name the file, the row and the column.

    Raises `InvalidRequest`.
    """
    text = TextIOWrapper(data, encoding="utf-8-sig", newline="")  # Excel puts a byte order mark before the first name
    try:
        return _read(_rows(csv.reader(text, skipinitialspace=True, strict=True), name), name, target)
    finally:
        text.detach()  # whoever opened the file closes it


def _read(rows: Iterator[list[str]], name: str, target: str | None) -> Table:
    import numpy as np

    header = [cell.strip() for cell in next(rows, list[str]())]
    _check_header(header, name, target)
    place = None if target is None else header.index(target)
    columns = tuple(header if place is None else header[:place] + header[place + 1 :])
    numbers, cells = array("f"), list[str]()
    for row, values in enumerate(rows, _FIRST):
        if len(values) != len(header):
            raise InvalidRequest(f"{name} row {row}: expected {len(header)} columns, got {len(values)}")
        if place is not None:
            cells.append(values.pop(place).strip())
        try:
            if "_" in "".join(values):  # Python reads 1_000 as a number
                raise ValueError
            numbers.extend(map(float, values))
        except ValueError:
            column = next(index for index, value in enumerate(values) if _number(value) is None)
            raise _unreadable(name, row, columns[column], values[column]) from None
    if not numbers:
        raise InvalidRequest(f"{name}: no rows below the header", reason="EMPTY_BATCH")
    X = np.frombuffer(numbers, dtype=np.float32).reshape(-1, len(columns))
    _check_finite(X, name, columns)
    return Table(name, columns, X, target, None if target is None else cells)


def targets(table: Table, task: Task | None) -> npt.NDArray[Any]:
    """The target column as labels, int64 or text, or as numbers, float64.

    `task` forces which; without it whole numbers and text are labels, other numbers are numbers. Raises
    `InvalidRequest` where whole numbers could be either: more than 50 different ones, and more than one in ten rows.
    """
    import numpy as np

    cells = table.cells or []
    for row, cell in enumerate(cells, _FIRST):
        if not cell:
            raise InvalidRequest(f"{table.name} row {row}, column {table.target}: expected a value, got nothing")
    if task != "regression" and all(_WHOLE.fullmatch(cell) for cell in cells):
        labels = np.array([int(cell) for cell in cells])
        if task is None:
            _refuse_amounts(table, labels)
        return labels
    numbers = [_number(cell) for cell in cells]
    text = next((index for index, cell in enumerate(cells) if numbers[index] is None or _CODE.match(cell)), None)
    if task == "regression" and text is not None:
        raise _unreadable(table.name, text + _FIRST, table.target, cells[text])
    if text is not None:
        return np.array(cells)
    values = np.array(numbers, dtype=np.float64)
    if task == "classification":
        whole = np.all((values % 1 == 0) & (np.abs(values) < 2**63))
        return values.astype(np.int64) if whole else np.array(cells)
    return values


def unscaled(table: Table) -> Scale | None:
    """The column that is farthest from mean 0 and deviation 1, if it is far: deviation above 10, or mean 10 times it.

    Looks at 10,000 rows, spread over the table; a column that never changes has no scale.
    """
    import numpy as np

    rows = table.X[:: 1 + len(table.X) // _SCALE_ROWS].astype(np.float64)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    changes = deviation > np.abs(mean) * 1e-6  # float32 holds no smaller changes
    far = np.where(changes, np.maximum(deviation, np.abs(mean) / np.where(changes, deviation, 1.0)), 0.0)
    worst = int(far.argmax())
    if far[worst] <= _FAR:
        return None
    return Scale(table.columns[worst], float(mean[worst]), float(deviation[worst]))


def _refuse_amounts(table: Table, labels: npt.NDArray[Any]) -> None:
    """Raises where whole numbers are so many different ones that they look like amounts rather than classes."""
    different = len(set(labels.tolist()))
    if different > _MANY_CLASSES and different * _FEW_ROWS > len(labels):
        raise InvalidRequest(
            f"{table.name} column {table.target}: {different} different whole numbers in {len(labels)} rows; "
            "pass --task regression if they are amounts, --task classification if each is a class",
            reason="AMBIGUOUS_TARGET",
        )


_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")  # of 64 bits
_CODE = re.compile(r"-?0\d|-?nan|[-+]?inf", re.IGNORECASE)  # 007 is a name, and infinity no target


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _rows(reader: Iterator[list[str]], name: str) -> Iterator[list[str]]:
    """The reader's rows without empty ones at the end; its errors as ours."""
    row = 0
    empty = 0
    try:
        for row, values in enumerate(reader, 1):
            if not values:
                empty = empty or row
                continue
            if empty:
                raise InvalidRequest(f"{name} row {empty} is empty")
            yield values
    except csv.Error as exc:
        raise InvalidRequest(f"{name} row {row + 1}: not CSV ({exc})") from exc
    except UnicodeDecodeError as exc:
        raise InvalidRequest(
            f"{name} after row {row}: expected UTF-8 text, got byte {exc.object[exc.start]:#x}"
        ) from exc


def _check_header(header: Sequence[str], name: str, target: str | None) -> None:
    if not header:
        raise InvalidRequest(f"{name} is empty; expected a header with column names, and rows below it")
    if len(header) == 1 and (separator := next((each for each in ";\t|" if each in header[0]), None)):
        raise InvalidRequest(f"{name}: columns are separated by {separator!r}; expected commas")
    # pandas names columns 0, 1, 2 …; any other row of numbers is one of data.
    if all(_number(cell) is not None for cell in header) and header != [str(index) for index in range(len(header))]:
        raise InvalidRequest(f"{name} row 1: expected a header with column names, got numbers")
    for index, column in enumerate(header):
        if not column:
            raise InvalidRequest(f"{name} row 1: column {index + 1} has no name")
        if column in header[:index]:
            raise InvalidRequest(f"{name} row 1: two columns have the name {column}")
    if target is not None and target not in header:
        raise InvalidRequest(f"{name} has no column {target}; its columns are {', '.join(header)}")
    if target is not None and len(header) == 1:
        raise InvalidRequest(f"{name} has no column beside the target {target}")


def _check_finite(X: npt.NDArray[np.float32], name: str, columns: Sequence[str]) -> None:
    import numpy as np

    for start in range(0, len(X), _CHECK_ROWS):
        wrong = np.argwhere(~np.isfinite(X[start : start + _CHECK_ROWS]))
        if len(wrong):
            row, column = (int(index) for index in wrong[0])
            raise InvalidRequest(
                f"{name} row {start + row + _FIRST}, column {columns[column]}: "
                f"expected a finite number within float32's range (±3.4e38), got {X[start + row, column]}"
            )


def _unreadable(name: str, row: int, column: str | None, value: str) -> InvalidRequest:
    got = f"{value[:37]}…" if len(value) > 40 else value
    return InvalidRequest(f"{name} row {row}, column {column}: expected a number, got {got!r}")
