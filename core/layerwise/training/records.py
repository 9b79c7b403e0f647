"""What training reports: records, the health of layers, and findings."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LayerHealth:
    """How one layer does, over a sample of the rows held out, or else of those trained on."""

    dead: float | None
    """The share of ReLU units that no row wakes; None of other activations."""
    saturated: float | None
    """The share of outputs of sigmoid or tanh units where the derivative is next to nothing; None of others."""
    gradient_norm: float
    """The length of the gradient in the weights in the last step."""
    weight_norm: float
    """The length of the weights."""
    update_ratio: float
    """The length of the last step's change of the weights over theirs; about 1e-3 is usual."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the doctor found, and has found ever since the epoch `since`."""

    kind: str
    """A stable word: dead, saturated, large_update, small_update, overfitting, inputs, constant, targets,
    precision or baseline."""
    layer: int | None
    """Counted from 0; None if it is about no single layer."""
    value: float
    """The number that caused it."""
    since: int
    message: str
    """What it is and what may help, in words."""


@dataclass(frozen=True, slots=True)
class Record:
    """The state of training after a step.

    On the last step of an epoch (`epoch_end`), `loss` and `metric` are means over the epoch's training rows, taken as
    they were trained on, and the validation values are there if rows were held out. With a moving average, these are
    the average's, while `loss` and `metric` are of the weights that are trained. On any other step `loss` and `metric`
    are those of its batch. Losses include the penalties. `metric` is accuracy, or R² of a regression.
    """

    epoch: int
    """Counted from 1."""
    epochs: int
    step: int
    """Optimiser steps since training began, counted from 1."""
    loss: float
    metric: float
    validation_loss: float | None
    validation_metric: float | None
    learning_rate: float
    """Of this step, as the schedule has it."""
    epoch_end: bool
    """Whether this step ended an epoch, or training in the middle of one."""
    kept: bool = False
    """Whether the network ends with the weights of this epoch, unless a later record says so again.

    It says so of the best epoch so far if early stopping restores it, else of every epoch.
    """
    stopped: str | None = None
    """Why training ended with this step: epochs, max_steps, max_seconds, early_stopping, or converged of L-BFGS."""
    layers: tuple[LayerHealth, ...] = ()
    """How each layer does, at the epochs when the doctor looks."""
    findings: tuple[Finding, ...] = ()
    """What the doctor has found and still finds."""
    progress: float = field(default=0.0, compare=False)
    """How much of the training is done, from 0 to 1."""
    rows_per_second: float = field(default=0.0, compare=False)
    """Training rows over the whole time since training began."""
    seconds_left: float = field(default=0.0, compare=False)
