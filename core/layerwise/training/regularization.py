"""Regularisation: penalties and decay of the weights, bounds of weights and gradients, and a moving average.

The formulas that act on each number by itself are functions, which packed training shares. Norms and sums are
computed by `Regularizer` for one network and by `PackedRegularizer` for several at once.
"""

import math

import numpy as np

from layerwise.model import MLP
from layerwise.network.parameters import views, weight_count
from layerwise.optimizers import chunks
from layerwise.plan import Plan
from layerwise.types import Floats

Factor = float | Floats | None
"""Of one network a number, of several a column (K, 1); None if there is no such penalty."""


class Regularizer:
    """Applies the regularisation of `plan` to the parameters of `model` and their `gradient`, around each update.

    `scratch` is a buffer that the optimiser uses as well. Biases and slopes are never penalised.
    """

    def __init__(self, model: MLP, plan: Plan, gradient: Floats, scratch: Floats) -> None:
        count = weight_count(model.architecture)
        self._plan, self._scratch = plan, scratch
        self._weights: Floats = model.parameters[:count]
        self._parameters, self._gradient = model.parameters, gradient
        self._decay = plan.decay
        self._l2, self._l1 = plan.l2 or None, plan.l1 or None
        self._penalizes = bool(plan.l1 or plan.l2)
        self._clips = plan.clip_norm is not None or plan.clip_value is not None
        layers = views(model.architecture, model.parameters)
        self._matrices = [layer.weight for layer in layers] if plan.max_norm is not None else []
        self._acts_after = bool(self._matrices or plan.average is not None)

    def penalty(self) -> float:
        """Return l2/2 · Σ w² + l1 · Σ |w|."""
        if not self._penalizes:
            return 0.0
        plan, w = self._plan, self._weights
        total = plan.l2 / 2 * float(np.dot(w, w)) if plan.l2 else 0.0
        if plan.l1:
            for chunk in chunks(w.size):
                s = self._scratch[: chunk.stop - chunk.start]
                np.absolute(w[chunk], out=s)
                total += plan.l1 * float(np.add.reduce(s))
        return total

    def before_update(self, rate: float) -> None:
        """Add the gradient of the penalties, clip the gradient, and decay the weights at the learning rate `rate`.

        Pascanu et al. 2013 for clipping; Loshchilov and Hutter 2019 for the decay, which acts before the step.
        """
        if self._penalizes:
            w, g = self._weights, self._gradient
            for part in chunks(w.size):
                add_penalty_gradient(w[part], g[part], self._scratch[: part.stop - part.start], self._l2, self._l1)
        if self._clips:
            self._clip()
        if self._decay:
            np.multiply(self._weights, 1 - rate * self._decay, out=self._weights)

    def after_update(self, average: Floats | None) -> None:
        """Bound the norm of the weights into each unit (Srivastava et al. 2014), and update the moving `average`."""
        if not self._acts_after:
            return
        for matrix in self._matrices:
            self._limit_norms(matrix)
        if average is not None and self._plan.average is not None:
            for part in chunks(average.size):
                scratch = self._scratch[: part.stop - part.start]
                move_average(average[part], self._parameters[part], scratch, self._plan.average)

    def _clip(self) -> None:
        g, plan = self._gradient, self._plan
        if plan.clip_value is not None:
            clip_values(g, plan.clip_value)
        if plan.clip_norm is not None:
            norm = math.sqrt(float(np.dot(g, g)))
            if norm > plan.clip_norm:
                np.multiply(g, plan.clip_norm / norm, out=g)

    def _limit_norms(self, matrix: Floats) -> None:
        """Scale down each column of `matrix` (inputs, units) whose norm is above max_norm."""
        assert self._plan.max_norm is not None
        norm: Floats = np.sqrt(np.einsum("ij,ij->j", matrix, matrix))
        if (norm > self._plan.max_norm).any():
            np.multiply(matrix, np.minimum(1.0, self._plan.max_norm / np.maximum(norm, 1e-30)), out=matrix)


def add_penalty_gradient(w: Floats, g: Floats, scratch: Floats, l2: Factor, l1: Factor) -> None:
    """Add l2 · w + l1 · sign(w) to the gradient `g`; `scratch` is of the same shape."""
    if l2 is not None:
        np.multiply(w, l2, out=scratch)
        np.add(g, scratch, out=g)
    if l1 is not None:
        np.sign(w, out=scratch)
        np.multiply(scratch, l1, out=scratch)
        np.add(g, scratch, out=g)


def clip_values(g: Floats, most: float) -> None:
    """Bound each number of the gradient `g` to -most … most."""
    np.clip(g, -most, most, out=g)


def move_average(average: Floats, parameters: Floats, scratch: Floats, decay: float) -> None:
    """Set `average` to decay · average + (1 - decay) · parameters. Polyak and Juditsky 1992."""
    np.subtract(parameters, average, out=scratch)
    np.multiply(scratch, 1 - decay, out=scratch)
    np.add(average, scratch, out=average)
