"""Trainings that are never run: a warning, since nothing is trained before the first record is asked for."""

import gc
import subprocess
import sys
import warnings

import numpy as np
import pytest

from layerwise import MLP, Architecture, Layer, Plan, TrainingState, fit, fit_packed, partial_fit

X = np.random.default_rng(0).normal(size=(20, 3))
Y = (X[:, 0] > 0).astype(int)
PLAN = Plan(epochs=2, doctor=False)


def network():
    return MLP(Architecture(3, (Layer(4, "relu"), Layer(2))))


@pytest.mark.parametrize(
    "start",
    [
        lambda: fit(network(), X, Y, plan=PLAN),
        lambda: fit(network(), X, Y, plan=PLAN).state,
        lambda: fit_packed([network()], X, Y, plans=PLAN),
    ],
    ids=["fit", "its state", "fit_packed"],
)
def test_a_training_that_is_dropped_before_its_first_step_warns_once_at_its_line(start):
    with pytest.warns(UserWarning, match=r"iterate over it: `for record in fit\(...\)`, or `list") as caught:
        start()

    gc.collect()
    assert [warning.filename for warning in caught] == [__file__]


def test_a_training_that_was_used_does_not_warn():
    """Warnings are errors in tests, but not those of an object that is collected: pytest fails the test for them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        next(fit(network(), X, Y, plan=PLAN))
        fit(network(), X, Y, plan=PLAN).finish()
        training = fit(network(), X, Y, plan=PLAN)
        list(training)
        ended = TrainingState.from_arrays(training.state.to_arrays())
        fit(network(), X, Y, plan=PLAN, state=ended)  # restores its model
        next(fit_packed([network()], X, Y, plans=PLAN))
        partial_fit(network(), X, Y, plan=PLAN)
        with pytest.raises(ValueError, match="y: expected 20 labels"):
            fit(network(), X, Y[:5], plan=PLAN)
        del training
        gc.collect()

    assert caught == []


def test_a_training_that_lives_until_python_ends_warns_without_a_traceback():
    program = """if True:
        from layerwise import MLP, Architecture, Layer, Plan, fit

        training = fit(MLP(Architecture(1, (Layer(2),))), [[0], [1]], [0, 1], plan=Plan(epochs=1))
    """

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert "nothing was trained" in ended.stderr
    assert "Traceback" not in ended.stderr
