"""Training: a generator of records that the caller may leave after any of them."""

import math
import time
from collections.abc import Generator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.activations import Floats
from layerwise.arena import Arena
from layerwise.batches import Gather, Reader, Split
from layerwise.checks import choice, real_number, shown
from layerwise.errors import Diverged, InvalidInput
from layerwise.labels import Label
from layerwise.layout import weight_count
from layerwise.losses import LOSSES
from layerwise.metrics import metric_of
from layerwise.model import MLP
from layerwise.network import TrainingPass
from layerwise.optimizers import CHUNK, chunks
from layerwise.plan import Plan
from layerwise.randomness import NOISE, ORDER, SPLIT, stream
from layerwise.records import Record, TrainingState
from layerwise.validation import Validation


def fit(
    model: MLP,
    X: ArrayLike,
    y: ArrayLike,
    *,
    plan: Plan,
    validation: float | tuple[ArrayLike, ArrayLike] | None = None,
    every: Literal["epoch", "step"] = "epoch",
    check: bool = True,
) -> Generator[Record, None, None]:
    """Trains `model` in place as `plan` says, giving a record after every epoch, or every step.

    `X` is (n, inputs): any table of numbers, a memory-mapped file included, which is never copied. `y` is (n,) labels
    of a classifier, (n,) or (n, outputs) values of a regression. `validation`, a fraction or a pair (X, y), takes the
    place of the plan's. Without `check`, the numbers are taken to be finite and the labels to be class indices.

    Leaving the loop stops after that step; the model holds its weights. Raises InvalidInput before the first step,
    Diverged when loss or weights are no longer finite.
    """
    if not isinstance(plan, Plan):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput("plan", f"expected a Plan, got {shown(plan)}")
    choice("every", every, ("epoch", "step"))
    held = plan.validation if validation is None else validation
    if not isinstance(held, tuple):
        held = real_number("validation", held, least=0, below=1)
    reader = Reader(model.architecture, LOSSES[plan.loss], model.dtype, check)
    train, held_out, labels = reader.divided(X, y, model.labels, validation=held, rng=stream(plan.seed, SPLIT))
    return _records(_Trainer(model, plan, train, held_out), labels, every)


def _records(trainer: "_Trainer", labels: tuple[Label, ...] | None, every: str) -> Generator[Record, None, None]:
    model, plan, state = trainer.model, trainer.plan, trainer.state
    model.plan, model.labels = plan, labels
    started = time.perf_counter()
    while state.epoch < plan.epochs:
        loss = trainer.step()
        done = state.epoch * trainer.rows + state.position
        rate = done / max(time.perf_counter() - started, 1e-9)
        if state.position == trainer.rows:
            yield trainer.end_epoch(rate)
        elif every == "step":
            yield trainer.record(loss, trainer.batch_metric(), rate)


class _Batch:
    """The buffers of one batch length: rows, targets, the pass and the metric over them."""

    def __init__(self, model: MLP, gradient: Floats, loss: str, data: Split, *, rows: int, arena: Arena) -> None:
        arena.rewind()
        kind, outputs = LOSSES[loss], model.architecture.outputs
        self.rows = rows
        self.network = TrainingPass(model.architecture, model.parameters, gradient, kind, rows=rows, arena=arena)
        shape, dtype = ((rows,), np.dtype(np.intp)) if kind.classifies else ((rows, outputs), model.dtype)
        self.targets: NDArray[Any] = arena.empty(shape, dtype)
        self._gathers = Gather(data.table, self.network.inputs), Gather(data.targets, self.targets)

    def gather(self, rows: NDArray[np.intp]) -> None:
        for gather in self._gathers:
            gather(rows)


