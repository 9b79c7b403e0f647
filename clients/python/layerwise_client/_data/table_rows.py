"""Rows of a table as they travel, read in blocks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, cast

from layerwise_client._data.cells import Cell, refused, text_of
from layerwise_client._data.rows import IN_RANGE
from layerwise_proto.v1 import tables_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from layerwise_client._data.targets import Chosen


@dataclass(frozen=True, slots=True, eq=False)
class TableBlock:
    """Some rows of a table, as they travel.

    `values` has for each of the `names` an array (rows,) of numbers, NaN where one is missing, or a list of texts, ""
    where one is missing, among which numbers may be. `types` says what they are: "number", "whole",
    "boolean" (the numbers 1 and 0), "category", "date" or "time", or "" for texts that may be anything.
    """

    names: tuple[str, ...]
    values: Sequence[npt.NDArray[np.float64] | list[str] | list[Cell]]
    types: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.values[0])

    def chosen(self, rows: Chosen) -> TableBlock:
        """Return the block with these of its rows."""
        if isinstance(rows, slice):
            return self
        own = rows.tolist()
        values = [list(compress(each, own)) if isinstance(each, list) else each[rows] for each in self.values]
        return replace(self, values=values)

    def message(self) -> tables_pb2.Table:
        """Return the rows as gRPC sends them."""
        table = tables_pb2.Table()
        types = self.types or ("",) * len(self.names)
        for name, type_, values in zip(self.names, types, self.values, strict=True):
            number = tables_pb2.ColumnType.Value(f"COLUMN_TYPE_{(type_ or 'unspecified').upper()}")
            column = table.columns.add(name=name, type=number)
            if not isinstance(values, list):
                column.numbers.values.extend(values.tolist())
            elif set(map(type, values)) == {str}:
                column.texts.values.extend(cast("list[str]", values))
            else:
                column.texts.values.extend(map(text_of, values))
                column.texts.typed.extend(row for row, cell in enumerate(values) if not isinstance(cell, str))
        return table

    def instances(self) -> list[dict[str, object]]:
        """Return the rows as REST sends them: objects by the names of the columns, None where a value is missing."""
        columns: list[list[object]] = []
        for values, type_ in zip(self.values, self.types or ("",) * len(self.names), strict=True):
            if isinstance(values, list):
                columns.append([None if cell == "" else cell for cell in values])
                continue
            as_json = bool if type_ == "boolean" else float
            columns.append([None if number != number else as_json(number) for number in values.tolist()])  # noqa: PLR0124
        return [dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True)]


_BINARY = 8  # bytes of a number, at most, unless it is written as text


@dataclass(frozen=True, slots=True)
class TableRows:
    """`count` rows of the columns `names`, read block by block.

    `take(start, stop)` returns these rows of every column, as in a `TableBlock`. `types` are those of a
    `TableBlock`. The columns `unnamed` had no name.
    """

    count: int
    names: tuple[str, ...]
    take: Callable[[int, int], Sequence[npt.NDArray[np.float64] | list[str] | list[Cell]]]
    types: Sequence[str] = ()
    unnamed: Collection[str] = ()

    def as_given(self) -> TableRows:
        """Return the rows with pandas' names for columns without one, so that the service knows that they had none."""
        from layerwise.tables.names import pandas_name

        names = ((name in self.unnamed and pandas_name(name)) or name for name in self.names)
        return replace(self, names=tuple(names))

    @property
    def fitted(self) -> int:
        """Number of values that an encoder is fitted on."""
        return self.count * len(self.names)

    def row_bytes(self, number_bytes: int) -> int:
        """Return the approximate size of a row in a message; over REST, where numbers are text, with the names."""
        written = number_bytes > _BINARY
        return sum(len(name) + 6 + number_bytes if written else 2 * number_bytes for name in self.names)

    def block(self, start: int, stop: int) -> TableBlock:
        """Return rows `start` to `stop`. Raises `InvalidRequest`, with row and column, for what cannot be sent."""
        values = self.take(start, stop)
        for name, each in zip(self.names, values, strict=True):
            _check(name, each, start)
        return TableBlock(self.names, values, self.types)


def _check(name: str, values: npt.NDArray[np.float64] | list[str] | list[Cell], start: int) -> None:
    """Raise an error for the first value that is infinite, out of float32's range, or not UTF-8."""
    import numpy as np

    from layerwise.tables.reading import FLOAT32_MAX

    if isinstance(values, list):
        try:
            "".join(map(str, values)).encode()
        except UnicodeEncodeError as exc:
            row = next(
                row for row, cell in enumerate(values) if any(0xD800 <= ord(each) < 0xE000 for each in str(cell))
            )
            raise refused(name, start + row, "text that UTF-8 can hold", values[row]) from exc
        return
    beyond = np.abs(values) > FLOAT32_MAX
    if beyond.any():
        row = int(np.argmax(beyond))
        wanted = "a finite number" if np.isinf(values[row]) else IN_RANGE
        raise refused(name, start + row, wanted, float(values[row]))
