"""The steps of training, one after another over a state; what training is made of stands in the modules it calls."""

import math
import time

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
from layerwise.randomness import NOISE, stream
from layerwise.training.batch import TrainingBatch
from layerwise.training.doctor import Doctor
from layerwise.training.records import LayerHealth, Record, TrainingState
from layerwise.training.regularization import Regularizer
from layerwise.training.resuming import resumed
from layerwise.training.stopping import Stopping, check_watched
from layerwise.training.validation import Validation, measured
from layerwise.training.weight_swap import Swapped
from layerwise.types import Floats
from layerwise.workspace import Arena

STEPS, SECONDS, EPOCHS, FINISHED = "max_steps", "max_seconds", "epochs", "finished"


def quietly() -> np.errstate:
    """Without a word of overflow: it and its consequences show in the loss, which is checked."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


class Trainer:
    """One step after another over `state`; everything else is made before the first step and only written into.

    `online` is one batch of a stream without epochs. Raises InvalidInput if `state` is another network's or plan's.
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
        self._epochs = decided("epochs", plan.epochs)
        self._base_rate = decided(Place("optimizer", "learning_rate"), plan.optimizer.learning_rate)
        self.rows = len(data.rows)
        batch = self.rows if online else self._rows_at_once()
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
        self._steps_an_epoch = -(-self.rows // batch)
        self.state = self._begin() if state is None else self._continue(state)
        self._regularizer = Regularizer(model, plan, self._gradient, self._scratch)
        watches = plan.doctor and not online
        self._doctor: Doctor | None = None
        if watches:
            self._doctor = Doctor(model, self._gradient, plan.loss, held_out or data, batch_size=batch)
        self._last_finite: Floats = model.parameters.copy()
        self._last_statistics: Floats = model.statistics.copy()
        self._rate = 0.0
        self._started = time.perf_counter() - self.state.seconds
        model.kept_optimizer = None  # until this training ends
        model.metrics = dict(self.state.metrics or {}) if self.state.average is None else {}
        if self.ended:
            self._finish()

    def _begin(self) -> TrainingState:
        parameters, optimizer = self.model.parameters, self.plan.optimizer
        kept = self.model.kept_optimizer if self.plan.keep_optimizer else None
        if kept is not None and not kept.fits(optimizer, parameters):
            kept = None
        return TrainingState(
            parameters=parameters,
            optimizer=kept.state() if kept else optimizer.init(parameters),
            updates_before=kept.updates if kept else 0,
            generator=stream(self.plan.seed, NOISE),
            metric_sums=np.zeros(self._metric.sums),
            average=parameters.copy() if self.plan.average is not None else None,
            statistics=self.model.statistics if self.model.statistics.size else None,
            target_scale=self.data.scale.to_array() if self.data.scale else None,
        )

    def _continue(self, given: TrainingState) -> TrainingState:
        """A copy of `given` whose parameters are the model's."""
        fresh = self._begin()
        state = resumed(given, fresh, self.plan, rows=self.rows, batch_size=self.batch_size, online=self._online)
        np.copyto(self.model.parameters, state.parameters)
        state.parameters = self.model.parameters
        if fresh.statistics is not None and state.statistics is not None:
            np.copyto(fresh.statistics, state.statistics)
            state.statistics = fresh.statistics
        if state.stopped == EPOCHS and state.epoch < self._epochs:  # a plan of more epochs goes on
            state.stopped = None
            state.health.pop("baseline.value", None)  # of the network it had ended with
        return state

    def _rows_at_once(self) -> int:
        """The rows of the longest batch."""
        return min(decided("batch_size", self.plan.batch_size), self.rows)

    def finish(self) -> None:
        """Ends the training here, as if its plan had been to."""
        if not self.ended:
            self.state.stopped = FINISHED
            self._finish()

    def keep_optimizer(self) -> None:
        """Leaves in the model what the optimiser remembers, if the plan says so."""
        if self.plan.keep_optimizer:
            updates = self.state.updates_before + self.state.step
            self.model.kept_optimizer = KeptOptimizer.of(self.plan.optimizer, self.state.optimizer, updates)

    @property
    def ended(self) -> bool:
        return self.state.stopped is not None

    @property
    def epoch_is_over(self) -> bool:
        """Whether the last step ended an epoch, or all of training."""
        return self.state.position == self.rows or self._budget_spent() is not None

    def step(self) -> float:
        """Trains on the next batch; gives its loss. Allocates nothing. To be called inside `quietly`."""
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
        """Makes the state ready for another batch of a stream."""
        state = self.state
        state.position, state.loss_sum = 0, 0.0
        state.metric_sums[:] = 0

    def step_record(self, loss: float) -> Record:
        """The record of a step within an epoch."""
        return self._record(loss, self._metric.value(self._batch_sums, self._batch.rows))

    def end_epoch(self) -> Record:
        """The record of the epoch that the last step completed, or broke off; the state moves to the next."""
        state = self.state
        done = state.position
        loss, metric = state.loss_sum / done, self._metric.value(state.metric_sums, done)
        # the sum is finite if all are, unless they are close to overflow themselves
        if not math.isfinite(float(np.add.reduce(state.parameters))) and not np.isfinite(state.parameters).all():
            self._diverged(state.step, loss, "a weight")
        # a variance overflows before the loss shows it
        if state.statistics is not None and not np.isfinite(state.statistics).all():
            self._diverged(state.step, loss, "a running statistic")
        np.copyto(self._last_finite, state.parameters)
        np.copyto(self._last_statistics, self.model.statistics)
        state.seconds = time.perf_counter() - self._started
        values = {"loss": loss, "metric": metric}
        with self._averaged():
            if self._validation:
                values["validation_loss"], values["validation_metric"] = self._validation.measure()
                values["validation_loss"] += self._regularizer.penalty()
                if not math.isfinite(values["validation_loss"]):
                    self._diverged(state.step, values["validation_loss"], "the validation loss")
            state.metrics = {name.replace("metric", self._metric.name): value for name, value in values.items()}
            self.model.metrics = dict(state.metrics)
            stopped = self._stopping.judge(values, state, self.model)
        if state.average is not None:  # whose metrics they are, not those of the weights that the model holds
            self.model.metrics = {}
        self.plan.schedule.observe(values, state.plateau)
        layers = self._doctor.look(state, values, epoch=state.epoch + 1) if self._doctor else ()
        budget = self._budget_spent()
        if state.position == self.rows:
            state.epoch, state.position = state.epoch + 1, 0
        last = EPOCHS if state.epoch == self._epochs else None
        state.stopped = "early_stopping" if stopped else budget or last
        if state.stopped:
            self._finish()
            if self._doctor:
                self._doctor.judge(state, self.model.metrics, self._metric.name)
        kept = self._stopping.keeps(state)
        record = self._record(loss, metric, ended_with=done, values=values, layers=layers, kept=kept)
        state.loss_sum = 0.0
        state.metric_sums[:] = 0
        return record

    def _finish(self) -> None:
        """Leaves in the model what it is to predict with; the state keeps the parameters as they were."""
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
        if state.average is not None:  # what was measured in training is of other weights
            model.metrics |= measured(model, self.plan, self.data, self._regularizer)

    def _averaged(self) -> Swapped:
        """Lets the model predict with the moving average, if there is one, inside a `with` block."""
        return Swapped(self.model.parameters, self.state.average)

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
        state, told = self.state, values or {}
        epoch = state.epoch + (0 if ended_with and state.position == 0 else 1)
        elapsed = max(time.perf_counter() - self._started, 1e-9)
        done = state.epoch * self.rows + state.position
        rate = done / elapsed
        progress = 1.0 if state.stopped else self._progress(done, elapsed)
        return Record(
            epoch=epoch,
            epochs=self._epochs,
            step=state.step,
            loss=loss,
            metric=metric,
            validation_loss=told.get("validation_loss"),
            validation_metric=told.get("validation_metric"),
            learning_rate=self._rate,
            epoch_end=bool(ended_with),
            kept=kept,
            stopped=state.stopped,
            layers=layers,
            findings=self._doctor.findings(state.health) if ended_with and self._doctor else (),
            progress=progress,
            rows_per_second=rate,
            seconds_left=elapsed * (1 - progress) / progress if progress else math.inf,
        )

    def _progress(self, rows: int, elapsed: float) -> float:
        plan, shares = self.plan, [rows / (self._epochs * self.rows)]
        if plan.max_steps:
            shares.append(self.state.step / plan.max_steps)
        if plan.max_seconds:
            shares.append(elapsed / plan.max_seconds)
        return min(1.0, max(shares))

    def _budget_spent(self) -> str | None:
        plan = self.plan
        if plan.max_steps is not None and self.state.step >= plan.max_steps:
            return STEPS
        if plan.max_seconds is not None and time.perf_counter() - self._started >= plan.max_seconds:
            return SECONDS
        return None

    def _next_rate(self) -> float:
        """The learning rate of the next step."""
        plan, state = self.plan, self.state
        done = state.step / self._steps_an_epoch if self._online else state.epoch + state.position / self.rows
        rate = self._base_rate * plan.schedule.factor(done, float(self._epochs))
        if state.plateau:
            rate *= state.plateau.get("factor", 1.0)
        if done < plan.warmup:  # the first step already moves
            rate *= (done * self._steps_an_epoch + 1) / (plan.warmup * self._steps_an_epoch + 1)
        return rate

    def _diverged(self, step: int, loss: float, what: str) -> None:
        """Raises Diverged, with the layer and the likely cause; the model gets its last finite parameters back."""
        layer = self._batch.network.first_not_finite()
        largest = float(np.max(np.abs(self._batch.network.inputs)))
        np.copyto(self.model.parameters, self._last_finite)
        np.copyto(self.model.statistics, self._last_statistics)
        free = self.plan.loss.takes_any_value and self.data.scale is None
        raise Diverged(step, loss, what, layer=layer, largest_input=largest, rate=self._rate, free_targets=free)
