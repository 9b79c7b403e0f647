"""Parts of a date as ONNX operators on integers.

Year, month and day of the Gregorian calendar follow from the days since 1970, with years that begin in March, so that
the leap day is last: 400 years have 146,097 days, 100 have 36,524, and 4 have 1,461. Hinnant 2013, chrono-Compatible
Low-Level Date Algorithms.
"""

import numpy as np
from onnx import TensorProto

from layerwise.onnx.graph import Graph
from layerwise.tables.date_column import DateColumn, lookup_arrays

NO_TIME = -(2**63)
"""NaT as an integer."""
DAYS_BEFORE = 719_468
"""Days from 1 March of the year 0 to 1 January 1970."""


class IntegerValue:
    """An int64 value (rows, 1) of `graph` with Python's arithmetic operators; // needs positive numbers."""

    def __init__(self, graph: Graph, value: str) -> None:
        self.graph, self.value = graph, value

    def __add__(self, other: "IntegerValue | int") -> "IntegerValue":
        return self._of("Add", other)

    def __sub__(self, other: "IntegerValue | int") -> "IntegerValue":
        return self._of("Sub", other)

    def __mul__(self, other: int) -> "IntegerValue":
        return self._of("Mul", other)

    def __floordiv__(self, other: int) -> "IntegerValue":
        return self._of("Div", other)

    def __mod__(self, other: int) -> "IntegerValue":
        return self._of("Mod", other)

    def __lt__(self, other: int) -> "IntegerValue":
        """Return 1 where the value is less, else 0."""
        less = self.graph.node("Less", self.value, self.graph.integers(other))
        return IntegerValue(self.graph, self.graph.node("Cast", less, to=TensorProto.INT64))

    def _of(self, operator: str, other: "IntegerValue | int") -> "IntegerValue":
        second = other.value if isinstance(other, IntegerValue) else self.graph.integers(other)
        return IntegerValue(self.graph, self.graph.node(operator, self.value, second))


def date_values(graph: Graph, seconds: str, column: DateColumn) -> str:
    """Return the outputs (rows, k) of all parts of the times `seconds` (rows, 1), int64, from the year 1 on."""
    parts = calendar(IntegerValue(graph, seconds))
    found: list[str] = []
    for part in column.encoding.parts:
        value, name = parts[part.removesuffix("_cycle")], f"{column.name}/{part}"
        if part == "year":
            year = graph.node("Cast", value.value, to=TensorProto.DOUBLE)
            centred = graph.node("Sub", year, graph.double(column.shift))
            found.append(graph.node("Div", centred, graph.double(column.scale), name=name))
        else:
            table = graph.array(f"{name} table", np.column_stack(lookup_arrays(part)))
            found.append(graph.rows_of(table, value.value, name))
    return graph.node("Concat", *found, axis=1)


def calendar(seconds: IntegerValue) -> dict[str, IntegerValue]:
    """Return the year, and month, day, weekday (Monday is 0), hour, minute and second of the day counted from 0."""
    positive = seconds + DAYS_BEFORE * 86_400
    days, rest = positive // 86_400, positive % 86_400
    cycle, day = days // 146_097, days % 146_097
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    of_year = day - (year * 365 + year // 4 - year // 100)
    month = (of_year * 5 + 2) // 153
    this_year = month < 10  # January and February are at the end of a year that begins in March
    return {
        "year": cycle * 400 + year + 1 - this_year,
        "month": month - 10 + this_year * 12,
        "day": of_year - (month * 153 + 2) // 5,
        "weekday": (days + 2) % 7,
        "hour": rest // 3600,
        "minute": rest // 60 % 60,
        "time": rest,
    }
