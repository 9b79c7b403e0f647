"""Backpropagation checked against central differences."""

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
"""Half the widths of the differences: rounding and curvature errors balance near the cube root of float64's epsilon,
but networks of normalised layers may bend more sharply. A layer's error is by the width that suits it: a gradient that
is wrong agrees with neither."""

RESOLUTION = 1e-4
"""Of the loss: a smaller gradient has too few digits in a difference, whose own error is near 1e-16 / 1e-5."""


@dataclass(frozen=True, slots=True)
class LayerCheck:
    """How far one layer's gradient lies from its central differences."""

    relative_error: float
    """‖backpropagated - numerical‖ / (‖backpropagated‖ + ‖numerical‖) over the coordinates compared.

    The sum counts as RESOLUTION at least.
    """
    compared: int
    skipped: int
    """Coordinates left out because a kink (of a ReLU, maxout or hinge) lies within the difference."""


@dataclass(frozen=True, slots=True)
class GradientCheck:
    """The outcome of `gradient_check`; below 1e-6 all is well."""

    layers: tuple[LayerCheck, ...]

    @property
    def relative_error(self) -> float:
        """The largest of the layers'."""
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
    """Compares the gradient of `plan`'s loss over all rows with central differences, in float64, on a copy.

    `X` is (n, inputs) or, if the model has an encoder, a table. `plan`, by default the one the model was trained with,
    gives loss, class weights and l2; `weights` (n,) are those of the rows. Up to `coordinates` parameters of each layer
    are compared, drawn by `seed`, which fixes dropout masks and noise too. Raises InvalidInput.
    """
    instance("model", model, MLP)
    used = (model.plan or Plan()) if plan is None else instance("plan", plan, Plan)
    whole_number("seed", seed, least=0, most=MOST_SEED)
    most = whole_number("coordinates", coordinates, least=1)
    rng = np.random.default_rng(seed)
    probe = _Probe(model, model.encoded(X), y, used, seed, weights=weights)
    loss, _ = probe.evaluate()
    gradient = probe.gradient + used.l2 * np.where(np.arange(probe.gradient.size) < probe.weights, probe.parameters, 0)
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
        data, labels = reader.whole(X, y, model.labels, weights=weights)
        data, _ = reader.weighted(data, None, labels, plan)
        exact = MLP(architecture, dtype=np.float64, weights=model.weights)
        exact.plan, exact.target_scale = model.plan, model.target_scale
        network = rescaled(exact, plan, data)
        data = network.split(data)
        self.parameters: Floats = network.trained.parameters
        self.gradient: Floats = np.zeros_like(self.parameters)
        self.weights = weight_count(architecture)
        self._l2, self._seed = plan.l2, seed
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
        """The loss with the L2 term, and on which linear pieces it was computed; `gradient` is without the term."""
        self._gather(self._rows)  # afresh: noise changes the inputs in place
        self._network.forward(np.random.default_rng(self._seed))
        sides = [side.copy() for side in self._network.sides(self._targets)]
        weights = self.parameters[: self.weights]
        loss = self._network.backward(self._targets, self._row_weights)
        return loss + self._l2 / 2 * float(weights @ weights), sides

    def differences(self, place: int) -> list[float] | None:
        """The central differences in one parameter, by each of STEPS, or None if a kink lies within the first."""
        value = self.parameters[place]
        found: list[float] = []
        for step in STEPS:
            self.parameters[place] = value + step
            above, above_sides = self.evaluate()
            self.parameters[place] = value - step
            below, below_sides = self.evaluate()
            self.parameters[place] = value
            if any(not np.array_equal(a, b) for a, b in zip(above_sides, below_sides, strict=True)):
                return None
            found.append((above - below) / (2 * step))
        return found


def _relative_error(back: NDArray[np.float64], numerical: NDArray[np.float64], least: float) -> float:
    """The length of the difference over the sum of the lengths, which counts as `least` at least."""
    size = max(float(np.linalg.norm(back) + np.linalg.norm(numerical)), least)
    return float(np.linalg.norm(back - numerical)) / size
