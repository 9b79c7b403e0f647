"""The initial weights: how they spread, and weights that are given."""

import numpy as np
import pytest

from layerwise import MLP, Architecture, Constant, InvalidInput, Layer, Maxout, Orthogonal


@pytest.mark.parametrize(
    ("initializer", "fan_in", "units", "deviation"),
    [
        ("he_normal", 400, 300, (2 / 400) ** 0.5),
        ("he_uniform", 400, 300, (2 / 400) ** 0.5),
        ("glorot_normal", 400, 300, (2 / 700) ** 0.5),
        ("glorot_uniform", 400, 300, (2 / 700) ** 0.5),
        ("lecun_normal", 400, 300, (1 / 400) ** 0.5),
        ("lecun_uniform", 400, 300, (1 / 400) ** 0.5),
    ],
)
def test_initial_weights_spread_as_their_papers_say(initializer, fan_in, units, deviation):
    model = MLP(Architecture(fan_in, (Layer(units, initializer=initializer),)), seed=1, dtype=np.float64)

    weights, biases = model.parameters[: fan_in * units], model.parameters[fan_in * units :]

    assert np.std(weights) == pytest.approx(deviation, rel=0.01)
    assert abs(np.mean(weights)) < 4 * deviation / np.sqrt(weights.size)
    assert not biases.any()
    if initializer.endswith("uniform"):
        assert np.abs(weights).max() == pytest.approx(deviation * 3**0.5, rel=0.01)


@pytest.mark.parametrize(
    ("activation", "variance"),
    [
        *((name, 2 / 400) for name in ("relu", "leaky_relu", "prelu", "elu", "gelu", "silu", "softplus", Maxout(2))),
        *((name, 2 / 700) for name in ("identity", "sigmoid", "tanh")),
        ("selu", 1 / 400),
    ],
    ids=str,
)
def test_the_relu_family_starts_by_he_selu_by_lecun_and_the_others_by_glorot(activation, variance):
    model = MLP(Architecture(400, (Layer(300, activation),)), seed=1)

    assert np.std(model.weights["layer0/weight"]) == pytest.approx(variance**0.5, rel=0.01)


@pytest.mark.parametrize(("inputs", "units"), [(7, 4), (4, 7), (5, 5)])
@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_an_orthogonal_start_keeps_lengths_and_angles(inputs, units, gain):
    model = MLP(Architecture(inputs, (Layer(units, initializer=Orthogonal(gain)),)), seed=1, dtype=np.float64)

    w = model.weights["layer0/weight"]
    products = w.T @ w if inputs >= units else w @ w.T

    np.testing.assert_allclose(products, gain**2 * np.eye(min(inputs, units)), atol=1e-13)


def test_an_orthogonal_start_prefers_no_direction():
    matrices = [
        MLP(Architecture(2, (Layer(2, initializer="orthogonal"),)), seed=seed, dtype=np.float64).weights[
            "layer0/weight"
        ]
        for seed in range(400)
    ]

    # each entry's mean is 0 with variance 1/2: without the signs, QR has all first entries below 0
    assert np.abs(np.mean(matrices, axis=0)).max() < 4 * (0.5 / 400) ** 0.5


def test_each_piece_of_a_maxout_has_an_orthogonal_matrix_of_its_own():
    w = MLP(Architecture(6, (Layer(4, Maxout(2), initializer="orthogonal"),)), dtype=np.float64).weights[
        "layer0/weight"
    ]

    for piece in w[:, :4], w[:, 4:]:
        np.testing.assert_allclose(piece.T @ piece, np.eye(4), atol=1e-13)
    assert not np.allclose(w[:, :4], w[:, 4:])


def test_constant_and_zeros_are_what_they_say():
    model = MLP(Architecture(3, (Layer(2, initializer=Constant(0.5)), Layer(2, initializer="zeros"))))

    assert (model.weights["layer0/weight"] == 0.5).all()
    assert not model.weights["layer1/weight"].any()


GIVEN = Architecture(2, (Layer(3, "prelu", normalization="batch"), Layer(1)))


def test_given_weights_take_the_place_of_what_was_drawn_and_the_others_stay():
    weight, mean = [[1, 2, 3], [4, 5, 6]], np.array([7, 8, 9], np.float32)

    model = MLP(GIVEN, seed=3, weights={"layer0/weight": weight, "layer0/mean": mean})

    assert model.weights["layer0/weight"].tolist() == weight
    assert model.weights["layer0/mean"].tolist() == [7, 8, 9]
    assert model.weights["layer0/slope"].tolist() == [0.25] * 3
    assert np.array_equal(model.weights["layer1/weight"], MLP(GIVEN, seed=3).weights["layer1/weight"])


def test_a_network_starts_from_the_weights_of_another():
    other = MLP(GIVEN, seed=3)
    other.parameters[:] += 1
    other.statistics[:] += 2

    model = MLP(GIVEN, weights=other.weights)
    other.parameters[:] = 0

    assert np.array_equal(model.parameters, MLP(GIVEN, seed=3).parameters + 1)
    assert np.array_equal(model.statistics, [2, 2, 2, 3, 3, 3])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "weights: expected arrays by name, got [1]"),
        (
            {"layer2/weight": 1},
            "weights: expected names among layer0/weight, layer0/bias, layer0/scale, layer0/slope, ",
        ),
        ({1: 1}, "weights: expected names among layer0/weight"),
        ({"layer0/weight": np.zeros((3, 2))}, "weights.layer0/weight: expected shape (2, 3), got (3, 2)"),
        ({"layer0/weight": [[1, 2], [3]]}, "weights.layer0/weight: expected shape (2, 3), got [[1, 2], [3]]"),
        ({"layer0/bias": ["1", "2", "3"]}, "weights.layer0/bias: expected numbers, got <U1"),
        ({"layer0/bias": [1, 2, np.nan]}, "weights.layer0/bias: expected finite numbers within float32"),
        ({"layer0/bias": [1, 2, 1e300]}, "weights.layer0/bias: expected finite numbers within float32"),
        ({"layer0/variance": [1, 2, -1]}, "weights.layer0/variance: expected variances of at least 0"),
    ],
)
def test_given_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(InvalidInput) as caught:
        MLP(GIVEN, weights=weights)

    assert str(caught.value).startswith(message)
