"""Activations, held against formulas and against each other."""

import numpy as np
import pytest
from scipy.special import erf

from layerwise import ELU, MLP, Architecture, Layer, LeakyReLU, Maxout, PReLU

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
        ("elu", lambda z: np.where(z > 0, z, np.exp(z) - 1)),
        (ELU(0.3), lambda z: np.where(z > 0, z, 0.3 * (np.exp(z) - 1))),
        ("gelu", lambda z: z / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (z + 0.044715 * z**3)))),
        ("silu", lambda z: z / (1 + np.exp(-z))),
        ("softplus", lambda z: np.log(1 + np.exp(z))),
    ],
)
def test_an_activation_is_what_its_formula_says(activation, formula):
    np.testing.assert_allclose(activated(activation, Z), formula(Z), rtol=1e-13, atol=2e-15)


def test_tanh_is_a_scaled_and_shifted_sigmoid():
    np.testing.assert_allclose(activated("tanh", Z), 2 * activated("sigmoid", 2 * Z) - 1, rtol=1e-13, atol=1e-15)


def test_a_sigmoid_of_huge_numbers_is_zero_or_one_without_a_warning():
    assert activated("sigmoid", [-1e6, 1e6]).tolist() == [0, 1]


def test_gelu_is_close_to_the_form_with_erf():
    z = np.linspace(-8, 8, 4001)

    assert np.abs(activated("gelu", z) - z / 2 * (1 + erf(z / 2**0.5))).max() < 5e-4


def test_selu_keeps_zero_mean_and_unit_variance():
    # the means of a and a² over the standard normal, by Gauss and Legendre on each side of the kink
    z, w = np.polynomial.legendre.leggauss(200)
    z = np.concatenate([6 * (z - 1), 6 * (z + 1)])
    density = np.tile(6 * w, 2) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    a = activated("selu", z)

    assert density @ a == pytest.approx(0, abs=1e-12)
    assert density @ a**2 == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [
        ("elu", -1, 1e4),
        ("selu", -1.7580993408473768, 10507.009873554805),
        ("gelu", 0, 1e4),
        ("silu", 0, 1e4),
        ("softplus", 0, 1e4),
        ("sigmoid", 0, 1),
        ("tanh", -1, 1),
    ],
)
def test_large_numbers_neither_overflow_nor_vanish(activation, low, high, dtype):
    model = MLP(Architecture(1, (Layer(1, activation),)), dtype=dtype)
    model.parameters[:] = 1, 0

    with np.errstate(over="raise", invalid="raise", divide="raise"):
        values = model.outputs([[-1e4], [1e4]])

    np.testing.assert_allclose(values[:, 0], [low, high], rtol=1e-6, atol=1e-30)


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
