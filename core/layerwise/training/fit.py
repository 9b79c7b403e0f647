"""Training: an iterator of records, which the caller may leave after any record and resume from its state."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import choice, instance, truth
from layerwise.data.reader import Reader, checked_validation, resolved_plan
from layerwise.data.splits import RowNumbers
from layerwise.errors import InvalidInput
from layerwise.model import MLP
from layerwise.plan import Plan
from layerwise.randomness import SPLIT, stream
from layerwise.tables import TableLike
from layerwise.training.full_batch import FullBatchTrainer
from layerwise.training.records import Record
from layerwise.training.standardized_targets import Rescaled, rescaled
from layerwise.training.state import TrainingState
from layerwise.training.trainer import Trainer, ignore_overflow
from layerwise.training.unused import TrainsWhenIterated


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
    """Train `model` in place by `plan`, with a record after every epoch or step.

    Settings that the plan leaves open are chosen from the number of rows; `model.plan` becomes the completed plan.
    Leaving the loop stops after that step, and the model holds the weights of that step. `Training.finish` gives it
    instead the weights that it would predict with if the plan ended there: the moving average, or the best epoch's.

    Parameters
    ----------
    model : MLP
    X : array-like (n, inputs), or a table if the model has an encoder
        The rows, never copied. A memory-mapped file of 256 MiB or more is read block by block in bounded memory, and
        shuffled within windows of 64 MiB of such blocks.
    y : array-like
        Labels (n,); flags (n, outputs), which are 0, 1 or probabilities; or values (n,) or (n, outputs). The plan's
        loss says which of them.
    plan : Plan
    weights : array-like (n,), optional
        Row weights in the loss, whose mean still divides by n, and in the metric, whose mean divides by their sum;
        also of the rows held out.
    validation : float, (X, y) or (X, y, weights), optional
        The share of the rows to hold out, or rows to measure on, instead of the plan's.
    state : TrainingState, optional
        That of a training to resume, which then gives the same bits as if it had never stopped. At the end of an
        epoch, it may be resumed with other rows, batch size, epochs and rates.
    every : "epoch" or "step"
        When to give a record.
    check : bool
        Whether to check the rows. Without, numbers must be finite and in the loss's range, and labels class indices.

    Returns
    -------
    Training
        An iterator of `Record`, like a generator: nothing is trained until the first record is asked for, and each
        record trains one epoch, or one step.

    Raises
    ------
    InvalidInput
        Before the first step, with the place of what is wrong.
    Diverged
        From the iterator, when the loss or a weight is no longer finite.

    Examples
    --------
    >>> from layerwise import MLP, Adam, Architecture, Layer, Plan, fit
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], ["no", "yes", "yes", "no"]
    >>> model = MLP(Architecture(inputs=2, layers=(Layer(8, activation="tanh"), Layer(2))), seed=0)
    >>> for record in fit(model, X, y, plan=Plan(epochs=200, optimizer=Adam(learning_rate=0.05), doctor=False)):
    ...     pass
    >>> record.epoch, record.metric
    (200, 1.0)
    >>> model.predict(X).tolist()
    ['no', 'yes', 'yes', 'no']
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
    train, held_out, labels = reader.read_split(
        given, y, model.labels, weights=weights, validation=held, plan=plan, rng=rng
    )
    kind = FullBatchTrainer if plan.optimizer.full_batch else Trainer
    network = rescaled(model, plan, train, state)
    trainer = kind(network.trained, plan, network.train_split(train), network.split(held_out), state=state)
    model.plan, model.labels = plan, labels
    if state is not None:
        network.publish()
    chosen = held_out.rows if held_out is not None and not isinstance(held, tuple) else None
    return Training(trainer, network, by_step=every == "step", held_out=chosen)


