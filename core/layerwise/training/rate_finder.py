"""The learning-rate range test: the loss while the learning rate rises exponentially."""

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import instance, real_number, whole_number
from layerwise.data.reader import Reader, resolved_plan
from layerwise.errors import Diverged, InvalidInput, Place
from layerwise.model import MLP
from layerwise.optimizers.schedules import Constant
from layerwise.plan import Plan
from layerwise.tables import TableLike
from layerwise.training.standardized_targets import rescaled
from layerwise.training.trainer import Trainer, ignore_overflow

DIVERGED_RATIO = 4.0
"""The test ends when the smoothed loss exceeds this many times its lowest value so far."""
SMOOTHING = 0.8
"""The weight of earlier losses in the smoothed loss, which averages over about five steps."""
LEAST_STEPS = 10
"""The fewest steps from which slopes can be computed."""


@dataclass(frozen=True, slots=True, eq=False)
class RateFinding:
    """The losses at rising learning rates, returned by `find_learning_rate`.

    Attributes
    ----------
    rates : ndarray (n,)
        The rate of each step, until the loss was too high.
    losses : ndarray (n,)
        The smoothed loss of each step's batch.
    suggested : float or None
        The rate at which the loss falls most steeply over the logarithm of the rate; None if it never falls.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    suggested: float | None


class _RisingRateTrainer(Trainer):
    """A Trainer whose learning rate rises exponentially from `least` to `most`."""

    least: float
    most: float

    def _next_rate(self) -> float:
        steps = self.plan.max_steps
        assert steps is not None
        return self.least * math.pow(self.most / self.least, self.state.step / (steps - 1))


def find_learning_rate(
    model: MLP,
    X: ArrayLike | TableLike,
    y: ArrayLike,
    *,
    plan: Plan | None = None,
    weights: ArrayLike | None = None,
    least: float = 1e-6,
    most: float = 1.0,
    steps: int = 100,
) -> RateFinding:
    """Train a copy of `model` at learning rates that rise exponentially, and suggest a rate.

    The test ends early when the smoothed loss is four times its lowest, or no longer finite. A good rate lies between
    the suggested one and the rate of the lowest loss. Smith 2017, section 3.3.

    Parameters
    ----------
    model : MLP
        Stays as it is.
    X, y, weights
        As for `fit`.
    plan : Plan, optional
        How the model will be trained, by default its own plan. Its rate, schedule, warm-up, budgets and validation are
        ignored.
    least, most : float
        The first and the last rate.
    steps : int
        How many rates to try, at least 10.

    Returns
    -------
    RateFinding

    Raises
    ------
    InvalidInput
        If an argument is wrong, or the loss is not finite or too high within the first 10 steps.
    """
    least, most = real_number("least", least, above=0), real_number("most", most, above=0)
    if not least < most:
        raise InvalidInput("most", f"expected a rate above least, {least:g}, got {most:g}")
    count = whole_number("steps", steps, least=LEAST_STEPS)
    instance("model", model, MLP)
    used = (model.plan or Plan()) if plan is None else instance("plan", plan, Plan)
    given = model.to_train_on(X)
    used = _plan(resolved_plan(used, given, 0.0)[0], count)
    reader = Reader(model.architecture, used.loss, model.dtype)
    data, labels = reader.read(given, y, model.labels, weights=weights)
    data, _ = reader.apply_class_weights(data, None, labels, used)
    network = rescaled(copy.copy(model), used, data)
    trainer = _RisingRateTrainer(network.trained, used, network.split(data), None)
    trainer.least, trainer.most = least, most
    losses = _losses(trainer, count)
    if len(losses) < LEAST_STEPS:
        detail = f"expected a rate at which the loss stays finite and low for {LEAST_STEPS} steps, got {least:g}"
        raise InvalidInput("least", f"{detail}: it did for {len(losses)}")
    rates = np.geomspace(least, most, count)[: len(losses)]
    smooth = _smoothed(_smoothed(losses)[::-1])[
        ::-1
    ]  # in both directions, so that a fall of the loss is not shifted to higher rates
    slopes = np.gradient(smooth, np.log(rates))
    steepest = int(np.argmin(slopes))
    return RateFinding(rates, smooth, float(rates[steepest]) if slopes[steepest] < 0 else None)


def _plan(plan: Plan, steps: int) -> Plan:
    """Return `plan` without the settings that the test ignores."""
    if plan.optimizer.full_batch:
        raise InvalidInput(
            Place("plan", "optimizer"),
            f"expected an optimiser with a learning rate to find, {plan.optimizer.kind} searches its own",
        )
    return replace(
        plan, schedule=Constant(), warmup=0.0, epochs=steps, max_steps=steps, max_seconds=None, early_stopping=None,
        average=None, validation=0.0, doctor=False,
    )  # fmt: skip


def _losses(trainer: Trainer, steps: int) -> NDArray[np.float64]:
    """Return the losses of the steps, until they are too high."""
    losses: list[float] = []
    lowest = math.inf
    while len(losses) < steps:
        try:
            with ignore_overflow():
                losses.append(trainer.step())
            if trainer.state.position == trainer.rows:
                trainer.end_epoch()
        except Diverged:
            break
        smooth = float(_smoothed(np.array(losses))[-1])
        lowest = min(lowest, smooth)
        if smooth > DIVERGED_RATIO * lowest > 0:
            break
    return np.array(losses)


def _smoothed(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unbiased exponential averages: each loss weighs SMOOTHING times as much as the one after it."""
    total, weight = 0.0, 0.0
    found = np.empty(len(losses))
    for i, loss in enumerate(losses):
        total, weight = SMOOTHING * total + loss, SMOOTHING * weight + 1
        found[i] = total / weight
    return found
