"""The update of K networks at once: regularisation, and the formula of the optimiser.

Parameters and gradient are (K, parameters). Numbers that may differ between the networks are columns (K, 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.network.architecture import Architecture
from layerwise.network.parameters import weight_count
from layerwise.optimizers import CHUNK, chunks
from layerwise.plan import Plan
from layerwise.training.packed.member import Matrices
from layerwise.training.packed.network import stacked_views
from layerwise.training.regularization import add_penalty_gradient, clip_values, move_average
from layerwise.types import Floats


class PackedRegularizer:
    """The regularisation of K networks; uses the formulas of `layerwise.training.regularization`.

    l1, l2 and the decay may differ between the plans; all else is the same. Biases and slopes are never penalised.

    It is a class besides `Regularizer` for speed: with l2, a `Regularizer` for each of 64 networks of 400 parameters
    takes 8 times as long as this class for all of them, and this class takes 1.9 times as long as a `Regularizer` for
    a single network.
    """

    def __init__(self, architecture: Architecture, plans: Sequence[Plan], matrices: Matrices) -> None:
        parameters, gradient = matrices.parameters, matrices.gradient
        count, dtype = weight_count(architecture), parameters.dtype
        self._plan, self._parameters, self._gradient = plans[0], parameters, gradient
        self._average = matrices.average
        self._weights: Floats = parameters[:, :count]
        self._weight_gradient: Floats = gradient[:, :count]
        self._l1 = _column([plan.l1 for plan in plans], dtype)
        self._l2 = _column([plan.l2 or 0.0 for plan in plans], dtype)
        self._decay = _column([plan.decay for plan in plans], np.dtype(np.float64))
        self._exact_factor: NDArray[np.float64] = np.empty((len(plans), 1))
        self._weight_factor: Floats = np.empty((len(plans), 1), dtype)
        self._scratch: Floats = np.empty_like(parameters)
        self._weight_scratch: Floats = self._scratch[:, :count]
        self._sum: Floats = np.empty(len(plans), dtype)
        self._norm: Floats = self._sum[:, None]
        self._matrices: list[tuple[Floats, Floats, Floats]] = []
        if self._plan.max_norm is not None:
            parts = stacked_views(architecture, parameters), stacked_views(architecture, self._scratch)
            for own, squares in zip(*parts, strict=True):
                norm: Floats = np.empty((len(plans), 1, own.weight.shape[2]), dtype)
                self._matrices.append((own.weight, squares.weight, norm))

    def add_penalties(self, losses: Floats) -> None:
        """Add l2/2 · Σ w² + l1 · Σ |w| of each network to `losses` (K,)."""
        w, s = self._weights, self._weight_scratch
        if self._l2 is not None:
            np.einsum("kp,kp->k", w, w, out=self._sum)
            np.multiply(self._sum, self._l2[:, 0], out=self._sum)
            np.multiply(self._sum, 0.5, out=self._sum)
            np.add(losses, self._sum, out=losses)
        if self._l1 is not None:
            np.absolute(w, out=s)
            np.add.reduce(s, axis=1, out=self._sum)
            np.multiply(self._sum, self._l1[:, 0], out=self._sum)
            np.add(losses, self._sum, out=losses)

    def before_update(self, rates: NDArray[np.float64]) -> None:
        """Add the gradient of the penalties, clip the gradient, and decay the weights at the `rates` (K, 1)."""
        w = self._weights
        add_penalty_gradient(w, self._weight_gradient, self._weight_scratch, self._l2, self._l1)
        self._clip()
        if self._decay is not None:
            np.multiply(rates, self._decay, out=self._exact_factor)
            np.subtract(1.0, self._exact_factor, out=self._exact_factor)
            np.copyto(self._weight_factor, self._exact_factor)
            np.multiply(w, self._weight_factor, out=w)

    def after_update(self) -> None:
        """Bound the norm of the weights into each unit, and update the moving averages."""
        most, decay = self._plan.max_norm, self._plan.average
        for matrix, squares, norm in self._matrices:
            assert most is not None
            np.multiply(matrix, matrix, out=squares)
            np.add.reduce(squares, axis=1, keepdims=True, out=norm)
            np.sqrt(norm, out=norm)
            np.maximum(norm, most, out=norm)
            np.divide(most, norm, out=norm)
            # not in place: NumPy would copy, as it cannot tell that this is safe for a view of three axes
            np.multiply(matrix, norm, out=squares)
            np.copyto(matrix, squares)
        if self._average is not None and decay is not None:
            move_average(self._average, self._parameters, self._scratch, decay)

    def _clip(self) -> None:
        g, plan = self._gradient, self._plan
        if plan.clip_value is not None:
            clip_values(g, plan.clip_value)
        if plan.clip_norm is not None:
            np.einsum("kp,kp->k", g, g, out=self._sum)
            np.sqrt(self._sum, out=self._sum)
            # 1 where the gradient is short enough
            np.maximum(self._sum, plan.clip_norm, out=self._sum)
            np.divide(plan.clip_norm, self._sum, out=self._sum)
            np.multiply(g, self._norm, out=g)


def _column(values: Sequence[float], dtype: np.dtype[Any]) -> Floats | None:
    """Return the values as (K, 1), or None if all are zero."""
    return np.array(values, dtype)[:, None] if any(values) else None


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A part of the parameters of some networks, small enough for the processor's cache."""

    networks: slice
    p: Floats
    g: Floats
    vectors: list[Floats]
    scratch: list[Floats]


class PackedOptimizer:
    """Updates K networks by the formula of an optimiser, `Optimizer.move`, with columns (K, 1) for its numbers.

    The optimisers may differ only in their learning rates: state that is not a vector is the same for all.
    """

    def __init__(self, plan: Plan, matrices: Matrices) -> None:
        self._optimizer, self._state = plan.optimizer, matrices.optimizer
        parameters, gradient, state = matrices.parameters, matrices.gradient, matrices.optimizer
        networks, size = parameters.shape
        length = CHUNK // self._optimizer.temporaries
        width, height = min(size, length), max(1, length // size)
        scratch: Floats = np.empty((self._optimizer.temporaries, min(height, networks), width), parameters.dtype)
        vectors = [state[name] for name in self._optimizer.vectors]
        self._chunks = [
            _Chunk(
                networks=rows,
                p=parameters[rows, columns],
                g=gradient[rows, columns],
                vectors=[vector[rows, columns] for vector in vectors],
                scratch=[s[: rows.stop - rows.start, : columns.stop - columns.start] for s in scratch],
            )
            for rows in chunks(networks, height)
            for columns in chunks(size, width)
        ]
        self._rates: NDArray[np.float64] = np.empty((networks, 1))
        others = {name: array.copy() for name, array in state.items() if name not in self._optimizer.vectors}
        count = len(self._optimizer.numbers(others, 1.0, 1))
        self._columns: list[Floats] = [np.empty((networks, 1), parameters.dtype) for _ in range(count)]

    def update(self, rates: NDArray[np.float64], step: int) -> None:
        """Make step number `step` of all networks, at their learning rates (K, 1)."""
        np.copyto(self._rates, rates)
        # the formula for one rate also works for a column of them
        numbers = self._optimizer.numbers(self._state, cast(float, self._rates), step)
        for column, number in zip(self._columns, numbers, strict=True):
            np.copyto(column, number)
        for at in self._chunks:
            columns = cast(tuple[float, ...], tuple(column[at.networks] for column in self._columns))
            self._optimizer.move(at.p, at.g, at.vectors, at.scratch, columns)
