"""Findings about the target: what it was taken for, its classes, and columns that give it away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import counted, shown
from layerwise_service.domain.dataset_findings import DatasetFinding
from layerwise_service.domain.jobs import Task
from layerwise_service.profiling.findings import ignore, listed, nearly_identical
from layerwise_service.profiling.sample import ColumnSample

_HANDFUL = 5
_MANY_CLASSES = 20
_CLASSES_OF_NUMBERS = 10  # more whole numbers than these are more often amounts: counts, grades
_MOST_CODES = 100
_UNBALANCED = 0.9
_GIVES_AWAY = 0.99
_ENOUGH_ROWS = 50  # for a column to predict the target by more than chance
_ENOUGH_OTHERS = 8  # held-out rows that are not of the most frequent class
_HIDDEN = 64  # units of the hidden layer of `layerwise train`
_FEW_ROWS = 30
_MOST_PARAMETERS = 50  # of each row
_INPUTS = {"number": 1, "boolean": 1, "date": 7, "time": 2, "text": 256}
_ONE_HOT = 64


class Target:
    """The target of a dataset, taken for `task`."""

    def __init__(self, sample: ColumnSample, task: Task) -> None:
        self.sample = sample
        self.task = task
        self._rows = np.flatnonzero(sample.codes >= 0)
        codes = sample.codes[self._rows]
        self._codes = codes
        fitted: NDArray[np.bool_] = np.zeros(len(codes), bool)
        fitted[np.random.default_rng(0).permutation(len(codes))[: len(codes) // 2]] = True
        self._fitted = fitted
        # of an amount, the middle of its rank, so that neither outliers nor a logarithm matter
        middles = np.cumsum(sample.counts) - sample.counts / 2
        self._ranks = middles[codes] / len(codes) if len(codes) else np.zeros(0)

    def findings(self) -> Iterator[DatasetFinding]:
        """Yield what is odd about the target's values."""
        sample, names = self.sample, (self.sample.name,)
        if sample.distinct == 0 or (sample.distinct == 1 < sample.column.distinct and not sample.is_whole_dataset):
            return  # the sample does not show it
        if sample.distinct == 1:
            yield DatasetFinding(
                "TARGET_CONSTANT", names, f"all rows have {shown(sample.shown[0])}: there is nothing to learn"
            )
            return
        if self.task is Task.AMOUNT:
            yield from self._codes_as_amount()
            return
        if sample.kind == "number" and sample.distinct > _CLASSES_OF_NUMBERS:
            message = f"{sample.distinct} different whole numbers are taken for classes; are they an amount?"
            yield DatasetFinding("AMOUNT_AS_CLASSES", names, message, "--task regression")
            return
        yield from self._sizes_of_classes()
        if sample.kind == "category":
            yield from nearly_identical(sample)

    def given_away_by(self, sample: ColumnSample) -> DatasetFinding | None:
        """Return a finding if a column alone predicts the target in rows held out."""
        if len(self._codes) < _ENOUGH_ROWS or self.sample.distinct < 2:
            return None
        groups = _groups(sample, self._rows, self._fitted)
        if self.task is Task.CLASSES:
            right, usual = _accuracy(groups, self._codes, self._fitted)
            too_wrong = 1 - right > (1 - _GIVES_AWAY) * min(1.0, 2 * (1 - usual))
            if too_wrong or (1 - usual) * len(self._codes) / 2 < _ENOUGH_OTHERS:
                return None
            usually = f"the most frequent class: {100 * usual:.3g} %"
            score = f"the right class of {100 * right:.4g} % of held-out rows ({usually})"
        else:
            if (r2 := _rank_r2(groups, self._ranks, self._fitted)) < _GIVES_AWAY:
                return None
            score = f"the order of the target in held-out rows, with an R² of {r2:.4f}"
        message = f"alone gives {score}. Is it known before the target is? Else leave it out"
        return DatasetFinding("GIVES_TARGET_AWAY", (sample.name,), message, ignore([sample.name]))

    def too_few_rows(self, widths: Mapping[str, int]) -> DatasetFinding | None:
        """Return a finding if the rows are few for a network; `widths` are the inputs that each column becomes."""
        rows = self.sample.rows - self.sample.gaps
        if 0 < rows < _FEW_ROWS:
            message = f"{counted(rows, 'row')} with a target are few: chance decides how good the network looks"
            return DatasetFinding("FEW_ROWS", (), message)
        width = sum(widths.values())
        outputs = self.sample.distinct if self.task is Task.CLASSES else 1
        parameters = (width + 1) * _HIDDEN + (_HIDDEN + 1) * outputs
        if not width or parameters <= _MOST_PARAMETERS * rows:
            return None
        widest = max(widths, key=widths.__getitem__)
        most = f", {widths[widest]} of them from {widest}" if widths[widest] > 1 else ""
        message = (
            f"the default network has {parameters:,} parameters for {counted(rows, 'row')}, as the columns become"
            f" {counted(width, 'input')}{most}: leave out columns, or take fewer units"
        )
        return DatasetFinding("FEW_ROWS", (), message, "--hidden 8")

    def _codes_as_amount(self) -> Iterator[DatasetFinding]:
        sample = self.sample
        if not sample.is_whole or not _MANY_CLASSES < sample.distinct <= _MOST_CODES:
            return
        first, last = float(sample.values[0]), float(sample.values[-1])
        even = sample.counts.max() <= 3 * sample.counts.min() and sample.counts.min() >= _HANDFUL
        if first in (0.0, 1.0) and last - first == sample.distinct - 1 and even:
            message = (
                f"the numbers from {first:.0f} to {last:.0f}, about equally frequent, are taken for an amount;"
                " are they codes of classes?"
            )
            yield DatasetFinding("CLASSES_AS_AMOUNT", (sample.name,), message, "--task classification")

    def _sizes_of_classes(self) -> Iterator[DatasetFinding]:
        sample, names = self.sample, (self.sample.name,)
        largest = int(sample.counts.argmax())
        share = float(sample.counts[largest] / sample.there)
        flag = "--task regression" if sample.kind == "number" else ""
        few: list[int] = np.flatnonzero(sample.counts < _HANDFUL).tolist()
        single = int((sample.counts == 1).sum())
        if not sample.is_whole_dataset:
            pass  # the other rows may have more of them
        elif sample.distinct > _MANY_CLASSES and single > sample.distinct / 2:
            message = (
                f"{sample.distinct:,} classes, of which {single:,} have one row: what is in no other row cannot be"
                " learnt. Choose another target, or join classes"
            )
            yield DatasetFinding("MANY_CLASSES", names, message, flag)
        elif few:
            words = [f"{shown(sample.shown[code])} ({sample.counts[code]})" for code in few]
            what = "class has" if len(few) == 1 else "classes have"
            message = f"{len(few)} {what} fewer than {_HANDFUL} rows, too few to learn: {listed(words)}"
            yield DatasetFinding("RARE_CLASSES", names, message, flag)
        if share >= _UNBALANCED:
            message = (
                f"{100 * share:.4g} % of the rows are {shown(sample.shown[largest])}, so always saying this scores"
                f" {share:.4f}: look at the scores of each class"
            )
            yield DatasetFinding("UNBALANCED", names, message, "--class-weight balanced")


