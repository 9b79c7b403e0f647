"""Schedules against closed formulas, step by step, as training has them."""

import numpy as np
import pytest

from layerwise import MLP, SGD, Architecture, InvalidInput, Layer, Plan, fit
from layerwise.optimizers.schedules import (
    SCHEDULES,
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    OneCycle,
    PolynomialDecay,
    ReduceOnPlateau,
    StepDecay,
)

EPOCHS, STEPS = 8, 4  # steps an epoch


def cycle(t):
    """Up from 0.1 in the first 2 of 8 epochs, then down to 0.01."""
    up = 1 + (0.1 - 1) * (1 + np.cos(np.pi * t / 2)) / 2
    down = 0.01 + (1 - 0.01) * (1 + np.cos(np.pi * (t - 2) / 6)) / 2
    return np.where(t < 2, up, down)


def restarted(t):
    """Periods of 1, 2, 4 and 8 epochs."""
    start = np.select([t < 1, t < 3, t < 7], [0, 1, 3], 7)
    return (1 + np.cos(np.pi * (t - start) / (start + 1))) / 2


FORMULAS = {
    "constant": ("constant", np.ones_like),
    "step": (StepDecay(3, 0.5), lambda t: np.where(t < 3, 1, np.where(t < 6, 0.5, 0.25))),
    "exponential": (ExponentialDecay(0.8), lambda t: np.exp(t * np.log(0.8))),
    "inverse time": (InverseTimeDecay(0.5), lambda t: 1 / (1 + t / 2)),
    "line": (PolynomialDecay(), lambda t: 1 - t / 8),
    "polynomial": (PolynomialDecay(2, 0.1), lambda t: 0.1 + 0.9 * (1 - t / 8) ** 2),
    "cosine": (CosineDecay(0.2), lambda t: 0.2 + 0.8 * np.cos(np.pi * t / 16) ** 2),
    "cosine with restarts": (CosineDecay(period=2), lambda t: np.cos(np.pi * (t % 2) / 4) ** 2),
    "cosine with longer restarts": (CosineDecay(period=1, period_factor=2), restarted),
    "one cycle": (OneCycle(0.25, 0.1, 0.01), cycle),
}


def rates(schedule, *, warmup=0.0, epochs=EPOCHS):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(STEPS * 5, 3)), rng.integers(0, 2, STEPS * 5)
    plan = Plan(optimizer=SGD(0.01), schedule=schedule, warmup=warmup, epochs=epochs, batch_size=5)
    model = MLP(Architecture(3, (Layer(2),)))
    return np.array([record.learning_rate for record in fit(model, X, y, plan=plan, every="step")])


