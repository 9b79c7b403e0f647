"""Base class of classifier and regressor: from arguments and rows to a trained network of raw rows."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from layerwise.checks import decided, truth, whole_number
from layerwise.data.arrays import checked_weights
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput
from layerwise.losses import LOSSES, Loss
from layerwise.model import MLP
from layerwise.network.architecture import Architecture, Layer
from layerwise.network.target_scale import TargetScale
from layerwise.optimizers import OPTIMIZERS
from layerwise.plan import MOST_SEED, Plan
from layerwise.sklearn.planning import build_plan, hidden_layers
from layerwise.sklearn.sparse import dense_blocks, is_sparse
from layerwise.sklearn.standardization import (
    Standardization,
    fit_standardization,
    fold_standardization,
    no_standardization,
)
from layerwise.sklearn.untyped import drawn_seed, new_rows
from layerwise.training.fit import fit, partial_fit
from layerwise.training.records import Record
from layerwise.training.state import TrainingState
from layerwise.types import Floats
from layerwise.variants import chosen


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Class indices (n,), flags (n, k) or values (n, k), and the labels of classes."""

    array: NDArray[Any]
    labels: tuple[Label, ...] | None = None

    @property
    def columns(self) -> int:
        return 1 if self.array.ndim == 1 else self.array.shape[1]

    def part(self, rows: NDArray[np.bool_]) -> "Targets":
        """Return the targets of the rows where `rows` (n,) is true."""
        return Targets(self.array[rows], self.labels)


