"""Training: an iterator of records that the caller may leave after any of them, and take up again from its state."""

from collections.abc import Iterator, Sequence
from typing import Literal

from numpy.typing import ArrayLike

from layerwise.checks import choice, instance, truth
from layerwise.data.reader import Reader, checked_validation, resolved_plan
from layerwise.errors import InvalidInput
from layerwise.model import MLP
from layerwise.plan import Plan
from layerwise.randomness import SPLIT, stream
from layerwise.tables import TableLike
from layerwise.training.full_batch import FullBatchTrainer
from layerwise.training.records import Record
from layerwise.training.standardized_targets import Rescaled, rescaled
from layerwise.training.state import TrainingState
from layerwise.training.trainer import Trainer, quietly


def fit(
    model: MLP,
    X: ArrayLike | TableLike,
    y: ArrayLike,
    *,
    plan: Plan,
    weights: ArrayLike | None = None,
    validation: float | Sequence[ArrayLike | TableLike] | None = None,
    state: TrainingState | None = None,
    every: Literal["epoch", "step"] = "epoch",
    check: bool = True,
) -> "Training":
    """Trains `model` in place as `plan` says, giving a record after every epoch, or every step.

    What the plan leaves open is chosen from the number of rows; `model.plan` is the completed plan.

    `X` is (n, inputs): any table of numbers, never copied, or what the model's encoder takes. A memory-mapped file of
    256 MiB or more is read block by block in bounded memory, and shuffled within windows of 64 MiB of such blocks. `y`
    is what the loss wants: (n,) labels; (n, outputs) flags, 0 or 1 or probabilities; (n,) or (n, outputs) values.
    `weights` (n,) are what the rows weigh in the loss, whose mean still divides by n, and in the metric, whose mean
    divides by their sum, also of the rows held out. `validation`, a fraction, (X, y) or (X, y, weights), takes the
    place of the plan's. Without `check`, numbers are taken to be finite and of the loss's range, and labels to be class
    indices.

    Leaving the loop stops after that step; the model holds its weights, and with `Training.finish` those that it would
    predict with had the plan ended there: the moving average, or those of the best epoch.

    With the `state` of a training that was left, it goes on as if it had never stopped, to the same bits; where an
    epoch has ended, it may go on with other rows, batch size, epochs and rates. Raises InvalidInput before the first
    step, Diverged when loss or weights are no longer finite.
    """
    instance("model", model, MLP)
    instance("plan", plan, Plan)
    choice("every", every, ("epoch", "step"))
    truth("check", check)
    given = model.to_train_on(X)
    held = checked_validation(validation)
    if isinstance(held, tuple):
        held = (model.encoded(held[0]), *held[1:])
    plan, held = resolved_plan(plan, given, held)
    reader = Reader(model.architecture, plan.loss, model.dtype, check)
    rng = stream(plan.seed, SPLIT)
    train, held_out, labels = reader.divided(
        given, y, model.labels, weights=weights, validation=held, plan=plan, rng=rng
    )
    kind = FullBatchTrainer if plan.optimizer.full_batch else Trainer
    network = rescaled(model, plan, train, state)
    trainer = kind(network.trained, plan, network.train_split(train), network.split(held_out), state=state)
    model.plan, model.labels = plan, labels
    if state is not None:
        network.publish()
    return Training(trainer, network, by_step=every == "step")


class Training(Iterator[Record]):
    """A training under way: an iterator of its records."""

    def __init__(self, trainer: Trainer, network: Rescaled, *, by_step: bool) -> None:
        self._trainer, self._network = trainer, network
        self._by_step = by_step

    @property
    def state(self) -> TrainingState:
        """Everything the training consists of now; its `copy`, or `to_arrays`, stays as it is when training goes on."""
        return self._trainer.state

    def finish(self) -> None:
        """Ends the training here: the model gets the weights that the plan says it is to predict with.

        They are the moving average, or those of the best epoch so far if early stopping restores them. The optimiser's
        state is kept, if the plan keeps it. The training cannot go on from its state afterwards, but from a copy made
        before.
        """
        self._trainer.finish()
        self._network.publish()

    def __next__(self) -> Record:
        trainer = self._trainer
        if trainer.ended:
            raise StopIteration
        try:
            with quietly():
                loss = trainer.step()
                while not (self._by_step or trainer.epoch_is_over):
                    loss = trainer.step()
            return trainer.end_epoch() if trainer.epoch_is_over else trainer.step_record(loss)
        finally:  # also of a training that diverged: the model gets its last finite weights
            self._network.publish()


def partial_fit(
    model: MLP,
    X: ArrayLike | TableLike,
    y: ArrayLike,
    *,
    plan: Plan,
    weights: ArrayLike | None = None,
    state: TrainingState | None = None,
    check: bool = True,
) -> TrainingState:
    """Trains `model` in place by one step on the rows `X` as they arrive; gives the state for the next.

    The optimiser's state, schedule and averages go on from `state`, also if that training had ended, and whatever
    rows it was of; the plan's batch size, `epochs`, `max_steps` and `max_seconds`, validation and early stopping play
    no part. The model holds the weights of the step; a moving average is `state.average`. A classifier needs
    `model.labels` set unless the labels are 0, 1, 2 …
    Raises InvalidInput, Diverged.
    """
    instance("model", model, MLP)
    instance("plan", plan, Plan)
    if plan.optimizer.full_batch:
        detail = f"expected an optimiser that takes rows as they arrive, {plan.optimizer.kind} takes all at once"
        raise InvalidInput("optimizer", detail)
    reader = Reader(model.architecture, plan.loss, model.dtype, check)
    plan = plan.completed(rows=None)
    if plan.class_weight == "balanced":
        raise InvalidInput("class_weight", "expected a weight for each class, for rows to come cannot be counted")
    data, labels = reader.whole(model.to_train_on(X), y, model.labels, weights=weights)
    data, _ = reader.weighted(data, None, labels, plan)
    network = rescaled(model, plan, data, state, online=True)
    trainer = Trainer(network.trained, plan, network.split(data), None, state=state, online=True)
    model.plan, model.labels = plan, labels
    try:
        with quietly():
            trainer.step()
        trainer.end_batch()
        trainer.keep_optimizer()
    finally:
        network.publish()
    return trainer.state
