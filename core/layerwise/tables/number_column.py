"""A fitted column of numbers."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import fields, real_number, shown
from layerwise.errors import InvalidInput, Place
from layerwise.tables.column import CellWriter, FittedColumn, Unusual, UnusualError
from layerwise.tables.encodings import Log, NumberEncoding, Quantiles
from layerwise.tables.format import numbers_in
from layerwise.tables.formats import BooleanFormat, NumberFormat
from layerwise.tables.reading import FLOAT32_MAX, first_row, read_numbers
from layerwise.tables.table import RawColumn
from layerwise.tables.unusual import FAR_NUMBER, GAP, NUMBER_SLACK, Range, usual_range
from layerwise.types import Floats

MAX_LOGARITHM = 100.0
"""An upper bound of log(1 + x) for x within float32."""


@dataclass(frozen=True, slots=True)
class NumberColumn(FittedColumn[NumberEncoding, NumberFormat | BooleanFormat]):
    """A fitted column of numbers, or of booleans as 0 and 1.

    The output is (t(x) - shift) / scale, where t(x) is log(1 + x) for Log and x otherwise, or the rank of x among
    `quantiles`. `fill` replaces a missing x; it is None if missing numbers are refused.
    """

    fill: float | None = None
    shift: float = 0.0
    scale: float = 1.0
    quantiles: tuple[float, ...] = ()

    kind = "number"

    def __post_init__(self) -> None:
        if self.fill is None or isinstance(self.encoding, Quantiles):
            return
        x = math.log1p(max(self.fill, 0)) if isinstance(self.encoding, Log) else self.fill
        if not abs((x - self.shift) / self.scale) <= FLOAT32_MAX:
            detail = f"expected a number that is within float32 when scaled, got {shown(self.fill)}"
            raise InvalidInput("fill", detail)

    @property
    def indicates(self) -> bool:
        """Whether a second output indicates a missing number."""
        return self.encoding.missing == "indicator"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, f"{self.name} missing") if self.indicates else (self.name,)

    def read(self, column: RawColumn, /, unusual: Unusual | None = None) -> NDArray[np.float64]:
        numbers = read_numbers(column, self.format)
        if self.fill is None and (missing := np.isnan(numbers)).any():
            raise column.missing_cell(first_row(missing), self.format.wanted)
        check_logarithm(self.encoding, column, numbers)
        largest = MAX_LOGARITHM if isinstance(self.encoding, Log) else FLOAT32_MAX
        if (largest + abs(self.shift)) / self.scale > FLOAT32_MAX:
            with np.errstate(over="ignore"):
                beyond = np.abs(self._affine(self._transformed(numbers))) > FLOAT32_MAX
            if beyond.any():
                row = first_row(beyond)
                raise column.bad_cell(row, "a number that is within float32 when scaled", numbers[row])
        if unusual is not None:
            if self.gaps is False:
                unusual[GAP] = np.isnan(numbers)
            least, greatest = self.usual
            unusual[FAR_NUMBER] = (numbers < least) | (numbers > greatest)
        return numbers

    def write(self, read: NDArray[np.float64], out: Floats, /) -> None:
        if self.fill is not None and (missing := np.isnan(read)).any():
            read = np.where(missing, self.fill, read)
            if self.indicates:
                out[:, 1] = missing
        out[:, 0] = self._ranks(read) if self.quantiles else self._affine(self._transformed(read))

    def _transformed(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log1p(np.maximum(x, 0)) if isinstance(self.encoding, Log) else x

    def _affine(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x - self.shift) / self.scale

    def _ranks(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of rows below each of `x` (n,)."""
        known = np.array(self.quantiles)
        last = len(known) - 1
        below, upto = np.searchsorted(known, x, "left"), np.searchsorted(known, x, "right")
        left, right = known[(below - 1).clip(0, last)], known[below.clip(0, last)]
        with np.errstate(divide="ignore", invalid="ignore"):
            between = (below - 1 + (x - left) / (right - left)) / last
        rank = np.where(upto > below, (below + upto - 1) / 2 / last, between)
        rank[x >= known[-1]] = 1
        rank[x <= known[0]] = 0
        return rank

    @property
    def usual(self) -> Range:
        """The least and the greatest number that is not far from those of the fit."""
        if self.range is None:
            return -FLOAT32_MAX, FLOAT32_MAX
        least, greatest = usual_range(self.range, NUMBER_SLACK)
        return max(least, -FLOAT32_MAX), min(greatest, FLOAT32_MAX)

    def _explained(self, reason: str, value: str) -> tuple[str, str, str]:
        if reason != FAR_NUMBER or self.range is None:
            return FittedColumn._explained(self, reason, value)
        least, greatest = self.range
        numbers = f"only {least:g}" if least == greatest else f"numbers from {least:g} to {greatest:g}"
        then = "a prediction so far outside is a guess"
        return f"training had {numbers} in this column, got {value}", then, "Check its unit, or train with such rows"

    @property
    def _instead(self) -> str:
        return f"{self.fill:.6g} is used instead"

    def cell_writer(self, start: int, /) -> CellWriter:
        shift, scale = self.shift, self.scale
        fill: Floats = np.zeros((1, self.width))
        if self.fill is not None:
            self.write(np.array([np.nan]), fill)
        filled = None if self.fill is None else float(fill[0, 0])
        indicates, read = self.indicates, self.format.reader()
        gap = GAP if self.gaps is False else None
        least, greatest = self.usual
        if max(abs(least - shift), abs(greatest - shift)) / scale > FLOAT32_MAX and not self.quantiles:
            least, greatest = math.inf, -math.inf  # each number is checked
        if isinstance(self.encoding, Log):
            least = max(least, 0)

        def affine(value: Any, out: Floats) -> str | None:
            if type(value) is float or type(value) is int:
                if least <= value <= greatest:
                    out[start] = (value - shift) / scale
                    return None
                return far(value, out)
            return other(value, out, affine)

        def transformed(value: Any, out: Floats) -> str | None:
            if type(value) is float or type(value) is int:
                if least <= value <= greatest:
                    out[start] = self._encoded(value)
                    return None
                return far(value, out)
            return other(value, out, transformed)

        def far(value: float, out: Floats) -> str | None:
            if not -FLOAT32_MAX <= value <= FLOAT32_MAX or (value < 0 and isinstance(self.encoding, Log)):
                raise UnusualError
            scaled = self._encoded(value)
            if not -FLOAT32_MAX <= scaled <= FLOAT32_MAX:
                raise UnusualError
            out[start] = scaled
            usual = self.usual
            return None if usual[0] <= value <= usual[1] else FAR_NUMBER

        def other(value: Any, out: Floats, write: CellWriter) -> str | None:
            number = None if value is None else read(value)
            if number is not None:
                return write(number, out)
            if filled is None:
                raise UnusualError
            out[start] = filled
            if indicates:
                out[start + 1] = 1
            return gap

        write = transformed if self.quantiles or isinstance(self.encoding, Log) else affine
        if isinstance(self.format, BooleanFormat) or numbers_in(self.format.gaps):
            return lambda value, out: other(value, out, write)  # numbers are read, too: some are refused, or gaps
        return write

    def _encoded(self, x: float) -> float:
        """Return the output of the number `x`, the same bits as `write`."""
        if self.quantiles:
            return self._rank(float(x))
        return ((float(np.log1p(float(x))) if isinstance(self.encoding, Log) else x) - self.shift) / self.scale

    def _rank(self, x: float) -> float:
        """Return the share of rows below `x`, the same bits as `_ranks`."""
        known = self.quantiles
        if x <= known[0]:
            return 0.0
        if x >= known[-1]:
            return 1.0
        below, upto, last = bisect_left(known, x), bisect_right(known, x), len(known) - 1
        if upto > below:
            return (below + upto - 1) / 2 / last
        left, right = known[below - 1], known[below]
        return (below - 1 + (x - left) / (right - left)) / last

    def _fitted_json(self) -> dict[str, object]:
        if isinstance(self.encoding, Quantiles):
            return {"fill": self.fill, "quantiles": list(self.quantiles)}
        return {"fill": self.fill, "shift": self.shift, "scale": self.scale}


