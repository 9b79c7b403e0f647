"""What holds a network back, by hand and by its formulas."""

import numpy as np
import pytest

from layerwise import MLP, SGD, Architecture, Layer, Plan, fit
from layerwise.network.parameters import views


def linear(inputs=3, outputs=2):
    return MLP(Architecture(inputs, (Layer(outputs),)), dtype=np.float64)


def stepped(model, X, y, **plan):
    """The weights after one step of plain gradient descent, and before it."""
    before = model.parameters.copy()
    list(fit(model, X, y, plan=Plan(loss="squared_error", standardize_targets=False, epochs=1, batch_size=100, **plan)))
    return before, model.parameters.copy()


ZERO = np.zeros((4, 3)), np.zeros((4, 2))  # rows of zeros leave no gradient in the weights


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_without_a_data_gradient_l2_lets_every_weight_decay_to_zero(rate):
    """The notes: L2 pulls every weight linearly towards zero, w += -lambda * w."""
    model = linear()
    start = model.parameters[:6].copy()
    plan = Plan(loss="squared_error", standardize_targets=False, l2=0.5, optimizer=SGD(rate), epochs=50)

    for step, _ in enumerate(fit(model, *ZERO, plan=plan), start=1):
        np.testing.assert_allclose(model.parameters[:6], start * (1 - rate * 0.5) ** step, rtol=1e-10)

    assert np.abs(model.parameters[:6]).max() < np.abs(start).max() * (1 - rate * 0.5) ** 49


def test_the_loss_has_half_of_l2_times_the_squares_of_the_weights():
    model = linear()
    before, _ = stepped(model, *ZERO, l2=0.5, optimizer=SGD(0.01))

    assert model.metrics["loss"] == pytest.approx(0.5 / 2 * (before[:6] ** 2).sum())


def test_l1_pulls_every_weight_by_the_same_length_and_is_part_of_the_loss():
    model = linear()
    before, after = stepped(model, *ZERO, l1=0.1, optimizer=SGD(0.01))

    np.testing.assert_allclose(after[:6], before[:6] - 0.01 * 0.1 * np.sign(before[:6]), rtol=1e-12)
    assert model.metrics["loss"] == pytest.approx(0.1 * np.abs(before[:6]).sum())


def test_decoupled_decay_shrinks_weights_by_rate_times_decay_and_leaves_biases():
    model = linear()
    model.parameters[6:] = 5
    before, after = stepped(model, np.zeros((4, 3)), np.full((4, 2), 5.0), weight_decay=0.2, optimizer=SGD(0.5))

    np.testing.assert_allclose(after[:6], before[:6] * (1 - 0.5 * 0.2), rtol=1e-12)
    np.testing.assert_allclose(after[6:], 5)


def test_max_norm_bounds_the_incoming_weights_of_each_unit():
    model = MLP(Architecture(3, (Layer(4, "relu"), Layer(2))), dtype=np.float64)
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.random.default_rng(1).normal(size=(20, 2))

    list(fit(model, X, y, plan=Plan(loss="squared_error", epochs=3, max_norm=0.4, optimizer=SGD(0.5))))

    lengths = np.concatenate(
        [np.linalg.norm(layer.weight, axis=0) for layer in views(model.architecture, model.parameters)]
    )
    assert lengths.max() <= 0.4 * (1 + 1e-12)
    assert np.isclose(lengths, 0.4).any()


def gradient(X, y):
    """Of the mean squared error of a linear network whose parameters are all zero."""
    error = -2 * y / y.size
    return np.concatenate([(X.T @ error).reshape(-1), error.sum(axis=0)])


@pytest.mark.parametrize("clip", [{"clip_norm": 0.01}, {"clip_norm": 1e6}, {"clip_value": 0.003}, {"clip_value": 1e6}])
def test_gradients_are_clipped(clip):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    model = linear()
    model.parameters[:] = 0
    g = gradient(X, y)
    if "clip_norm" in clip:
        g = g * min(1, clip["clip_norm"] / np.linalg.norm(g))
    else:
        g = g.clip(-clip["clip_value"], clip["clip_value"])

    _, after = stepped(model, X, y, optimizer=SGD(1.0), **clip)

    np.testing.assert_allclose(after, -g, rtol=1e-10)
