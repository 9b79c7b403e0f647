"""Records of training: figures of epochs and steps, the health of layers, and findings of the doctor."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LayerHealth:
    """The condition of a layer, measured on a sample of the rows held out, or else of the training rows.

    Attributes
    ----------
    dead : float or None
        The share of units that output 0 for every row; None if the activation cannot die.
    saturated : float or None
        The share of outputs where the derivative is almost 0; None if the activation does not saturate.
    gradient_norm : float
        The norm of the gradient of the weights in the last step.
    weight_norm : float
        The norm of the weights.
    update_ratio : float
        The norm of the last step's change of the weights, divided by `weight_norm`; about 1e-3 is usual.
    """

    dead: float | None
    saturated: float | None
    gradient_norm: float
    weight_norm: float
    update_ratio: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem that the doctor has found.

    Attributes
    ----------
    kind : str
        dead, saturated, large_update, small_update, overfitting, inputs, constant, targets, precision or baseline.
    layer : int or None
        The layer, counted from 0; None if the problem is not about a single layer.
    value : float
        The number that caused the finding.
    since : int
        The epoch since which the problem has been found.
    message : str
        What the problem is, and what may help.
    """

    kind: str
    layer: int | None
    value: float
    since: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """The part of a `Record` that the service stores and sends."""

    # The service stores and sends these. A new field needs one in `TrainRecord` (training.proto) and in the SDK's
    # `Record`; everything between goes by the fields.

    step: int
    epoch: int
    loss: float
    metric: float
    validation_loss: float | None
    validation_metric: float | None
    learning_rate: float
    rows_per_second: float = field(default=0.0, compare=False)
    seconds_left: float = field(default=0.0, compare=False)
    layers: tuple[LayerHealth, ...] = ()
    kept: bool = False
    stopped: str | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(EpochRecord):
    """The figures of training after a step.

    On the last step of an epoch, `loss` and `metric` are means over the epoch's training rows, each computed before the
    step on its batch. On any other step they are those of its batch. Losses include the penalties.

    Attributes
    ----------
    step : int
        Number of optimiser steps since training began.
    epoch, epochs : int
        Number of the epoch, counted from 1, and the plan's number of epochs.
    epoch_end : bool
        Whether this step ended an epoch, complete or not.
    loss, metric : float
        The loss, and accuracy or R².
    validation_loss, validation_metric : float or None
        Those of the rows held out, at the end of an epoch; those of the moving average, if the plan has one.
    learning_rate : float
        Learning rate of the step, with warm-up and schedule.
    rows_per_second : float
        Training rows per second since training began.
    seconds_left : float
        Estimated time until training ends, in seconds.
    progress : float
        The part of the training that is done, from 0 to 1.
    layers : tuple of LayerHealth
        The condition of each layer, in epochs at whose end the doctor examines the network.
    kept : bool
        Whether the network would end with the weights of this epoch: of the best epoch so far if early stopping
        restores it, else of every epoch.
    stopped : str or None
        Why training ended with this step: epochs, max_steps, max_seconds, early_stopping, or converged for an optimiser
        that needs all rows at once.
    findings : tuple of Finding
        The problems that the doctor finds.
    """

    epochs: int
    epoch_end: bool
    progress: float = field(default=0.0, compare=False)
