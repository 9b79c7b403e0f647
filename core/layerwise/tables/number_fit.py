"""Fitting of a column of numbers."""

from dataclasses import replace

import numpy as np

from layerwise.errors import within
from layerwise.tables.encodings import Log, MinMax, NumberEncoding, Quantiles
from layerwise.tables.formats import BooleanFormat, NumberFormat
from layerwise.tables.moments import RunningMoments
from layerwise.tables.number_column import NumberColumn, check_logarithm
from layerwise.tables.reading import first_row, read_numbers
from layerwise.tables.sample import Sample
from layerwise.tables.table import RawColumn
from layerwise.tables.unusual import Range


class NumberFit:
    """Fitting of a column of numbers, block by block."""

    kind = "number"

    def __init__(self, encoding: NumberEncoding, form: NumberFormat | BooleanFormat, *, seed: int) -> None:
        self._encoding = encoding
        self.format = form
        self._raw = RunningMoments()
        self._logarithms = RunningMoments()
        wanted = isinstance(encoding, Quantiles) or encoding.missing == "median"
        self._sample = Sample(seed=seed) if wanted else None
        self.gaps = False
        """Whether a value was missing."""

    @property
    def range(self) -> Range:
        """The least and the greatest number."""
        return self._raw.least, self._raw.greatest

    @property
    def seen(self) -> int:
        """The number of rows with a number."""
        return self._raw.count

    def add(self, column: RawColumn) -> None:
        """Add a block. Raises InvalidInput, naming row and column."""
        numbers = read_numbers(column, self.format)
        if (missing := np.isnan(numbers)).any():
            if self._encoding.missing == "error":
                raise column.missing_cell(first_row(missing), self.format.wanted)
            self.gaps = True
            numbers = numbers[~missing]
        check_logarithm(self._encoding, column, numbers)
        self._raw.add(numbers)
        if isinstance(self._encoding, Log):
            self._logarithms.add(np.log1p(np.maximum(numbers, 0)))
        if self._sample is not None:
            self._sample.add(numbers)

    def finished(self, name: str) -> NumberColumn:
        """Return the fitted column. Raises InvalidInput."""
        encoding, raw = self._encoding, self._raw
        if encoding.missing == "auto":
            encoding = replace(encoding, missing="indicator" if self.gaps else "mean")
        fill: float | None = raw.centre
        if isinstance(encoding.missing, float):
            fill = encoding.missing
        elif encoding.missing == "median":
            assert self._sample is not None
            fill = float(self._sample.quantiles(3)[1])
        elif encoding.missing == "error":
            fill = None
        moments = self._logarithms if isinstance(encoding, Log) else raw
        constant = () if moments.varies else (0,)
        if encoding.missing == "indicator" and not self.gaps:
            constant = (*constant, 1)
        if isinstance(encoding, Quantiles):
            assert self._sample is not None
            count = max(2, min(encoding.quantiles, len(self._sample)))
            quantiles = tuple(self._sample.quantiles(count).tolist())
            return NumberColumn(name, encoding, fill, quantiles=quantiles, format=self.format, constant=constant)
        shift, scale = 0.0, 1.0
        if isinstance(encoding, MinMax):
            shift, scale = raw.least, raw.greatest - raw.least if moments.varies else 1.0
        elif encoding.kind != "identity":
            shift, scale = moments.centre, moments.deviation
        with within("columns", name):
            return NumberColumn(name, encoding, fill, shift, scale, format=self.format, constant=constant)