@pytest.mark.parametrize(("schedule", "formula"), FORMULAS.values(), ids=FORMULAS.keys())
def test_every_step_has_the_rate_of_the_formula(schedule, formula):
    t = np.arange(EPOCHS * STEPS) / STEPS

    np.testing.assert_allclose(rates(schedule), 0.01 * formula(t), rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize(("schedule", "formula"), FORMULAS.values(), ids=FORMULAS.keys())
def test_the_warm_up_rises_in_a_straight_line_to_the_rate_of_the_schedule(schedule, formula):
    plain, warmed = rates(schedule), rates(schedule, warmup=2.5)

    line = np.arange(1, 11) / 11  # the eleventh step is the first after 2.5 epochs
    np.testing.assert_allclose(warmed[:10] / plain[:10], line, rtol=1e-12)
    np.testing.assert_array_equal(warmed[10:], plain[10:])


def test_the_schedules_with_an_end_reach_it_and_stay_there():
    ending = [
        (PolynomialDecay(2, 0.1), 0.1),
        (PolynomialDecay(), 0.0),
        (CosineDecay(0.2), 0.2),
        (OneCycle(0.25, 0.1, 0.01), 0.01),
    ]

    assert [s.factor(8, 8) for s, _ in ending] == pytest.approx([end for _, end in ending])
    assert [s.factor(9.5, 8) for s, _ in ending] == pytest.approx([end for _, end in ending])


def test_one_cycle_is_pytorchs_with_its_defaults():
    schedule = OneCycle()

    assert schedule.factor(0, 10) == pytest.approx(1 / 25)
    assert schedule.factor(3, 10) == 1.0
    assert schedule.factor(10, 10) == pytest.approx(1 / 25 / 1e4)


def reduced(schedule, values):
    """The factor that follows each of `values`."""
    memory, found = {}, []
    for value in values:
        schedule.observe({schedule.watch: value}, memory)
        found.append(memory.get("factor", 1.0))
    return found


def test_a_plateau_reduces_the_rate_after_its_patience_and_again_after_another():
    schedule = ReduceOnPlateau("loss", 0.5, patience=2, tolerance=0.1)

    found = reduced(schedule, [3.0, 2.0, 1.95, 1.92, 1.95, 1.99, 1.5, 1.5, 1.45])

    assert found == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_a_value_that_gains_no_more_than_the_tolerance_has_not_improved():
    assert reduced(ReduceOnPlateau("loss", 0.5, patience=1, tolerance=0.0), [1.0, 1.0]) == [1, 0.5]
    assert reduced(ReduceOnPlateau("loss", 0.5, patience=1, tolerance=0.5), [2.0, 1.5]) == [1, 0.5]


def test_a_plateau_is_not_reduced_below_the_least():
    schedule = ReduceOnPlateau("loss", 0.5, patience=1, least=0.2)

    assert reduced(schedule, [1.0] * 5) == [1, 0.5, 0.25, 0.2, 0.2]


def test_a_metric_improves_by_rising():
    schedule = ReduceOnPlateau("validation_metric", 0.5, patience=1, tolerance=0.0)

    assert reduced(schedule, [0.5, 0.6, 0.7, 0.6, 0.8]) == [1, 1, 1, 0.5, 0.5]


def test_training_takes_the_rate_of_the_plateau():
    schedule = ReduceOnPlateau("loss", 0.5, patience=2, tolerance=100.0)  # no epoch improves by so much

    found = rates(schedule, epochs=7)

    epochs = [1, 1, 1, 0.5, 0.5, 0.25, 0.25]  # the first is the best, after two more the rate falls
    np.testing.assert_allclose(found, np.repeat(epochs, STEPS) * 0.01)


def test_a_plateau_goes_on_from_a_saved_state_as_if_never_left():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    plan = Plan(schedule=ReduceOnPlateau("loss", 0.5, patience=2, tolerance=100.0), epochs=7)

    def start(state=None):
        return fit(MLP(Architecture(3, (Layer(2),))), X, y, plan=plan, state=state)

    whole = [record.learning_rate for record in start()]
    run = start()
    found = [next(run).learning_rate for _ in range(4)]
    found += [record.learning_rate for record in start(run.state.copy())]

    assert found == whole
    assert len(set(whole)) == 3


def test_a_plateau_of_rows_that_are_not_held_out_is_refused():
    X, y = np.zeros((10, 3)), np.arange(10) % 2
    model = MLP(Architecture(3, (Layer(2),)))

    with pytest.raises(InvalidInput, match=r"schedule.watch: validation_loss needs rows that are held out"):
        fit(model, X, y, plan=Plan(schedule="reduce_on_plateau", validation=0))
    next(fit(model, X, y, plan=Plan(schedule="reduce_on_plateau")))
    next(fit(model, X, y, plan=Plan(schedule="reduce_on_plateau", validation=0.2)))
    next(fit(model, X, y, plan=Plan(schedule=ReduceOnPlateau("loss"))))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: StepDecay(0), "every: expected a finite number of at least 1e-09, got 0"),
        (lambda: StepDecay(5e-324), "every: expected a finite number of at least 1e-09, got 5e-324"),
        (lambda: StepDecay(1, 0), "multiplier: expected a finite number above 0, got 0"),
        (lambda: StepDecay(1, 1.5), "multiplier: expected a number of at most 1, got 1.5"),
        (lambda: ExponentialDecay("a"), "multiplier: expected a finite number above 0, got 'a'"),
        (lambda: InverseTimeDecay(-1), "decay: expected a finite number of at least 0, got -1"),
        (lambda: PolynomialDecay(0), "power: expected a finite number above 0"),
        (lambda: PolynomialDecay(1, 2), "end: expected a number of at most 1, got 2"),
        (lambda: CosineDecay(-0.1), "end: expected a finite number of at least 0, got -0.1"),
        (lambda: CosineDecay(period=0), "period: expected a finite number above 0"),
        (lambda: CosineDecay(period=1, period_factor=0), "period_factor: expected a whole number of at least 1"),
        (lambda: CosineDecay(period_factor=2), "period_factor: expected a period to go with it, got 2 alone"),
        (lambda: OneCycle(1.0), "rising: expected a finite number above 0 and below 1, got 1"),
        (lambda: OneCycle(start=2), "start: expected a number of at most 1"),
        (lambda: OneCycle(end=-1), "end: expected a finite number of at least 0"),
        (lambda: ReduceOnPlateau("accuracy"), "watch: expected one of loss, metric, validation_loss"),
        (lambda: ReduceOnPlateau(multiplier=1), "multiplier: expected a finite number above 0 and below 1, got 1"),
        (lambda: ReduceOnPlateau(patience=0), "patience: expected a whole number of at least 1"),
        (lambda: ReduceOnPlateau(tolerance=-1), "tolerance: expected a finite number of at least 0"),
        (lambda: ReduceOnPlateau(least=2), "least: expected a number of at most 1"),
        (lambda: Plan.from_json({"schedule": {"kind": "step", "every": 0}}), r"schedule.every: expected a finite"),
    ],
)
def test_an_impossible_schedule_cannot_be_made(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_goes_through_json_and_back(name):
    plan = Plan(schedule=name)

    assert Plan.from_json(plan.to_json()) == plan


def test_no_schedule_is_without_a_test_of_its_formula():
    tested = {Plan(schedule=schedule).schedule.kind for schedule, _ in FORMULAS.values()}

    assert tested | {"reduce_on_plateau"} == SCHEDULES.keys()
