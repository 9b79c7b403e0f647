"""How to train: loss, optimiser, schedule, regularisation, batches, budgets, validation and seed, checked when made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal, TypeAlias, cast

import numpy as np

from layerwise import variants
from layerwise.checks import choice, real_number, shown
from layerwise.checks import fields as checked_fields
from layerwise.errors import InvalidInput, Place, within
from layerwise.limits import Count, Fraction, Limits, NotNegative, OneOf, OpenFraction, Positive, check_fields
from layerwise.losses import LOSSES, Loss
from layerwise.optimizers import OPTIMIZERS, Optimizer
from layerwise.optimizers.schedules import SCHEDULES, Schedule
from layerwise.plan import defaults
from layerwise.plan.early_stopping import EarlyStopping

MOST_SEED = 2**64 - 1
"""What a seed of 64 bits holds."""

ClassWeights: TypeAlias = Literal["balanced"] | tuple[float, ...] | Mapping[str, float] | None


@dataclass(frozen=True, slots=True, init=False)
class Plan:
    """One way to train a network. Raises InvalidInput.

    `loss`, `optimizer` and `schedule` are objects or their names; `warmup` is over how many epochs the rate first
    rises from zero in a straight line.

    Penalties of the weights, which leave biases and slopes alone: `l2` adds l2/2 · Σ w² and `l1` adds l1 · Σ |w| to
    the loss; `weight_decay` shrinks them by rate · weight_decay beside the gradient (None: the optimiser's own);
    `max_norm` bounds the length of the weights into a unit. The gradient is cut to `clip_value` in each number and
    to `clip_norm` in length. `average` is the decay of a moving average of the parameters, which the network then
    predicts with.

    `batch_size`, `epochs`, `validation` and the optimiser's learning rate may be left open, None: `completed`, which
    `fit` calls, chooses them from the data. Then it may choose an early stopping too, which it does in no other plan.

    Training ends after `epochs`, or `max_steps`, or `max_seconds`, or when `early_stopping` says so. `validation` is
    the fraction of the rows held out to measure on, by `split`: at random, with the classes' shares kept, or the last
    ones. `class_weight` multiplies the rows' weights: "balanced", n / (classes · count), counted in the rows trained
    on, or a weight for each class in the labels' order, or weights by label, {"yes": 2}, where other classes weigh 1
    (the plan has the labels as text). `seed` starts every random choice of training: split, order,
    dropout and noise. `shuffle` visits the rows in a new order each epoch. `doctor` watches the layers and tells
    findings. `keep_optimizer` keeps the optimiser's state in the model when the training ends, and begins with what the
    model has kept of the same kind of optimiser, so that one training goes on from another, on other rows.
    A training that is left keeps nothing, unless it is ended by `Training.finish`. `standardize_targets` lets a
    regression learn targets of zero mean and unit deviation, or of mean 1 if the loss has a logarithmic link; losses,
    penalties and the loss's own settings are in those units. The model predicts in the targets' own.
    """

    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    warmup: NotNegative
    l2: NotNegative
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
        l2: float = 0.0,
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
            "class_weight": _class_weight(class_weight),
        }
        check_fields(self, given)
        if self.keep_optimizer and self.optimizer.full_batch:
            raise InvalidInput("keep_optimizer", f"expected false, for {self.optimizer.kind} begins anew on other rows")

    @property
    def decay(self) -> float:
        """The decoupled weight decay in force: the plan's, or the optimiser's own."""
        return self.optimizer.usual_decay if self.weight_decay is None else self.weight_decay

    @property
    def watches_held_out_rows(self) -> bool:
        """Whether early stopping or the schedule watches a value of rows that are held out."""
        watched = self.schedule.watched, self.early_stopping.watch if self.early_stopping else None
        return any(value and value.startswith("validation") for value in watched)

    def completed(
        self, *, rows: int | None, held_out: int = 0, most_batch: int | None = None, most_epochs: int | None = None
    ) -> "Plan":
        """This plan with everything decided: what it leaves open is chosen for a training on `rows` rows.

        What it says stays as it is. `rows` None are those of a stream. `held_out` counts the rows that are given to
        measure on beside them, in the place of a share. A batch size and epochs that are chosen are at most
        `most_batch` and `most_epochs`. The same arguments give the same plan, and a completed plan gives itself.
        """
        if rows is None:
            return replace(
                self,
                batch_size=self.batch_size or defaults.STREAM_BATCH,
                epochs=self.epochs or defaults.STREAM_EPOCHS,
                validation=self.validation or 0.0,
                optimizer=self.optimizer.at(self.optimizer.usual_rate),
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
        rate = defaults.learning_rate(self.optimizer.usual_rate, 1 if self.optimizer.full_batch else batch)
        return replace(
            self,
            batch_size=batch,
            epochs=epochs,
            validation=share,
            early_stopping=stopping,
            optimizer=self.optimizer.at(rate),
        )

    def to_json(self) -> dict[str, object]:
        """The fields, by name."""
        own: dict[str, object] = {field.name: getattr(self, field.name) for field in fields(self)}
        weight = self.class_weight
        if isinstance(weight, tuple):
            own["class_weight"] = {"kind": "per_class", "weights": list(weight)}
        elif isinstance(weight, Mapping):
            own["class_weight"] = {"kind": "by_label", "weights": dict(weight)}
        own["early_stopping"] = self.early_stopping.to_json() if self.early_stopping else None
        return own | {name: getattr(self, name).to_json() for name in ("loss", "optimizer", "schedule")}

    @staticmethod
    def from_json(value: object) -> "Plan":
        """The plan that the JSON `value` describes. Raises InvalidInput with the pointer of the field."""
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
        if _has_kind(given.get("class_weight")):
            with within("class_weight"):
                known = checked_fields(
                    "", given["class_weight"], known=("kind", "weights"), required=("kind", "weights")
                )
                by_label = choice("kind", known["kind"], ("per_class", "by_label")) == "by_label"
                if by_label is not isinstance(known["weights"], Mapping):
                    wanted = "weights by label" if by_label else "a list of weights"
                    raise InvalidInput("weights", f"expected {wanted}, got {shown(known['weights'])}")
            given["class_weight"] = known["weights"]
        return Plan(**given)  # type: ignore[arg-type]  # the constructor checks the types


def _stopping(value: object) -> EarlyStopping | None:
    if value is not None and not isinstance(value, EarlyStopping):
        raise InvalidInput("early_stopping", f"expected an EarlyStopping or None, got {shown(value)}")
    return value


def _class_weight(value: object) -> ClassWeights:
    if value is None or (isinstance(value, str) and value == "balanced"):
        return cast(ClassWeights, value)
    told = shown(value)
    if isinstance(value, Mapping):
        return _by_label(cast(Mapping[object, object], value))
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidInput(
            "class_weight", f"expected balanced, a weight for each class, or weights by label, got {told}"
        )
    given = enumerate(cast(Iterable[object], value))
    weights = tuple(real_number(Place("class_weight", i), weight, least=0) for i, weight in given)
    if not any(weights):
        raise InvalidInput("class_weight", "expected a weight above 0 for at least one class")
    return weights


def _has_kind(value: object) -> bool:
    """Whether the JSON `value` names its kind; {"kind": 2} is the weight of a label."""
    return isinstance(value, Mapping) and isinstance(cast(Mapping[str, object], value).get("kind"), str)


def label_text(label: object) -> str:
    """A label as a plan names it: 1, yes, true."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _by_label(given: Mapping[object, object]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for label, weight in given.items():
        plain = cast(object, label.item()) if isinstance(label, np.generic) else label
        if not isinstance(plain, int | str):
            raise InvalidInput("class_weight", f"expected weights by integers, strings or booleans, got {shown(plain)}")
        if (text := label_text(plain)) in found:
            raise InvalidInput("class_weight", f"expected labels of one type, got {text} twice")
        found[text] = real_number(Place("class_weight", text), weight, least=0)
    if not found:
        raise InvalidInput("class_weight", "expected a weight for at least one label, got none")
    return found
