"""Rows picked from the data by their numbers, converted on the way, without a copy of the whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.architecture import Architecture
from layerwise.data import checked_rows, checked_values, checked_weights
from layerwise.errors import InvalidInput
from layerwise.labels import Label, checked_indices, encoded
from layerwise.losses import Loss
from layerwise.plan import Plan


class Gather:
    """Picks rows of `source` (n, ...) into `out` (m, ...), which may be of another dtype, without allocating.

    Only where `source` is not contiguous, or not aligned, are the picked rows copied once more.
    """

    def __init__(self, source: NDArray[Any], out: NDArray[Any]) -> None:
        self._source, self._out = source, out
        # np.take would copy the whole of any other source
        self._straight = source.flags.c_contiguous and source.flags.aligned
        self._picked = out if source.dtype == out.dtype else np.empty(out.shape if self._straight else 0, source.dtype)

    def __call__(self, rows: NDArray[np.intp]) -> None:
        if not self._straight:
            np.copyto(self._out, self._source[rows], casting="unsafe")
            return
        # clip: the other modes write to a copy of `out` first
        np.take(self._source, rows, axis=0, out=self._picked, mode="clip")
        if self._picked is not self._out:
            np.copyto(self._out, self._picked, casting="unsafe")


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The part `rows` (m,), indices in ascending order, of a table (n, inputs) and its targets (n, ...).

    `weights` (n,) are the rows' weights in the loss, or None if all are 1.
    """

    table: NDArray[Any]
    targets: NDArray[Any]
    rows: NDArray[np.intp]
    weights: NDArray[Any] | None = None

    def part(self, rows: NDArray[np.intp]) -> "Split":
        """The part `rows` of the same table."""
        return Split(self.table, self.targets, rows, self.weights)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what callers hand over as data for a network of `architecture` that computes in `dtype`.

    Without `check`, the numbers are taken to be finite, and targets of a classifier to be class indices.
    """

    architecture: Architecture
    loss: Loss
    dtype: np.dtype[Any]
    check: bool = True

    def whole(
        self,
        X: ArrayLike,
        y: ArrayLike,
        labels: tuple[Label, ...] | None,
        *,
        weights: ArrayLike | None = None,
        names: tuple[str, str] = ("X", "y"),
    ) -> tuple[Split, tuple[Label, ...] | None]:
        """All rows of (`X`, `y`), and the labels their targets stand for. Raises InvalidInput."""
        outputs = self.architecture.outputs
        table = checked_rows(X, self.architecture.inputs, dtype=self.dtype, pointer=names[0], finite=self.check)
        count = len(table)
        if count == 0:
            raise InvalidInput(names[0], "expected at least 1 row, got 0")
        rows: NDArray[np.intp] = np.arange(count, dtype=np.intp)
        w = None if weights is None else checked_weights(weights, rows=count)
        if not self.loss.classifies:
            y_values = checked_values(y, outputs, rows=count, dtype=self.dtype, pointer=names[1], finite=self.check)
            return Split(table, y_values, rows, w), None
        if outputs < 2:
            where = f"layers[{len(self.architecture.layers) - 1}].units"
            raise InvalidInput(where, f"expected an output for each class, at least 2, got {outputs}")
        if self.check:
            indices, labels = encoded(y, labels, outputs=outputs, rows=count, pointer=names[1])
        else:
            indices = checked_indices(np.asarray(y), outputs=outputs, rows=count, pointer=names[1])
        return Split(table, indices, rows, w), labels or tuple(range(outputs))

    def divided(
        self,
        X: ArrayLike,
        y: ArrayLike,
        labels: tuple[Label, ...] | None,
        *,
        weights: ArrayLike | None,
        validation: float | tuple[ArrayLike, ArrayLike],
        plan: Plan,
        rng: np.random.Generator,
    ) -> tuple[Split, Split | None, tuple[Label, ...] | None]:
        """What to train on, what is held out to measure on, and the labels. Raises InvalidInput.

        `validation` is a fraction of the rows, drawn by `rng`, or a pair (X, y).
        """
        data, labels = self.whole(X, y, labels, weights=weights)
        if isinstance(validation, Sequence):
            if len(validation) != 2:
                detail = f"expected a fraction or a pair (X, y), got {len(cast(Sequence[object], validation))} items"
                raise InvalidInput("validation", detail)
            names = "validation.X", "validation.y"
            return data, self.whole(validation[0], validation[1], labels, names=names)[0], labels
        if not validation:
            return data, None, labels
        count = max(1, round(len(data.rows) * validation))
        if count >= len(data.rows):
            detail = f"expected rows to train on, the fraction {validation:g} of {len(data.rows)} leaves none"
            raise InvalidInput("validation", detail)
        order = rng.permutation(data.rows)
        held, kept = np.sort(order[:count]), np.sort(order[count:])
        return data.part(kept), data.part(held), labels
