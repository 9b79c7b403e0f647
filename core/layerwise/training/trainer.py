"""The trainer: the sequence of operations of a step and of an epoch, which other modules implement."""

import math

import numpy as np

from layerwise.checks import decided
from layerwise.data.reader import Split
from layerwise.data.shuffling import row_order
from layerwise.errors import Diverged, Place
from layerwise.metrics.running import metric_of
from layerwise.model import MLP
from layerwise.optimizers import CHUNK
from layerwise.optimizers.saved_state import KeptOptimizer
from layerwise.plan import Plan
from layerwise.training.batch import TrainingBatch
from layerwise.training.doctor import Doctor
from layerwise.training.pace import EPOCHS, Pace
from layerwise.training.records import LayerHealth, Record
from layerwise.training.regularization import Regularizer
from layerwise.training.resuming import first_state, resumed_state
from layerwise.training.state import TrainingState
from layerwise.training.stopping import Stopping, check_watched
from layerwise.training.validation import Validation, measured
from layerwise.training.weight_swap import SwappedContents
from layerwise.types import Floats
from layerwise.workspace import Arena

FINISHED, REQUESTED = "finished", "requested"


def ignore_overflow() -> np.errstate:
    """Return a context without NumPy's warnings of overflow: every step checks the loss, which would not be finite."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore")


class Trainer:
    """Trains `model` in place, step by step. All buffers are made before the first step; a step allocates nothing.

    `state` is that of a training to resume; without one, a new training begins. With `online`, `data` is one batch of
    a stream, which has no epochs. Raises InvalidInput if `state` does not fit the network, the plan or the rows.
    """

    def __init__(
        self,
        model: MLP,
        plan: Plan,
        data: Split,
        held_out: Split | None,
        *,
        state: TrainingState | None = None,
        online: bool = False,
    ) -> None:
        self.model, self.plan, self.data = model, plan, data
        self._base_rate = decided(Place("optimizer", "learning_rate"), plan.optimizer.learning_rate)
        self.rows = len(data.rows)
        batch = self.rows if online else self._longest_batch()
        self.batch_size = batch
        self._online = online
        validates = held_out is not None or online
        self._stopping = Stopping(plan.early_stopping, validates=validates)
        check_watched(Place("schedule", "watch"), plan.schedule.watched, validates=validates)
        self._validation = Validation(model, plan.loss, held_out) if held_out else None
        self._gradient: Floats = np.zeros_like(model.parameters)
        self._scratch: Floats = np.empty(CHUNK, model.dtype)
        arena = Arena()
        lengths = sorted({batch, self.rows % batch or batch}, reverse=True)
        self._batches = {
            rows: TrainingBatch(model, self._gradient, plan, data, rows=rows, arena=arena) for rows in lengths
        }
        self._batch = self._batches[batch]
        self._metric = metric_of(
            plan.loss, data.targets, data.rows, batch, model.dtype, weights=data.weights, scale=data.scale
        )
        self._batch_sums = np.zeros(self._metric.sums)
        self._order = row_order(data.table, data.rows, seed=plan.seed if plan.shuffle else None, batch=batch)
        self.state = first_state(model, plan, data, sums=self._metric.sums)
        if state is not None:
            self.state = resumed_state(state, self.state, model, plan, rows=self.rows, batch_size=batch, online=online)
        self._regularizer = Regularizer(model, plan, self._gradient, self._scratch)
        watches = plan.doctor and not online
        self._doctor: Doctor | None = None
        if watches:
            self._doctor = Doctor(model, self._gradient, plan.loss, held_out or data, batch_size=batch)
        self._last_finite: Floats = model.parameters.copy()
        self._last_statistics: Floats = model.statistics.copy()
        self._rate = 0.0
        self._asked_to_stop = False
        self._pace = Pace(plan, rows=self.rows, batch_size=batch, seconds=self.state.seconds)
        model.kept_optimizer = None  # until this training ends
        model.metrics = dict(self.state.metrics or {}) if self.state.average is None else {}
        if self.ended:
            self._finish()

    def _longest_batch(self) -> int:
        """Return the rows of the longest batch."""
        return min(decided("batch_size", self.plan.batch_size), self.rows)

    def finish(self, reason: str = FINISHED) -> None:
        """End the training here, as if its plan ended here."""
        if not self.ended:
            self.state.stopped = reason
            self._finish()

    def stop(self) -> None:
        """End the training: at once if it is between two epochs, else after the next step."""
        if self.state.step and not self.state.position:
            self.finish(REQUESTED)
        self._asked_to_stop = True

    def keep_optimizer(self) -> None:
        """Store the optimiser's state in the model, if the plan has `keep_optimizer`."""
        if self.plan.keep_optimizer:
            updates = self.state.updates_before + self.state.step
            self.model.kept_optimizer = KeptOptimizer.of(self.plan.optimizer, self.state.optimizer, updates)

    @property
    def ended(self) -> bool:
        """Whether the training has ended, for any reason."""
        return self.state.stopped is not None

    @property
    def epoch_is_over(self) -> bool:
        """Whether the last step ended an epoch, or all of training."""
        return self.state.position == self.rows or self._budget_spent() is not None

    def step(self) -> float:
        """Train on the next batch and return its loss. Allocates nothing. Call it inside `ignore_overflow()`."""
        state, plan = self.state, self.plan
        if self._order.epoch != state.epoch:
            self._order.arrange(state.epoch)
        end = min(state.position + self.batch_size, self.rows)
        self._batch = batch = self._batches[end - state.position]
        batch.gather(self._order.rows(state.position, end))
        scores = batch.network.forward(state.generator)
        self._metric.measure(scores, batch.targets, self._batch_sums, batch.weights)
        loss = batch.network.backward(batch.targets, batch.weights) + self._regularizer.penalty()
        self._rate = rate = self._next_rate()
        if not math.isfinite(loss):
            self._diverged(state.step + 1, loss, "the loss")
        if self._doctor and not state.step:
            self._doctor.begin(state.health, loss)
        state.step += 1
        self._regularizer.before_update(rate)
        if self._doctor and end == self.rows and self._doctor.is_due(state.step, state.health):
            self._doctor.before_update()
        plan.optimizer.update(
            state.parameters,
            self._gradient,
            state.optimizer,
            rate=rate,
            step=state.updates_before + state.step,
            scratch=self._scratch,
        )
        self._regularizer.after_update(state.average)
        np.add(state.metric_sums, self._batch_sums, out=state.metric_sums)
        state.loss_sum += loss * batch.rows
        state.position = end
        return loss

    def end_batch(self) -> None:
        """Prepare the state for the next batch of a stream."""
        state = self.state
        state.position, state.loss_sum = 0, 0.0
        state.metric_sums[:] = 0

    def step_record(self, loss: float) -> Record:
        """Return the record of a step within an epoch."""
        return self._record(loss, self._metric.value(self._batch_sums, self._batch.rows))

    def end_epoch(self) -> Record:
        """Return the record of the epoch that the last step ended, complete or not; the state moves to the next."""
        state = self.state
        done = state.position
        loss, metric = state.loss_sum / done, self._metric.value(state.metric_sums, done)
        # a quick check: the sum is finite if all parameters are, unless it overflows
        if not math.isfinite(float(np.add.reduce(state.parameters))) and not np.isfinite(state.parameters).all():
            self._diverged(state.step, loss, "a weight")
        # a variance overflows before the loss shows it
        if state.statistics is not None and not np.isfinite(state.statistics).all():
            self._diverged(state.step, loss, "a running statistic")
        np.copyto(self._last_finite, state.parameters)
        np.copyto(self._last_statistics, self.model.statistics)
        state.seconds = self._pace.seconds
        values = {"loss": loss, "metric": metric}
        with self._moving_average():
            if self._validation:
                values["validation_loss"], values["validation_metric"] = self._validation.measure()
                values["validation_loss"] += self._regularizer.penalty()
                if not math.isfinite(values["validation_loss"]):
                    self._diverged(state.step, values["validation_loss"], "the validation loss")
            state.metrics = {name.replace("metric", self._metric.name): value for name, value in values.items()}
            self.model.metrics = dict(state.metrics)
            stopped = self._stopping.observe(values, state, self.model)
        if state.average is not None:  # the metrics are the average's, but the model holds the trained weights
            self.model.metrics = {}
        self.plan.schedule.observe(values, state.plateau)
        layers = self._doctor.examine(state, values, epoch=state.epoch + 1) if self._doctor else ()
        budget = self._budget_spent()
        if state.position == self.rows:
            state.epoch, state.position = state.epoch + 1, 0
        last = EPOCHS if state.epoch == self._pace.epochs else None
        state.stopped = "early_stopping" if stopped else budget or last
        if state.stopped:
            self._finish()
            if self._doctor:
                self._doctor.check_baseline(state, self.model.metrics, self._metric.name)
        kept = self._stopping.keeps(state)
        record = self._record(loss, metric, ended_with=done, values=values, layers=layers, kept=kept)
        state.loss_sum = 0.0
        state.metric_sums[:] = 0
        return record

    def _finish(self) -> None:
        """Set the weights that the model predicts with; the state keeps the trained ones."""
        state, model = self.state, self.model
        self.keep_optimizer()
        kept = state.best if self._stopping.restores and state.best is not None else state.average
        if kept is not None:
            state.parameters = model.parameters.copy()
            np.copyto(model.parameters, kept)
        if self._stopping.restores and state.best_statistics is not None:
            state.statistics = model.statistics.copy()
            np.copyto(model.statistics, state.best_statistics)
        metrics = state.best_metrics if self._stopping.restores else state.metrics
        model.metrics = dict(metrics or state.metrics or {})
        if state.average is not None:  # training measured other weights
            model.metrics |= measured(model, self.plan, self.data, self._regularizer)

    def _moving_average(self) -> SwappedContents:
        """Return a context in which the model predicts with the moving average, if there is one."""
        return SwappedContents(self.model.parameters, self.state.average)

    def _record(
        self,
        loss: float,
        metric: float,
        *,
        ended_with: int = 0,
        values: dict[str, float] | None = None,
        layers: tuple[LayerHealth, ...] = (),
        kept: bool = False,
    ) -> Record:
        state, pace, measured_values = self.state, self._pace, values or {}
        epoch = state.epoch + (0 if ended_with and state.position == 0 else 1)
        seconds, done = pace.seconds, state.epoch * self.rows + state.position
        progress = 1.0 if state.stopped else pace.progress(rows=done, step=state.step, seconds=seconds)
        return Record(
            epoch=epoch,
            epochs=pace.epochs,
            step=state.step,
            loss=loss,
            metric=metric,
            validation_loss=measured_values.get("validation_loss"),
            validation_metric=measured_values.get("validation_metric"),
            learning_rate=self._rate,
            epoch_end=bool(ended_with),
            kept=kept,
            stopped=state.stopped,
            layers=layers,
            findings=self._doctor.findings(state.health) if ended_with and self._doctor else (),
            progress=progress,
            rows_per_second=done / seconds,
            seconds_left=seconds * (1 - progress) / progress if progress else math.inf,
        )

    def _budget_spent(self) -> str | None:
        return REQUESTED if self._asked_to_stop else self._pace.spent_budget(self.state.step)

    def _next_rate(self) -> float:
        """Return the learning rate of the next step."""
        state = self.state
        done = float(state.step) if self._online else state.epoch + state.position / self.rows
        return self._pace.learning_rate(self._base_rate, done, state.plateau.get("factor", 1.0))

    def _diverged(self, step: int, loss: float, what: str) -> None:
        """Restore the last finite parameters of the model, and raise Diverged with the layer and the likely cause."""
        layer = self._batch.network.first_not_finite()
        largest = float(np.max(np.abs(self._batch.network.inputs)))
        np.copyto(self.model.parameters, self._last_finite)
        np.copyto(self.model.statistics, self._last_statistics)
        free = self.plan.loss.takes_any_value and self.data.scale is None
        raise Diverged(step, loss, what, layer=layer, largest_input=largest, rate=self._rate, free_targets=free)
