"""Weights of classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import shown
from layerwise.data.arrays import blocks
from layerwise.data.labels import Label, label_list
from layerwise.data.splits import RowNumbers
from layerwise.errors import InvalidInput
from layerwise.plan import ClassWeights, label_text


def class_weights(
    given: ClassWeights, targets: NDArray[Any], rows: RowNumbers, *, labels: tuple[Label, ...]
) -> NDArray[np.float64]:
    """Return the weight of each class (classes,): those `given`, or for "balanced" n / (classes · count).

    The n rows `targets[rows]` are counted; a class without rows counts as one row. King and Zeng 2001. Raises
    InvalidInput if the weights do not fit the `labels`, or the targets are not classes.
    """
    if targets.ndim != 1:
        raise InvalidInput("class_weight", "expected None, as the targets are not classes")
    if given == "balanced":
        classes = len(labels)
        counts = np.zeros(classes, np.intp)
        for block in blocks(len(rows), 1):
            counts += np.bincount(targets[rows[block]], minlength=classes)
        balanced: NDArray[np.float64] = len(rows) / (classes * np.maximum(counts, 1))
        return balanced
    return np.array(weights_of(given or (), labels), np.float64)


def weights_of(given: Sequence[float] | Mapping[str, float], labels: Sequence[Label]) -> tuple[float, ...]:
    """Return the weight of each class. They are given in the order of the `labels`, or by label, with 1 for the others.

    Raises InvalidInput if they do not fit the labels.
    """
    if not isinstance(given, Mapping):
        if len(given) != len(labels):
            wanted = f"expected {len(labels)} weights, one for each of the classes {label_list(labels)}"
            raise InvalidInput("class_weight", f"{wanted}, got {len(given)}")
        return tuple(given)
    known = [label_text(label) for label in labels]
    for label in given:
        if label not in known:
            raise InvalidInput("class_weight", f"expected classes among {label_list(labels)}, got {shown(label)}")
    weights = tuple(given.get(label, 1.0) for label in known)
    if not any(weights):
        raise InvalidInput("class_weight", "expected a weight above 0 for at least one class")
    return weights
