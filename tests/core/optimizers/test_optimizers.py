"""Optimisers against their papers' formulas, number by number."""

import numpy as np
import pytest

from helpers.tracing import least_peak
from layerwise import SGD, Adadelta, Adagrad, Adam, AdamW, InvalidInput, NAdam, Plan, RMSprop
from layerwise.optimizers import CHUNK, OPTIMIZERS

SIZES = [1, 3, 40_000]  # the last needs several chunks


def sgd(p, gradients, *, rate, momentum=0.0, nesterov=False):
    v = 0
    for g in gradients:
        v = momentum * v + g
        p = p - rate * (g + momentum * v if nesterov else v)
    return p


def adagrad(p, gradients, *, rate, epsilon):
    total = 0
    for g in gradients:
        total = total + g**2
        p = p - rate * g / (np.sqrt(total) + epsilon)
    return p


def rmsprop(p, gradients, *, rate, decay, epsilon, momentum=0.0):
    v, d = 0, 0
    for g in gradients:
        v = decay * v + (1 - decay) * g**2
        d = momentum * d + g / (np.sqrt(v) + epsilon)
        p = p - rate * d
    return p


def adadelta(p, gradients, *, rate, decay, epsilon):
    v, u = 0, 0
    for g in gradients:
        v = decay * v + (1 - decay) * g**2
        delta = g * np.sqrt(u + epsilon) / np.sqrt(v + epsilon)
        u = decay * u + (1 - decay) * delta**2
        p = p - rate * delta
    return p


def adam(p, gradients, *, rate, beta1, beta2, epsilon):
    m, v = 0, 0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        p = p - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    return p


def nadam(p, gradients, *, rate, beta1, beta2, epsilon, momentum_decay):
    m, v = 0, 0
    momentum = beta1 * (1 - 0.5 * 0.96 ** (momentum_decay * np.arange(len(gradients) + 2)))
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        until, beyond = np.prod(momentum[1 : t + 1]), np.prod(momentum[1 : t + 2])
        ahead = momentum[t + 1] * m / (1 - beyond) + (1 - momentum[t]) * g / (1 - until)
        p = p - rate * ahead / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    return p


ADAM = {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}
# optimiser, its paper's formula, and the arguments of the formula
FORMULAS = [
    (SGD(0.1), sgd, {"rate": 0.1}),
    (SGD(0.1, 0.9), sgd, {"rate": 0.1, "momentum": 0.9}),
    (SGD(0.1, 0.9, nesterov=True), sgd, {"rate": 0.1, "momentum": 0.9, "nesterov": True}),
    (Adagrad(0.1, 1e-3), adagrad, {"rate": 0.1, "epsilon": 1e-3}),
    (RMSprop(0.1, 0.8, 1e-3), rmsprop, {"rate": 0.1, "decay": 0.8, "epsilon": 1e-3}),
    (RMSprop(0.1, 0.8, 1e-3, 0.7), rmsprop, {"rate": 0.1, "decay": 0.8, "epsilon": 1e-3, "momentum": 0.7}),
    (Adadelta(0.5, 0.8, 1e-3), adadelta, {"rate": 0.5, "decay": 0.8, "epsilon": 1e-3}),
    (Adam(0.1, **ADAM), adam, {"rate": 0.1, **ADAM}),
    (AdamW(0.1, **ADAM), adam, {"rate": 0.1, **ADAM}),  # the decay is the plan's
    (NAdam(0.1, **ADAM, momentum_decay=0.3), nadam, {"rate": 0.1, **ADAM, "momentum_decay": 0.3}),
]
IDS = [f"{optimizer.kind}{i}" for i, (optimizer, _, _) in enumerate(FORMULAS)]

