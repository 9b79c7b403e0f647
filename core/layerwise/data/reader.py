"""Reading of training data: checked once, then gathered and converted batch by batch, never copied as a whole."""

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
from layerwise.data.splits import RowNumbers, all_rows, split_rows
from layerwise.data.targets import read_targets
from layerwise.errors import InvalidInput
from layerwise.losses import Loss
from layerwise.network.architecture import Architecture
from layerwise.network.target_scale import TargetScale
from layerwise.plan import Plan


def checked_validation(validation: object) -> float | tuple[ArrayLike, ...] | None:
    """Return `validation` as a fraction, (X, y) or (X, y, weights); None stays None. Raises InvalidInput."""
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
    """Return `plan` completed for the rows `X`, and the held-out rows: a fraction, (X, y) or (X, y, weights).

    `validation`, if given, replaces that of the plan.
    """
    if isinstance(validation, tuple):
        return plan.completed(rows=_length(X), held_out=max(1, _length(validation[0]))), validation
    if validation is not None:
        plan = replace(plan, validation=validation)
    done = plan.completed(rows=_length(X))
    return done, decided("validation", done.validation)


def _length(X: object) -> int:
    """Return the number of rows of `X`, sparse or not; 1 if it has no length, which is an error later."""
    shape: object = getattr(X, "shape", None)
    if isinstance(shape, tuple) and shape:
        return int(cast(tuple[int, ...], shape)[0])
    try:
        return len(cast(Sequence[object], X))
    except TypeError:
        return 1


