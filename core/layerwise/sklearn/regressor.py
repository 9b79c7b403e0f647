"""A regressor for scikit-learn."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin

from layerwise.activations import Activation
from layerwise.errors import InvalidInput
from layerwise.losses import Loss
from layerwise.network.architecture import Layer
from layerwise.network.target_scale import TargetScale
from layerwise.optimizers import Optimizer
from layerwise.optimizers.schedule import Schedule
from layerwise.plan import Plan
from layerwise.plan.early_stopping import EarlyStopping
from layerwise.sklearn.estimator import Estimator, Targets, takes_batches
from layerwise.sklearn.untyped import available_if, rows_and_targets
from layerwise.training.standardized_targets import scale_of_targets


class MLPRegressor(RegressorMixin, Estimator):  # type: ignore[misc]  # scikit-learn has no types
    """A multilayer perceptron that predicts one or several values a row.

    It computes in float32 if X is float32, else in float64. X may be sparse; its rows are made dense batch by batch.

    Parameters
    ----------
    hidden : int, Layer, or sequence of them, default (100,)
        Hidden layers: Layers, or numbers of units with `activation` and `dropout`.
    activation : str or Activation, default "relu"
        Activation of hidden layers given as numbers.
    dropout : float, default 0
        Dropout rate of hidden layers given as numbers.
    loss : str or Loss, optional
        The loss; by default squared_error.
    optimizer : str or Optimizer, default "adam"
    learning_rate : float, optional
        Learning rate of the optimizer; by default its own.
    schedule, l2, batch_size, epochs : optional
        As in Plan.
    validation : float, optional
        Share of the rows held out; by default 0.1 if something watches them, else 0.
    early_stopping : str, bool or EarlyStopping, optional
        What to watch: "loss" (default) stops when the training loss has not fallen by 1e-4 for ten epochs; or another
        value of a record; True for the validation loss; None or False for nothing.
    standardize : bool, default True
        Standardise columns and targets; with a loss of logarithmic link, targets are divided by their mean. Penalties
        and recorded losses are then in these units.
    plan : Plan, optional
        Replaces all arguments from `loss` to `early_stopping`.
    random_state : int or RandomState, optional
        An integer is the seed of weights and plan.

    Attributes
    ----------
    model_ : MLP
        The trained model of raw rows, to be saved and served.
    records_ : tuple of Record
        One for each epoch; `loss_curve_` and `validation_curve_` are their losses.
    n_iter_ : int
        Number of epochs.
    """

    def __init__(
        self,
        hidden: int | Layer | Iterable[int | Layer] = (100,),
        *,
        activation: str | Activation = "relu",
        dropout: float = 0.0,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer = "adam",
        learning_rate: float | None = None,
        schedule: str | Schedule = "constant",
        l2: float = 1e-3,
        batch_size: int = 64,
        epochs: int = 200,
        validation: float | None = None,
        early_stopping: bool | str | EarlyStopping | None = "loss",
        standardize: bool = True,
        plan: Plan | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.l2 = l2
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation = validation
        self.early_stopping = early_stopping
        self.standardize = standardize
        self.plan = plan
        self.random_state = random_state

    @available_if(takes_batches)
    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows once, in their order; the first call makes a new network.

        The first call also decides how inputs and targets are standardised, unless `fit` was called before.

        Parameters
        ----------
        X : array-like or sparse matrix (n, features)
            The rows.
        y : array-like (n,) or (n, targets)
            Their values.
        sample_weight : array-like (n,), optional
            Row weights.

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
        return self._partial_fit(X, y, sample_weight, first=not self._has_begun)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict values.

        Parameters
        ----------
        X : array-like or sparse matrix (n, features)
            The rows.

        Returns
        -------
        ndarray (n,) or (n, targets)
        """
        outputs = self._outputs_of(X)
        return self.model_.decide(outputs)

    def _read(
        self, X: ArrayLike, y: ArrayLike, *, first: bool, classes: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], Targets]:
        del classes
        rows, given = rows_and_targets(self, X, y, reset=first, numeric=True)
        return rows, Targets(given.reshape(len(given), -1).astype(np.float64))

    def _default_loss(self, targets: Targets) -> str:
        del targets
        return "squared_error"

    def _check_loss(self, pointer: str, loss: Loss, targets: Targets) -> None:
        del targets
        if loss.classifies:
            raise InvalidInput(pointer, f"expected a loss of values, got {loss.kind}")

    def _build_plan(self, targets: Targets) -> Plan:
        plan = super()._build_plan(targets)
        return plan if self.standardize else replace(plan, standardize_targets=False)

    def _target_scale(
        self, targets: Targets, weights: NDArray[np.float64], plan: Plan, *, more_batches: bool
    ) -> TargetScale | None:
        """Return the scale of all targets of the call, not only of the first batch of `partial_fit`."""
        if (
            not plan.standardize_targets or (targets.array < plan.loss.min_target).any()
        ):  # such targets are refused later
            return None
        return scale_of_targets(targets.array, np.arange(len(targets.array)), weights, plan.loss, online=more_batches)
