"""Defaults for the settings that a plan leaves open; docs/training.md lists them with measured scores.

What a network learns depends on the number of steps, so that few rows need many epochs. With enough rows, a share is
held out for early stopping; with fewer, it is better to train on all of them.
"""

import math

LEAST_BATCH, MOST_BATCH = 64, 256
ROWS_PER_BATCH_ROW = 64
"""The rows per row of a batch: an epoch has about this many steps, within the bounds of the batch size."""

STEPS_PER_ROW, LEAST_STEPS, STEPS, MOST_UNWATCHED_EPOCHS = 1.5, 900, 7500, 450
"""Without validation rows: so many steps for each row, between the next two numbers. The last is the largest number of
epochs, because more would overfit a few dozen rows."""
MOST_STEPS = 20_000
"""Steps of a training that early stopping ends: far more than most need."""
LEAST_EPOCHS, MOST_EPOCHS = 20, 1000

ENOUGH_TO_HOLD_OUT = 5000
"""The number of rows from which on some are held out. Of fewer, none are unless the plan watches validation values."""
ENOUGH_HELD_OUT = 50
"""The number of validation rows from which on their loss is precise enough for early stopping."""
HELD_OUT = 0.1

PATIENCE_STEPS = 600
LEAST_PATIENCE = 5
"""Epochs."""

ITERATIONS = 200
"""The epochs of an optimiser that uses all rows in each step, and stops by itself."""

L2_ROWS, MOST_L2 = 10.0, 0.01
"""The penalty counts as much as so many rows, so that it falls with their number. The second is the largest."""

STREAM_BATCH, STREAM_EPOCHS = 32, 20
"""For a stream of batches, whose number of rows is not known."""


def batch_size(rows: int) -> int:
    """Return the power of two closest to rows / 64, at least 64 and at most 256."""
    wanted = max(rows, 1) / ROWS_PER_BATCH_ROW
    return max(LEAST_BATCH, min(MOST_BATCH, 1 << max(0, round(math.log2(wanted)))))


def learning_rate(usual: float, batch: int) -> float:
    """Return the optimiser's `usual` rate, for batches above 64 rows times √(batch / 64), which is at most 2.

    The standard error of a mean gradient falls with the root of the batch size. Malladi et al. 2022.
    """
    return usual * math.sqrt(max(1.0, min(batch, MOST_BATCH) / 64))


def share_held_out(rows: int, *, watched: bool) -> float:
    """Return the share of the rows to hold out. Of few rows it is 0, or at least one row if the plan watches them."""
    if rows >= ENOUGH_TO_HOLD_OUT:
        return HELD_OUT
    return max(HELD_OUT, 1 / rows) if watched and rows > 1 else 0.0


def epochs(rows: int, steps_an_epoch: int, *, stops_early: bool) -> int:
    """Return the number of epochs; with early stopping, the largest."""
    if stops_early:
        return max(LEAST_EPOCHS, min(MOST_EPOCHS, round(MOST_STEPS / steps_an_epoch)))
    steps = max(LEAST_STEPS, min(STEPS, STEPS_PER_ROW * rows))
    return max(LEAST_EPOCHS, min(MOST_UNWATCHED_EPOCHS, round(steps / steps_an_epoch)))


def patience(steps_an_epoch: int) -> int:
    """Return the epochs without improvement before early stopping stops."""
    return max(LEAST_PATIENCE, math.ceil(PATIENCE_STEPS / steps_an_epoch))


def l2(rows: int) -> float:
    """Return the penalty on the squared weights: 10 / rows, at most 0.01.

    It is that of a prior distribution of the weights, which counts the less the more rows there are. MacKay 1992.
    """
    return min(MOST_L2, L2_ROWS / rows)
