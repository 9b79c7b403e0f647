"""Rows picked from the data by their numbers, converted on the way, without a copy of the whole."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.architecture import Architecture
from layerwise.data import checked_rows, checked_values
from layerwise.errors import InvalidInput
from layerwise.labels import Label, check_indices, encoded
from layerwise.losses import Loss


class Gather:
    """Picks rows of `source` (n, ...) into `out` (m, ...), which may be of another dtype, without allocating.

    Only where `source` is not contiguous, or not aligned, are the picked rows copied once more.
    """

    def __init__(self, source: NDArray[Any], out: NDArray[Any]) -> None:
        self._source = np.asarray(source)  # the plain view of a memory-mapped file: its subclass would slow each step
        self.out = out
        straight = source.flags.c_contiguous and source.flags.aligned
        self._straight = straight
        self._staging = out if source.dtype == out.dtype else np.empty(out.shape, source.dtype) if straight else None

    def __call__(self, rows: NDArray[np.intp]) -> None:
        if not self._straight:
            np.copyto(self.out, self._source[rows], casting="unsafe")
            return
        # clip: the other modes copy `out` first
        np.take(self._source, rows, axis=0, out=self._staging, mode="clip")
        if self._staging is not self.out:
            np.copyto(self.out, cast(NDArray[Any], self._staging), casting="unsafe")


class Split:
    """Rows and targets, and which of them are looked at: `rows` are indices in ascending order."""

    __slots__ = ("X", "rows", "targets")

    def __init__(self, X: NDArray[Any], targets: NDArray[Any], rows: NDArray[np.intp]) -> None:
        self.X, self.targets, self.rows = X, targets, rows


def divided(
    X: ArrayLike,
    y: ArrayLike,
    *,
    architecture: Architecture,
    loss: Loss,
    labels: tuple[Label, ...] | None,
    dtype: np.dtype[Any],
    validation: object,
    rng: np.random.Generator,
    check: bool,
) -> tuple[Split, Split | None, tuple[Label, ...] | None]:
    """What to train on, what to validate on, and the labels the targets stand for.

    `validation` is a fraction of the rows, drawn by `rng`, or a pair (X, y). Raises InvalidInput.
    """
    table, targets, labels = _checked(X, y, architecture, loss, labels, dtype, check, names=("X", "y"))
    if len(table) == 0:
        raise InvalidInput("X", "expected at least 1 row, got 0")
    every: NDArray[np.intp] = np.arange(len(table), dtype=np.intp)
    if isinstance(validation, Sequence):
        pair = cast(Sequence[ArrayLike], validation)
        if len(pair) != 2:
            raise InvalidInput("validation", f"expected a fraction or a pair (X, y), got {len(pair)} items")
        held_table, held_targets, _ = _checked(
            pair[0], pair[1], architecture, loss, labels, dtype, check, names=("validation[0]", "validation[1]")
        )
        if len(held_table) == 0:
            raise InvalidInput("validation[0]", "expected at least 1 row, got 0")
        held = Split(held_table, held_targets, np.arange(len(held_table), dtype=np.intp))
        return Split(table, targets, every), held, labels
    if not validation:
        return Split(table, targets, every), None, labels
    count = max(1, round(len(table) * cast(float, validation)))
    if count >= len(table):
        raise InvalidInput("validation", f"{validation:g} of {len(table)} rows leaves none to train on")
    rng.shuffle(every)
    held_rows, train_rows = np.sort(every[:count]), np.sort(every[count:])
    return Split(table, targets, train_rows), Split(table, targets, held_rows), labels


def _checked(
    X: ArrayLike,
    y: ArrayLike,
    architecture: Architecture,
    loss: Loss,
    labels: tuple[Label, ...] | None,
    dtype: np.dtype[Any],
    check: bool,
    *,
    names: tuple[str, str],
) -> tuple[NDArray[Any], NDArray[Any], tuple[Label, ...] | None]:
    outputs = architecture.outputs
    table = checked_rows(X, architecture.inputs, dtype=dtype, pointer=names[0], finite=check)
    rows = len(table)
    if not loss.classifies:
        values = checked_values(y, outputs, rows=rows, dtype=dtype, pointer=names[1], finite=check)
        return table, values, None
    if outputs < 2:
        where = f"layers[{len(architecture.layers) - 1}].units"
        raise InvalidInput(where, f"expected an output for each class, at least 2, got {outputs}")
    if check:
        indices, labels = encoded(y, labels, outputs=outputs, rows=rows, pointer=names[1])
        return table, indices, labels
    indices = check_indices(np.asarray(y), outputs=outputs, rows=rows, pointer=names[1])
    return table, indices, labels or tuple(range(outputs))