def number_column_from_json(
    name: str, encoding: NumberEncoding, form: NumberFormat | BooleanFormat, given: Mapping[str, object]
) -> NumberColumn:
    """Return the column from the other fields of its JSON. Raises InvalidInput."""
    own = ("quantiles",) if isinstance(encoding, Quantiles) else ("shift", "scale")
    found = fields("", given, known=("fill", *own), required=("fill", *own))
    if encoding.missing == "auto":
        raise InvalidInput(Place("encoding", "missing"), "expected a decided policy in a fitted column, got 'auto'")
    fill = None if found["fill"] is None else real_number("fill", found["fill"])
    if (fill is None) != (encoding.missing == "error"):
        wanted = "null" if fill is not None else "a number"
        raise InvalidInput("fill", f"expected {wanted} for missing {shown(encoding.missing)}, got {shown(fill)}")
    if not isinstance(encoding, Quantiles):
        shift, scale = real_number("shift", found["shift"]), real_number("scale", found["scale"], above=0)
        return NumberColumn(name, encoding, fill, shift, scale, format=form)
    values = cast(list[object], found["quantiles"])
    if type(values) is not list or not 2 <= len(values) <= encoding.quantiles:
        raise InvalidInput("quantiles", f"expected a list of 2 to {encoding.quantiles} numbers, got {shown(values)}")
    known = tuple(real_number(Place("quantiles", i), value) for i, value in enumerate(values))
    for i in range(1, len(known)):
        if known[i] < known[i - 1]:
            raise InvalidInput(Place("quantiles", i), f"expected at least {known[i - 1]}, got {known[i]}")
    return NumberColumn(name, encoding, fill, quantiles=known, format=form)


def check_logarithm(encoding: NumberEncoding, column: RawColumn, numbers: NDArray[np.float64]) -> None:
    """Raise InvalidInput for negative numbers if `encoding` is a Log that does not clip them."""
    if isinstance(encoding, Log) and encoding.negative == "error" and (negative := numbers < 0).any():
        row = first_row(negative)
        raise column.bad_cell(row, "a number of at least 0, as the column is encoded by log", numbers[row])
