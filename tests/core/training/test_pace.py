"""The pace: learning rates, budgets and progress, which single, full-batch and packed training share."""

import time

import numpy as np
import pytest

from layerwise import Plan
from layerwise.optimizers.schedules import StepDecay
from layerwise.training.pace import SECONDS, STEPS, Pace


def pace(*, rows=100, batch_size=25, seconds=0.0, **arguments):
    return Pace(Plan(epochs=10, **arguments), rows=rows, batch_size=batch_size, seconds=seconds)


def test_the_rate_of_a_step_is_the_base_times_schedule_plateau_and_warm_up():
    found = pace(schedule=StepDecay(every=1, multiplier=0.5), warmup=2.0)

    assert found.learning_rate(0.1, 0.0, 1.0) == pytest.approx(0.1 * 1 / 9)  # the first of 8 steps of warm-up
    assert found.learning_rate(0.1, 1.0, 0.2) == pytest.approx(0.1 * 0.5 * 0.2 * 5 / 9)
    assert found.learning_rate(0.1, 3.0, 1.0) == pytest.approx(0.1 * 0.125)


@pytest.mark.parametrize("done", [0.0, 0.75, 2.0, 7.25])
def test_a_column_of_rates_has_the_bits_of_each(done):
    found = pace(schedule="cosine", warmup=1.5)
    bases, plateaus = [0.1, 1e-3, 0.7], [1.0, 0.5, 0.1]

    column = found.learning_rate(np.array(bases)[:, None], done, np.array(plateaus)[:, None])

    assert column[:, 0].tolist() == [
        found.learning_rate(base, done, plateau) for base, plateau in zip(bases, plateaus, strict=True)
    ]


def test_an_optimiser_that_takes_all_rows_makes_one_step_an_epoch():
    found = pace(optimizer="lbfgs", batch_size=1, warmup=3.0)

    assert found.learning_rate(1.0, 1.0, 1.0) == pytest.approx(2 / 4)


def test_the_budget_that_is_used_up_is_named():
    assert pace().spent_budget(10**9) is None
    assert pace(max_steps=7).spent_budget(6) is None
    assert pace(max_steps=7).spent_budget(7) == STEPS
    assert pace(max_seconds=60.0).spent_budget(1) is None
    assert pace(max_seconds=60.0, seconds=61.0).spent_budget(1) == SECONDS  # those before it was resumed count


def test_progress_is_that_of_the_budget_that_is_used_up_first():
    assert pace().progress(rows=250, step=10, seconds=1.0) == 0.25
    assert pace(max_steps=20).progress(rows=250, step=10, seconds=1.0) == 0.5
    assert pace(max_steps=20, max_seconds=2.0).progress(rows=250, step=10, seconds=1.5) == 0.75
    assert pace(max_seconds=1.0).progress(rows=250, step=10, seconds=1.5) == 1.0


def test_the_clock_goes_on_from_the_seconds_before():
    before = time.perf_counter()
    found = pace(seconds=100.0)

    assert 100.0 <= found.seconds <= 100.0 + time.perf_counter() - before
