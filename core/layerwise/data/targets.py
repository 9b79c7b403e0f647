"""Conversion of targets from what users pass to what the loss needs: class indices, flags or values."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from layerwise.data.arrays import blocks, checked_values
from layerwise.data.labels import Label, checked_indices, encode_labels
from layerwise.errors import InvalidInput, Place
from layerwise.losses import Loss
from layerwise.network.architecture import Architecture


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
            _check_range(table, loss, dtype=dtype, pointer=pointer, flat=np.ndim(y) == 1)
        return table, None
    classes = loss.classes(outputs)
    if classes < 2:
        where = Place("layers", len(architecture.layers) - 1, "units")
        raise InvalidInput(where, f"expected an output for each class, at least 2, got {outputs}")
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


def _check_range(table: NDArray[Any], loss: Loss, *, dtype: DTypeLike, pointer: str, flat: bool) -> None:
    """Raise InvalidInput at the first number of `table` (n, k) outside the range of `loss`, rounded to `dtype`."""
    if not np.isfinite([loss.min_target, loss.targets_above, loss.max_target]).any():
        return
    for block in blocks(len(table), table.shape[1]):
        part = table[block].astype(dtype, copy=False)
        wrong = (part < loss.min_target) | (part <= loss.targets_above) | (part > loss.max_target)
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            index = (block.start + row,) if flat else (block.start + row, column)
            raise InvalidInput(
                Place(pointer, index), f"expected {_allowed(loss)}, got {float(table[block][row, column])}"
            )


def _allowed(loss: Loss) -> str:
    if np.isfinite(loss.max_target):
        return f"a number from {loss.min_target:g} to {loss.max_target:g} for {loss.kind}"
    limit = f"above {loss.targets_above:g}" if np.isfinite(loss.targets_above) else f"of at least {loss.min_target:g}"
    return f"a number {limit} for {loss.kind}"
