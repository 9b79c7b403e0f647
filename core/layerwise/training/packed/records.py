"""The record of an epoch of packed training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PackedRecord:
    """The figures of K networks after an epoch.

    A network whose training has ended keeps the values of its last epoch; those of one that diverged are NaN.

    Attributes
    ----------
    epoch, epochs : int
        Number of the epoch, counted from 1, and the plan's number of epochs.
    step : int
        Number of optimiser steps of each network since training began.
    loss, metric : ndarray (K,)
        As in a `Record`, in the order of the networks.
    validation_loss, validation_metric : ndarray (K,) or None
        As in a `Record`; None if no rows are held out.
    learning_rate : ndarray (K,)
        Learning rates of the last step.
    stopped : tuple of (str or None)
        Why the training of each network ended, as in a `Record`, or diverged; None while it goes on.
    progress : float
        The part of the training that is done, from 0 to 1.
    rows_per_second : float
        Training rows of all networks together per second since training began.
    """

    epoch: int
    epochs: int
    step: int
    loss: NDArray[np.float64]
    metric: NDArray[np.float64]
    validation_loss: NDArray[np.float64] | None
    validation_metric: NDArray[np.float64] | None
    learning_rate: NDArray[np.float64]
    stopped: tuple[str | None, ...]
    progress: float
    rows_per_second: float
