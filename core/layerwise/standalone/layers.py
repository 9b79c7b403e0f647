"""Source code of the layers: an expression for each, and the functions that it calls."""

from dataclasses import fields
from typing import TypeAlias

from layerwise.activations import Activation
from layerwise.network.architecture import Architecture, Layer
from layerwise.network.normalization import EPSILON

Functions: TypeAlias = dict[str, str]
"""Source code of functions, by name."""


def network_source(architecture: Architecture) -> tuple[list[str], Functions]:
    """Return the statements that turn rows `x` into the outputs of the last layer, and the functions they call."""
    statements: list[str] = []
    functions: Functions = {}
    if architecture.input_scale != 1:
        statements.append(f"x = x * {architecture.input_scale!r}")
    if architecture.input_shift:
        statements.append(f"x = x + {architecture.input_shift!r}")
    for i, layer in enumerate(architecture.layers):
        linear = _linear(layer, f"layer{i}", functions)
        a = _activation(layer.activation, linear, f"layer{i}", functions)
        statements.append(f"x = {a} + x" if layer.residual else f"x = {a}")
    return statements, functions


def _linear(layer: Layer, where: str, functions: Functions) -> str:
    """Return the expression of the linear part, including its normalisation."""
    product = f'x @ weights["{where}/weight"]'
    if layer.normalization is None:
        return f'{product} + weights["{where}/bias"]'
    name = f"{layer.normalization}_normal"
    functions[name] = FUNCTIONS[name]
    return f'{name}({product}, "{where}")'


def _activation(activation: Activation, z: str, where: str, functions: Functions) -> str:
    """Return the expression of the activation of the expression `z`; add the function that it calls to `functions`."""
    if activation.formula == "z":
        return z
    name, description = activation.kind, (type(activation).__doc__ or "").partition("\n")[0]
    arguments = {field.name: repr(getattr(activation, field.name)) for field in fields(activation)}
    if activation.learns_slope:
        arguments["slope"] = f'weights["{where}/slope"]'
    parameters = ", ".join(["z", *arguments])
    functions[name] = f'def {name}({parameters}):\n    """{description}"""\n    return {activation.formula}\n'
    return f"{name}({', '.join([z, *arguments.values()])})"


FUNCTIONS: Functions = {
    "batch_normal": f'''\
def batch_normal(z, layer):
    """Normalise each column by its mean and variance in training, then scale and shift it."""
    scale, bias, mean, variance = (weights[f"{{layer}}/{{name}}"] for name in ("scale", "bias", "mean", "variance"))
    return (z - mean) * (scale / np.sqrt(variance + {EPSILON!r})) + bias
''',
    "layer_normal": f'''\
def layer_normal(z, layer):
    """Normalise each row by its mean and variance, then scale and shift it."""
    z = z - z.mean(axis=1, keepdims=True)
    variance = (z * z).mean(axis=1, keepdims=True)
    return z / np.sqrt(variance + {EPSILON!r}) * weights[f"{{layer}}/scale"] + weights[f"{{layer}}/bias"]
''',
}
"""The functions of the normalisations, by name."""
