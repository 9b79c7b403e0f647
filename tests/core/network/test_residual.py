"""Residual layers: what goes around a layer is added to what it gives."""

import numpy as np
import pytest

from layerwise import MLP, SGD, Architecture, Layer, Maxout, Plan, fit

X = np.random.default_rng(0).normal(size=(20, 4))
Y = np.random.default_rng(1).normal(size=(20, 4))


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "identity", Maxout(3)], ids=str)
def test_a_residual_layer_adds_its_inputs(activation):
    plain = MLP(Architecture(4, (Layer(4, activation),)), seed=1, dtype=np.float64)
    residual = MLP(Architecture(4, (Layer(4, activation, residual=True),)), seed=1, dtype=np.float64)

    np.testing.assert_allclose(residual.outputs(X), plain.outputs(X) + X, rtol=1e-13)


def test_layers_of_zero_weights_are_passed_unchanged():
    block = Layer(4, "tanh", initializer="zeros", residual=True)

    assert np.array_equal(MLP(Architecture(4, (block,) * 50), dtype=np.float64).outputs(X), X)


def test_the_inputs_are_added_after_dropout():
    # every unit gives 0, so that dropping and scaling change nothing: the loss is that of the inputs themselves
    block = Layer(4, "identity", initializer="zeros", dropout=0.5, residual=True)
    head = np.diag([1.0, 2.0, 3.0, 4.0])
    model = MLP(Architecture(4, (block, block, Layer(4))), dtype=np.float64, weights={"layer2/weight": head})

    record = next(fit(model, X, Y, plan=Plan(loss="squared_error", standardize_targets=False, batch_size=20, epochs=1)))

    assert record.loss == pytest.approx(np.mean((X @ head - Y) ** 2), rel=1e-12)


def test_one_step_moves_a_residual_block_by_the_gradient_around_and_through_it():
    # scores = x + w x with one unit: d/dw of mean((x + w x - y)²) is 2 mean((x + w x - y) x)
    x, y, w, rate = X[:, :1], Y[:, :1], 0.3, 0.1
    block = Architecture(1, (Layer(1, residual=True), Layer(1, residual=True)))
    given = {"layer0/weight": [[w]], "layer1/weight": [[w]]}
    model = MLP(block, dtype=np.float64, weights=given)

    next(
        fit(
            model,
            x,
            y,
            plan=Plan(loss="squared_error", standardize_targets=False, optimizer=SGD(rate), batch_size=20, epochs=1),
        )
    )

    error = (1 + w) ** 2 * x - y
    expected = w - rate * 2 * np.mean(error * (1 + w) * x)
    assert model.weights["layer0/weight"].item() == pytest.approx(expected, rel=1e-12)
    assert model.weights["layer1/weight"].item() == pytest.approx(expected, rel=1e-12)
    bias = -rate * 2 * np.mean(error)
    assert model.weights["layer0/bias"].item() == pytest.approx(bias * (1 + w), rel=1e-12)
    assert model.weights["layer1/bias"].item() == pytest.approx(bias, rel=1e-12)
