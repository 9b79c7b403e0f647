"""Classes of a classifier as indices and as labels of a model."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import shown
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput, Place


def class_indices(column: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Return the index (n,) in `classes` of each value of `column` (n,). Raises InvalidInput."""
    positions = {value: i for i, value in enumerate(classes.tolist())}
    found = np.array([positions.get(value, -1) for value in column.tolist()], np.intp)
    if (found < 0).any():
        row = int(np.argmin(found))
        raise InvalidInput(Place("y", row), f"expected one of {shown(classes.tolist())}, got {shown(column[row])}")
    return found


def class_labels(classes: NDArray[Any]) -> tuple[Label, ...]:
    """Return the classes as integers, strings or booleans, as model files have them."""
    if classes.dtype.kind == "f":
        return tuple(int(value) for value in classes)
    plain = classes.tolist()
    return tuple(plain) if all(isinstance(value, int | str) for value in plain) else tuple(map(str, plain))
