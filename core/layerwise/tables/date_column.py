"""A fitted column of dates or times, and its fitting."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import fields, real_number, shown
from layerwise.errors import InvalidInput, Place
from layerwise.tables.column import CellWriter, FittedColumn, Unusual, UnusualError
from layerwise.tables.encodings import CYCLIC_PARTS, DateParts
from layerwise.tables.formats import DateFormat, TimeFormat
from layerwise.tables.moments import RunningMoments
from layerwise.tables.reading import FLOAT32_MAX, first_row, read_times
from layerwise.tables.table import RawColumn
from layerwise.tables.times import DAY, EPOCH
from layerwise.tables.unusual import DATE_SLACK, FAR_DATE, GAP, Range, usual_range
from layerwise.types import Floats

LENGTHS = {"month": 12, "day": 31, "weekday": 7, "hour": 24, "minute": 60, "time": DAY}
"""The number of values of each part, which count from 0."""
MOST_YEARS = 2.0**40
"""More years than datetime64[s] has."""


def stem_of(part: str) -> str:
    """Return the name of a part without its form: that of "hour_cycle" is "hour"."""
    return part.removesuffix("_cycle")


@cache
def lookups(part: str) -> tuple[tuple[float, ...], ...]:
    """Return the outputs of each value of a part, other than the year, as tables.

    Rows and columns then get the same bits.
    """
    length = LENGTHS[stem_of(part)]
    if part not in CYCLIC_PARTS:
        return (tuple(value / (length - 1) for value in range(length)),)
    turns = [2 * math.pi * value / length for value in range(length)]
    return tuple(map(math.sin, turns)), tuple(map(math.cos, turns))


@cache
def lookup_arrays(part: str) -> tuple[NDArray[np.float64], ...]:
    """Return the same as arrays."""
    return tuple(np.array(lookup) for lookup in lookups(part))


@dataclass(frozen=True, slots=True)
class DateColumn(FittedColumn[DateParts, DateFormat | TimeFormat]):
    """A fitted column of dates or times of day; the output of the year is (year - shift) / scale."""

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
                stem = stem_of(part)
                found += [f"{self.name}.{stem}_sin", f"{self.name}.{stem}_cos"]
            else:
                found.append(f"{self.name}.{part}")
        return (*found, f"{self.name} missing") if self.indicates else tuple(found)

    def read(self, column: RawColumn, /, unusual: Unusual | None = None) -> NDArray[np.datetime64]:
        times = read_times(column, self.format)
        if self.encoding.missing == "error" and (missing := np.isnat(times)).any():
            raise column.missing_cell(first_row(missing), f"a {self.format.kind}")
        if unusual is not None:
            if self.gaps is False:
                unusual[GAP] = np.isnat(times)
            (least, greatest), seconds = self.usual, times.astype(np.int64)
            unusual[FAR_DATE] = ((seconds < least) | (seconds > greatest)) & ~np.isnat(times)
        return times

    def write(self, read: NDArray[np.datetime64], out: Floats, /) -> None:
        missing = np.isnat(read)
        if gaps := bool(missing.any()):
            read = np.where(missing, np.datetime64(0, "s"), read)
        at = 0
        for part in self.encoding.parts:
            values = part_of(read, stem_of(part))
            if part == "year":
                out[:, at] = (values - self.shift) / self.scale
                at += 1
                continue
            for lookup in lookup_arrays(part):
                out[:, at] = lookup[values]
                at += 1
        if gaps:
            out[missing] = 0
            if self.indicates:
                out[missing, at] = 1

    @property
    def usual(self) -> Range:
        """The first and the last second that are not far from those of the fit."""
        if self.range is None:
            return -math.inf, math.inf
        first, last = usual_range(self.range, DATE_SLACK)
        least = 0 if isinstance(self.format, TimeFormat) else DAY
        return min(first, self.range[0] - least), max(last, self.range[1] + least)

    def _explained(self, reason: str, value: str) -> tuple[str, str, str]:
        if reason != FAR_DATE or self.range is None:
            return FittedColumn._explained(self, reason, value)
        first, last = map(self._text, self.range)
        why = f"training had {f'only {first}' if first == last else f'{first} to {last}'} in this column, got {value}"
        return why, "a prediction for another time is a guess", "Check how it is written, or train with such rows"

    def _text(self, seconds: float) -> str:
        """Return a date, or a time of day, as text."""
        return str(np.datetime64(int(seconds), "s")).partition("T")[2 * isinstance(self.format, TimeFormat)]

    @property
    def _instead(self) -> str:
        return f"it counts as no {self.format.kind}"

    def cell_writer(self, start: int, /) -> CellWriter:
        parts = [(stem_of(part), () if part == "year" else lookups(part)) for part in self.encoding.parts]
        shift, scale, allowed = self.shift, self.scale, self.encoding.missing != "error"
        read = self.format.reader()
        indicator = start + self.width - 1 if self.indicates else -1
        gap = GAP if self.gaps is False else None
        least, greatest = self.usual

        def write(value: Any, out: Floats) -> str | None:
            seconds = read(value)
            if seconds is None:
                if not allowed:
                    raise UnusualError
                if indicator >= 0:
                    out[indicator] = 1
                return gap
            days, rest = divmod(seconds, 86400)
            day = date.fromordinal(days + EPOCH)
            at = start
            for part, tables in parts:
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
                elif part == "minute":
                    number = rest // 60 % 60
                else:
                    number = rest
                for lookup in tables:
                    out[at] = lookup[number]
                    at += 1
            return None if least <= seconds <= greatest else FAR_DATE

        return write

    def _fitted_json(self) -> dict[str, object]:
        return {"shift": self.shift, "scale": self.scale}


def date_column_from_json(
    name: str, encoding: DateParts, form: DateFormat | TimeFormat, given: Mapping[str, object]
) -> DateColumn:
    """Return the column from the other fields of its JSON. Raises InvalidInput."""
    found = fields("", given, known=("shift", "scale"), required=("shift", "scale"))
    if encoding.missing == "auto":
        raise InvalidInput(Place("encoding", "missing"), "expected a decided policy in a fitted column, got 'auto'")
    shift, scale = real_number("shift", found["shift"]), real_number("scale", found["scale"], above=0)
    if not (abs(shift) + MOST_YEARS) / scale <= FLOAT32_MAX:
        raise InvalidInput("scale", f"expected a scale that keeps all years within float32, got {shown(scale)}")
    return DateColumn(name, encoding, shift, scale, format=form)


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
    if part == "time":
        return rest
    return rest // 3600 if part == "hour" else rest // 60 % 60


class DateFit:
    """Fitting of a column of dates, block by block."""

    kind = "date"

    def __init__(self, encoding: DateParts, form: DateFormat | TimeFormat) -> None:
        self._encoding = encoding
        self.format = form
        self._years = RunningMoments()
        self.range: Range | None = None
        """The first and the last date, in seconds since 1970."""
        self.gaps = False
        """Whether a value was missing."""
        self._only: dict[str, int | None] = {}  # the only value of each part so far, None if there were several

    @property
    def seen(self) -> int:
        """The number of rows with a date."""
        return self._years.count

    def add(self, column: RawColumn) -> None:
        """Add a block. Raises InvalidInput, naming row and column."""
        times = read_times(column, self.format)
        if (missing := np.isnat(times)).any():
            if self._encoding.missing == "error":
                raise column.missing_cell(first_row(missing), f"a {self.format.kind}")
            self.gaps = True
            times = times[~missing]
        self._years.add(part_of(times, "year").astype(np.float64))
        if len(times):
            self._note_parts(times)
            ends = [*(self.range or ()), *(float(end.astype(np.int64)) for end in (times.min(), times.max()))]
            self.range = min(ends), max(ends)

    def _note_parts(self, times: NDArray[np.datetime64]) -> None:
        """Record which parts have had one value only."""
        for part in map(stem_of, self._encoding.parts):
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
            encoding = replace(encoding, missing="indicator" if self.gaps else "none")
        constant: list[int] = []
        width = 0
        for part in encoding.parts:
            outputs = 1 + (part in CYCLIC_PARTS)
            if self._only[stem_of(part)] is not None:
                constant += range(width, width + outputs)
            width += outputs
        if encoding.missing == "indicator" and not self.gaps:
            constant.append(width)
        shift, scale = self._years.centre, self._years.deviation
        return DateColumn(name, encoding, shift, scale, format=self.format, constant=tuple(constant))
