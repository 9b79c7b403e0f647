"""Backpropagation against central differences in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerwise import ELU, MLP, Architecture, InvalidInput, Layer, LeakyReLU, Maxout, Plan, PReLU, fit, gradient_check
from layerwise.activations import ACTIVATIONS as BY_NAME

ACTIVATIONS = [*BY_NAME, LeakyReLU(0.1), PReLU(-0.5), Maxout(3), ELU(0.4)]
NORMALIZATIONS = [None, "batch", "layer"]
LOSSES = ["softmax_cross_entropy", "hinge", "squared_error"]


def data(loss, *, inputs=4, outputs=3, rows=9, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, inputs))
    return X, rng.normal(size=(rows, outputs)) if loss == "squared_error" else rng.integers(0, outputs, rows)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_gradients_are_those_of_central_differences(activation, loss, l2):
    model = MLP(Architecture(4, (Layer(6, activation), Layer(5, activation), Layer(3))), seed=1)
    model.parameters[:] += np.random.default_rng(2).normal(0, 0.1, model.parameters.size)

    check = gradient_check(model, *data(loss), plan=Plan(loss=loss, l2=l2))

    assert check.relative_error < 1e-7
    assert sum(layer.compared for layer in check.layers) > 0.8 * model.parameters.size


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_gradients_hold_through_an_activated_output_layer(activation, loss):
    model = MLP(Architecture(4, (Layer(3, activation),)), seed=1)

    assert gradient_check(model, *data(loss), plan=Plan(loss=loss)).relative_error < 1e-7


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_gradients_hold_through_normalised_and_residual_layers(activation, normalization, residual, dropout):
    layer = Layer(4, activation, dropout=dropout, normalization=normalization, residual=residual)
    model = MLP(Architecture(4, (layer, layer, Layer(3, normalization=normalization))), seed=1)
    model.parameters[:] += np.random.default_rng(2).normal(0, 0.1, model.parameters.size)
    before = model.statistics.tobytes()

    check = gradient_check(model, *data("softmax_cross_entropy", rows=12), plan=Plan())

    assert check.relative_error < 1e-6
    assert sum(own.compared for own in check.layers) > 0.8 * model.parameters.size
    assert model.statistics.tobytes() == before


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_gradients_of_a_single_row_hold(normalization):
    layer = Layer(4, "tanh", normalization=normalization)
    model = MLP(Architecture(4, (layer, layer, Layer(3))), seed=1)

    assert gradient_check(model, *data("softmax_cross_entropy", rows=1), plan=Plan()).relative_error < 1e-6


@pytest.mark.parametrize("activation", ["tanh", "relu", "prelu", Maxout(2)], ids=str)
def test_gradients_hold_under_a_fixed_dropout_mask_and_noise(activation):
    layers = (Layer(8, activation, dropout=0.4), Layer(7, activation, dropout=0.2), Layer(3))
    model = MLP(Architecture(4, layers, input_dropout=0.2, input_noise=0.3), seed=1)
    model.parameters[:] += np.random.default_rng(2).normal(0, 0.1, model.parameters.size)

    assert gradient_check(model, *data("squared_error"), plan=Plan(loss="squared_error")).relative_error < 1e-7


def test_the_check_leaves_the_model_as_it_was_and_samples_what_it_is_told():
    model = MLP(Architecture(4, (Layer(50, "tanh"), Layer(3))), seed=1)
    before = model.parameters.tobytes()

    check = gradient_check(model, *data("hinge"), plan=Plan(loss="hinge"), coordinates=10)

    assert model.parameters.tobytes() == before
    assert [layer.compared + layer.skipped for layer in check.layers] == [10, 10]


def test_coordinates_that_cross_a_kink_are_left_out():
    model = MLP(Architecture(1, (Layer(1, "relu"), Layer(1))), seed=1)
    model.parameters[:] = [1, 1, 0, 0]  # z = x: at x = 0 exactly on the kink in the bias, the weight has no part in it

    check = gradient_check(model, [[0.0], [1.0]], [0.0, 0.0], plan=Plan(loss="squared_error"))

    assert [layer.skipped for layer in check.layers] == [1, 0]
    assert check.relative_error < 1e-7


def test_the_plan_of_the_training_is_checked_unless_another_is_given():
    X, y = data("hinge")
    model = MLP(Architecture(4, (Layer(3),)), seed=1)
    for _ in fit(model, X, y, plan=Plan(loss="hinge", epochs=1, l2=0.5)):
        pass

    assert gradient_check(model, X, y) == gradient_check(model, X, y, plan=model.plan)


def test_a_check_of_bad_data_is_refused():
    with pytest.raises(InvalidInput, match=r"X\[0\]: expected 4 numbers, got 2"):
        gradient_check(MLP(Architecture(4, (Layer(3),))), [[1, 2]], [0])


@st.composite
def networks(draw):
    activations = st.sampled_from(ACTIVATIONS)
    hidden = draw(st.lists(st.tuples(st.integers(1, 6), activations), max_size=3))
    inputs, outputs = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    widths = [inputs, *(units for units, _ in hidden)]
    layers = [
        Layer(units, activation, residual=units == width and draw(st.booleans()))
        for width, (units, activation) in zip(widths, hidden, strict=False)
    ]
    return Architecture(inputs, (*layers, Layer(outputs, draw(activations)))), draw(st.integers(0, 2**32))


@given(networks(), st.sampled_from(LOSSES), st.sampled_from([0.0, 0.1]), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_gradients_hold_for_any_architecture(network, loss, l2, rows):
    architecture, seed = network
    model = MLP(architecture, seed=seed)
    model.parameters[:] += np.random.default_rng(seed).normal(0, 0.2, model.parameters.size)
    X, y = data(loss, inputs=architecture.inputs, outputs=architecture.outputs, rows=rows, seed=seed)

    check = gradient_check(model, X, y, plan=Plan(loss=loss, l2=l2), coordinates=40)

    assert check.relative_error < 1e-6
