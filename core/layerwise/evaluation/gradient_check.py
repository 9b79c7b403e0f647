"""Check of backpropagated gradients against central differences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import instance, whole_number
from layerwise.data.reader import Gather, Reader
from layerwise.model import MLP
from layerwise.network.parameters import views, weight_count
from layerwise.plan import MOST_SEED, Plan
from layerwise.tables import TableLike
from layerwise.training.passes import TrainingPass
from layerwise.training.standardized_targets import rescaled
from layerwise.types import Floats
from layerwise.workspace import Arena

STEPS = (1e-5, 1e-7)
"""Step sizes of the central differences. Rounding and curvature errors balance near the cube root of float64's epsilon,
but normalised layers may need a smaller step. A layer's error is the smaller of both: a wrong gradient agrees with
neither."""

RESOLUTION = 1e-4
"""Smallest gradient, relative to the loss, that a difference resolves; its own error is about 1e-16 / 1e-5."""


@dataclass(frozen=True, slots=True)
class LayerCheck:
    """Comparison of one layer's gradient with central differences.

    Attributes
    ----------
    relative_error : float
        ‖backpropagated - numerical‖ / (‖backpropagated‖ + ‖numerical‖) over the parameters compared. The denominator
        is at least RESOLUTION times the loss, or RESOLUTION.
    compared : int
        Number of parameters compared.
    skipped : int
        Number of parameters left out because a kink (of ReLU, maxout or hinge) lies within the difference.
    """

    relative_error: float
    compared: int
    skipped: int


@dataclass(frozen=True, slots=True)
class GradientCheck:
    """Result of `gradient_check`; a correct gradient has a relative error below 1e-6.

    Attributes
    ----------
    layers : tuple of LayerCheck
        The errors of each layer, in their order.
    relative_error : float
        The largest relative error of a layer.
    """

    layers: tuple[LayerCheck, ...]

    @property
    def relative_error(self) -> float:
        """The largest relative error of a layer."""
        return max(layer.relative_error for layer in self.layers)


def gradient_check(
    model: MLP,
    X: ArrayLike | TableLike,
    y: ArrayLike,
    *,
    plan: Plan | None = None,
    weights: ArrayLike | None = None,
    coordinates: int = 200,
    seed: int = 0,
) -> GradientCheck:
    """Compare the gradient of a plan's loss with central differences, in float64, on a copy of the model.

    Parameters
    ----------
    model : MLP
        The model; it need not be trained.
    X : array-like (n, inputs), or a table if the model has an encoder
        The rows, all in one batch.
    y : array-like
        Targets, as for `fit`.
    plan : Plan, optional
        Supplies loss, class weights and l2; by default the plan the model was trained with, or `Plan()`.
    weights : array-like (n,), optional
        Row weights.
    coordinates : int, default 200
        The most parameters to compare in each layer, chosen at random.
    seed : int, default 0
        Seed of that choice, of dropout masks and of noise.

    Returns
    -------
    GradientCheck

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import MLP, Architecture, Layer, gradient_check
    >>> model = MLP(Architecture(inputs=3, layers=(Layer(4, activation="tanh"), Layer(2))))
    >>> check = gradient_check(model, [[0.1, -0.2, 0.3], [1.0, 0.5, -0.5]], [0, 1])
    >>> check.relative_error < 1e-6
    True
    """
    instance("model", model, MLP)
    used = (model.plan or Plan()) if plan is None else instance("plan", plan, Plan)
    whole_number("seed", seed, least=0, most=MOST_SEED)
    most = whole_number("coordinates", coordinates, least=1)
    rng = np.random.default_rng(seed)
    probe = _Probe(model, model.encoded(X), y, used, seed, weights=weights)
    loss, _ = probe.evaluate()
    penalised = np.where(np.arange(probe.gradient.size) < probe.weights, probe.parameters, 0)
    gradient = probe.gradient + (used.l2 or 0.0) * penalised
    places: NDArray[np.intp] = np.arange(gradient.size, dtype=np.intp)
    checks: list[LayerCheck] = []
    for part in views(model.architecture, places):  # type: ignore[arg-type]  # the same views of the places themselves
        own = np.concatenate([part.weight.reshape(-1), part.bias, part.scale, part.slope]).astype(np.intp)
        drawn = rng.permutation(own)[:most]
        found = [(gradient[place], probe.differences(int(place))) for place in drawn]
        compared = [(back, numerical) for back, numerical in found if numerical is not None]
        back: NDArray[np.float64] = np.array([back for back, _ in compared], np.float64)
        numerical: NDArray[np.float64] = np.array([by_step for _, by_step in compared]).reshape(-1, len(STEPS))
        least = RESOLUTION * max(1.0, abs(loss))
        error = min(_relative_error(back, by_step, least) for by_step in numerical.T)
        checks.append(LayerCheck(error, len(compared), len(drawn) - len(compared)))
    return GradientCheck(tuple(checks))


class _Probe:
    """The loss as a function of a float64 copy of the parameters."""

    def __init__(
        self, model: MLP, X: ArrayLike, y: ArrayLike, plan: Plan, seed: int, *, weights: ArrayLike | None
    ) -> None:
        architecture, loss = model.architecture, plan.loss
        reader = Reader(architecture, loss, np.dtype(np.float64))
        data, labels = reader.read(X, y, model.labels, weights=weights)
        data, _ = reader.apply_class_weights(data, None, labels, plan)
        exact = MLP(architecture, dtype=np.float64, weights=model.weights)
        exact.plan, exact.target_scale = model.plan, model.target_scale
        network = rescaled(exact, plan, data)
        data = network.split(data)
        self.parameters: Floats = network.trained.parameters
        self.gradient: Floats = np.zeros_like(self.parameters)
        self.weights = weight_count(architecture)
        self._l2, self._seed = plan.l2 or 0.0, seed
        self._network = TrainingPass(
            architecture,
            self.parameters,
            self.gradient,
            loss,
            statistics=model.statistics.astype(np.float64),
            rows=len(data.rows),
            arena=Arena(),
        )
        scale, shift = architecture.input_scale, architecture.input_shift
        self._gather = Gather(data.table, self._network.inputs, scale=scale, shift=shift)
        self._rows = data.rows[:]
        self._row_weights = None if data.weights is None else data.weights.astype(np.float64)
        targets = data.scale.scale_targets(data.targets) if data.scale else data.targets
        self._targets = targets.astype(np.intp if targets.ndim == 1 else np.float64)

    def evaluate(self) -> tuple[float, list[NDArray[np.generic]]]:
        """Return the loss with the L2 term, and the active pieces; `gradient` is without that term."""
        self._gather(self._rows)  # afresh: noise changes the inputs in place
        self._network.forward(np.random.default_rng(self._seed))
        pieces = [piece.copy() for piece in self._network.active_pieces(self._targets)]
        weights = self.parameters[: self.weights]
        loss = self._network.backward(self._targets, self._row_weights)
        return loss + self._l2 / 2 * float(weights @ weights), pieces

    def differences(self, place: int) -> list[float] | None:
        """Return central differences in one parameter for each of STEPS, or None if a kink lies within them."""
        value = self.parameters[place]
        found: list[float] = []
        for step in STEPS:
            self.parameters[place] = value + step
            above, above_pieces = self.evaluate()
            self.parameters[place] = value - step
            below, below_pieces = self.evaluate()
            self.parameters[place] = value
            if any(not np.array_equal(a, b) for a, b in zip(above_pieces, below_pieces, strict=True)):
                return None
            found.append((above - below) / (2 * step))
        return found


def _relative_error(back: NDArray[np.float64], numerical: NDArray[np.float64], least: float) -> float:
    """Return the norm of the difference over the sum of the norms, which counts as at least `least`."""
    size = max(float(np.linalg.norm(back) + np.linalg.norm(numerical)), least)
    return float(np.linalg.norm(back - numerical)) / size
