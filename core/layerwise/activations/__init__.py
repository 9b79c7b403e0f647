"""The activations, and a table of their names."""

from layerwise.activations.activation import Activation, Compiled, UnitBuffers
from layerwise.activations.maxout import Maxout
from layerwise.activations.rectifiers import ELU, SELU, LeakyReLU, PReLU, ReLU
from layerwise.activations.smooth import GELU, Identity, Sigmoid, SiLU, Softplus, Tanh

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "Compiled",
    "Identity",
    "LeakyReLU",
    "Maxout",
    "PReLU",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "UnitBuffers",
]

ACTIVATIONS: dict[str, type[Activation]] = {
    cls.kind: cls for cls in (Identity, Sigmoid, Tanh, ReLU, LeakyReLU, PReLU, ELU, SELU, GELU, SiLU, Softplus, Maxout)
}
"""The activations by name; a name stands for the default object of the class."""
