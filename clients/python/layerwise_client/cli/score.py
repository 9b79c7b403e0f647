"""The score of predictions whose true values are known."""

from __future__ import annotations

from dataclasses import dataclass

from layerwise_client.prediction import PredictedRows
from layerwise_client.wording import counted


@dataclass(frozen=True, slots=True)
class Score:
    """Score of the predictions of `rows` rows; `name` is accuracy or r2."""

    name: str
    value: float
    rows: int

    def __str__(self) -> str:
        from layerwise.wording import score_words

        return f"{self.name} {score_words(self.value)} on {counted(self.rows, 'row')}"


class Scoring:
    """Scores blocks of rows, which `add` collects: the accuracy of labels, or R² of numbers."""

    def __init__(self) -> None:
        self.left_out = 0
        """Rows without a true value."""
        self._name = ""
        self._rows = 0
        self._right = 0
        self._mean = self._spread = self._error = 0.0  # spread: the sum of the squared distances from the mean

    def add(self, rows: PredictedRows) -> None:
        """Add a block that has a `truth`."""
        import numpy as np

        truth, answer = rows.truth, rows.prediction
        if truth is None:
            return
        there = ~np.isnan(truth)
        self.left_out += int((~there).sum())
        true = truth[there]
        if not len(true):
            return
        if answer.labels is not None and answer.classes is not None:
            self._name = "accuracy"
            known = there & (truth >= 0)
            self._right += int((answer.labels[known] == answer.classes[truth[known].astype(np.int64)]).sum())
        else:
            self._name = "r2"
            self._error += float(np.sum((np.asarray(answer.values, np.float64)[there] - true) ** 2))
            mean = float(true.mean())
            apart = (mean - self._mean) ** 2 * self._rows * len(true) / (self._rows + len(true))
            self._spread += float(np.sum((true - mean) ** 2)) + apart
            self._mean += (mean - self._mean) * len(true) / (self._rows + len(true))
        self._rows += len(true)

    @property
    def score(self) -> Score | None:
        """The score; None if no row has a true value."""
        if not self._rows:
            return None
        if self._name == "accuracy":
            return Score("accuracy", self._right / self._rows, self._rows)
        return Score("r2", 1.0 - self._error / self._spread if self._spread else float("nan"), self._rows)
