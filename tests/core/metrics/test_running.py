"""The metric of an epoch and of rows held out, weighted and not, as scikit-learn has it."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

from layerwise import MLP, SGD, Architecture, Layer, Plan, fit, metric_name
from layerwise.losses import LOSSES, Hinge, Tweedie

ROWS = 50
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 4))
CLASSES = RNG.integers(0, 3, ROWS)
TWO = np.array(["no", "yes"])[RNG.integers(0, 2, ROWS)]
FLAGS = RNG.integers(0, 2, (ROWS, 3))
AMOUNTS = RNG.gamma(2, 1, (ROWS, 3))
WEIGHTS = RNG.integers(0, 4, ROWS).astype(float)

CASES = {
    "classes": ("softmax_cross_entropy", 3, CLASSES, accuracy_score),
    "one output": ("sigmoid_cross_entropy", 1, TWO, accuracy_score),
    "one output, hinge": (Hinge("one_vs_rest"), 1, TWO, accuracy_score),
    "flags": ("sigmoid_cross_entropy", 3, FLAGS, None),
    "one against all": ("sigmoid_cross_entropy", 3, CLASSES, accuracy_score),
    "values": ("huber", 3, AMOUNTS, r2_score),
    "one value": ("quantile", 1, AMOUNTS[:, 0], r2_score),
    "amounts": ("gamma", 3, AMOUNTS, r2_score),
    "one amount": (Tweedie(1.3), 1, AMOUNTS[:, 0], r2_score),
}


def expected(metric, y, predicted, weights):
    if metric is not None:
        return metric(y, predicted, sample_weight=weights)
    return np.average((y == predicted).mean(axis=1), weights=weights)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("case", CASES)
def test_the_metric_is_the_weighted_mean_over_the_rows(case, weights, dtype):
    """A learning rate too small to move anything keeps every batch at the initial weights."""
    loss, outputs, y, metric = CASES[case]
    model = MLP(Architecture(4, (Layer(8, "tanh"), Layer(outputs))), seed=1, dtype=dtype)
    plan = Plan(loss=loss, epochs=1, batch_size=15, optimizer=SGD(1e-30), validation=0.3, shuffle=False)

    record = next(fit(model, X, y, plan=plan, weights=weights))

    predicted = model.predict(X)
    order = np.random.Generator(np.random.PCG64(np.random.SeedSequence(0, spawn_key=(0,)))).permutation(ROWS)
    held, kept = order[:15], order[15:]
    for rows, found in (kept, record.metric), (held, record.validation_metric):
        own = None if weights is None else weights[rows]
        assert found == pytest.approx(expected(metric, y[rows], predicted[rows], own), rel=1e-5)


@pytest.mark.parametrize("every", ["step", "epoch"])
def test_rows_that_weigh_nothing_have_a_metric_of_zero(every):
    weights = np.zeros(ROWS)
    weights[0] = 1
    model = MLP(Architecture(4, (Layer(3),)), seed=1)
    plan = Plan(epochs=1, batch_size=10, shuffle=False)
    right = float(model.outputs(X[:1]).argmax() == CLASSES[0])

    records = list(fit(model, X, CLASSES, plan=plan, weights=weights, every=every))

    if every == "step":
        assert [record.metric for record in records[:-1]] == [right, 0, 0, 0]
    assert records[-1].metric == right


def test_every_loss_has_a_metric():
    found = {name: metric_name(name) for name in LOSSES}

    assert {name for name in found if found[name] == "accuracy"} == {
        "softmax_cross_entropy",
        "sigmoid_cross_entropy",
        "hinge",
        "squared_hinge",
    }
    assert set(found.values()) == {"accuracy", "r2"}
