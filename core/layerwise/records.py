"""What training reports, and everything it consists of at any moment."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layerwise.activations import Floats


@dataclass(frozen=True, slots=True)
class Record:
    """The state of training after a step.

    On the last step of an epoch (`epoch_end`), `loss` and `metric` are means over the epoch's training rows, taken as
    they were trained on, and the validation values are there if rows were held out. On any other step `loss` and
    `metric` are those of its batch. Losses include the L2 term. `metric` is accuracy, or R² of a regression.
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
    epoch_end: bool
    rows_per_second: float = field(compare=False)
    """Training rows over the whole time since training began."""
    seconds_left: float = field(compare=False)


@dataclass(slots=True)
class TrainingState:
    """Training between two steps: with architecture, plan and data, everything that decides how it goes on.

    The order of the rows is not here, for it follows from the plan's seed and `epoch`.
    """

    parameters: Floats
    optimizer: dict[str, Floats]
    generator: np.random.Generator
    """Draws dropout masks and noise; its `bit_generator.state` is plain data."""
    metric_sums: NDArray[np.float64]
    loss_sum: float = 0.0
    epoch: int = 0
    """Completed epochs."""
    position: int = 0
    """Rows of the current epoch that were trained on."""
    step: int = 0
