"""The learning-rate range finder."""

import math

import numpy as np
import pytest

from layerwise import MLP, SGD, Adam, Architecture, InvalidInput, Layer, Plan, find_learning_rate, fit


def table(rows=400):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 4))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


def network(dtype=np.float32):
    return MLP(Architecture(4, (Layer(16, "relu"), Layer(2))), seed=1, dtype=dtype)


def test_the_losses_are_those_of_training_at_rates_that_rise_exponentially():
    """Plain gradient descent on a parabola: each loss is the last times (1 - 2 η / n · Σ x²)²."""
    X, y = np.full((8, 1), 0.5), np.zeros(8)
    model = MLP(Architecture(1, (Layer(1),)), dtype=np.float64)
    model.parameters[:] = 3.0, 0.0
    plan = Plan(loss="squared_error", optimizer="sgd", l2=0, batch_size=8)

    found = find_learning_rate(model, X, y, plan=plan, least=1e-3, most=0.5, steps=40)

    np.testing.assert_allclose(found.rates, 1e-3 * 500 ** (np.arange(40) / 39), rtol=1e-12)
    score, losses = 1.5, []
    for rate in found.rates:
        losses.append(score**2)
        score -= rate * 2 * score * (0.5**2 + 1)  # weight and bias both move
    weights = 0.8 ** np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
    forward = np.tril(weights) / np.tril(weights).sum(axis=1, keepdims=True)
    backward = np.triu(weights) / np.triu(weights).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.losses, backward @ forward @ losses, rtol=1e-9)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", SGD(0.1, 0.9)])
def test_a_good_rate_lies_between_the_suggested_one_and_that_of_the_least_loss(optimizer):
    X, y = table()
    plan = Plan(optimizer=optimizer, batch_size=20)
    chosen = plan.optimizer

    found = find_learning_rate(network(), X, y, plan=plan, most=100.0, steps=150)

    def loss_after(rate):
        fields = {**chosen.to_json(), "learning_rate": rate}
        used = Plan.from_json({"optimizer": fields, "batch_size": 20, "epochs": 2})
        try:
            return list(fit(network(), X, y, plan=used))[-1].loss
        except ArithmeticError:
            return np.inf

    lowest = found.rates[np.argmin(found.losses)]
    between = loss_after(math.sqrt(found.suggested * lowest))
    assert found.suggested < lowest < found.rates[-1]
    assert between < 0.5 * loss_after(found.suggested / 10)
    assert between < 0.5 * loss_after(found.rates[-1] * 10)


def test_it_stops_where_the_loss_is_four_times_the_least():
    X, y = table()

    found = find_learning_rate(network(), X, y, plan=Plan(optimizer="sgd"), most=1e6)

    assert len(found.rates) == len(found.losses) < 100
    assert found.rates[-1] < 1e5
    assert np.isfinite(found.losses).all()


def test_the_model_and_its_plan_stay_as_they_are():
    X, y = table()
    model = network()
    list(fit(model, X, y, plan=Plan(epochs=1, optimizer=Adam(0.01))))
    before = model.parameters.tobytes(), model.plan, model.labels, dict(model.metrics)

    first, again = (find_learning_rate(model, X, y, steps=20) for _ in range(2))

    assert before == (model.parameters.tobytes(), model.plan, model.labels, dict(model.metrics))
    assert first.losses.tobytes() == again.losses.tobytes()


def test_the_schedule_and_the_rate_of_the_plan_play_no_part():
    X, y = table()
    plain = Plan(optimizer=Adam(0.001), l2=0)
    busy = Plan(optimizer=Adam(7.0), schedule="cosine", warmup=3, epochs=1, max_steps=2, validation=0.5)

    plainly, busily = (find_learning_rate(network(), X, y, plan=plan, steps=20) for plan in (plain, busy))

    assert plainly.losses.tobytes() == busily.losses.tobytes()


def test_a_loss_that_falls_nowhere_suggests_nothing():
    X, y = np.zeros((10, 4)), np.zeros((10, 1))
    model = MLP(Architecture(4, (Layer(1),)))
    model.parameters[:] = 0

    assert find_learning_rate(model, X, y, plan=Plan(loss="squared_error")).suggested is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"least": 0}, "least: expected a finite number above 0, got 0"),
        ({"most": np.inf}, "most: expected a finite number above 0"),
        ({"least": 1.0, "most": 1.0}, "most: expected a rate above least, 1, got 1"),
        ({"steps": 9}, "steps: expected a whole number of at least 10, got 9"),
        ({"plan": "adam"}, "plan: expected a Plan, got 'adam'"),
        (
            {"plan": Plan(optimizer="lbfgs")},
            "plan.optimizer: expected an optimiser with a learning rate to find, lbfgs",
        ),
        ({"least": 1e6, "most": 1e7}, "least: expected a rate at which the loss stays finite and low for 10 steps"),
    ],
)
def test_what_cannot_be_searched_is_refused(given, words):
    X, y = table()

    with pytest.raises(InvalidInput, match=words):
        find_learning_rate(network(), X, y, **{"plan": Plan(optimizer="sgd"), **given})