class Training(TrainsWhenIterated[Record]):
    """A training in progress: an iterator of its records, returned by `fit`.

    It warns if it is dropped before its first step, unless it was finished.

    Attributes
    ----------
    state : TrainingState
        The state of the training, from which it can be resumed.
    held_out_rows : ndarray (m,) or None
        Sorted numbers of the rows of X that are held out; None if none are, or `validation` has rows of its own.
    """

    def __init__(self, trainer: Trainer, network: Rescaled, *, by_step: bool, held_out: RowNumbers | None) -> None:
        self._trainer, self._network = trainer, network
        self._by_step, self._held_out = by_step, held_out
        self._used = trainer.ended  # resumed only to restore its model

    @property
    def state(self) -> TrainingState:
        """The whole state of the training, which the next step changes; keep a `copy` of it, or its `to_arrays`."""
        return self._trainer.state

    @property
    def held_out_rows(self) -> NDArray[np.intp] | None:
        """Sorted numbers of the rows of X that are held out; None if none are, or `validation` has rows of its own."""
        return None if self._held_out is None else np.asarray(self._held_out)

    def finish(self) -> None:
        """End the training here, and set the weights that the model predicts with.

        These are the moving average, or the weights of the best epoch so far if early stopping restores them. The
        optimiser's state is kept, if the plan keeps it. Afterwards the training cannot be resumed from its state, only
        from a copy made before.
        """
        self._used = True
        self._trainer.finish()
        self._network.publish()

    def stop(self) -> None:
        """Let the training end early, with the weights that it would predict with if the plan ended there.

        Between two epochs it ends at once, without a further record. Within an epoch it ends after one more step, whose
        record has the figures of the incomplete epoch. To go on later, keep a copy of the state from before this call.
        """
        self._used = True
        self._trainer.stop()
        self._network.publish()

    def __next__(self) -> Record:
        trainer, self._used = self._trainer, True
        if trainer.ended:
            raise StopIteration
        try:
            with ignore_overflow():
                loss = trainer.step()
                while not (self._by_step or trainer.epoch_is_over):
                    loss = trainer.step()
            return trainer.end_epoch() if trainer.epoch_is_over else trainer.step_record(loss)
        finally:  # if training diverged, the model gets its last finite weights
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
    """Train `model` in place by one step on the rows of `X`, such as those of a stream.

    The model then holds the weights of the step; a moving average is `state.average`. A classifier needs
    `model.labels`, unless its labels are 0, 1, 2 …

    Parameters
    ----------
    model : MLP
    X, y, weights, check
        As for `fit`. All rows make one batch.
    plan : Plan
        Its batch size, epochs, max_steps, max_seconds, validation and early stopping are ignored.
    state : TrainingState, optional
        The state that the call before returned, or that of any training, ended or not, on any rows. The optimiser, the
        schedule and the averages go on from it.

    Returns
    -------
    TrainingState
        The state for the next call.

    Raises
    ------
    InvalidInput
        Before the step, with the place of what is wrong.
    Diverged
        When the loss is no longer finite.
    """
    instance("model", model, MLP)
    instance("plan", plan, Plan)
    if plan.optimizer.full_batch:
        detail = f"expected an optimiser that trains in batches, {plan.optimizer.kind} needs all rows at once"
        raise InvalidInput("optimizer", detail)
    reader = Reader(model.architecture, plan.loss, model.dtype, check)
    plan = plan.completed(rows=None)
    if plan.class_weight == "balanced":
        raise InvalidInput("class_weight", "expected a weight for each class, because later rows cannot be counted")
    data, labels = reader.read(model.to_train_on(X), y, model.labels, weights=weights)
    data, _ = reader.apply_class_weights(data, None, labels, plan)
    network = rescaled(model, plan, data, state, online=True)
    trainer = Trainer(network.trained, plan, network.split(data), None, state=state, online=True)
    model.plan, model.labels = plan, labels
    try:
        with ignore_overflow():
            trainer.step()
        trainer.end_batch()
        trainer.keep_optimizer()
    finally:
        network.publish()
    return trainer.state
