"""Activations, held against formulas and against each other."""

import numpy as np
import pytest

from layerwise import MLP, Architecture, Layer, LeakyReLU, Maxout, PReLU

Z = np.linspace(-8, 8, 41)


def activated(activation, z):
    """activation(z) through a network of one unit whose weight is 1 and whose bias is 0."""
    model = MLP(Architecture(1, (Layer(1, activation),)), dtype=np.float64)
    model.parameters[:2] = 1, 0
    return model.outputs(np.reshape(z, (-1, 1)))[:, 0]


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        ("identity", lambda z: z),
        ("sigmoid", lambda z: 1 / (1 + np.exp(-z))),
        ("tanh", lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))),
        ("relu", lambda z: np.where(z > 0, z, 0)),
        ("leaky_relu", lambda z: np.where(z > 0, z, 0.01 * z)),
        (LeakyReLU(0.3), lambda z: np.where(z > 0, z, 0.3 * z)),
        (LeakyReLU(0), lambda z: np.where(z > 0, z, 0)),
        ("prelu", lambda z: np.where(z > 0, z, 0.25 * z)),
        (PReLU(-2), lambda z: np.where(z > 0, z, -2 * z)),
    ],
)
def test_an_activation_is_what_its_formula_says(activation, formula):
    np.testing.assert_allclose(activated(activation, Z), formula(Z), rtol=1e-13, atol=1e-15)


def test_tanh_is_a_scaled_and_shifted_sigmoid():
    np.testing.assert_allclose(activated("tanh", Z), 2 * activated("sigmoid", 2 * Z) - 1, rtol=1e-13, atol=1e-15)


def test_a_sigmoid_of_huge_numbers_is_zero_or_one_without_a_warning():
    assert activated("sigmoid", [-1e6, 1e6]).tolist() == [0, 1]


@pytest.mark.parametrize(("activation", "slope"), [("relu", 0.0), (LeakyReLU(0.2), 0.2)])
def test_relu_and_leaky_relu_are_a_maxout_with_the_right_weights(activation, slope):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    rectified = MLP(Architecture(3, (Layer(4, activation),)), seed=1, dtype=np.float64)
    weight, bias = rectified.parameters[:12].reshape(3, 4), rng.normal(size=4)
    rectified.parameters[12:] = bias
    maxout = MLP(Architecture(3, (Layer(4, Maxout(2)),)), dtype=np.float64)

    maxout.parameters[:24] = np.hstack([weight, slope * weight]).reshape(-1)
    maxout.parameters[24:] = np.hstack([bias, slope * bias])

    np.testing.assert_allclose(maxout.outputs(X), rectified.outputs(X), rtol=1e-13)


def test_a_maxout_takes_the_largest_of_all_its_pieces():
    model = MLP(Architecture(1, (Layer(2, Maxout(3)),)), dtype=np.float64)
    model.parameters[:] = [1, -1, 2, 0, -3, 5, 0, 0, 0, 4, 1, -9]  # weights of pieces 0, 1, 2, then their biases

    # unit 0: max(x, 2x, 1 - 3x), unit 1: max(-x, 4, 5x - 9)
    assert model.outputs([[1.0], [-1.0], [3.0]]).tolist() == [[2, 4], [4, 4], [6, 6]]
