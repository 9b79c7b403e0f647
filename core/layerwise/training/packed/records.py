"""The record of an epoch of packed training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PackedRecord:
    """The state of K networks after an epoch; arrays are (K,), in the order of the networks.

    The fields mean the same as those of a `Record`. A network that has ended keeps the values of its last epoch; those
    of one that diverged are NaN.
    """

    epoch: int
    """Counted from 1."""
    epochs: int
    step: int
    """Optimiser steps of each network since training began, counted from 1."""
    loss: NDArray[np.float64]
    metric: NDArray[np.float64]
    validation_loss: NDArray[np.float64] | None
    validation_metric: NDArray[np.float64] | None
    learning_rate: NDArray[np.float64]
    stopped: tuple[str | None, ...]
    """Why the training of each network ended: as in a Record, or diverged; None while it goes on."""
    progress: float
    """The part of the training that is done, from 0 to 1."""
    rows_per_second: float
    """Training rows of all networks together, over the whole time since training began."""
