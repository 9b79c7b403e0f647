"""What each activation says of itself, held against what it computes."""

import dataclasses

import numpy as np
import onnx
import pytest

from layerwise.activations import ACTIVATIONS, ELU, LeakyReLU, Maxout
from layerwise.onnx.layers import NODES

EVERY = [*(cls() for cls in ACTIVATIONS.values()), LeakyReLU(0.3), ELU(0.7), Maxout(3)]
Z = np.concatenate([np.linspace(-30, 30, 601), [-800.0, 800.0]]).reshape(-1, 1)


def outputs(activation, z=Z):
    """The activations of the column `z`; the pieces of a maxout get z, -z, and then z once more."""
    whole = np.hstack([z * (-1) ** piece for piece in range(activation.linear_pieces)])
    out = np.empty_like(z)
    activation.value(whole.copy(), np.full(1, 0.25), out, np.empty_like(z))
    return whole, out


@pytest.mark.parametrize("activation", EVERY, ids=str)
def test_the_formula_computes_the_activation(activation):
    z, wanted = outputs(activation)
    names = dataclasses.asdict(activation) | ({"slope": 0.25} if activation.learns_slope else {})

    with np.errstate(all="raise", under="ignore"):
        found = eval(activation.formula, {"np": np, "z": z, **names})

    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("activation", EVERY, ids=str)
def test_units_that_can_die_and_no_others_are_zero_below_zero(activation):
    _, a = outputs(activation, np.linspace(-9, -1, 50).reshape(-1, 1))

    assert activation.can_die == (not a.any())


@pytest.mark.parametrize("activation", EVERY, ids=str)
def test_the_slope_below_zero_is_said_where_and_only_where_all_of_it_is_two_lines(activation):
    _, a = outputs(activation)
    negative = Z < 0
    slopes = a[negative] / Z[negative]
    two_lines = np.ptp(slopes) < 1e-12 and np.allclose(a[~negative], Z[~negative], rtol=1e-15)

    if activation.slope_below_zero is None:
        assert activation.learns_slope or activation.linear_pieces > 1 or not two_lines
    else:
        assert two_lines
        np.testing.assert_allclose(slopes, activation.slope_below_zero, rtol=1e-12)


@pytest.mark.parametrize("activation", EVERY, ids=str)
def test_the_derivative_of_a_saturated_unit_is_under_a_twentieth_of_the_largest(activation):
    z = np.linspace(-9, 9, 20_001).reshape(-1, 1)
    _, a = outputs(activation, z)
    derivative = np.gradient(a[:, 0], z[:, 0])
    small = derivative < derivative.max() / 20

    if activation.saturation is None:
        assert not (small[0] and small[-1])
    else:
        low, high = activation.saturation
        saturated = (a[:, 0] < low) | (a[:, 0] > high)
        assert saturated[0]
        assert saturated[-1]
        piece = activation.active_piece(z)
        changes = np.zeros(len(z)) if piece is None else np.diff(piece[:, 0].astype(float), prepend=float(piece[0, 0]))
        beside_kink = np.convolve(changes != 0, np.ones(3), "same") > 0
        assert small[saturated & ~beside_kink].all()


@pytest.mark.parametrize("activation", EVERY, ids=str)
def test_an_activation_is_one_onnx_operator_or_has_its_nodes(activation):
    if activation.onnx_operator is None:
        assert activation.kind in NODES
        return
    schema = onnx.defs.get_schema(activation.onnx_operator)
    assert (len(schema.inputs), len(schema.outputs)) == (1, 1)
    defaults = {field.name: field.default for field in dataclasses.fields(activation)}
    for attribute, field in activation.onnx_attributes.items():
        assert schema.attributes[attribute].default_value.f == pytest.approx(defaults[field])
    assert set(activation.onnx_attributes.values()) == defaults.keys()
