"""A classifier for scikit-learn."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin

from layerwise.activations import Activation
from layerwise.checks import counted, shown
from layerwise.errors import InvalidInput
from layerwise.losses import LOSSES, Loss
from layerwise.network.architecture import Layer
from layerwise.optimizers import Optimizer
from layerwise.optimizers.schedule import Schedule
from layerwise.plan import Plan
from layerwise.plan.early_stopping import EarlyStopping
from layerwise.sklearn.classes import class_indices, class_labels
from layerwise.sklearn.estimator import Estimator, Targets, takes_batches
from layerwise.sklearn.untyped import available_if, kind_of_classes, rows_and_targets
from layerwise.variants import chosen

ClassWeightLike = Mapping[Any, float] | Iterable[float] | Literal["balanced"]


def _gives_probabilities(estimator: "MLPClassifier") -> bool:
    return _loss_of(estimator).gives_probabilities


def _gives_scores(estimator: "MLPClassifier") -> bool:
    return not _loss_of(estimator).gives_probabilities


class MLPClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]  # scikit-learn has no types
    """A multilayer perceptron that predicts classes, or flags of several labels a row.

    It computes in float32 if X is float32, else in float64. X may be sparse; its rows are made dense batch by batch.
    With a loss without probabilities, such as hinge, it has `decision_function` instead of `predict_proba`.

    Parameters
    ----------
    hidden : int, Layer, or sequence of them, default (100,)
        Hidden layers: Layers, or numbers of units with `activation` and `dropout`.
    activation : str or Activation, default "relu"
        Activation of hidden layers given as numbers.
    dropout : float, default 0
        Dropout rate of hidden layers given as numbers.
    loss : str or Loss, optional
        The loss; by default softmax_cross_entropy, for flags sigmoid_cross_entropy.
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
    class_weight : "balanced", mapping or sequence of float, optional
        Weights of the classes, by class or in the order of `classes_`.
    standardize : bool, default True
        Standardise columns. Penalties and recorded losses are then in these units.
    plan : Plan, optional
        Replaces all arguments from `loss` to `early_stopping`.
    random_state : int or RandomState, optional
        An integer is the seed of weights and plan.

    Attributes
    ----------
    classes_ : ndarray (k,)
        The classes, sorted; of flags the numbers of their columns.
    model_ : MLP
        The trained model of raw rows, to be saved and served.
    records_ : tuple of Record
        One for each epoch; `loss_curve_` and `validation_curve_` are their losses.
    n_iter_ : int
        Number of epochs.

    Examples
    --------
    >>> from layerwise.sklearn import MLPClassifier
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
    >>> classifier = MLPClassifier(hidden=8, learning_rate=0.05, epochs=50, random_state=0).fit(X, y)
    >>> classifier.predict([[0.5], [2.5]]).tolist()
    ['low', 'high']
    """

    classes_: NDArray[Any]
    """The classes (k,) in ascending order; of flags their columns' numbers."""

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
        class_weight: ClassWeightLike | None = None,
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
        self.class_weight = class_weight
        self.standardize = standardize
        self.plan = plan
        self.random_state = random_state

    @available_if(takes_batches)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train on rows once, in their order; the first call makes a new network.

        The first call also decides how inputs are standardised, unless `fit` was called before.

        Parameters
        ----------
        X : array-like or sparse matrix (n, features)
            The rows.
        y : array-like (n,) or (n, k)
            Their classes, or flags.
        classes : array-like (classes,), optional
            All classes; required in the first call.
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
        first = not self._has_begun
        if first and classes is None:
            raise InvalidInput("classes", "expected all classes in the first call of partial_fit, got None")
        named = None if classes is None else np.unique(np.asarray(classes))
        if not first and named is not None and not np.array_equal(named, self.classes_):
            raise InvalidInput("classes", f"expected {shown(self.classes_.tolist())}, got {shown(named.tolist())}")
        return self._partial_fit(X, y, sample_weight, first=first, classes=named)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict classes or flags.

        Parameters
        ----------
        X : array-like or sparse matrix (n, features)
            The rows.

        Returns
        -------
        ndarray (n,) or (n, k)
            Classes, or flags of 0 and 1.
        """
        outputs = self._outputs_of(X)
        chosen = self._network.decide(outputs)
        return self.classes_[chosen] if self._network.is_classifier else chosen

    @available_if(_gives_probabilities)
    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix (n, features)
            The rows.

        Returns
        -------
        ndarray (n, classes) or (n, k)
            The probability of each of `classes_`, or of each flag.
        """
        outputs = self._outputs_of(X)
        return self.model_.probabilities(outputs)

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the logarithms of probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix (n, features)
            The rows.

        Returns
        -------
        ndarray (n, classes) or (n, k)
            log of `predict_proba`; -inf for a probability of 0.
        """
        with np.errstate(divide="ignore"):
            logarithms: NDArray[Any] = np.log(self.predict_proba(X))
        return logarithms

    @available_if(_gives_scores)
    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Return the scores that the prediction is made from.

        Parameters
        ----------
        X : array-like or sparse matrix (n, features)
            The rows.

        Returns
        -------
        ndarray (n, classes) or (n,)
            The class with the highest score is predicted; of two classes, the second if its score (n,) is above 0.
        """
        outputs = self._outputs_of(X)
        if outputs.shape[1] == 1:
            return outputs[:, 0]
        return outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == len(self.classes_) == 2 else outputs

    def _read(
        self, X: ArrayLike, y: ArrayLike, *, first: bool, classes: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], Targets]:
        rows, given = rows_and_targets(self, X, y, reset=first, numeric=False)
        if kind_of_classes(given) == "multilabel-indicator":
            self.classes_ = np.arange(given.shape[1])
            return rows, Targets(given.astype(np.int64))
        if given.ndim == 2:
            detail = (
                f"expected one class a row, or flags of 0 and 1, got {counted(given.shape[1], 'column')} of classes"
            )
            raise InvalidInput("y", detail)
        if first:
            self.classes_ = np.unique(given) if classes is None else classes
        if len(self.classes_) < 2:
            raise InvalidInput("y", f"expected at least 2 classes, got 1 class, {shown(self.classes_.tolist()[0])}")
        return rows, Targets(class_indices(given, self.classes_), class_labels(self.classes_))

    def _default_loss(self, targets: Targets) -> str:
        return "softmax_cross_entropy" if targets.labels else "sigmoid_cross_entropy"

    def _check_loss(self, pointer: str, loss: Loss, targets: Targets) -> None:
        if not loss.classifies:
            raise InvalidInput(pointer, f"expected a loss of classes, got {loss.kind}")
        if targets.labels is None and loss.targets != "flags":
            raise InvalidInput(pointer, f"expected sigmoid_cross_entropy for flags, got {loss.kind}")

    def _arguments(self, targets: Targets) -> dict[str, Any]:
        """Return the arguments, with class weights in the order of the classes."""
        arguments: dict[str, Any] = super()._arguments(targets)
        if not isinstance(self.class_weight, Mapping):
            return arguments
        given, known = cast(Mapping[Any, float], self.class_weight), self.classes_.tolist()
        for name in given:
            if name not in known:
                raise InvalidInput("class_weight", f"expected classes among {shown(known)}, got {shown(name)}")
        return arguments | {"class_weight": tuple(given.get(name, 1.0) for name in known)}


def _loss_of(estimator: MLPClassifier) -> Loss:
    """Return the loss of the trained network, or the one it will have."""
    plan = estimator.model_.plan if hasattr(estimator, "model_") else estimator.plan
    return plan.loss if plan else chosen("loss", estimator.loss or "softmax_cross_entropy", LOSSES)