# those of PyTorch 2
DEFAULTS = {
    "sgd": {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
    "adagrad": {"learning_rate": 0.01, "epsilon": 1e-10},
    "rmsprop": {"learning_rate": 0.01, "decay": 0.99, "epsilon": 1e-8, "momentum": 0.0},
    "adadelta": {"learning_rate": 1.0, "decay": 0.9, "epsilon": 1e-6},
    "adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "adamw": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "nadam": {"learning_rate": 2e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "momentum_decay": 4e-3},
}


def stepped(optimizer, gradients, start):
    parameters, gradients = start.copy(), gradients.copy()
    before = gradients.tobytes()
    state, scratch = optimizer.init(parameters), np.full(CHUNK, np.nan, start.dtype)
    for step, gradient in enumerate(gradients, start=1):
        optimizer.update(
            parameters,
            gradient,
            state,
            rate=optimizer.learning_rate or optimizer.usual_rate,
            step=step,
            scratch=scratch,
        )
    assert gradients.tobytes() == before
    return parameters


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("optimizer", "formula", "arguments"), FORMULAS, ids=IDS)
def test_twenty_steps_are_those_of_the_formula(optimizer, formula, arguments, size):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=size), rng.normal(size=(20, size))

    found = stepped(optimizer, gradients, start)

    np.testing.assert_allclose(found, formula(start, gradients, **arguments), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("optimizer", "formula", "arguments"), FORMULAS, ids=IDS)
def test_float32_stays_float32_and_near_the_formula(optimizer, formula, arguments):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=30), rng.normal(size=(20, 30))

    found = stepped(optimizer, gradients.astype(np.float32), start.astype(np.float32))

    assert found.dtype == np.float32
    np.testing.assert_allclose(found, formula(start, gradients, **arguments), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("optimizer", [row[0] for row in FORMULAS], ids=IDS)
def test_an_update_allocates_nothing(optimizer):
    parameters, gradient = np.ones(40_000), np.ones(40_000)
    state, scratch = optimizer.init(parameters), np.empty(CHUNK)
    optimizer.update(parameters, gradient, state, rate=0.1, step=1, scratch=scratch)

    def update():
        for step in range(2, 6):
            optimizer.update(parameters, gradient, state, rate=0.1, step=step, scratch=scratch)

    assert least_peak(update) < 8_000  # an array of a chunk takes 131,072 bytes


def test_every_optimizer_is_here_with_the_usual_defaults():
    usual = {name: OPTIMIZERS[name]() for name in DEFAULTS}  # type: ignore[call-arg]
    found = {name: optimizer.with_rate(optimizer.usual_rate).to_json() for name, optimizer in usual.items()}

    assert found == {name: {"kind": name, **fields} for name, fields in DEFAULTS.items()}
    assert {optimizer.kind for optimizer, _, _ in FORMULAS} == DEFAULTS.keys()


def test_the_first_step_of_adam_has_the_length_of_the_learning_rate():
    found = stepped(Adam(0.01), np.array([[1e-3, -50.0]]), np.zeros(2))

    np.testing.assert_allclose(found, [-0.01, 0.01], rtol=1e-4)


def test_adamw_brings_its_decay_unless_the_plan_has_another():
    assert Plan(optimizer="adamw").decay == 0.01
    assert Plan(optimizer="adamw", weight_decay=0.0).decay == 0.0
    assert Plan(optimizer="adam").decay == 0.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SGD(0), "learning_rate: expected a finite number above 0, got 0"),
        (lambda: SGD(0.1, 1.0), "momentum: expected a finite number of at least 0 and below 1, got 1"),
        (lambda: SGD(0.1, nesterov=True), "nesterov: expected a momentum above 0 to go with it"),
        (lambda: SGD(0.1, 0.9, nesterov=1), "nesterov: expected true or false, got 1"),
        (lambda: Adagrad(epsilon=0), "epsilon: expected a finite number above 0"),
        (lambda: RMSprop(decay=1), "decay: expected a finite number of at least 0 and below 1"),
        (lambda: RMSprop(momentum=-0.1), "momentum: expected a finite number of at least 0"),
        (lambda: Adadelta(decay="a"), "decay: expected a finite number"),
        (lambda: NAdam(beta1=1), "beta1: expected a finite number of at least 0 and below 1"),
        (lambda: NAdam(momentum_decay=-1), "momentum_decay: expected a finite number of at least 0"),
        (lambda: Plan.from_json({"optimizer": {"kind": "adadelta", "epsilon": 0}}), r"optimizer.epsilon: expected"),
        (lambda: Plan.from_json({"optimizer": {"kind": "adagrad", "beta1": 0}}), r"optimizer.beta1: unknown field"),
    ],
)
def test_an_impossible_optimizer_cannot_be_made(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()


@pytest.mark.parametrize("optimizer", [row[0] for row in FORMULAS], ids=IDS)
def test_an_optimizer_goes_through_json_and_back(optimizer):
    plan = Plan(optimizer=optimizer)

    assert Plan.from_json(plan.to_json()) == plan