def _groups(sample: ColumnSample, rows: NDArray[np.intp], fitted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the group of each of the `rows`: its category, or the next lower number in `fitted` rows; 0 for a gap."""
    codes = sample.codes[rows]
    if not sample.is_numeric:
        return codes + 1
    known = np.unique(codes[fitted & (codes >= 0)])
    return np.where(codes >= 0, np.maximum(np.searchsorted(known, codes, side="right"), 1), 0)


def _accuracy(groups: NDArray[np.int64], classes: NDArray[np.int64], fitted: NDArray[np.bool_]) -> tuple[float, float]:
    """Return how often the most frequent class of the group, and of all, is right in the rows that are not `fitted`."""
    width = int(classes.max()) + 1
    cells, counts = np.unique(groups[fitted] * width + classes[fitted], return_counts=True)
    order = np.argsort(counts, kind="stable")
    common = int(np.bincount(classes[fitted]).argmax())
    guess = np.full(int(groups.max()) + 1, common)
    guess[cells[order] // width] = cells[order] % width  # the most frequent one last
    held_out = classes[~fitted]
    return float((guess[groups[~fitted]] == held_out).mean()), float((held_out == common).mean())


def _rank_r2(groups: NDArray[np.int64], ranks: NDArray[np.float64], fitted: NDArray[np.bool_]) -> float:
    """Return R² of the mean rank of the group, in the rows that are not `fitted`."""
    size = int(groups.max()) + 1
    sums = np.bincount(groups[fitted], ranks[fitted], size)
    counts = np.bincount(groups[fitted], minlength=size)
    overall = float(ranks[fitted].mean())
    means = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    errors = ranks[~fitted] - means[groups[~fitted]]
    total = float(((ranks[~fitted] - overall) ** 2).sum())
    return 1 - float((errors**2).sum()) / total if total else 0.0


def input_width(sample: ColumnSample) -> int:
    """Return about how many inputs a column becomes by default."""
    own = _INPUTS.get(sample.kind) or min(sample.distinct, _ONE_HOT)
    return own + (sample.gaps > 0)
