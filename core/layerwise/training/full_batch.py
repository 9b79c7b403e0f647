"""Training by L-BFGS, which takes all rows at once."""

import math

import numpy as np

from layerwise.data.reader import Split
from layerwise.errors import InvalidInput
from layerwise.model import MLP
from layerwise.network.architecture import Architecture
from layerwise.optimizers import LBFGS
from layerwise.optimizers.line_search import Point, strong_wolfe
from layerwise.plan import Plan
from layerwise.training.state import TrainingState
from layerwise.training.trainer import Trainer
from layerwise.types import Floats

CONVERGED = "converged"

BLOCK_NUMBERS = 2**22
"""The activations of a block of rows, 16 MiB of float32: memory is bounded for any number of rows."""


class FullBatchTrainer(Trainer):
    """A Trainer whose step is an iteration of L-BFGS over all rows, read in blocks. Each step is an epoch.

    The record has the loss and the metric after the iteration. Raises InvalidInput if two evaluations of the loss
    would differ.
    """

    def __init__(
        self, model: MLP, plan: Plan, data: Split, held_out: Split | None, *, state: TrainingState | None = None
    ) -> None:
        assert isinstance(plan.optimizer, LBFGS)
        self._lbfgs = plan.optimizer
        check_steady(model.architecture, plan)
        super().__init__(model, plan, data, held_out, state=state)
        self._start: Floats = np.empty_like(model.parameters)
        self._direction: Floats = np.empty_like(model.parameters)
        self._sum: Floats = np.empty_like(model.parameters)
        self._converged = False

    def step(self) -> float:
        """Do one iteration and return the loss after it. Allocates nothing."""
        state = self.state
        known = state.optimizer
        # overflow and its consequences show in the loss, which is checked
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            if not state.step:
                self._keep(self._evaluate())
            loss = float(known["loss"][0])
            self._rate = rate = self._next_rate()
            if not math.isfinite(loss):
                self._diverged(state.step + 1, loss, "the loss")
            if self._doctor and not state.step:
                self._doctor.begin(state.health, loss)
            state.step += 1
            if self._doctor and self._doctor.is_due(state.step, state.health):
                np.copyto(self._gradient, known["gradient"])
                self._doctor.before_update()
            found = self._search(rate)
            if found is None:
                self._go_back()
            else:
                loss = found.loss
                self._remember(loss)
            self._regularizer.after_update(state.average)
        state.loss_sum = loss * self.rows
        state.position = self.rows
        return loss

    def _search(self, rate: float) -> Point | None:
        """Move to a better point along the direction of L-BFGS, and leave its gradient; None if there is none."""
        known, lbfgs = self.state.optimizer, self._lbfgs
        lbfgs.direction(known, self._direction, self._scratch)
        np.copyto(self._start, self.state.parameters)
        start = Point(0.0, float(known["loss"][0]), float(np.dot(known["gradient"], self._direction)))
        if not start.slope < 0:
            return None
        first = rate
        if not known["pairs"][0]:  # the curvature is not known yet: a short step
            np.absolute(self._direction, out=self._sum)
            first *= min(1.0, 1 / float(np.add.reduce(self._sum)))
        return strong_wolfe(self._along, start, first=first, c1=lbfgs.c1, c2=lbfgs.c2, most=lbfgs.max_evaluations)

    def _along(self, distance: float) -> Point:
        """Move to `distance` from the start of the iteration, and evaluate the loss there."""
        parameters = self.state.parameters
        np.multiply(self._direction, distance, out=parameters)
        np.add(parameters, self._start, out=parameters)
        loss = self._evaluate()
        return Point(distance, loss, float(np.dot(self._gradient, self._direction)))

    def _evaluate(self) -> float:
        """Return the loss of all rows, with the penalties; fill the gradient and the sums of the metric."""
        state, loss = self.state, 0.0
        self._sum[:] = 0
        state.metric_sums[:] = 0
        for start in range(0, self.rows, self.batch_size):
            rows = self.data.rows[start : start + self.batch_size]
            self._batch = batch = self._batches[len(rows)]
            batch.gather(rows)
            scores = batch.network.forward(state.generator)
            self._metric.measure(scores, batch.targets, self._batch_sums, batch.weights)
            np.add(state.metric_sums, self._batch_sums, out=state.metric_sums)
            share = batch.rows / self.rows
            loss += share * batch.network.backward(batch.targets, batch.weights)
            np.multiply(self._gradient, share, out=self._gradient)
            np.add(self._sum, self._gradient, out=self._sum)
        np.copyto(self._gradient, self._sum)
        self._regularizer.before_update(0.0)
        return loss + self._regularizer.penalty()

    def _keep(self, loss: float) -> None:
        known = self.state.optimizer
        known["loss"][0] = loss
        np.copyto(known["gradient"], self._gradient)

    def _remember(self, loss: float) -> None:
        """Store the step and the change of the gradient, computed in the buffers of start and direction."""
        known = self.state.optimizer
        step = np.subtract(self.state.parameters, self._start, out=self._start)
        change = np.subtract(self._gradient, known["gradient"], out=self._direction)
        self._lbfgs.remember(known, step, change)
        self._keep(loss)

    def _go_back(self) -> None:
        """End an iteration without a better point: the next one follows the gradient, if this one did not."""
        np.copyto(self.state.parameters, self._start)
        self._evaluate()  # for the metric
        self._converged = not self._lbfgs.forget(self.state.optimizer)

    def _rows_at_once(self) -> int:
        architecture = self.model.architecture
        numbers = architecture.inputs + sum(layer.columns for layer in architecture.layers)
        return max(1, min(self.rows, BLOCK_NUMBERS // numbers))

    def _budget_spent(self) -> str | None:
        return CONVERGED if self._converged else super()._budget_spent()


def check_steady(architecture: Architecture, plan: Plan) -> None:
    """Raise InvalidInput if the loss would differ between evaluations, or the plan would change parameters itself."""
    steady = "L-BFGS needs a loss that does not change between evaluations"
    if architecture.input_noise or architecture.input_dropout or any(layer.dropout for layer in architecture.layers):
        raise InvalidInput("optimizer", f"{steady}: expected a network without dropout and noise, or another optimiser")
    if any(layer.statistics for layer in architecture.layers):
        raise InvalidInput("optimizer", f"{steady}: expected no batch normalisation, or another optimiser")
    for name in ("clip_norm", "clip_value", "max_norm"):
        if getattr(plan, name) is not None:
            raise InvalidInput(name, f"expected None, for {steady}, got {getattr(plan, name):g}")
    if plan.decay:
        raise InvalidInput("weight_decay", f"expected None or 0, for {steady}, got {plan.decay:g}; l2 is part of it")
