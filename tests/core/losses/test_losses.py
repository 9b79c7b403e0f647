"""Losses by hand, and the one-layer networks that are classical models."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC

from layerwise import MLP, SGD, Architecture, Layer, Plan, fit, gradient_check
from layerwise.losses import (
    AbsoluteError,
    Gamma,
    Hinge,
    Huber,
    Poisson,
    Quantile,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SquaredError,
    SquaredHinge,
    Tweedie,
)


def trained(model, X, y, plan):
    return list(fit(model, X, y, plan=plan))[-1]


def linear(inputs, outputs):
    return MLP(Architecture(inputs, (Layer(outputs),)), dtype=np.float64)


def first_loss(scores, y, loss):
    """The loss of a network that answers with `scores`, before its first step."""
    scores = np.array(scores, float)
    model = linear(len(scores), scores.shape[1])
    model.parameters[: scores.size], model.parameters[scores.size :] = scores.reshape(-1), 0
    plan = Plan(loss=loss, l2=0, batch_size=100, standardize_targets=False)
    return next(fit(model, np.eye(len(scores)), y, plan=plan, every="step")).loss


@pytest.mark.parametrize(
    ("loss", "scores", "y", "expected"),
    [
        ("softmax_cross_entropy", [[0, 0]], [0], np.log(2)),
        ("softmax_cross_entropy", [[0, 0, 0], [0, np.log(2), 0]], [0, 1], (np.log(3) + np.log(2)) / 2),
        ("softmax_cross_entropy", [[1000, 0]], [1], 1000),
        # the scores of CS231n, "Linear classification", with a margin of 1
        ("hinge", [[13, -7, 11]], [0], 0),
        ("hinge", [[13, -7, 11]], [2], 3),
        ("hinge", [[13, -7, 11], [0, 0, 0]], [1, 0], (21 + 19 + 2) / 2),
        ("squared_error", [[1, 2], [3, 4]], [[1, 0], [0, 4]], (4 + 9) / 4),
    ],
)
def test_a_loss_is_what_pencil_and_paper_give(loss, scores, y, expected):
    assert first_loss(scores, y, loss) == pytest.approx(expected, rel=1e-12)


def test_l2_adds_half_the_squared_weights_but_not_the_biases():
    model = linear(2, 1)
    model.parameters[:] = [3, 4, 10]

    record = next(fit(model, [[0.0, 0.0]], [10.0], plan=Plan(loss="squared_error", standardize_targets=False, l2=0.1)))

    assert record.loss == pytest.approx(0.1 / 2 * 25)


def standardised_iris():
    X, y = load_iris(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def test_a_softmax_layer_alone_is_logistic_regression():
    X, y = standardised_iris()
    l2 = 0.05
    reference = LogisticRegression(C=1 / (l2 * len(X)), tol=1e-10, max_iter=10_000).fit(X, y)
    model = linear(4, 3)

    trained(model, X, y, Plan(optimizer=SGD(0.5, momentum=0.9), l2=l2, batch_size=len(X), epochs=1500))

    weights, biases = model.parameters[:12].reshape(4, 3), model.parameters[12:]
    np.testing.assert_allclose(weights.T, reference.coef_, atol=1e-6)
    # softmax is blind to a shift of all biases
    np.testing.assert_allclose(biases - biases.mean(), reference.intercept_ - reference.intercept_.mean(), atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=1e-6)


def test_a_hinge_layer_alone_is_a_linear_support_vector_machine():
    """Of two classes the margins depend on v = w₁ - w₀ alone, and the penalty is least where w₁ = -w₀ = v/2:

    mean hinge + l2/2 (|w₀|² + |w₁|²) = mean hinge + l2/4 |v|², which is scikit-learn's objective for C = 2 / (l2 n).
    """
    X, y = standardised_iris()
    X, y = X[50:], y[50:] - 1
    l2 = 0.1
    reference = SVC(kernel="linear", C=2 / (l2 * len(X)), tol=1e-8).fit(X, y)
    model = linear(4, 2)

    for rate in 0.1, 0.01, 0.001, 0.0001:  # a kinked loss settles only as the steps get small
        trained(model, X, y, Plan(loss="hinge", optimizer=SGD(rate), l2=l2, batch_size=len(X), epochs=1500))

    weights, biases = model.parameters[:8].reshape(4, 2), model.parameters[8:]
    v, b = weights[:, 1] - weights[:, 0], biases[1] - biases[0]

    def objective(v, b):
        return np.maximum(0, 1 - (2 * y - 1) * (X @ v + b)).mean() + l2 / 4 * v @ v

    optimum = objective(reference.coef_[0], reference.intercept_[0])
    assert objective(v, b) == pytest.approx(optimum, rel=1e-3)
    np.testing.assert_allclose(v, reference.coef_[0], atol=0.02)
    np.testing.assert_allclose(b, reference.intercept_[0], atol=0.05)


def test_a_squared_error_layer_alone_is_ridge_regression():
    X, _ = standardised_iris()
    targets = X[:, 3] + 2
    l2 = 0.1
    # mean square + l2/2 |w|², times n: scikit-learn's with alpha = l2 n / 2
    reference = Ridge(alpha=l2 * len(X) / 2).fit(X[:, :3], targets)
    model = linear(3, 1)

    plan = Plan(loss="squared_error", optimizer=SGD(0.1, 0.9), l2=l2, batch_size=len(X), epochs=800)
    trained(model, X[:, :3], targets, plan)

    np.testing.assert_allclose(model.parameters[:3], reference.coef_, atol=1e-8)
    np.testing.assert_allclose(model.predict(X[:, :3]), reference.predict(X[:, :3]), atol=1e-8)


CLASSES = np.random.default_rng(0).integers(0, 3, 12)
NUMBERS = np.random.default_rng(1).gamma(2, 1, (12, 3))
FORMS = "weston_watkins", "one_vs_rest"
OF_CLASSES = SoftmaxCrossEntropy(0.1), SigmoidCrossEntropy(), *map(Hinge, FORMS), *map(SquaredHinge, FORMS)
OF_VALUES = SquaredError(), AbsoluteError(), Huber(0.5), Quantile(0.8), Poisson(), Gamma(), Tweedie(1.7)
TARGETS = dict.fromkeys(OF_CLASSES, CLASSES) | dict.fromkeys(OF_VALUES, NUMBERS)


@pytest.mark.parametrize("weights", [None, np.arange(12) % 4], ids=["plain", "weighted"])
@pytest.mark.parametrize("loss", TARGETS, ids=str)
def test_gradients_of_every_loss_are_those_of_central_differences(loss, weights):
    X = np.random.default_rng(2).normal(size=(12, 4))
    model = MLP(Architecture(4, (Layer(5, "tanh"), Layer(3))), seed=1)

    check = gradient_check(model, X, TARGETS[loss], plan=Plan(loss=loss, l2=0.1), weights=weights)

    assert check.relative_error < 1e-7
    assert sum(layer.compared for layer in check.layers) > 0.8 * model.parameters.size


@given(
    st.sampled_from([*TARGETS]),
    st.lists(st.sampled_from(["tanh", "relu", "softplus"]), max_size=2),
    st.integers(0, 999),
)
@settings(max_examples=60, deadline=None)
def test_gradients_of_every_loss_hold_for_any_weights_and_scores(loss, hidden, seed):
    rng = np.random.default_rng(seed)
    model = MLP(Architecture(4, (*(Layer(5, activation) for activation in hidden), Layer(3))), seed=seed)
    model.parameters[:] += rng.normal(0, 0.3, model.parameters.size)
    X, weights = rng.normal(size=(12, 4)), rng.integers(0, 3, 12) + np.eye(12)[0]

    check = gradient_check(model, X, TARGETS[loss], plan=Plan(loss=loss), weights=weights, coordinates=30)

    assert check.relative_error < 1e-6


@pytest.mark.parametrize("y", [CLASSES > 1, np.eye(3)[CLASSES]], ids=["one output", "flags"])
def test_gradients_of_sigmoids_hold_for_two_classes_and_for_flags(y):
    X = np.random.default_rng(2).normal(size=(12, 4))
    model = MLP(Architecture(4, (Layer(5, "tanh"), Layer(1 if y.ndim == 1 else 3))), seed=1)

    check = gradient_check(model, X, y, plan=Plan(loss="sigmoid_cross_entropy"), weights=np.arange(12) % 4)

    assert check.relative_error < 1e-7


@pytest.mark.parametrize("loss", TARGETS, ids=str)
def test_a_row_of_weight_two_counts_as_two_rows(loss):
    """The loss divides by the number of rows, so weights whose mean is 1 train as the repeated rows do."""
    X, y = np.random.default_rng(2).normal(size=(12, 4)), TARGETS[loss]
    times = np.arange(12) % 3 + 1
    repeated, weighted = (MLP(Architecture(4, (Layer(5, "tanh"), Layer(3))), seed=1, dtype=np.float64) for _ in "ab")
    plan = Plan(loss=loss, optimizer=SGD(0.01, 0.9), l2=0.01, epochs=20, batch_size=100, shuffle=False)

    one = trained(repeated, X.repeat(times, axis=0), y.repeat(times, axis=0), plan)
    two = list(fit(weighted, X, y, plan=plan, weights=times / times.mean()))[-1]

    np.testing.assert_allclose(weighted.parameters, repeated.parameters, rtol=1e-9, atol=1e-12)
    assert (two.loss, two.metric) == pytest.approx((one.loss, one.metric), rel=1e-9)


def test_without_a_gradient_of_the_data_l2_forgets_every_weight():
    """w ← w - η λ w = (1 - η λ) w: what the data do not keep up decays to zero."""
    model = MLP(Architecture(3, (Layer(4), Layer(2))), seed=1, dtype=np.float64)
    model.parameters[-2:] = 0.5  # the biases, which are not penalised, answer alone
    first = np.abs(model.parameters[:12].copy()), model.parameters[16:24].copy()
    plan = Plan(loss="squared_error", optimizer=SGD(0.1), l2=0.2, epochs=1000, batch_size=10)

    trained(model, np.zeros((10, 3)), np.full((10, 2), 0.5), plan)

    np.testing.assert_allclose(np.abs(model.parameters[:12]), first[0] * (1 - 0.1 * 0.2) ** 1000, rtol=1e-9)
    np.testing.assert_allclose(model.parameters[16:24], first[1] * (1 - 0.1 * 0.2) ** 1000, rtol=1e-9)
    assert np.abs(model.parameters[:24]).max() < 1e-8
    np.testing.assert_array_equal(model.parameters[-2:], 0.5)
