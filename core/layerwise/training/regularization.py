"""What holds a network back: penalties of the weights, decay, bounds of weights and gradients, averaging."""

import math

import numpy as np

from layerwise.model import MLP
from layerwise.network.parameters import views, weight_count
from layerwise.optimizers import chunks
from layerwise.plan import Plan
from layerwise.types import Floats


class Regularizer:
    """Applies what `plan` asks for to the parameters of `model` and to their `gradient`, before and after an update.

    `scratch` is the optimiser's. Biases and slopes are never penalised.
    """

    def __init__(self, model: MLP, plan: Plan, gradient: Floats, scratch: Floats) -> None:
        count = weight_count(model.architecture)
        self._plan, self._scratch = plan, scratch
        self._weights: Floats = model.parameters[:count]
        self._parameters, self._gradient = model.parameters, gradient
        self._decay = plan.decay
        self._penalizes = bool(plan.l1 or plan.l2)
        self._clips = plan.clip_norm is not None or plan.clip_value is not None
        layers = views(model.architecture, model.parameters)
        self._matrices = [layer.weight for layer in layers] if plan.max_norm is not None else []
        self._acts_after = bool(self._matrices or plan.average is not None)

    def penalty(self) -> float:
        """l2/2 · Σ w² + l1 · Σ |w|."""
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
        """Adds the penalties' gradient, l2 · w + l1 · sign(w), clips the whole, and decays the weights.

        Pascanu et al. 2013; Loshchilov and Hutter 2019, whose decay is of the weights before the step.
        """
        if self._penalizes:
            self._add_penalty_gradient()
        if self._clips:
            self._clip()
        if self._decay:
            np.multiply(self._weights, 1 - rate * self._decay, out=self._weights)

    def after_update(self, average: Floats | None) -> None:
        """Bounds the weights into each unit (Srivastava et al. 2014), and averages."""
        if not self._acts_after:
            return
        for matrix in self._matrices:
            self._bound(matrix)
        if average is not None and self._plan.average is not None:
            self._add_to(average, self._plan.average)

    def _add_penalty_gradient(self) -> None:
        plan, weights = self._plan, self._weights
        for chunk in chunks(weights.size):
            w, g = weights[chunk], self._gradient[chunk]
            s = self._scratch[: w.size]
            if plan.l2:
                np.multiply(w, plan.l2, out=s)
                np.add(g, s, out=g)
            if plan.l1:
                np.sign(w, out=s)
                np.multiply(s, plan.l1, out=s)
                np.add(g, s, out=g)

    def _clip(self) -> None:
        g, plan = self._gradient, self._plan
        if plan.clip_value is not None:
            np.clip(g, -plan.clip_value, plan.clip_value, out=g)
        if plan.clip_norm is not None:
            length = math.sqrt(float(np.dot(g, g)))
            if length > plan.clip_norm:
                np.multiply(g, plan.clip_norm / length, out=g)

    def _bound(self, matrix: Floats) -> None:
        """Scales down each column of `matrix` (inputs, units) that is longer than max_norm."""
        assert self._plan.max_norm is not None
        length: Floats = np.sqrt(np.einsum("ij,ij->j", matrix, matrix))
        if (length > self._plan.max_norm).any():
            np.multiply(matrix, np.minimum(1.0, self._plan.max_norm / np.maximum(length, 1e-30)), out=matrix)

    def _add_to(self, average: Floats, decay: float) -> None:
        """average ← decay · average + (1 - decay) · parameters. Polyak and Juditsky 1992."""
        for chunk in chunks(average.size):
            a = average[chunk]
            s = self._scratch[: a.size]
            np.subtract(self._parameters[chunk], a, out=s)
            np.multiply(s, 1 - decay, out=s)
            np.add(a, s, out=a)
