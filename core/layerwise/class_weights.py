"""What the rows of each class weigh."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data import blocks
from layerwise.errors import InvalidInput
from layerwise.plan import ClassWeights
from layerwise.splits import Rows


def class_weights(given: ClassWeights, targets: NDArray[Any], rows: Rows, *, classes: int) -> NDArray[np.float64]:
    """The weight (classes,) of each class: those `given`, or of "balanced" n / (classes · count).

    n rows, `targets[rows]`, are counted; King and Zeng 2001. A class that none of them has counts as one row. Raises
    InvalidInput if there are other than `classes` weights, or if the targets are no classes.
    """
    if targets.ndim != 1:
        raise InvalidInput("class_weight", "expected None, for the targets are no classes")
    if given == "balanced":
        counts = np.zeros(classes, np.intp)
        for block in blocks(len(rows), 1):
            counts += np.bincount(targets[rows[block]], minlength=classes)
        balanced: NDArray[np.float64] = len(rows) / (classes * np.maximum(counts, 1))
        return balanced
    weights = np.array(given, np.float64)
    if len(weights) != classes:
        raise InvalidInput("class_weight", f"expected {classes} weights, one for each class, got {len(weights)}")
    return weights
