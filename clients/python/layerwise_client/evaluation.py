"""Evaluations of versions on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerwise_client._transport.messages import json_of
from layerwise_proto.v1 import models_pb2

if TYPE_CHECKING:
    from layerwise import Evaluation


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better a version is than the first on the same rows; `print` shows a sentence.

    Attributes
    ----------
    metric : str
        "accuracy" or "r2".
    value : float
        The difference.
    lower, upper : float
        Its interval of 95 %: that of the mean of the rows' differences, by the normal approximation. If 0 is within it,
        these rows do not tell which version is better.
    """

    metric: str
    value: float
    lower: float
    upper: float

    def __str__(self) -> str:
        from layerwise.wording import score_words

        within = f"{score_words(self.lower)} to {score_words(self.upper)}"
        told = "these rows do not tell which is better" if self.lower <= 0 <= self.upper else ""
        told = told or ("better" if self.value > 0 else "worse")
        return f"{self.metric} {self.value:+.4f}, 95 % interval {within}: {told}"


@dataclass(frozen=True, slots=True)
class VersionEvaluation:
    """The evaluation of one version. `Client.evaluate` returns one for each.

    Attributes
    ----------
    model : str
        Name of the model.
    version : int
        Number of the version.
    target : str
        Name of the column with the true values.
    evaluation : layerwise.Evaluation
        Its metrics; `print` shows a report.
    difference : Difference or None
        From the first version; None for the first, and where all targets are the same.
    without_target : int
        Number of rows that were left out because they have no true value.
    """

    model: str
    version: int
    target: str
    evaluation: Evaluation
    difference: Difference | None
    without_target: int


def evaluations_of(message: models_pb2.EvaluateDatasetResponse) -> tuple[VersionEvaluation, ...]:
    """Return the evaluations of a message."""
    from layerwise import Evaluation

    return tuple(
        VersionEvaluation(
            model=each.model,
            version=each.version,
            target=message.target,
            evaluation=Evaluation.from_json(json_of(each.evaluation)),
            difference=_difference_of(each.difference) if each.HasField("difference") else None,
            without_target=message.without_target,
        )
        for each in message.versions
    )


def _difference_of(message: models_pb2.ScoreDifference) -> Difference:
    return Difference(message.metric, message.value, message.lower, message.upper)
