"""Training by optimisers whose steps use all rows."""

import math

import numpy as np

from layerwise.data.reader import Split
from layerwise.errors import InvalidInput
from layerwise.model import MLP
from layerwise.network.architecture import Architecture
from layerwise.optimizers import FullBatchOptimizer
from layerwise.optimizers.line_search import Point
from layerwise.plan import Plan
from layerwise.training.state import TrainingState
from layerwise.training.trainer import Trainer
from layerwise.types import Floats

CONVERGED = "converged"

BLOCK_NUMBERS = 2**22
"""The activations of a block of rows, 16 MiB of float32: memory is bounded for any number of rows."""


class FullBatchTrainer(Trainer):
    """A Trainer whose step is an iteration over all rows, read in blocks. Each step is an epoch.

    The record has the loss and the metric after the iteration. Raises InvalidInput if two evaluations of the loss
    would differ.
    """

    def __init__(
        self, model: MLP, plan: Plan, data: Split, held_out: Split | None, *, state: TrainingState | None = None
    ) -> None:
        assert isinstance(plan.optimizer, FullBatchOptimizer)
        self._optimizer = plan.optimizer
        check_deterministic(model.architecture, plan)
        super().__init__(model, plan, data, held_out, state=state)
        self._start: Floats = np.empty_like(model.parameters)
        self._direction: Floats = np.empty_like(model.parameters)
        self._sum: Floats = np.empty_like(model.parameters)
        self._converged = False

    def step(self) -> float:
        """Do one iteration and return the loss after it. Allocates nothing. Call it inside `ignore_overflow()`."""
        state = self.state
        memory = state.optimizer
        if not state.step:
            self._store_evaluation(self._evaluate())
        loss = float(memory["loss"][0])
        self._rate = rate = self._next_rate()
        if not math.isfinite(loss):
            self._diverged(state.step + 1, loss, "the loss")
        if self._doctor and not state.step:
            self._doctor.begin(state.health, loss)
        state.step += 1
        if self._doctor and self._doctor.is_due(state.step, state.health):
            np.copyto(self._gradient, memory["gradient"])
            self._doctor.before_update()
        found = self._line_search(rate)
        if found is None:
            self._return_to_start()
        else:
            loss = found.loss
            self._store_pair(loss)
        self._regularizer.after_update(state.average)
        state.loss_sum = loss * self.rows
        state.position = self.rows
        return loss

    def _line_search(self, rate: float) -> Point | None:
        """Move to a better point along the direction, and compute its gradient; None if there is none."""
        memory, optimizer = self.state.optimizer, self._optimizer
        optimizer.direction(memory, self._direction, self._scratch)
        np.copyto(self._start, self.state.parameters)
        start = Point(0.0, float(memory["loss"][0]), float(np.dot(memory["gradient"], self._direction)))
        if not start.slope < 0:
            return None
        first = rate
        if not optimizer.knows_curvature(memory):  # take a short step
            np.absolute(self._direction, out=self._sum)
            first *= min(1.0, 1 / float(np.add.reduce(self._sum)))
        return optimizer.search(self._evaluate_at, start, first=first)

    def _evaluate_at(self, distance: float) -> Point:
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

    def _store_evaluation(self, loss: float) -> None:
        memory = self.state.optimizer
        memory["loss"][0] = loss
        np.copyto(memory["gradient"], self._gradient)

    def _store_pair(self, loss: float) -> None:
        """Store the step and the change of the gradient, computed in the buffers of start and direction."""
        memory = self.state.optimizer
        step = np.subtract(self.state.parameters, self._start, out=self._start)
        change = np.subtract(self._gradient, memory["gradient"], out=self._direction)
        self._optimizer.store_pair(memory, step, change)
        self._store_evaluation(loss)

    def _return_to_start(self) -> None:
        """Undo an iteration that found no better point: the next one follows the gradient, if this one did not."""
        np.copyto(self.state.parameters, self._start)
        self._evaluate()  # for the metric
        self._converged = not self._optimizer.drop_pairs(self.state.optimizer)

    def _longest_batch(self) -> int:
        architecture = self.model.architecture
        numbers = architecture.inputs + sum(layer.columns for layer in architecture.layers)
        return max(1, min(self.rows, BLOCK_NUMBERS // numbers))

    def _budget_spent(self) -> str | None:
        return CONVERGED if self._converged else super()._budget_spent()


def check_deterministic(architecture: Architecture, plan: Plan) -> None:
    """Raise InvalidInput if the loss may differ between evaluations, or the plan changes parameters itself."""
    reason = f"{plan.optimizer.kind} needs a loss that does not change between evaluations"
    if architecture.input_noise or architecture.input_dropout or any(layer.dropout for layer in architecture.layers):
        raise InvalidInput("optimizer", f"{reason}: expected a network without dropout and noise, or another optimiser")
    if any(layer.statistics for layer in architecture.layers):
        raise InvalidInput("optimizer", f"{reason}: expected no batch normalisation, or another optimiser")
    for name in ("clip_norm", "clip_value", "max_norm"):
        if getattr(plan, name) is not None:
            raise InvalidInput(name, f"expected None, because {reason}, got {getattr(plan, name):g}")
    if plan.decay:
        raise InvalidInput(
            "weight_decay", f"expected None or 0, because {reason}, got {plan.decay:g}; l2 is part of it"
        )
