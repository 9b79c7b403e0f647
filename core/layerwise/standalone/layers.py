"""Source code of the layers: an expression for each, and the functions they call."""

from collections.abc import Callable
from typing import TypeAlias, cast

from layerwise.activations import ELU, LeakyReLU
from layerwise.activations.rectifiers import SELU_ELU, SELU_SCALE
from layerwise.activations.smooth import GELU_CUBE, GELU_SCALE
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
        kind = layer.activation.kind
        a = CALLS[kind](layer, linear, f"layer{i}") if kind in CALLS else f"{kind}({linear})"
        if kind in FUNCTIONS:
            functions[kind] = FUNCTIONS[kind]
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


CALLS: dict[str, Callable[[Layer, str, str], str]] = {
    "identity": lambda _layer, z, _where: z,
    "leaky_relu": lambda layer, z, _where: f"leaky_relu({z}, {cast(LeakyReLU, layer.activation).slope!r})",
    "prelu": lambda _layer, z, where: f'prelu({z}, weights["{where}/slope"])',
    "elu": lambda layer, z, _where: f"elu({z}, {cast(ELU, layer.activation).alpha!r})",
    "maxout": lambda layer, z, _where: f"maxout({z}, {layer.activation.linear_pieces}, {layer.units})",
}
"""The call of an activation, from the layer, z and the layer's name, if it is not kind(z)."""

FUNCTIONS: Functions = {
    "batch_normal": f'''\
def batch_normal(z, layer):
    """Normalises each column by its mean and variance in training, then scales and shifts."""
    scale, bias, mean, variance = (weights[f"{{layer}}/{{name}}"] for name in ("scale", "bias", "mean", "variance"))
    return (z - mean) * (scale / np.sqrt(variance + {EPSILON!r})) + bias
''',
    "layer_normal": f'''\
def layer_normal(z, layer):
    """Normalises each row by its mean and variance, then scales and shifts."""
    z = z - z.mean(axis=1, keepdims=True)
    variance = (z * z).mean(axis=1, keepdims=True)
    return z / np.sqrt(variance + {EPSILON!r}) * weights[f"{{layer}}/scale"] + weights[f"{{layer}}/bias"]
''',
    "sigmoid": '''\
def sigmoid(z):
    """1 / (1 + exp(-z)), as (1 + tanh(z / 2)) / 2, which does not overflow."""
    return 0.5 * np.tanh(0.5 * z) + 0.5
''',
    "tanh": """\
def tanh(z):
    return np.tanh(z)
""",
    "relu": """\
def relu(z):
    return np.maximum(z, 0)
""",
    "leaky_relu": """\
def leaky_relu(z, slope):
    return np.maximum(z, slope * z)
""",
    "prelu": """\
def prelu(z, slope):
    return np.maximum(z, 0) + slope * np.minimum(z, 0)
""",
    "elu": """\
def elu(z, alpha):
    return np.maximum(z, 0) + alpha * np.expm1(np.minimum(z, 0))
""",
    "selu": f"""\
def selu(z):
    return {SELU_SCALE!r} * (np.maximum(z, 0) + {SELU_ELU.alpha!r} * np.expm1(np.minimum(z, 0)))
""",
    "gelu": f"""\
def gelu(z):
    return z * (0.5 * (1 + np.tanh({GELU_SCALE!r} * (z + {GELU_CUBE!r} * z * z * z))))
""",
    "silu": """\
def silu(z):
    return z * (0.5 * np.tanh(0.5 * z) + 0.5)
""",
    "softplus": '''\
def softplus(z):
    """log(1 + exp(z)), without the exp() of a large number."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
''',
    "maxout": '''\
def maxout(z, pieces, units):
    """The largest of the pieces of each unit; the columns stand piece by piece."""
    return z.reshape(-1, pieces, units).max(axis=1)
''',
}
"""The functions, by name."""
