"""One network of a pack, and the matrices whose rows are the vectors of all networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerwise.data.reader import Split
from layerwise.data.shuffling import RowOrder
from layerwise.errors import Diverged, Place
from layerwise.metrics.running import Metric, metric_of
from layerwise.model import MLP
from layerwise.plan import Plan
from layerwise.randomness import NOISE, stream
from layerwise.training.regularization import Regularizer
from layerwise.training.state import TrainingState
from layerwise.training.stopping import Stopping, check_watched
from layerwise.training.validation import Validation, measured
from layerwise.types import Floats


class Member:
    """One network of a pack: everything that belongs to it alone, except its rows of `Matrices`.

    `model` has the parameters of the end of the last epoch. Networks of one seed may share `order`.
    """

    def __init__(self, model: MLP, plan: Plan, data: Split, held_out: Split | None, order: RowOrder) -> None:
        self.model, self.plan, self.data, self.order = model, plan, data, order
        self.stopping = Stopping(plan.early_stopping, validates=held_out is not None)
        check_watched(Place("schedule", "watch"), plan.schedule.watched, validates=held_out is not None)
        self.validation = Validation(model, plan.loss, held_out) if held_out else None
        self.metric: Metric = metric_of(
            plan.loss, data.targets, data.rows, 1, model.dtype, weights=data.weights, scale=data.scale
        )
        self.state = TrainingState(
            parameters=model.parameters,
            optimizer=plan.optimizer.init(model.parameters),
            generator=stream(plan.seed, NOISE),
            metric_sums=np.zeros(self.metric.sums),
            average=model.parameters.copy() if plan.average is not None else None,
        )
        self.diverged: Diverged | None = None
        self.values: dict[str, float] = {}
        self.rate = math.nan

    def measure(self, penalty: Regularizer) -> None:
        """Add the validation values to `values`, and decide whether to stop early.

        They are those of the moving average, if there is one. `model` has the trained parameters before and after.
        """
        model, state, values = self.model, self.state, self.values
        if state.average is not None:
            np.copyto(model.parameters, state.average)
        if self.validation:
            values["validation_loss"], values["validation_metric"] = self.validation.measure()
            values["validation_loss"] += penalty.penalty()
        if math.isfinite(values.get("validation_loss", 0.0)):
            model.metrics = {name.replace("metric", self.metric.name): value for name, value in values.items()}
            if self.stopping.observe(values, state, model):
                state.stopped = "early_stopping"
        np.copyto(model.parameters, state.parameters)

    def finish(self, penalty: Regularizer) -> None:
        """Set the weights that the model predicts with."""
        state, restores = self.state, self.stopping.restores
        kept = state.best if restores and state.best is not None else state.average
        if kept is not None:
            np.copyto(self.model.parameters, kept)
        if restores and state.best_metrics is not None:
            self.model.metrics = dict(state.best_metrics)
        if state.average is not None:  # training measured other weights
            self.model.metrics |= measured(self.model, self.plan, self.data, penalty)


@dataclass(slots=True)
class Matrices:
    """The vectors of all networks as rows: (K, parameters)."""

    parameters: Floats
    gradient: Floats
    average: Floats | None
    optimizer: dict[str, Floats]
    """The optimiser's state: its vectors as rows; numbers are shared by all networks."""


def stacked(members: Sequence[Member]) -> Matrices:
    """Return matrices whose rows are the vectors of `members`; their states become views of these rows."""
    states = [member.state for member in members]
    parameters: Floats = np.stack([state.parameters for state in states])
    averages = [state.average for state in states if state.average is not None]
    average: Floats | None = np.stack(averages) if averages else None
    optimizer = dict(states[0].optimizer)
    for name in members[0].plan.optimizer.vectors:
        optimizer[name] = np.stack([state.optimizer[name] for state in states])
    for k, state in enumerate(states):
        state.parameters = parameters[k]
        state.average = None if average is None else average[k]
        remembered = {name: optimizer[name][k] for name in members[k].plan.optimizer.vectors}
        state.optimizer = optimizer | remembered
    return Matrices(parameters, np.zeros_like(parameters), average, optimizer)
