"""The activation functions and their derivatives, both computed by the library."""

from __future__ import annotations

import numpy as np
from examples.notes.drawing import BLUE, GREY, ORANGE, Drawing, panels

from layerwise import MLP, Architecture, Layer
from layerwise.activations import ACTIVATIONS, Activation, UnitBuffers

SHOWN = ("sigmoid", "tanh", "relu", "leaky_relu", "maxout", "prelu", "elu", "selu", "gelu", "silu", "softplus")


def derivative(activation: Activation, z: np.ndarray) -> np.ndarray:
    """da/dz at the points `z` (n,), by the code that training runs."""
    column = z[:, None].copy()
    a = column.copy()
    slope = np.full(1, getattr(activation, "slope", 0.0))
    activation.value(column.copy(), slope, a, np.empty_like(a))
    delta = np.ones_like(a)
    activation.derivative(
        UnitBuffers(
            z=column,
            a=a,
            delta=delta,
            z_gradient=delta,
            slope=slope,
            slope_gradient=np.empty(1),
            scratch=np.empty_like(a),
            mask=np.empty(a.shape, bool),
        )
    )
    return delta[:, 0]


def curves(name: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value and derivative of the activation `name` at the points `z` (n,); a maxout is that of -z/2 and z."""
    activation = ACTIVATIONS[name]()
    weight = [[-0.5, 1.0]] if name == "maxout" else [[1.0]]
    model = MLP(Architecture(1, (Layer(1, activation),)), dtype=np.float64, weights={"layer0/weight": weight})
    value = model.outputs(z[:, None])[:, 0]
    if name == "maxout":  # the slope of the piece that is the largest
        return value, np.where(z > 0, 1.0, -0.5)
    return value, derivative(activation, z)


def activations(*, quick: bool = False) -> Drawing:
    """Every activation on [-4, 4] with its derivative."""
    z = np.linspace(-4, 4, 41 if quick else 201)
    figure, axes = panels(
        12, "Sigmoid and tanh go flat on both sides; the others on one side at most", rows=3, height=2.3
    )
    for each, name in zip(axes, SHOWN, strict=False):
        value, slope = curves(name, z)
        each.axhline(0, color=GREY, linewidth=0.8)
        each.axvline(0, color=GREY, linewidth=0.8)
        each.plot(z, value, color=BLUE)
        each.plot(z, slope, "--", color=ORANGE)
        each.set(ylim=(-2, 4), xlim=(-4, 4), xticks=(-4, 0, 4))
        each.set_title(f"{name}, −z/2 and z" if name == "maxout" else name)
    axes[-1].axis("off")
    axes[-1].plot([], [], color=BLUE, label="value a")
    axes[-1].plot([], [], "--", color=ORANGE, label="derivative da/dz")
    axes[-1].legend(loc="center", fontsize=11)
    columns = ("activation", "value at −5", "value at 5", "derivative at −5", "derivative at 0.5", "derivative at 5")
    rows = []
    for name in SHOWN:
        value, slope = curves(name, np.array([-5.0, 0.5, 5.0]))
        rows.append((f"`{name}`", *(f"{number:.4f}" for number in (value[0], value[2], *slope))))
    return Drawing(figure, columns, tuple(rows))
