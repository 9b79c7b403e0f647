"""Columns that say the same as another: the same values, the same by other names, or a correlation of 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from layerwise_service.domain.dataset_findings import DatasetFinding
from layerwise_service.profiling.findings import FEW_ROWS, ignore
from layerwise_service.profiling.sample import ColumnSample

_COMPARED_ROWS = 1_000
_CORRELATED = 0.9999
_MOST_VERIFIED = 50


class SameColumns:
    """The columns that were added, and which of them say the same."""

    def __init__(self) -> None:
        self._same: dict[bytes, str] = {}
        self._numbers: dict[str, NDArray[np.float32]] = {}
        self.findings: list[DatasetFinding] = []

    def add(self, sample: ColumnSample) -> None:
        """Compare a column with those before."""
        if sample.there <= FEW_ROWS or sample.distinct < 2:
            return
        first = self._same.setdefault(sample.digest(), sample.name)
        if first != sample.name:
            self.findings.append(_finding(sample.name, first, "says the same as"))
        elif sample.kind == "number" and sample.distinct > 2:
            self._numbers[sample.name] = _standardized(sample)

    def correlated(self, column: Callable[[str], ColumnSample]) -> Iterator[DatasetFinding]:
        """Yield findings on pairs of numbers that are linear functions of each other; `column` gives a sample again."""
        names = list(self._numbers)
        if len(names) < 2:
            return
        matrix = np.stack(list(self._numbers.values()))
        products = np.triu(np.abs(matrix @ matrix.T), 1)
        told: set[int] = set()
        for first, second in np.argwhere(products > _CORRELATED).tolist()[:_MOST_VERIFIED]:
            if second not in told and abs(r := _correlation(column(names[first]), column(names[second]))) > _CORRELATED:
                told.add(second)
                yield _finding(names[second], names[first], f"has a correlation of {r:.4f} with")


def _finding(name: str, first: str, says: str) -> DatasetFinding:
    message = f"{name} {says} {first}: one of them is enough"
    return DatasetFinding("SAME_COLUMN", (name, first), message, ignore([name]))


def _standardized(sample: ColumnSample) -> NDArray[np.float32]:
    """Return some of the numbers, with a mean of 0 and the length 1, and 0 for a gap."""
    rows = np.linspace(0, len(sample.codes) - 1, min(_COMPARED_ROWS, len(sample.codes))).astype(np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = sample.numbers[rows]
        there = ~np.isnan(numbers)
        numbers = np.where(there, numbers - numbers[there].mean() if there.any() else 0.0, 0.0)
        length = np.sqrt((numbers**2).sum())
        scaled = numbers / length if 0 < length < np.inf else np.zeros(len(numbers))
    return np.nan_to_num(scaled).astype(np.float32)


def _correlation(first: ColumnSample, second: ColumnSample) -> float:
    both = (first.codes >= 0) & (second.codes >= 0)
    if both.sum() < max(FEW_ROWS, 0.9 * len(both)):
        return 0.0
    return float(np.corrcoef(first.numbers[both], second.numbers[both])[0, 1])
