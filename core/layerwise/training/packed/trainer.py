"""The trainer of K networks: the sequence of operations of a step and of an epoch."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import decided
from layerwise.errors import Diverged, Place
from layerwise.optimizers import CHUNK
from layerwise.training.pace import EPOCHS, Pace
from layerwise.training.packed.batches import PackedBatch, RowWeights
from layerwise.training.packed.member import Member, stacked
from layerwise.training.packed.records import PackedRecord
from layerwise.training.packed.updates import PackedOptimizer, PackedRegularizer
from layerwise.training.regularization import Regularizer
from layerwise.training.trainer import ignore_overflow
from layerwise.types import Floats
from layerwise.workspace import Arena

DIVERGED = "diverged"


class PackedTrainer:
    """Trains K networks together, step by step. A network that ends leaves the pack at the end of that epoch."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)
        plan, data = members[0].plan, members[0].data
        self._rows = len(data.rows)
        self._batch_size = min(decided("batch_size", plan.batch_size), self._rows)
        self._epoch = self._position = self._step = self._rows_trained = 0
        self._scratch: Floats = np.empty(CHUNK, members[0].model.dtype)
        self._pack(members)
        self._pace = Pace(plan, rows=self._rows, batch_size=self._batch_size)

    def _pack(self, members: Sequence[Member]) -> None:
        """Make all buffers for steps of `members`."""
        self._running = list(members)
        networks, model, plans = len(members), members[0].model, [member.plan for member in members]
        self._generators = [member.state.generator for member in members]
        at = stacked(members)
        given = [member.data.weights for member in members if member.data.weights is not None]
        weights = RowWeights(given, model.dtype) if given else None
        arena = Arena()
        lengths = sorted({self._batch_size, self._rows % self._batch_size or self._batch_size}, reverse=True)
        self._batches = {rows: PackedBatch(members, weights, at, rows=rows, arena=arena) for rows in lengths}
        self._batch = self._batches[self._batch_size]
        self._order: NDArray[np.intp] = np.empty((networks, self._rows), np.intp)
        self._ordered_epoch = -1
        self._regularizer = PackedRegularizer(model.architecture, plans, at)
        self._optimizer = PackedOptimizer(plans[0], at)
        self._losses: Floats = np.empty(networks, model.dtype)
        self._finite: NDArray[np.bool_] = np.empty(networks, np.bool_)
        self._has_diverged: NDArray[np.bool_] = np.zeros(networks, np.bool_)
        self._loss_sums = np.zeros(networks)
        self._loss_part = np.zeros(networks)
        self._metric_sums = np.zeros((networks, members[0].metric.sums))
        self._base = np.array(
            [[decided(Place("optimizer", "learning_rate"), plan.optimizer.learning_rate)] for plan in plans]
        )
        self._plateau = np.array([[member.state.plateau.get("factor", 1.0)] for member in members])
        self._rates = self._base.copy()

    @property
    def ended(self) -> bool:
        return not self._running

    @property
    def epoch_is_over(self) -> bool:
        """Whether the last step ended an epoch, or all of training."""
        return self._position == self._rows or self._budget_spent() is not None or bool(self._has_diverged.all())

    def step(self) -> None:
        """Train every network on its next batch. Allocates next to nothing."""
        if self._ordered_epoch != self._epoch:
            self._order_rows()
        end = min(self._position + self._batch_size, self._rows)
        self._batch = batch = self._batches[end - self._position]
        losses = self._losses
        with ignore_overflow():
            batch.gather(self._order[:, self._position : end])
            scores = batch.network.forward(self._generators)
            batch.metric.measure(scores, batch.targets, batch.weights, self._metric_sums)
            batch.network.backward(batch.targets, batch.weights, losses)
            self._regularizer.add_penalties(losses)
            done = self._epoch + self._position / self._rows
            self._rates = self._pace.learning_rate(self._base, done, self._plateau)
            np.isfinite(losses, out=self._finite)
            np.logical_or(self._finite, self._has_diverged, out=self._finite)
            if not self._finite.all():
                for k in np.flatnonzero(~self._finite):
                    self._diverged(int(k), self._step + 1, float(losses[k]), "the loss")
            self._step += 1
            self._regularizer.before_update(self._rates)
            self._optimizer.update(self._rates, self._step)
            self._regularizer.after_update()
            np.multiply(losses, batch.rows, out=self._loss_part)
            np.add(self._loss_sums, self._loss_part, out=self._loss_sums)
        self._rows_trained += batch.rows * len(self._running)
        self._position = end

    def end_epoch(self) -> PackedRecord:
        """Return the record of the epoch that the last step ended, complete or not."""
        done, budget = self._position, self._budget_spent()
        last = self._epoch + 1 == self._pace.epochs and done == self._rows
        for k, member in enumerate(self._running):
            if not self._has_diverged[k]:
                self._end_epoch_of(k, member, done)
            if self._has_diverged[k]:
                member.state.stopped = DIVERGED
            elif not member.state.stopped and (budget or last):
                member.state.stopped = budget or EPOCHS
        if done == self._rows:
            self._epoch, self._position = self._epoch + 1, 0
        record = self._record(incomplete=done != self._rows)
        left = [member for member in self._running if not member.state.stopped]
        for member in self._running:
            if member.state.stopped and not member.diverged:
                member.finish(self._penalty_of(member))
        if len(left) == len(self._running):
            self._loss_sums[:] = 0
            self._metric_sums[:] = 0
            self._plateau[:, 0] = [member.state.plateau.get("factor", 1.0) for member in left]
        elif left:
            self._pack(left)
        else:
            self._running = []
        return record

    def _end_epoch_of(self, k: int, member: Member, done: int) -> None:
        """Measure one network, after copying its parameters to its model, or mark it as diverged."""
        state, loss = member.state, float(self._loss_sums[k]) / done
        member.rate = float(self._rates[k, 0])
        if not np.isfinite(state.parameters).all():
            self._diverged(k, self._step, loss, "a weight")
            return
        np.copyto(member.model.parameters, state.parameters)
        member.values = {"loss": loss, "metric": member.metric.value(self._metric_sums[k], done)}
        member.measure(self._penalty_of(member))
        if not math.isfinite(member.values.get("validation_loss", 0.0)):
            self._diverged(k, self._step, member.values["validation_loss"], "the validation loss")
            return
        member.plan.schedule.observe(member.values, state.plateau)

    def _penalty_of(self, member: Member) -> Regularizer:
        return Regularizer(member.model, member.plan, member.model.parameters, self._scratch)

    def _order_rows(self) -> None:
        """Put the rows of each network in the order of the epoch."""
        for k, member in enumerate(self._running):
            if member.order.epoch != self._epoch:
                member.order.arrange(self._epoch)
            np.copyto(self._order[k], member.order.rows(0, self._rows))
        self._ordered_epoch = self._epoch

    def _diverged(self, k: int, step: int, loss: float, what: str) -> None:
        """Mark a network as diverged. Its row is ignored from now on; its model keeps its last finite parameters."""
        member, network = self._running[k], self._batch.network
        member.diverged = Diverged(
            step,
            loss,
            what,
            layer=network.first_not_finite(k),
            largest_input=float(np.max(np.abs(network.inputs[k]))),
            rate=float(self._rates[k, 0]),
            free_targets=member.plan.loss.takes_any_value and member.data.scale is None,
        )
        member.values, member.rate = {}, math.nan
        self._has_diverged[k] = True

    def _record(self, *, incomplete: bool) -> PackedRecord:
        pace, rows = self._pace, self._epoch * self._rows + self._position
        seconds, progress = pace.seconds, 1.0
        if any(not member.state.stopped for member in self._running):
            progress = pace.progress(rows=rows, step=self._step, seconds=seconds)
        return PackedRecord(
            epoch=self._epoch + incomplete,
            epochs=pace.epochs,
            step=self._step,
            loss=self._values("loss"),
            metric=self._values("metric"),
            validation_loss=self._values("validation_loss") if self.members[0].validation else None,
            validation_metric=self._values("validation_metric") if self.members[0].validation else None,
            learning_rate=np.array([member.rate for member in self.members]),
            stopped=tuple(member.state.stopped for member in self.members),
            progress=progress,
            rows_per_second=self._rows_trained / seconds,
        )

    def _values(self, name: str) -> NDArray[np.float64]:
        return np.array([member.values.get(name, math.nan) for member in self.members])

    def _budget_spent(self) -> str | None:
        return self._pace.spent_budget(self._step)