def takes_batches(estimator: Any) -> bool:
    """Return whether the optimiser trains in batches, so that the estimator has `partial_fit`."""
    arguments: dict[str, Any] = estimator.get_params(deep=False)
    plan: Plan | None = arguments["plan"]
    used = plan.optimizer if plan else chosen("optimizer", arguments["optimizer"], OPTIMIZERS)
    return not used.full_batch


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Base class of MLPClassifier and MLPRegressor."""

    model_: MLP
    records_: tuple[Record, ...]
    n_iter_: int
    _network: MLP
    _inputs: Standardization
    _state: TrainingState | None

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train a new network.

        Parameters
        ----------
        X : array-like or sparse matrix (n, features)
            The rows.
        y : array-like (n,) or (n, k)
            The targets.
        sample_weight : array-like (n,), optional
            Row weights: a row of weight 2 counts as two rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is invalid.
        Diverged
            If training produces NaN or infinity.
        """
        rows, targets = self._read(X, y, first=True)
        weights = self._weights(sample_weight, rows.shape[0])
        if not weights.all():  # rows of weight 0 do not count, nor are they held out
            rows, weights, targets = rows[weights > 0], weights[weights > 0], targets.part(weights > 0)
        plan = self._build_plan(targets)
        if plan.validation and rows.shape[0] == 1:
            raise InvalidInput("X", "expected at least 2 rows, as some are held out, got 1 sample")
        self._begin(rows, targets, weights, plan)
        records = list(
            fit(
                self._network,
                cast(ArrayLike, self._inputs.of(rows)),
                targets.array,
                plan=plan,
                weights=None if sample_weight is None else weights * (len(weights) / weights.sum()),
            )
        )
        self.records_, self.n_iter_ = tuple(records), len(records)
        self.loss_curve_ = [record.loss for record in records]
        held = [record.validation_loss for record in records if record.validation_loss is not None]
        self.validation_curve_ = held
        self._publish(targets.labels)
        return self

    def _partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        *,
        first: bool,
        classes: NDArray[Any] | None = None,
    ) -> Self:
        rows, targets = self._read(X, y, first=first, classes=classes)
        weights = self._weights(sample_weight, rows.shape[0])
        plan = self._build_plan(targets).completed(rows=None)
        if first:
            self._begin(rows, targets, weights, plan, more_batches=True)
            self.n_iter_ = 0
        inputs, wanted = self._inputs.of(rows), targets.array
        batch = decided("batch_size", plan.batch_size)
        for start in range(0, rows.shape[0], batch):
            part = slice(start, start + batch)
            if not weights[part].any():
                continue
            own = None if sample_weight is None else weights[part]
            self._state = partial_fit(
                self._network, inputs[part], wanted[part], plan=plan, weights=own, state=self._state
            )
            self.n_iter_ += 1
        self._publish(targets.labels)
        return self

    def __sklearn_tags__(self) -> Any:
        tags: Any = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def _has_begun(self) -> bool:
        return hasattr(self, "model_")

    def _begin(
        self,
        rows: NDArray[Any],
        targets: Targets,
        weights: NDArray[np.float64],
        plan: Plan,
        *,
        more_batches: bool = False,
    ) -> None:
        """Make a new network, and find the scales of inputs and targets.

        A column that is constant in `rows` is ignored, unless there are `more_batches` in which it may vary.
        """
        architecture = self._architecture(rows.shape[1], targets, plan.loss)
        network = MLP(architecture, seed=plan.seed, dtype=rows.dtype)
        if targets.labels is not None:
            network.labels = range(len(targets.labels))
        standardizes = truth("standardize", self._argument("standardize"))
        if standardizes:
            self._inputs = fit_standardization(rows, weights, "X", constant_scale=1.0 if more_batches else np.inf)
        else:
            self._inputs = no_standardization(rows.shape[1])
        network.target_scale = self._target_scale(targets, weights, plan, more_batches=more_batches)
        self._network, self._state = network, None

    def _architecture(self, features: int, targets: Targets, loss: Loss) -> Architecture:
        hidden = hidden_layers(self._argument("hidden"), self._argument("activation"), self._argument("dropout"))
        classes = len(targets.labels or ())
        units = (1 if loss.binary and classes == 2 else classes) or targets.columns
        return Architecture(features, (*hidden, Layer(units)))

    def _publish(self, labels: tuple[Label, ...] | None) -> None:
        """Make the network of raw rows."""
        self.model_ = fold_standardization(self._network, self._inputs)
        self.model_.labels = labels

    def _build_plan(self, targets: Targets) -> Plan:
        defaults = {name: parameter.default for name, parameter in signature(type(self)).parameters.items()}
        plan = build_plan(self._arguments(targets), defaults, LOSSES[self._default_loss(targets)](), self._seed())
        self._check_loss("loss" if self._argument("plan") is None else "plan.loss", plan.loss, targets)
        if targets.labels is not None and self._argument("plan") is None:
            return replace(plan, split="stratified")
        return plan

    def _arguments(self, targets: Targets) -> dict[str, Any]:
        """Return the arguments of the constructor by name."""
        del targets
        return self.get_params(deep=False)  # type: ignore[no-any-return]

    def _argument(self, name: str) -> Any:
        return getattr(self, name)

    def _seed(self) -> int | None:
        """Return the seed, None for that of the plan."""
        given: object = self._argument("random_state")
        if isinstance(given, int | np.integer):
            return whole_number("random_state", cast(object, given), least=0, most=MOST_SEED)
        if given is None and self._argument("plan") is not None:
            return None
        return drawn_seed(given)

    def _weights(self, sample_weight: ArrayLike | None, rows: int) -> NDArray[np.float64]:
        if sample_weight is None:
            return np.ones(rows)
        return checked_weights(sample_weight, rows=rows, pointer="sample_weight").astype(np.float64)

    def _outputs_of(self, X: ArrayLike) -> Floats:
        """Return the network's outputs (n, k) for raw rows `X` (n, features)."""
        rows = new_rows(self, X)
        if is_sparse(rows):
            return np.concatenate([self.model_.outputs(block) for block in dense_blocks(rows)])
        return self.model_.outputs(rows)

    @abstractmethod
    def _read(
        self, X: ArrayLike, y: ArrayLike, *, first: bool, classes: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], Targets]:
        """Return checked rows (n, features) of float64 or float32, perhaps sparse, and targets.

        The `first` call sets features and classes, which are all of `classes` if given.
        """

    @abstractmethod
    def _default_loss(self, targets: Targets) -> str:
        """Return the name of the default loss for the targets."""

    @abstractmethod
    def _check_loss(self, pointer: str, loss: Loss, targets: Targets) -> None:
        """Raise InvalidInput if `loss` does not fit the targets."""

    def _target_scale(
        self, targets: Targets, weights: NDArray[np.float64], plan: Plan, *, more_batches: bool
    ) -> TargetScale | None:
        """Return the scaling of the targets, if it is known before training."""
        del targets, weights, plan, more_batches
        return None
