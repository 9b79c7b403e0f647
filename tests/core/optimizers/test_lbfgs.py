"""L-BFGS: its direction, its line search, and the optima it reaches."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from helpers.tracing import least_peak
from layerwise import (
    LBFGS,
    MLP,
    Adam,
    Architecture,
    EarlyStopping,
    InvalidInput,
    Layer,
    Plan,
    TrainingState,
    fit,
    partial_fit,
)
from layerwise.losses import SoftmaxCrossEntropy
from layerwise.optimizers import CHUNK
from layerwise.optimizers.line_search import Point, strong_wolfe


def table(rows=120, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 4))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 1)


def network(**fields):
    return MLP(Architecture(4, (Layer(8, "tanh"), Layer(3)), **fields), seed=1, dtype=np.float64)


def plan(**fields):
    return Plan(**{"optimizer": "lbfgs", "l2": 1e-2, "epochs": 500, **fields})


@pytest.mark.parametrize("pairs", [0, 1, 4, 9])
def test_the_direction_is_that_of_the_dense_inverse(pairs):
    """Equation 7.16 with whole matrices, over the last four pairs."""
    rng = np.random.default_rng(pairs)
    lbfgs, n = LBFGS(history=4), 6
    hessian = np.diag(np.arange(1.0, n + 1))
    state = lbfgs.init(np.zeros(n))
    state["gradient"][:] = g = rng.normal(size=n)
    steps = rng.normal(size=(pairs, n))
    for s in steps:
        lbfgs.store_pair(state, s, hessian @ s)
    out = np.empty(n)

    lbfgs.direction(state, out, np.empty(CHUNK))

    inverse = np.eye(n)
    for i, s in enumerate(steps[-4:]):
        y = hessian @ s
        last = hessian @ steps[-1]
        if i == 0:
            inverse = inverse * (steps[-1] @ last) / (last @ last)
        left = np.eye(n) - np.outer(s, y) / (s @ y)
        inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
    np.testing.assert_allclose(out, -inverse @ g, rtol=1e-10)


def test_a_pair_without_positive_curvature_is_not_remembered():
    lbfgs = LBFGS(history=2)
    state = lbfgs.init(np.zeros(2))

    lbfgs.store_pair(state, np.array([1.0, 0.0]), np.array([-1.0, 5.0]))
    assert state["pairs"] == 0
    lbfgs.store_pair(state, np.array([1.0, 0.0]), np.array([math.inf, 5.0]))
    assert state["pairs"] == 0
    lbfgs.store_pair(state, np.array([1.0, 0.0]), np.array([1.0, 5.0]))
    assert state["pairs"] == 1


CURVES = {
    "parabola": (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3)),
    "far": (lambda t: (t / 1000 - 1) ** 2, lambda t: (t / 1000 - 1) / 500),
    "near": (lambda t: (1000 * t - 1) ** 2, lambda t: 2000 * (1000 * t - 1)),
    "several valleys": (lambda t: -t + 3 * math.sin(2 * t) ** 2, lambda t: -1 + 6 * math.sin(4 * t)),
    "kink": (lambda t: abs(t - 2) + t**2 / 50, lambda t: math.copysign(1, t - 2) + t / 25),
    # Moré and Thuente 1994, equation 5.1
    "flat": (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
    "wall": (lambda t: t * t - t if t < 1 else math.inf, lambda t: 2 * t - 1 if t < 1 else math.nan),
    "hole": (lambda t: t * t - t if t < 1 else math.nan, lambda t: 2 * t - 1 if t < 1 else math.nan),
}


def searched(value, slope, *, first, c1=1e-4, c2=0.9, most=60):
    calls = []

    def phi(t):
        calls.append(t)
        return Point(t, value(t), slope(t))

    return strong_wolfe(phi, Point(0.0, value(0), slope(0)), first=first, c1=c1, c2=c2, max_evaluations=most), calls


@pytest.mark.parametrize("c2", [0.1, 0.9])
@pytest.mark.parametrize("first", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(("value", "slope"), [CURVES[name] for name in CURVES if name != "kink"])
def test_the_step_satisfies_both_conditions(value, slope, first, c2):
    found, calls = searched(value, slope, first=first, c2=c2)

    assert found.loss == value(found.distance) <= value(0) + 1e-4 * found.distance * slope(0)
    assert abs(slope(found.distance)) <= c2 * abs(slope(0))
    assert calls[-1] == found.distance


@pytest.mark.parametrize("most", [1, 2, 3, 7, 30])
def test_when_the_evaluations_are_spent_the_lowest_point_is_taken(most):
    value, slope = CURVES["kink"]  # whose slope is never small

    found, calls = searched(value, slope, first=1.5, c2=0.1, most=most)

    assert len(calls) <= most + 1
    assert calls[-1] == found.distance
    assert found.loss == min(value(t) for t in calls) < value(0)


@pytest.mark.parametrize("first", [1.0, 5.0, 7.0])
def test_a_parabola_needs_few_evaluations_for_its_cubic_is_itself(first):
    found, calls = searched(*CURVES["parabola"], first=first, c2=1e-3)

    assert found.distance == pytest.approx(3.0)
    assert len(calls) <= 4


def test_where_nothing_is_lower_there_is_no_step():
    found, calls = searched(lambda t: t, lambda _: -1.0, first=1.0, most=20)

    assert found is None
    assert len(calls) == 20


@pytest.mark.parametrize("batch", [7, 120])
@pytest.mark.parametrize("l2", [1e-3, 0.1])
def test_a_single_layer_reaches_the_optimum_of_scikit_learn(l2, batch):
    X, y = table()
    model = MLP(Architecture(4, (Layer(3),)), dtype=np.float64)

    records = list(fit(model, X, y, plan=plan(l2=l2, batch_size=batch)))

    reference = LogisticRegression(C=1 / (l2 * len(X)), tol=1e-10, max_iter=10_000).fit(X, y)
    assert records[-1].stopped == "converged"
    assert len(records) < 100
    weight = model.parameters[:12].reshape(4, 3)
    np.testing.assert_allclose(weight - weight.mean(axis=1, keepdims=True), reference.coef_.T, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=1e-6)


def test_a_network_of_two_layers_comes_as_low_as_scipys():
    X, y = table()
    ours, theirs = network(), network()
    onehot = np.eye(3)[y]

    def loss(parameters):
        """Value and gradient written out for this network."""
        w1, w2 = parameters[:32].reshape(4, 8), parameters[32:56].reshape(8, 3)
        a = np.tanh(X @ w1 + parameters[56:64])
        p = np.exp(a @ w2 + parameters[64:])
        p /= p.sum(axis=1, keepdims=True)
        d2 = (p - onehot) / len(X)
        d1 = d2 @ w2.T * (1 - a * a)
        gradient = np.concatenate([(X.T @ d1).ravel(), (a.T @ d2).ravel(), d1.sum(axis=0), d2.sum(axis=0)])
        gradient[:56] += 1e-2 * parameters[:56]
        return -np.log(p[onehot > 0]).mean() + 5e-3 * parameters[:56] @ parameters[:56], gradient

    record = list(fit(ours, X, y, plan=plan(epochs=2000)))[-1]

    value, gradient = loss(ours.parameters)
    assert record.loss == pytest.approx(value, rel=1e-12)
    assert np.abs(gradient).max() < 1e-6
    reference = minimize(loss, theirs.parameters, jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 0})
    assert record.loss == pytest.approx(reference.fun, abs=0.02)  # there are several minima
    again = minimize(loss, ours.parameters, jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 0})
    assert record.loss == pytest.approx(again.fun, abs=1e-10)


EVALUATIONS = []


class Counted(SoftmaxCrossEntropy):
    """Says each time that it is evaluated."""

    def evaluate(self, *arguments):
        EVALUATIONS.append(1)
        return super().evaluate(*arguments)


@pytest.mark.parametrize("rate", [0.003, 0.01, 0.03, 0.1, 0.3])
def test_it_comes_lower_than_adam_in_as_many_evaluations(rate):
    X, y = table()
    EVALUATIONS.clear()
    reached = list(fit(network(), X, y, plan=plan(loss=Counted(), l2=1e-3, epochs=60, doctor=False)))[-1].loss
    adams = Plan(optimizer=Adam(rate), l2=1e-3, epochs=len(EVALUATIONS), batch_size=len(X))

    lowest = min(record.loss for record in fit(network(), X, y, plan=adams))

    assert reached < lowest


def test_the_loss_never_rises_from_one_iteration_to_the_next():
    X, y = table()

    losses = [record.loss for record in fit(network(), X, y, plan=plan(epochs=100))]

    assert len(losses) > 50
    assert losses == sorted(losses, reverse=True)


def test_an_iteration_allocates_nothing():
    X, y = table()
    model = MLP(Architecture(4, (Layer(200, "tanh"), Layer(3))), dtype=np.float64)  # 1,603 parameters, 12,824 bytes
    steps = fit(model, X, y, plan=plan(doctor=False))

    def go_on():
        for _ in range(20):
            next(steps)

    for _ in range(15):
        next(steps)
    peak = least_peak(go_on)

    assert peak < 8_000


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_left_anywhere_and_taken_up_again_it_ends_with_the_same_bits(dtype):
    X, y = table()

    def start(state=None):
        model = MLP(Architecture(4, (Layer(8, "tanh"), Layer(3))), seed=1, dtype=dtype)
        return model, fit(model, X, y, plan=plan(epochs=30, optimizer=LBFGS(history=5), average=0.9), state=state)

    whole, run = start()
    records = list(run)

    for stop in (1, 3, 12):
        _, run = start()
        found = [next(run) for _ in range(stop)]
        model, run = start(TrainingState.from_arrays(run.state.to_arrays()))
        found += list(run)
        assert model.parameters.tobytes() == whole.parameters.tobytes()
        assert found == records


def test_blocks_of_rows_add_up_to_the_whole(monkeypatch):
    X, y = table()
    weights = np.random.default_rng(1).random(120)
    whole, parts = network(), network()

    expected = list(fit(whole, X, y, weights=weights, plan=plan(epochs=5)))
    monkeypatch.setattr(
        "layerwise.training.full_batch.BLOCK_NUMBERS", 15 * 50
    )  # 50 rows at a time: 4 inputs, 8 + 3 units
    found = list(fit(parts, X, y, weights=weights, plan=plan(epochs=5)))

    np.testing.assert_allclose(parts.parameters, whole.parameters, rtol=1e-8)
    np.testing.assert_allclose([r.loss for r in found], [r.loss for r in expected], rtol=1e-12)
    np.testing.assert_allclose([r.metric for r in found], [r.metric for r in expected], rtol=1e-12)


def test_the_record_tells_loss_and_metric_after_the_iteration():
    X, y = table()
    model = network()

    for record in fit(model, X, y, plan=plan(epochs=3, l2=0.0)):
        p = model.predict_proba(X)[np.arange(120), y]
        assert record.loss == pytest.approx(-np.log(p).mean(), rel=1e-12)
        assert record.metric == np.mean(model.predict(X) == y)
        assert record.step == record.epoch


def test_the_metric_counts_rows_by_their_weights():
    X, y = table()
    weights = np.random.default_rng(1).random(120)
    model = network()

    (record,) = fit(model, X, y, weights=weights, plan=plan(epochs=1))

    assert record.metric == pytest.approx(np.average(model.predict(X) == y, weights=weights), rel=1e-12)


def test_budgets_and_early_stopping_hold_as_elsewhere():
    X, y = table()

    assert [r.stopped for r in fit(network(), X, y, plan=plan(epochs=2))] == [None, "epochs"]
    assert [r.stopped for r in fit(network(), X, y, plan=plan(max_steps=2))] == [None, "max_steps"]
    patient = plan(l2=0.0, early_stopping=EarlyStopping(patience=3))
    records = list(fit(network(), X, y, plan=patient, validation=0.3))
    best = int(np.argmin([record.validation_loss for record in records]))
    assert records[-1].stopped == "early_stopping"
    assert len(records) == best + 1 + 3


@pytest.mark.parametrize(
    ("architecture", "changed", "words"),
    [
        ({"input_noise": 0.1}, {}, "optimizer: lbfgs needs a loss that does not change between evaluations"),
        ({"input_dropout": 0.1}, {}, "optimizer: lbfgs needs a loss that does not change between evaluations"),
        ({"layers": (Layer(8, dropout=0.1), Layer(3))}, {}, "optimizer: lbfgs needs a loss that does not change"),
        ({"layers": (Layer(8, normalization="batch"), Layer(3))}, {}, "optimizer: .* expected no batch normalisation"),
        ({}, {"clip_norm": 1}, "clip_norm: expected None, because lbfgs needs a loss .*, got 1"),
        ({}, {"clip_value": 1}, "clip_value: expected None"),
        ({}, {"max_norm": 1}, "max_norm: expected None"),
        ({}, {"weight_decay": 0.1}, "weight_decay: expected None or 0, .* got 0.1"),
    ],
)
def test_what_changes_the_loss_between_evaluations_is_refused(architecture, changed, words):
    X, y = table()
    model = MLP(Architecture(**{"inputs": 4, "layers": (Layer(8), Layer(3)), **architecture}))

    with pytest.raises(InvalidInput, match=words):
        fit(model, X, y, plan=plan(**changed))


def test_rows_that_arrive_one_by_one_and_other_histories_are_refused():
    X, y = table()
    run = fit(network(), X, y, plan=plan(epochs=2))
    list(run)

    with pytest.raises(InvalidInput, match="optimizer: expected an optimiser that trains in batches"):
        partial_fit(network(), X, y, plan=plan())
    with pytest.raises(InvalidInput, match="state: expected the state of a training with the same network, plan"):
        fit(network(), X, y, plan=plan(optimizer=LBFGS(history=3)), state=run.state)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LBFGS(learning_rate=0), "learning_rate: expected a finite number above 0"),
        (lambda: LBFGS(history=0), "history: expected a whole number of at least 1"),
        (lambda: LBFGS(max_evaluations=0), "max_evaluations: expected a whole number of at least 1"),
        (lambda: LBFGS(c1=0), "c1: expected a finite number above 0 and below 1"),
        (lambda: LBFGS(c1=0.5, c2=0.4), "c2: expected a finite number above 0.5 and below 1"),
        (lambda: LBFGS(c2=1), "c2: expected a finite number"),
    ],
)
def test_an_impossible_lbfgs_cannot_be_made(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()
