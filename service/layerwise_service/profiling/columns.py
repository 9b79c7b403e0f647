"""What a column holds: its quantiles, dates, lengths of texts, and most frequent values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerwise_service.domain.profiles import ColumnProfile, DateSummary, LengthSummary, NumberSummary, TopValue
from layerwise_service.profiling.sample import ColumnSample

MOST_TOP = 10
"""Most frequent values that are listed of a column."""
_MOST_TOP_TOGETHER = 10_000  # of all columns, so that the answer is no message of many megabytes
_MOST_SHOWN = 60
_HUGE = 1e150  # the square of a larger number is none
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


def column_profile(sample: ColumnSample, *, columns: int) -> ColumnProfile:
    """Return the profile of a column of a dataset that has so many `columns`."""
    numbers = dates = lengths = None
    if sample.there:
        if sample.kind == "number":
            numbers = _numbers(sample)
        elif sample.kind in ("date", "time"):
            dates = DateSummary(sample.shown[0], sample.shown[-1])
        elif sample.lengths is not None:
            own = sample.lengths
            lengths = LengthSummary(int(own.min()), float(own.mean()), int(own.max()))
    most = max(1, min(MOST_TOP, _MOST_TOP_TOGETHER // columns))
    return ColumnProfile(
        name=sample.name,
        kind=sample.kind,
        gaps=sample.gaps,
        distinct=sample.distinct,
        numbers=numbers,
        dates=dates,
        lengths=lengths,
        top=() if sample.distinct == sample.there > 1 else _top(sample, most),
    )


def cut(text: str) -> str:
    """Return the beginning of a value that may be long."""
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def _top(sample: ColumnSample, most: int) -> tuple[TopValue, ...]:
    rows = len(sample.codes)
    codes: list[int] = np.argsort(-sample.counts, kind="stable")[:most].tolist()
    return tuple(
        TopValue(cut(sample.shown[code]), int(sample.counts[code]), int(sample.counts[code]) / rows) for code in codes
    )


def _numbers(sample: ColumnSample) -> NumberSummary:
    numbers: NDArray[np.float64] = np.repeat(np.asarray(sample.values, np.float64), sample.counts)  # in ascending order
    largest = float(max(abs(numbers[0]), abs(numbers[-1])))
    scale = largest if largest > _HUGE else 1.0
    numbers = numbers / scale
    found = [numbers[0], *np.quantile(numbers, _SHARES), numbers[-1], numbers.mean()]
    found.append(numbers.std(ddof=1) if len(numbers) > 1 else 0.0)
    most = float(np.finfo(np.float64).max)
    return NumberSummary(*(float(min(max(float(each), -most / scale), most / scale) * scale) for each in found))
