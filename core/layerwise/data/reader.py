"""Rows picked from the data by their numbers, converted on the way, without a copy of the whole."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import counted, decided, real_number, shown
from layerwise.data.arrays import blocks, check_finite, checked_rows, checked_weights
from layerwise.data.class_weights import class_weights
from layerwise.data.labels import Label
from layerwise.data.mapped_files import RowTable, open_table
from layerwise.data.row_source import RowSource
from layerwise.data.splits import RowNumbers, all_rows, random_split, stratified_split, temporal_split
from layerwise.data.targets import read_targets
from layerwise.errors import InvalidInput
from layerwise.losses import Loss
from layerwise.network.architecture import Architecture
from layerwise.network.target_scale import TargetScale
from layerwise.plan import Plan


def checked_validation(validation: object) -> float | tuple[ArrayLike, ...] | None:
    """`validation` as a fraction, or as (X, y) or (X, y, weights), which may stand in a list; None as it is.

    Raises InvalidInput.
    """
    if validation is None:
        return None
    wanted = "expected a fraction, (X, y) or (X, y, weights)"
    if isinstance(validation, tuple | list):
        parts = tuple(cast(Sequence[ArrayLike], validation))
        if len(parts) not in (2, 3):
            raise InvalidInput("validation", f"{wanted}, got {counted(len(parts), 'item')}")
        return parts
    if not isinstance(validation, int | float | np.number):
        raise InvalidInput("validation", f"{wanted}, got {shown(validation)}")
    return real_number("validation", cast(object, validation), least=0, below=1)


def resolved_plan(
    plan: Plan, X: object, validation: float | tuple[ArrayLike, ...] | None
) -> tuple[Plan, float | tuple[ArrayLike, ...]]:
    """`plan` completed for the rows `X`, and the rows held out: a fraction, (X, y) or (X, y, weights).

    `validation`, if it is given, takes the place of the plan's.
    """
    if isinstance(validation, tuple):
        return plan.completed(rows=_length(X), held_out=max(1, _length(validation[0]))), validation
    if validation is not None:
        plan = replace(plan, validation=validation)
    done = plan.completed(rows=_length(X))
    return done, decided("validation", done.validation)


def _length(X: object) -> int:
    """How many rows `X` has, also a sparse matrix; 1 of what has no length, which is refused when it is read."""
    shape: object = getattr(X, "shape", None)
    if isinstance(shape, tuple) and shape:
        return int(cast(tuple[int, ...], shape)[0])
    try:
        return len(cast(Sequence[object], X))
    except TypeError:
        return 1


class Gather:
    """Picks rows x of `source` (n, ...) as scale · x + shift into `out` (m, ...), which may be of another dtype.

    Nothing is allocated. Only where `source` is not contiguous, or not aligned, are the picked rows copied once more.
    """

    def __init__(self, source: RowTable, out: NDArray[Any], *, scale: float = 1.0, shift: float = 0.0) -> None:
        self._source, self._out = source, out
        self._scale, self._shift = scale, shift
        # take would copy the whole of any other source
        self._straight = isinstance(source, RowSource) or (source.flags.c_contiguous and source.flags.aligned)
        self._picked = out if source.dtype == out.dtype else np.empty(out.shape if self._straight else 0, source.dtype)

    def __call__(self, rows: NDArray[np.intp]) -> None:
        if isinstance(self._source, RowSource):
            self._source.take(rows, self._picked)
        elif self._straight:
            # clip: the other modes write to a copy of `out` first; the method is half the price of np.take
            self._source.take(rows, 0, self._picked, "clip")
        else:
            np.copyto(self._out, self._source[rows], casting="unsafe")
        if self._straight and self._picked is not self._out:
            np.copyto(self._out, self._picked, casting="unsafe")
        if self._scale != 1:
            np.multiply(self._out, self._scale, out=self._out)
        if self._shift:
            np.add(self._out, self._shift, out=self._out)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The part `rows` (m,), indices in ascending order, of a table (n, inputs) and its targets (n, ...).

    `weights` (n,) are the rows' weights in the loss, or None if all are 1. `scale` is that by which the targets are
    learnt, None as they are, and `learnt` may hold them so, in the network's dtype. Of a large mapped file the table is
    a RowSource and `rows` are Runs; targets and weights are arrays always, whose pages may all be in memory.
    """

    table: RowTable
    targets: NDArray[Any]
    rows: RowNumbers
    weights: NDArray[Any] | None = None
    scale: TargetScale | None = None
    learnt: NDArray[Any] | None = None

    def part(self, rows: RowNumbers) -> "Split":
        """The part `rows` of the same table."""
        return replace(self, rows=rows)

    def times(self, by_class: NDArray[np.float64]) -> "Split":
        """The same rows, the weight of each times that of its class."""
        weights = by_class.take(self.targets, mode="clip")
        if self.weights is not None:
            np.multiply(weights, self.weights, out=weights)
        return replace(self, weights=weights)

    def weighs_nothing(self) -> bool:
        """Whether all weights of the part are zero."""
        if self.weights is None:
            return False
        return not any(self.weights[self.rows[block]].any() for block in blocks(len(self.rows), 1))


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
        X: ArrayLike | RowSource,
        y: ArrayLike,
        labels: tuple[Label, ...] | None,
        *,
        weights: ArrayLike | None = None,
        names: tuple[str, str, str] = ("X", "y", "weights"),
    ) -> tuple[Split, tuple[Label, ...] | None]:
        """All rows of (`X`, `y`), and the labels their targets stand for. Raises InvalidInput."""
        table = self._table(X, names[0])
        count = len(table)
        if count == 0:
            raise InvalidInput(names[0], "expected at least 1 row, got 0")
        rows = all_rows(table)
        w = None if weights is None else checked_weights(weights, rows=count, dtype=self.dtype, pointer=names[2])
        targets, labels = read_targets(
            y,
            labels,
            loss=self.loss,
            architecture=self.architecture,
            rows=count,
            dtype=self.dtype,
            pointer=names[1],
            check=self.check,
        )
        return Split(table, targets, rows, w), labels

    def divided(
        self,
        X: ArrayLike | RowSource,
        y: ArrayLike,
        labels: tuple[Label, ...] | None,
        *,
        weights: ArrayLike | None,
        validation: float | Sequence[ArrayLike],
        plan: Plan,
        rng: np.random.Generator,
    ) -> tuple[Split, Split | None, tuple[Label, ...] | None]:
        """What to train on, what is held out to measure on, and the labels. Raises InvalidInput.

        `validation` is a fraction of the rows, held out as `plan.split` says, or (X, y) or (X, y, weights).
        """
        data, labels = self.whole(X, y, labels, weights=weights)
        if isinstance(validation, Sequence):
            return *self.weighted(data, self._given(validation, labels), labels, plan), labels
        if not validation:
            return *self.weighted(data, None, labels, plan), labels
        if plan.split == "temporal":
            kept, held = temporal_split(data.table, validation)
        elif plan.split == "stratified":
            if data.targets.ndim != 1 or data.targets.dtype.kind not in "iu":
                detail = f"expected random or temporal, for {self.loss.kind} has no classes to keep the shares of"
                raise InvalidInput("split", f"{detail}, got stratified")
            kept, held = stratified_split(data.table, data.targets, validation, rng)
        else:
            kept, held = random_split(data.table, validation, rng)
        return *self.weighted(data.part(kept), data.part(held), labels, plan), labels

    def weighted(
        self, train: Split, held_out: Split | None, labels: tuple[Label, ...] | None, plan: Plan
    ) -> tuple[Split, Split | None]:
        """The same parts, their rows' weights times those of their classes, which `plan.class_weight` finds in `train`.

        Raises InvalidInput, also if no row of a part weighs anything.
        """
        if plan.class_weight is not None:
            by_class = class_weights(plan.class_weight, train.targets, train.rows, labels=labels or ())
            check_finite(by_class[:, None], dtype=self.dtype, pointer="class_weight", flat=True)
            train, held_out = train.times(by_class), held_out and held_out.times(by_class)
            for part in train, held_out:
                if part and part.weights is not None:
                    check_finite(part.weights[:, None], dtype=self.dtype, pointer="weights", flat=True)
        for part, what in (train, "to train on"), (held_out, "held out"):
            if part and part.weighs_nothing():
                raise InvalidInput("weights", f"expected a weight above 0 for at least one of the rows {what}")
        return train, held_out

    def _table(self, X: ArrayLike | RowSource, pointer: str) -> RowTable:
        if isinstance(X, RowSource):  # whoever made it has checked it
            return X
        return open_table(
            checked_rows(X, self.architecture.inputs, dtype=self.dtype, pointer=pointer, finite=self.check)
        )

    def _given(self, validation: Sequence[ArrayLike], labels: tuple[Label, ...] | None) -> Split:
        """The rows that the caller holds out."""
        X, y, weights = (*validation, None)[:3]
        names = "validation.X", "validation.y", "validation.weights"
        return self.whole(cast(ArrayLike, X), cast(ArrayLike, y), labels, weights=weights, names=names)[0]
