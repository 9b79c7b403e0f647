"""Any network whatever, under any loss: its gradient is what central differences give."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layerwise import MLP, Architecture, Layer, Plan, gradient_check
from layerwise.activations import ACTIVATIONS
from layerwise.losses import LOSSES

ROWS = 7


@st.composite
def layers(draw, inputs):
    found, width = [], inputs
    for _ in range(draw(st.integers(0, 3))):
        residual = draw(st.booleans())
        units = width if residual else draw(st.integers(1, 5))
        # of two units, layer normalisation makes nearly their order: two such layers bend within any difference
        choices = [None, "batch", "layer"] if units > 2 else [None, "batch"]
        layer = Layer(
            units,
            draw(st.sampled_from(sorted(ACTIVATIONS))),
            dropout=draw(st.sampled_from([0.0, 0.3])),
            normalization=draw(st.sampled_from(choices)),
            residual=residual,
        )
        found.append(layer)
        width = units
    return found


@st.composite
def problems(draw):
    """A network in float64, rows, targets, weights and a plan that go together."""
    inputs = draw(st.integers(1, 4))
    loss = draw(st.sampled_from(sorted(LOSSES)))
    outputs = draw(st.integers(2, 4))
    architecture = Architecture(
        inputs,
        (*draw(layers(inputs)), Layer(outputs)),
        input_dropout=draw(st.sampled_from([0.0, 0.2])),
        input_noise=draw(st.sampled_from([0.0, 0.1])),
        input_scale=draw(st.sampled_from([1.0, 0.5])),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    y = {
        "classes": rng.permutation(np.arange(ROWS) % outputs),
        "flags": rng.integers(0, 2, (ROWS, outputs)),
        "values": rng.uniform(0.1, 2, (ROWS, outputs)),
    }[LOSSES[loss].targets]
    weights = rng.uniform(0.1, 2, ROWS) if draw(st.booleans()) else None
    plan = Plan(loss=loss, l2=draw(st.sampled_from([0.0, 0.1])), epochs=1)
    model = MLP(architecture, seed=draw(st.integers(0, 2**32)), dtype=np.float64)
    return model, rng.normal(size=(ROWS, inputs)), y, weights, plan


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(problems())
def test_the_gradient_of_any_network_and_loss_is_what_central_differences_give(problem):
    model, X, y, weights, plan = problem

    check = gradient_check(model, X, y, plan=plan, weights=weights, coordinates=12)

    # curvature and rounding of deep normalised networks come near 1e-5; a wrong formula shows as 1e-2 and more
    assert check.relative_error < 1e-4, check
