"""How to train: loss, optimiser, schedule, regularisation, batches, budgets, validation and seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal

from layerwise import variants
from layerwise.checks import fields as checked_fields
from layerwise.checks import shown
from layerwise.errors import InvalidInput, within
from layerwise.limits import Count, Fraction, Limits, NotNegative, OneOf, OpenFraction, Positive, check_fields
from layerwise.losses import LOSSES, Loss
from layerwise.optimizers import OPTIMIZERS, Optimizer
from layerwise.optimizers.schedule import Schedule
from layerwise.optimizers.schedules import SCHEDULES
from layerwise.plan import defaults
from layerwise.plan.class_weight import (
    ClassWeights,
    checked_class_weight,
    class_weight_from_json,
    class_weight_to_json,
)
from layerwise.plan.early_stopping import EarlyStopping

MOST_SEED = 2**64 - 1
"""The largest number of 64 bits."""


@dataclass(frozen=True, slots=True, init=False)
class Plan:
    """How to train a network.

    Parameters
    ----------
    loss : str or Loss, default "softmax_cross_entropy"
        An object, or the name of a class, which stands for its defaults.
    optimizer : str or Optimizer, default "adam"
        The same. A learning rate of None is chosen by `completed`.
    schedule : str or Schedule, default "constant"
        The same: how the learning rate changes over the epochs.
    warmup : float, default 0
        Epochs over which the learning rate first rises from 0 in a straight line.
    l2 : float, optional
        Add l2/2 · Σ w² over all weights to the loss. Biases and slopes are not penalised. None is chosen by
        `completed`: above 0 only if `epochs` and `max_steps` are None.
    l1 : float, default 0
        Add l1 · Σ |w| in the same way.
    weight_decay : float, optional
        Shrink the weights by rate · weight_decay in each step, apart from the gradient (Loshchilov and Hutter 2019).
        None is the optimiser's own: 0.01 for AdamW, else 0.
    max_norm : float, optional
        Largest Euclidean norm of the weights into a unit.
    clip_norm, clip_value : float, optional
        Largest norm of the gradient, and largest absolute value of each number in it.
    average : float, optional
        Decay of a moving average of the parameters, between 0 and 1. The network then predicts with the average.
    batch_size : int, optional
        Rows per step. None is chosen by `completed`, as are `epochs` and `validation`.
    epochs : int, optional
        Largest number of passes over the rows.
    max_steps : int, optional
        Largest number of steps.
    max_seconds : float, optional
        Largest training time in seconds.
    early_stopping : EarlyStopping, optional
        When to stop before that. `completed` may choose one if `epochs`, `max_steps` and this are None.
    validation : float, optional
        Fraction of the rows held out to measure the network on, at least 0 and below 1.
    split : {"random", "stratified", "temporal"}, default "random"
        Which rows are held out: random ones, random ones with the classes' shares kept, or the last ones.
    class_weight : "balanced", sequence of float, or mapping, optional
        Factors of the rows' weights by class. "balanced" is n / (classes · count), counted in the training rows. A
        sequence follows the order of the labels. A mapping has weights by label, {"yes": 2}; other classes weigh 1.
    seed : int, default 0
        Seed, of 64 bits, of every random choice: split, order of the rows, dropout and noise; in a service also the
        initial weights.
    shuffle : bool, default True
        Visit the rows in a new order in each epoch.
    doctor : bool, default True
        Examine the layers during training and report problems.
    keep_optimizer : bool, default False
        Store the optimiser's state in the model after training, and start from a stored state of the same optimiser,
        so that training continues on other rows. A training that is interrupted stores nothing unless it is ended by
        `Training.finish`.
    standardize_targets : bool, default True
        Train a regression on targets of mean 0 and standard deviation 1, or of mean 1 if the loss has a logarithmic
        link. Losses, penalties and the loss's fields are then in those units. Predictions are in the original units.

    Raises
    ------
    InvalidInput
        At the name of the argument that is invalid.

    Examples
    --------
    >>> from layerwise import Adam, Plan
    >>> plan = Plan(loss="squared_error", optimizer=Adam(1e-3), epochs=20)
    >>> plan.loss, plan.batch_size
    (SquaredError(), None)
    >>> plan.completed(rows=1000).batch_size
    64
    """

    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    warmup: NotNegative
    l2: NotNegative | None
    l1: NotNegative
    weight_decay: NotNegative | None
    max_norm: Positive | None
    clip_norm: Positive | None
    clip_value: Positive | None
    average: OpenFraction | None
    batch_size: Count | None
    epochs: Count | None
    max_steps: Annotated[int, Limits(least=1, most=2**62)] | None
    max_seconds: Positive | None
    early_stopping: EarlyStopping | None
    validation: Fraction | None
    split: Annotated[str, OneOf(("random", "stratified", "temporal"))]
    class_weight: ClassWeights
    seed: Annotated[int, Limits(least=0, most=MOST_SEED)]
    shuffle: bool
    doctor: bool
    keep_optimizer: bool
    standardize_targets: bool

    def __init__(
        self,
        *,
        loss: str | Loss = "softmax_cross_entropy",
        optimizer: str | Optimizer = "adam",
        schedule: str | Schedule = "constant",
        warmup: float = 0.0,
        l2: float | None = None,
        l1: float = 0.0,
        weight_decay: float | None = None,
        max_norm: float | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        average: float | None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        max_steps: int | None = None,
        max_seconds: float | None = None,
        early_stopping: EarlyStopping | None = None,
        validation: float | None = None,
        split: str = "random",
        class_weight: Literal["balanced"] | Sequence[float] | Mapping[Any, float] | None = None,
        seed: int = 0,
        shuffle: bool = True,
        doctor: bool = True,
        keep_optimizer: bool = False,
        standardize_targets: bool = True,
    ) -> None:
        given = locals() | {
            "loss": variants.chosen("loss", loss, LOSSES),
            "optimizer": variants.chosen("optimizer", optimizer, OPTIMIZERS),
            "schedule": variants.chosen("schedule", schedule, SCHEDULES),
            "early_stopping": _stopping(early_stopping),
            "class_weight": checked_class_weight(class_weight),
        }
        check_fields(self, given)
        if self.keep_optimizer and self.optimizer.full_batch:
            raise InvalidInput(
                "keep_optimizer", f"expected false, because {self.optimizer.kind} cannot continue on other rows"
            )

    @property
    def decay(self) -> float:
        """The decoupled weight decay: the plan's, or else the optimiser's own."""
        return self.optimizer.usual_decay if self.weight_decay is None else self.weight_decay

    @property
    def _has_unit_targets(self) -> bool:
        """Whether the size of the losses is known, with which a penalty is to be compared."""
        return self.standardize_targets or self.loss.targets != "values"

    @property
    def watches_held_out_rows(self) -> bool:
        """Whether early stopping or the schedule depends on the validation rows."""
        watched = self.schedule.watched, self.early_stopping.watch if self.early_stopping else None
        return any(value and value.startswith("validation") for value in watched)

    def completed(
        self, *, rows: int | None, held_out: int = 0, most_batch: int | None = None, most_epochs: int | None = None
    ) -> "Plan":
        """Return this plan with its open values chosen for the data. Given values do not change.

        Parameters
        ----------
        rows : int or None
            The rows to train on, including those to be held out. None if they arrive as a stream.
        held_out : int, default 0
            The number of rows given for validation. No share of `rows` is held out then.
        most_batch, most_epochs : int, optional
            Largest batch size and number of epochs to choose.

        Returns
        -------
        Plan
            The same for the same arguments. A completed plan returns an equal one.
        """
        if rows is None:
            return replace(
                self,
                batch_size=self.batch_size or defaults.STREAM_BATCH,
                epochs=self.epochs or defaults.STREAM_EPOCHS,
                l2=self.l2 or 0.0,
                validation=self.validation or 0.0,
                optimizer=self.optimizer.with_rate(self.optimizer.usual_rate),
            )
        open_ended = self.epochs is None and self.max_steps is None and not self.optimizer.full_batch
        share = self.validation
        if share is None:
            watched = self.watches_held_out_rows
            share = defaults.share_held_out(rows, watched=watched) if (open_ended or watched) and not held_out else 0.0
        held = held_out or round(rows * share)
        trained = max(1, rows if held_out else rows - held)
        batch = self.batch_size or min(defaults.batch_size(trained), most_batch or defaults.MOST_BATCH)
        steps = -(-trained // batch)
        stopping, epochs = self.early_stopping, self.epochs
        if open_ended and stopping is None and held >= defaults.ENOUGH_HELD_OUT:
            stopping = EarlyStopping(patience=defaults.patience(steps))
        if epochs is None:
            if self.optimizer.full_batch:
                epochs = defaults.ITERATIONS
            elif self.max_steps is not None:
                epochs = -(-self.max_steps // steps)
            else:
                epochs = defaults.epochs(trained, steps, stops_early=stopping is not None)
            epochs = min(epochs, most_epochs or epochs)
        l2 = self.l2
        if l2 is None:
            l2 = defaults.l2(trained) if open_ended and self._has_unit_targets else 0.0
        rate = defaults.learning_rate(self.optimizer.usual_rate, 1 if self.optimizer.full_batch else batch)
        return replace(
            self,
            l2=l2,
            batch_size=batch,
            epochs=epochs,
            validation=share,
            early_stopping=stopping,
            optimizer=self.optimizer.with_rate(rate),
        )

    def to_json(self) -> dict[str, object]:
        """Return the JSON form.

        Returns
        -------
        dict
            The fields by name.
        """
        own: dict[str, object] = {field.name: getattr(self, field.name) for field in fields(self)}
        own["class_weight"] = class_weight_to_json(self.class_weight)
        own["early_stopping"] = self.early_stopping.to_json() if self.early_stopping else None
        return own | {name: getattr(self, name).to_json() for name in ("loss", "optimizer", "schedule")}

    @staticmethod
    def from_json(value: object) -> "Plan":
        """Return the plan of a JSON form; missing fields have their defaults.

        Parameters
        ----------
        value : dict
            As `to_json` returns it.

        Returns
        -------
        Plan

        Raises
        ------
        InvalidInput
            At the field that is wrong.
        """
        given = checked_fields("", value, known=[field.name for field in fields(Plan)])
        if "loss" in given:
            given["loss"] = variants.from_json("loss", given["loss"], LOSSES)
        if "optimizer" in given:
            given["optimizer"] = variants.from_json("optimizer", given["optimizer"], OPTIMIZERS)
        if "schedule" in given:
            given["schedule"] = variants.from_json("schedule", given["schedule"], SCHEDULES)
        if given.get("early_stopping") is not None:
            with within("early_stopping"):
                given["early_stopping"] = EarlyStopping.from_json(given["early_stopping"])
        if "class_weight" in given:
            given["class_weight"] = class_weight_from_json(given["class_weight"])
        return Plan(**given)  # type: ignore[arg-type]  # the constructor checks the types


def _stopping(value: object) -> EarlyStopping | None:
    if value is not None and not isinstance(value, EarlyStopping):
        raise InvalidInput("early_stopping", f"expected an EarlyStopping or None, got {shown(value)}")
    return value