class _Trainer:
    """One step after another over `state`; everything else is made before the first step and only written into."""

    def __init__(self, model: MLP, plan: Plan, data: Split, held_out: Split | None) -> None:
        self.model, self.plan = model, plan
        self._validation = Validation(model, plan.loss, held_out) if held_out else None
        self.rows = len(data.rows)
        parameters = model.parameters
        self._gradient: Floats = np.zeros_like(parameters)
        self._scratch: Floats = np.empty(min(CHUNK, parameters.size), parameters.dtype)
        self._weights = weight_count(model.architecture)
        longest = min(plan.batch_size, self.rows)
        arena = Arena()
        lengths = sorted({longest, self.rows % longest or longest}, reverse=True)
        self._batches = {
            rows: _Batch(model, self._gradient, plan.loss, data, rows=rows, arena=arena) for rows in lengths
        }
        self._batch = self._batches[longest]
        self._metric = metric_of(plan.loss, data.targets, data.rows, longest, model.dtype)
        self._batch_sums = np.zeros(self._metric.sums)
        self._train_rows = data.rows
        self._order = data.rows.copy()
        self._ordered_for = -1
        self.state = TrainingState(
            parameters=parameters,
            optimizer=plan.optimizer.init(parameters),
            generator=stream(plan.seed, NOISE),
            metric_sums=np.zeros(self._metric.sums),
        )

    def step(self) -> float:
        """Trains on the next batch; gives its loss. Allocates nothing."""
        state, plan = self.state, self.plan
        if self._ordered_for != state.epoch:
            self._arrange(state.epoch)
        end = min(state.position + plan.batch_size, self.rows)
        self._batch = batch = self._batches[end - state.position]
        # overflow and its consequences show in the loss, which is checked
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            batch.gather(self._order[state.position : end])
            scores = batch.network.forward(state.generator)
            self._metric.measure(scores, batch.targets, self._batch_sums)
            loss = batch.network.backward(batch.targets) + self._penalty()
            state.step += 1
            if not math.isfinite(loss):
                raise Diverged(state.step, loss)
            self._decay()
            plan.optimizer.update(
                state.parameters, self._gradient, state.optimizer, step=state.step, scratch=self._scratch
            )
        np.add(state.metric_sums, self._batch_sums, out=state.metric_sums)
        state.loss_sum += loss * batch.rows
        state.position = end
        return loss

    def batch_metric(self) -> float:
        """The metric of the last step's batch."""
        return self._metric.value(self._batch_sums, self._batch.rows)

    def end_epoch(self, rate: float) -> Record:
        """The record of the epoch that the last step completed; the state moves to the next."""
        state = self.state
        loss, metric = state.loss_sum / self.rows, self._metric.value(state.metric_sums, self.rows)
        # the sum is finite if all are, unless they are close to overflow themselves
        if not math.isfinite(float(np.add.reduce(state.parameters))) and not np.isfinite(state.parameters).all():
            raise Diverged(state.step, loss, "a weight")
        measured = {"loss": loss, self._metric.name: metric}
        validation_loss, validation_metric = None, None
        if self._validation:
            validation_loss, validation_metric = self._validation.measure()
            validation_loss += self._penalty()
            if not math.isfinite(validation_loss):
                raise Diverged(state.step, validation_loss, "the validation loss")
            measured |= {"validation_loss": validation_loss, f"validation_{self._metric.name}": validation_metric}
        self.model.metrics = measured
        record = self.record(
            loss, metric, rate, epoch_end=True, validation_loss=validation_loss, validation_metric=validation_metric
        )
        state.epoch, state.position, state.loss_sum = state.epoch + 1, 0, 0.0
        state.metric_sums[:] = 0
        return record

    def record(
        self,
        loss: float,
        metric: float,
        rate: float,
        *,
        epoch_end: bool = False,
        validation_loss: float | None = None,
        validation_metric: float | None = None,
    ) -> Record:
        """The record of the last step; `rate` is in rows a second."""
        state, epochs = self.state, self.plan.epochs
        return Record(
            epoch=state.epoch + 1,
            epochs=epochs,
            step=state.step,
            loss=loss,
            metric=metric,
            validation_loss=validation_loss,
            validation_metric=validation_metric,
            learning_rate=self.plan.optimizer.learning_rate,
            epoch_end=epoch_end,
            rows_per_second=rate,
            seconds_left=((epochs - state.epoch) * self.rows - state.position) / rate,
        )

    def _arrange(self, epoch: int) -> None:
        np.copyto(self._order, self._train_rows)
        if self.plan.shuffle:
            stream(self.plan.seed, ORDER, epoch).shuffle(self._order)
        self._ordered_for = epoch

    def _penalty(self) -> float:
        if not self.plan.l2:
            return 0.0
        weights = self.state.parameters[: self._weights]
        return self.plan.l2 / 2 * float(np.dot(weights, weights))

    def _decay(self) -> None:
        """Adds the gradient of the penalty, l2 · w."""
        if not self.plan.l2:
            return
        for chunk in chunks(self._weights):
            g = self._gradient[chunk]
            s = self._scratch[: g.size]
            np.multiply(self.state.parameters[chunk], self.plan.l2, out=s)
            np.add(g, s, out=g)
