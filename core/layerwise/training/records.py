"""Records of training: figures of epochs and steps, the health of layers, and findings of the doctor."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LayerHealth:
    """How one layer does, measured on a sample of the rows held out, or else of the training rows."""

    dead: float | None
    """The share of units that output 0 for every row; None if the activation cannot die."""
    saturated: float | None
    """The share of outputs where the derivative is almost 0; None if the activation does not saturate."""
    gradient_norm: float
    """The norm of the gradient of the weights in the last step."""
    weight_norm: float
    """The norm of the weights."""
    update_ratio: float
    """The norm of the last step's change of the weights, divided by theirs; about 1e-3 is usual."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem that the doctor has found in every epoch since the epoch `since`."""

    kind: str
    """A stable word: dead, saturated, large_update, small_update, overfitting, inputs, constant, targets,
    precision or baseline."""
    layer: int | None
    """Counted from 0; None if it is not about a single layer."""
    value: float
    """The number that caused it."""
    since: int
    message: str
    """What the problem is, and what may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """The figures of an epoch, or of a step within one."""

    # The service stores and sends these. A new field needs one in `TrainRecord` (training.proto) and in the SDK's
    # `Record`; everything between goes by the fields.

    step: int
    """Optimiser steps since training began, counted from 1."""
    epoch: int
    """Counted from 1."""
    loss: float
    metric: float
    validation_loss: float | None
    validation_metric: float | None
    learning_rate: float
    """Of this step: warm-up and schedule are applied."""
    rows_per_second: float = field(default=0.0, compare=False)
    """Training rows over the whole time since training began."""
    seconds_left: float = field(default=0.0, compare=False)
    layers: tuple[LayerHealth, ...] = ()
    """How each layer does, in the epochs when the doctor looks."""
    kept: bool = False
    """Whether the network ends with the weights of this epoch, unless a later record is kept too.

    Of the best epoch so far if early stopping restores it, else of every epoch.
    """
    stopped: str | None = None
    """Why training ended with this step: epochs, max_steps, max_seconds, early_stopping, or converged for L-BFGS."""
    findings: tuple[Finding, ...] = ()
    """The problems that the doctor finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(EpochRecord):
    """The state of training after a step.

    On the last step of an epoch (`epoch_end`), `loss` and `metric` are means over the epoch's training rows, each
    computed before the step on its batch, and the validation values are there if rows were held out. With a moving
    average, the validation values are the average's, while `loss` and `metric` are those of the trained weights. On
    any other step `loss` and `metric` are those of its batch. Losses include the penalties. `metric` is accuracy, or
    R² for a regression.
    """

    epochs: int
    """The plan's epochs."""
    epoch_end: bool
    """Whether this step ended an epoch, complete or not."""
    progress: float = field(default=0.0, compare=False)
    """The part of the training that is done, from 0 to 1."""
