"""Conversion of a network's outputs to labels, flags or values, and to probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.losses import Loss, links
from layerwise.types import Floats


def predictions(outputs: Floats, loss: Loss, labels: NDArray[Any] | None) -> NDArray[Any]:
    """Return labels (n,), 0/1 flags (n, k), or values (n,) or (n, k), for `outputs` (n, k).

    `labels` are those of a classifier, None for flags and values.
    """
    if labels is not None and loss.classifies:
        places = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0).astype(np.intp)
        found: NDArray[Any] = labels[places]
        return found
    if loss.targets == "flags":
        return (outputs > 0).astype(np.int64)
    values = links.exponential(outputs) if loss.link == "exp" else outputs
    return values[:, 0] if values.shape[1] == 1 else values


def probabilities(outputs: Floats, loss: Loss, *, of_labels: bool) -> Floats:
    """Return the probability of each label (n, labels), or of each flag (n, k), for `outputs` (n, k)."""
    if loss.link == "softmax":
        return links.softmax(outputs)
    if not of_labels:
        return links.sigmoid(outputs)
    if outputs.shape[1] > 1:  # one-against-rest sigmoids, divided by their sum
        return links.softmax(links.log_sigmoid(outputs))
    return np.hstack([links.sigmoid(-outputs), links.sigmoid(outputs)])
