"""The pace of a training: the learning rate of each step, the budgets, and the progress."""

import time
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import decided
from layerwise.plan import Plan

STEPS, SECONDS, EPOCHS = "max_steps", "max_seconds", "epochs"
"""The budgets of a plan, as a record's `stopped` names them."""

Rate = TypeVar("Rate", float, NDArray[np.float64])
"""A learning rate, or those of several networks as a column (K, 1)."""


class Pace:
    """Computes learning rates, budgets and progress; single, full-batch and packed training share it.

    Parameters
    ----------
    plan
        A completed plan.
    rows
        Training rows of an epoch.
    batch_size
        Rows of a step. An optimiser that takes all rows at once makes one step an epoch, whatever the batch size.
    seconds
        Time that this training took before it was resumed. The clock starts now.
    """

    def __init__(self, plan: Plan, *, rows: int, batch_size: int, seconds: float = 0.0) -> None:
        self.epochs = decided("epochs", plan.epochs)
        self._rows, self._total = rows, float(self.epochs)
        self._schedule, self._warmup = plan.schedule, plan.warmup
        self._max_steps, self._max_seconds = plan.max_steps, plan.max_seconds
        self._steps_per_epoch = 1 if plan.optimizer.full_batch else -(-rows // batch_size)
        self._started = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        """Time spent training, that before it was resumed included; always above 0."""
        return max(time.perf_counter() - self._started, 1e-9)

    def learning_rate(self, base: Rate, done: float, plateau: Rate) -> Rate:
        """Return the learning rate of the next step: warm-up and schedule applied to `base`, the optimiser's.

        `done` counts the epochs done; steps are fractions. `plateau` is the factor of a schedule that watches a value.
        """
        rate = base * self._schedule.factor(done, self._total) * plateau
        if done < self._warmup:
            steps = self._steps_per_epoch
            rate = rate * ((done * steps + 1) / (self._warmup * steps + 1))  # + 1: the first step already moves
        return rate

    def spent_budget(self, step: int) -> str | None:
        """Return the budget that is used up after `step` steps, `STEPS` or `SECONDS`; None if training goes on."""
        if self._max_steps is not None and step >= self._max_steps:
            return STEPS
        if self._max_seconds is not None and self.seconds >= self._max_seconds:
            return SECONDS
        return None

    def progress(self, *, rows: int, step: int, seconds: float) -> float:
        """Return the part of the training that is done, from 0 to 1, by the budget that will be used up first.

        `rows` counts the rows trained on over all epochs.
        """
        parts = [rows / (self.epochs * self._rows)]
        if self._max_steps:
            parts.append(step / self._max_steps)
        if self._max_seconds:
            parts.append(seconds / self._max_seconds)
        return min(1.0, max(parts))
