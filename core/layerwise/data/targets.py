"""Conversion of targets from what users pass to what the loss needs: class indices, flags or values."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from layerwise.data.arrays import blocks, checked_values
from layerwise.data.labels import Label, checked_indices, encode_labels
from layerwise.errors import InvalidInput, Place
from layerwise.losses import Loss
from layerwise.network.architecture import Architecture

FOR_VALUES = 'for a regression, choose its loss: Plan(loss="squared_error")'


def read_targets(
    y: ArrayLike,
    labels: tuple[Label, ...] | None,
    *,
    loss: Loss,
    architecture: Architecture,
    rows: int,
    dtype: DTypeLike,
    pointer: str,
    check: bool,
) -> tuple[NDArray[Any], tuple[Label, ...] | None]:
    """Return `y` as class indices (n,) and their labels, or as numbers (n, outputs) and None.

    For a loss of flags, several columns are flags, a single one labels. Without `check`, numbers are assumed to be
    valid, and labels to be class indices. Raises InvalidInput.
    """
    outputs = architecture.outputs
    if loss.targets == "values" or (loss.targets == "flags" and _has_columns(y)):
        table = checked_values(y, outputs, rows=rows, dtype=dtype, pointer=pointer, finite=check)
        if check:
            check_range(table if np.ndim(y) > 1 else table[:, 0], loss, dtype=dtype, at=pointer)
        return table, None
    if check:
        _refuse_floats(y, loss, pointer)
    classes = loss.classes(outputs)
    if classes < 2:
        where = Place("layers", len(architecture.layers) - 1, "units")
        detail = f"expected an output for each class, at least 2, got {outputs}; {FOR_VALUES}"
        raise InvalidInput(where, detail)
    if check:
        return encode_labels(y, labels, outputs=outputs, rows=rows, pointer=pointer)
    return checked_indices(np.asarray(y), outputs=outputs, rows=rows, pointer=pointer), labels or tuple(range(classes))


def _has_columns(y: ArrayLike) -> bool:
    """Return whether `y` has several columns."""
    try:
        shape = np.shape(y)
    except ValueError:  # rows of different lengths
        return True
    return len(shape) == 2 and shape[1] != 1


def _refuse_floats(y: ArrayLike, loss: Loss, pointer: str) -> None:
    """Raise InvalidInput if `y` has floats, which are values and not labels."""
    try:
        given = np.asarray(y)
    except ValueError:  # rows of different lengths
        return
    if given.dtype.kind == "f" and given.size:
        detail = f"expected a label (an integer, a string or a boolean) for {loss.kind}, got {given.flat[0]:g}"
        convert = "; convert class numbers by y.astype(int)" if (given == np.floor(given)).all() else ""
        raise InvalidInput(Place(pointer, 0), f"{detail}; {FOR_VALUES}{convert}")


def check_range(targets: NDArray[Any], loss: Loss, *, dtype: DTypeLike, at: Place | str) -> None:
    """Raise InvalidInput at the first of `targets`, (n,) or (n, k), outside the range of `loss`, rounded to `dtype`."""
    if not np.isfinite([loss.min_target, loss.targets_above, loss.max_target]).any():
        return
    for block in blocks(len(targets), targets[:1].size):
        part = targets[block].astype(dtype, copy=False)
        wrong = (part < loss.min_target) | (part <= loss.targets_above) | (part > loss.max_target)
        if wrong.any():
            first, *rest = (int(i) for i in np.argwhere(wrong)[0])
            index = (block.start + first, *rest)
            raise InvalidInput(Place(at, index), f"expected {_allowed(loss)}, got {float(targets[index])}")


def _allowed(loss: Loss) -> str:
    if np.isfinite(loss.max_target):
        return f"a number from {loss.min_target:g} to {loss.max_target:g} for {loss.kind}"
    limit = f"above {loss.targets_above:g}" if np.isfinite(loss.targets_above) else f"of at least {loss.min_target:g}"
    return f"a number {limit} for {loss.kind}"
