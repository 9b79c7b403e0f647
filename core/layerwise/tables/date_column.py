"""A fitted column of dates or times, and its fitting."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import fields, real_number, shown
from layerwise.errors import InvalidInput, Place
from layerwise.tables.cells import EPOCH, seconds_of
from layerwise.tables.column import CellWriter, FittedColumn, UnusualError
from layerwise.tables.encodings import CYCLIC_PARTS, DateParts
from layerwise.tables.moments import RunningMoments
from layerwise.tables.reading import FLOAT32_MAX, first_row, read_times
from layerwise.tables.table import RawColumn
from layerwise.types import Floats

LENGTHS = {"month": 12, "day": 31, "weekday": 7, "hour": 24, "minute": 60}
"""The number of values of each part, which count from 0."""


MOST_YEARS = 2.0**40
"""More years than datetime64[s] has."""


def _lookups() -> dict[str, tuple[tuple[float, ...], ...]]:
    """Return the outputs of each value of each part, as tables: rows and columns then get the same bits."""
    found: dict[str, tuple[tuple[float, ...], ...]] = {}
    for part, length in LENGTHS.items():
        turns = [2 * math.pi * value / length for value in range(length)]
        found[part] = (tuple(value / (length - 1) for value in range(length)),)
        found[f"{part}_cycle"] = tuple(map(math.sin, turns)), tuple(map(math.cos, turns))
    return found


LOOKUPS = _lookups()
ARRAYS = {part: [np.array(lookup) for lookup in lookups] for part, lookups in LOOKUPS.items()}


@dataclass(frozen=True, slots=True)
class DateColumn(FittedColumn[DateParts]):
    """A fitted column of dates; the output of the year is (year - shift) / scale."""

    shift: float = 0.0
    scale: float = 1.0

    kind = "date"

    @property
    def indicates(self) -> bool:
        """Whether a last output indicates a missing date."""
        return self.encoding.missing == "indicator"

    @property
    def names(self) -> tuple[str, ...]:
        found: list[str] = []
        for part in self.encoding.parts:
            if part in CYCLIC_PARTS:
                stem = _stem(part)
                found += [f"{self.name}.{stem}_sin", f"{self.name}.{stem}_cos"]
            else:
                found.append(f"{self.name}.{part}")
        return (*found, f"{self.name} missing") if self.indicates else tuple(found)

    def read(self, column: RawColumn, /) -> NDArray[np.datetime64]:
        times = read_times(column)
        if self.encoding.missing == "error" and (missing := np.isnat(times)).any():
            row = first_row(missing)
            raise column.missing_cell(row, "a date")
        return times

    def write(self, read: NDArray[np.datetime64], out: Floats, /) -> None:
        missing = np.isnat(read)
        if gaps := bool(missing.any()):
            read = np.where(missing, np.datetime64(0, "s"), read)
        at = 0
        for part in self.encoding.parts:
            values = part_of(read, _stem(part))
            if part == "year":
                out[:, at] = (values - self.shift) / self.scale
                at += 1
                continue
            for lookup in ARRAYS[part]:
                out[:, at] = lookup[values]
                at += 1
        if gaps:
            out[missing] = 0
            if self.indicates:
                out[missing, at] = 1

    def cell_writer(self, start: int, /) -> CellWriter:
        parts = [(_stem(part), LOOKUPS.get(part, ())) for part in self.encoding.parts]
        shift, scale, allowed = self.shift, self.scale, self.encoding.missing != "error"
        indicator = start + self.width - 1 if self.indicates else -1

        def write(value: Any, out: Floats) -> None:
            try:
                seconds = seconds_of(value)
            except ValueError:
                raise UnusualError from None
            if seconds is None:
                if not allowed:
                    raise UnusualError
                if indicator >= 0:
                    out[indicator] = 1
                return
            days, rest = divmod(seconds, 86400)
            day = date.fromordinal(days + EPOCH)
            at = start
            for part, lookups in parts:
                if part == "year":
                    out[at] = (day.year - shift) / scale
                    at += 1
                    continue
                if part == "month":
                    number = day.month - 1
                elif part == "day":
                    number = day.day - 1
                elif part == "weekday":
                    number = (days + 3) % 7
                elif part == "hour":
                    number = rest // 3600
                else:
                    number = rest // 60 % 60
                for lookup in lookups:
                    out[at] = lookup[number]
                    at += 1

        return write

    def _fitted_json(self) -> dict[str, object]:
        return {"shift": self.shift, "scale": self.scale}


def date_column_from_json(name: str, encoding: DateParts, given: Mapping[str, object]) -> DateColumn:
    """Return the column from the fields of its JSON other than name and encoding. Raises InvalidInput."""
    found = fields("", given, known=("shift", "scale"), required=("shift", "scale"))
    if encoding.missing == "auto":
        raise InvalidInput(Place("encoding", "missing"), "expected a decided policy in a fitted column, got 'auto'")
    shift, scale = real_number("shift", found["shift"]), real_number("scale", found["scale"], above=0)
    if not (abs(shift) + MOST_YEARS) / scale <= FLOAT32_MAX:
        raise InvalidInput("scale", f"expected a scale that keeps all years within float32, got {shown(scale)}")
    return DateColumn(name, encoding, shift, scale)


def part_of(times: NDArray[np.datetime64], part: str) -> NDArray[np.int64]:
    """Return the year, or another part counted from 0 (Monday is 0), of `times` (n,), datetime64[s] without NaT."""
    if part == "year":
        years: NDArray[np.int64] = times.astype("M8[Y]").astype(np.int64) + 1970
        return years
    if part == "month":
        months: NDArray[np.int64] = times.astype("M8[M]").astype(np.int64) % 12
        return months
    days = times.astype("M8[D]")
    if part == "day":
        since_first: NDArray[np.int64] = (days - times.astype("M8[M]").astype("M8[D]")).astype(np.int64)
        return since_first
    if part == "weekday":
        weekdays: NDArray[np.int64] = (days.astype(np.int64) + 3) % 7  # 1970 began on a Thursday
        return weekdays
    rest: NDArray[np.int64] = (times - days.astype("M8[s]")).astype(np.int64)
    return rest // 3600 if part == "hour" else rest // 60 % 60


class DateFit:
    """Fitting of a column of dates, block by block."""

    kind = "date"

    def __init__(self, encoding: DateParts) -> None:
        self._encoding = encoding
        self._years = RunningMoments()
        self._gaps = False
        self._only: dict[str, int | None] = {}  # the only value of each part so far, None if there were several

    @property
    def seen(self) -> int:
        """The number of rows with a date."""
        return self._years.count

    def add(self, column: RawColumn) -> None:
        """Add a block. Raises InvalidInput, naming row and column."""
        times = read_times(column)
        if (missing := np.isnat(times)).any():
            if self._encoding.missing == "error":
                row = first_row(missing)
                raise column.missing_cell(row, "a date")
            self._gaps = True
            times = times[~missing]
        self._years.add(part_of(times, "year").astype(np.float64))
        if len(times):
            self._note_parts(times)

    def _note_parts(self, times: NDArray[np.datetime64]) -> None:
        """Record which parts have had one value only."""
        for part in map(_stem, self._encoding.parts):
            if self._only.get(part, 0) is None:
                continue
            values = part_of(times, part)
            only = self._only.setdefault(part, int(values[0]))
            if (values != only).any():
                self._only[part] = None

    def finished(self, name: str) -> DateColumn:
        """Return the fitted column."""
        encoding = self._encoding
        if encoding.missing == "auto":
            encoding = replace(encoding, missing="indicator" if self._gaps else "error")
        constant: list[int] = []
        width = 0
        for part in encoding.parts:
            outputs = len(LOOKUPS.get(part, (0,)))
            if self._only[_stem(part)] is not None:
                constant += range(width, width + outputs)
            width += outputs
        if encoding.missing == "indicator" and not self._gaps:
            constant.append(width)
        return DateColumn(name, encoding, self._years.centre, self._years.deviation, constant=tuple(constant))


def _stem(part: str) -> str:
    return part.removesuffix("_cycle")
