"""What a prediction gives: labels or values, probabilities, logits, the most probable classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import MLP, Contributions
from layerwise.tables.unusual import TableWarning, merged
from layerwise_service.domain.datasets import Label
from layerwise_service.errors import InvalidRequest

PREDICTIONS, PROBABILITIES, LOGITS = OUTPUTS = ("predictions", "probabilities", "logits")
"""The names of outputs that can be asked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The outputs that a request asks for; others are not computed, except for the predictions themselves.

    `probabilities` is None for those that the version can give. `top_k` is how many of the most probable classes.
    """

    predictions: bool = True
    probabilities: bool | None = None
    logits: bool = False
    top_k: int = 0

    def needs_probabilities(self, network: MLP) -> bool:
        """Return whether the probabilities have to be computed."""
        return network.gives_probabilities and (self.probabilities is not False or self.top_k > 0)


USUAL = Wanted()
"""Predictions, and probabilities if the version gives them."""


@dataclass(frozen=True, slots=True)
class TopClasses:
    """The k most probable classes of n rows, the most probable first.

    `labels` and `values` are (n, k); `kind` says whether the values are probabilities or scores.
    """

    kind: str
    labels: NDArray[Any]
    values: NDArray[np.float32]


@dataclass(slots=True)
class Prediction:
    """The predictions of a version for n rows.

    `predictions` is (n,) labels or values, or (n, outputs) values of a regression with several outputs;
    `probabilities` is (n, classes), or None if the loss gives none. `classes` are those of a classifier, else None.
    `warnings` are about rows of a table that are unlike those of the training. `contributions`, `logits` (n, outputs)
    and `top` are there on request.
    """

    model: str
    version: int
    predictions: NDArray[Any]
    probabilities: NDArray[np.float32] | None
    classes: tuple[Label, ...] | None
    warnings: tuple[TableWarning, ...] = ()
    contributions: Contributions | None = None
    logits: NDArray[np.float32] | None = None
    top: TopClasses | None = None

    @property
    def values(self) -> int:
        """How many values it has, over all rows and outputs."""
        top = 0 if self.top is None else 2 * self.top.values.size
        explained = 0 if self.contributions is None else self.contributions.values.size
        more = (0 if each is None else each.size for each in (self.probabilities, self.logits))
        return self.predictions.size + sum(more) + top + explained


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Return the predictions of one version for consecutive rows as one; warnings count rows over all of them."""
    first = parts[0]
    if len(parts) == 1:
        return first
    contributions = [part.contributions for part in parts if part.contributions is not None]
    tops = [part.top for part in parts if part.top is not None]
    return replace(
        first,
        predictions=np.concatenate([part.predictions for part in parts]),
        probabilities=_stacked([part.probabilities for part in parts]),
        logits=_stacked([part.logits for part in parts]),
        top=TopClasses(
            tops[0].kind, np.concatenate([top.labels for top in tops]), np.concatenate([top.values for top in tops])
        )
        if tops
        else None,
        warnings=tuple(merged([warning for part in parts for warning in part.warnings])),
        contributions=Contributions.joined(contributions) if contributions else None,
    )


def check_wanted(wanted: Wanted, network: MLP) -> None:
    """Raise `InvalidRequest` if `network` does not give what is wanted."""
    if wanted is USUAL:
        return
    if wanted.probabilities and not network.gives_probabilities:
        detail = f"expected outputs of this version, it gives no {PROBABILITIES}: it was trained with {network.loss}"
        raise InvalidRequest(detail, pointer="outputs", reason="NO_SUCH_OUTPUT")
    if wanted.logits and not (network.is_classifier or network.gives_probabilities):
        detail = f"expected outputs of this version, it gives no {LOGITS}: it predicts values"
        raise InvalidRequest(detail, pointer="outputs", reason="NO_SUCH_OUTPUT")
    if wanted.top_k and not network.is_classifier:
        detail = "expected a version that predicts one of several classes, this one does not"
        raise InvalidRequest(detail, pointer="top_k", reason="NO_SUCH_OUTPUT")


def top_classes(
    outputs: NDArray[Any], probabilities: NDArray[np.float32] | None, network: MLP, most: int
) -> TopClasses:
    """Return the `most` classes of a classifier with the highest probabilities, or scores if it gives none."""
    values, kind = (outputs, "score") if probabilities is None else (probabilities, "probability")
    if values.shape[1] == 1:  # the score of the second of two classes
        values = np.hstack([-values, values])
    order = np.argsort(-values, axis=1, kind="stable")[:, :most]
    labels: NDArray[Any] = np.array(network.labels, dtype=object)[order]
    return TopClasses(kind, labels, np.take_along_axis(values, order, axis=1))


def _stacked(parts: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    found = [part for part in parts if part is not None]
    return np.concatenate(found) if found else None
