"""The rules by which a plan's open values are chosen from the data; docs/training.md has them with their scores.

A network learns in steps: few rows need many epochs for the same number of them. From some rows on a share is held out,
which ends the training in time; of fewer, the rows that it would cost are worth more than what it tells.
"""

import math

LEAST_BATCH, MOST_BATCH = 64, 256
ROWS_PER_BATCH_ROW = 64
"""Batches grow with the rows, so that an epoch has about so many steps, as far as the bounds allow."""

LEAST_STEPS, STEPS, MOST_UNWATCHED_EPOCHS = 600, 5000, 300
"""Of a training without rows held out: as many steps as rows within the first two, and no more than so many epochs,
which would soon know a few dozen rows by heart."""
MOST_STEPS = 20_000
"""Steps of a training that early stopping ends: far more than most need."""
LEAST_EPOCHS, MOST_EPOCHS = 20, 1000

ENOUGH_TO_HOLD_OUT = 5000
"""Rows; of fewer, none are held out unless something watches them."""
ENOUGH_HELD_OUT = 50
"""Rows held out from which their loss is steady enough to end a training."""
HELD_OUT = 0.1

PATIENCE_STEPS = 300
LEAST_PATIENCE = 5
"""Epochs."""

ITERATIONS = 200
"""Of an optimiser that takes all rows at once, and ends by itself."""

STREAM_BATCH, STREAM_EPOCHS = 32, 20
"""Of rows that arrive one batch after another, which nobody can count."""


def batch_size(rows: int) -> int:
    """The power of two next to rows / 64, within 64 and 256."""
    wanted = max(rows, 1) / ROWS_PER_BATCH_ROW
    return max(LEAST_BATCH, min(MOST_BATCH, 1 << max(0, round(math.log2(wanted)))))


def learning_rate(usual: float, batch: int) -> float:
    """The optimiser's `usual` rate for batches of 64 rows or fewer, of more times the root of batch / 64, at most
    twice.

    The noise of a gradient falls with the root of the rows it is the mean of. Malladi et al. 2022.
    """
    return usual * math.sqrt(max(1.0, min(batch, MOST_BATCH) / 64))


def share_held_out(rows: int, *, watched: bool) -> float:
    """The share of the rows to hold out; of few rows none, unless it is `watched`, and then at least one row."""
    if rows >= ENOUGH_TO_HOLD_OUT:
        return HELD_OUT
    return max(HELD_OUT, 1 / rows) if watched and rows > 1 else 0.0


def epochs(rows: int, steps_an_epoch: int, *, stops_early: bool) -> int:
    """Passes over the `rows` that make up the steps; with early stopping, the most there may be."""
    if stops_early:
        return max(LEAST_EPOCHS, min(MOST_EPOCHS, round(MOST_STEPS / steps_an_epoch)))
    steps = max(LEAST_STEPS, min(STEPS, rows))
    return max(LEAST_EPOCHS, min(MOST_UNWATCHED_EPOCHS, round(steps / steps_an_epoch)))


def patience(steps_an_epoch: int) -> int:
    """Epochs that early stopping waits for a better one."""
    return max(LEAST_PATIENCE, math.ceil(PATIENCE_STEPS / steps_an_epoch))