class Gather:
    """Copies rows x of `source` (n, ...), given by number, to `out` (m, ...) as scale · x + shift, in its dtype.

    Nothing is allocated, unless `source` is not contiguous or not aligned.
    """

    def __init__(self, source: RowTable, out: NDArray[Any], *, scale: float = 1.0, shift: float = 0.0) -> None:
        self._source, self._out = source, out
        self._scale, self._shift = scale, shift
        # for any other source, `take` would first copy the whole of it
        self._can_take = isinstance(source, RowSource) or (source.flags.c_contiguous and source.flags.aligned)
        self._taken = out if source.dtype == out.dtype else np.empty(out.shape if self._can_take else 0, source.dtype)

    def __call__(self, rows: NDArray[np.intp]) -> None:
        if isinstance(self._source, RowSource):
            self._source.take(rows, self._taken)
        elif self._can_take:
            # clip: the other modes write to a copy of `out` first; the method takes half the time of np.take
            self._source.take(rows, 0, self._taken, "clip")
        else:
            np.copyto(self._out, self._source[rows], casting="unsafe")
        if self._can_take and self._taken is not self._out:
            np.copyto(self._out, self._taken, casting="unsafe")
        if self._scale != 1:
            np.multiply(self._out, self._scale, out=self._out)
        if self._shift:
            np.add(self._out, self._shift, out=self._out)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Some rows of a table (n, inputs) and its targets (n, ...), such as those to train on.

    Attributes
    ----------
    table : array or RowSource (n, inputs)
        A RowSource for a large mapped file.
    targets : ndarray (n, ...)
        All of its pages may be in memory, as those of `weights`.
    rows : ndarray (m,) or Runs
        Sorted row numbers; Runs for a large mapped file.
    weights : ndarray (n,) or None
        Row weights; None if all are 1.
    scale : TargetScale or None
        The scaling of the targets in training.
    scaled_targets : ndarray (n, ...) or None
        The scaled targets in the network's dtype, if they were computed in advance.
    """

    table: RowTable
    targets: NDArray[Any]
    rows: RowNumbers
    weights: NDArray[Any] | None = None
    scale: TargetScale | None = None
    scaled_targets: NDArray[Any] | None = None

    def subset(self, rows: RowNumbers) -> "Split":
        """Return the split with other `rows` of the same table."""
        return replace(self, rows=rows)

    def with_class_weights(self, by_class: NDArray[np.float64]) -> "Split":
        """Return the same rows with their weights multiplied by the weight of their class, `by_class` (classes,)."""
        weights = by_class.take(self.targets, mode="clip")
        if self.weights is not None:
            np.multiply(weights, self.weights, out=weights)
        return replace(self, weights=weights)

    def has_no_weight(self) -> bool:
        """Return whether all weights are zero."""
        if self.weights is None:
            return False
        return not any(self.weights[self.rows[block]].any() for block in blocks(len(self.rows), 1))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads data for a network of `architecture` that computes in `dtype`.

    Without `check`, numbers are assumed to be finite, and targets of a classifier to be class indices.
    """

    architecture: Architecture
    loss: Loss
    dtype: np.dtype[Any]
    check: bool = True

    def read(
        self,
        X: ArrayLike | RowSource,
        y: ArrayLike,
        labels: tuple[Label, ...] | None,
        *,
        weights: ArrayLike | None = None,
        names: tuple[str, str, str] = ("X", "y", "weights"),
    ) -> tuple[Split, tuple[Label, ...] | None]:
        """Return all rows of (`X`, `y`), and the labels of the classes. Raises InvalidInput."""
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

    def read_split(
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
        """Return the training rows, the held-out rows, and the labels of the classes. Raises InvalidInput.

        `validation` is a fraction of the rows, held out as `plan.split` says, or (X, y) or (X, y, weights).
        """
        data, labels = self.read(X, y, labels, weights=weights)
        if isinstance(validation, Sequence):
            return *self.apply_class_weights(data, self._held_out(validation, labels), labels, plan), labels
        if not validation:
            return *self.apply_class_weights(data, None, labels, plan), labels
        classes = data.targets if data.targets.ndim == 1 and data.targets.dtype.kind in "iu" else None
        if plan.split == "stratified" and classes is None:
            detail = f"expected random or temporal, as targets of {self.loss.kind} have no classes"
            raise InvalidInput("split", f"{detail}, got stratified")
        kept, held = split_rows(data.table, classes, validation, kind=plan.split, rng=rng)
        return *self.apply_class_weights(data.subset(kept), data.subset(held), labels, plan), labels

    def apply_class_weights(
        self, train: Split, held_out: Split | None, labels: tuple[Label, ...] | None, plan: Plan
    ) -> tuple[Split, Split | None]:
        """Return both parts with their weights multiplied by those of `plan.class_weight`, computed from `train`.

        Raises InvalidInput if class weights and labels do not fit together, or all weights of a part are zero.
        """
        if plan.class_weight is not None:
            by_class = class_weights(plan.class_weight, train.targets, train.rows, labels=labels or ())
            check_finite(by_class[:, None], dtype=self.dtype, pointer="class_weight", flat=True)
            train, held_out = train.with_class_weights(by_class), held_out and held_out.with_class_weights(by_class)
            for part in train, held_out:
                if part and part.weights is not None:
                    check_finite(part.weights[:, None], dtype=self.dtype, pointer="weights", flat=True)
        for part, what in (train, "to train on"), (held_out, "held out"):
            if part and part.has_no_weight():
                raise InvalidInput("weights", f"expected a weight above 0 for at least one of the rows {what}")
        return train, held_out

    def _table(self, X: ArrayLike | RowSource, pointer: str) -> RowTable:
        if isinstance(X, RowSource):  # checked by its maker
            return X
        return open_table(
            checked_rows(X, self.architecture.inputs, dtype=self.dtype, pointer=pointer, finite=self.check)
        )

    def _held_out(self, validation: Sequence[ArrayLike], labels: tuple[Label, ...] | None) -> Split:
        """Return the held-out rows that the user passed."""
        X, y, weights = (*validation, None)[:3]
        names = "validation.X", "validation.y", "validation.weights"
        return self.read(cast(ArrayLike, X), cast(ArrayLike, y), labels, weights=weights, names=names)[0]
