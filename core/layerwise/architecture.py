"""What a network is built from: its layers, checked when made, counted by arithmetic alone."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import cast

from layerwise import kinds
from layerwise.activations import ACTIVATIONS, Activation
from layerwise.checks import choice, real_number, shown, whole_number
from layerwise.checks import fields as checked_fields
from layerwise.errors import InvalidInput, within
from layerwise.initializers import INITIALIZERS

MOST_LAYERS = 1000
"""More would be a mistake: each costs a step some ten NumPy calls."""
MOST_PARAMETERS = 2**31
"""8 GiB of float32: no larger network trains on a CPU."""


@dataclass(frozen=True, slots=True, init=False)
class Layer:
    """A dense layer: activation(x @ weight + bias), of whose outputs `dropout` are dropped in each training step.

    `activation` is an object or its name. `initializer` None stands for He's for the ReLU family and maxout, Glorot's
    for the others, both normal. Raises InvalidInput.
    """

    units: int
    activation: Activation
    dropout: float
    initializer: str | None

    def __init__(
        self,
        units: int,
        activation: str | Activation = "identity",
        dropout: float = 0.0,
        initializer: str | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "units", whole_number("units", units, least=1))
        put(self, "activation", kinds.chosen("activation", activation, ACTIVATIONS))
        put(self, "dropout", real_number("dropout", dropout, least=0, below=1))
        known = None if initializer is None else choice("initializer", initializer, INITIALIZERS)
        put(self, "initializer", known)

    @property
    def columns(self) -> int:
        """The columns of the weight matrix: units, times the pieces of a maxout."""
        return self.units * self.activation.linear_pieces

    @property
    def weight_initializer(self) -> str:
        """The name of the initialiser, chosen by the activation if none was given."""
        return self.initializer or ("he_normal" if self.activation.rectifies else "glorot_normal")

    def to_json(self) -> dict[str, object]:
        """The fields, by name."""
        return {
            "units": self.units,
            "activation": self.activation.to_json(),
            "dropout": self.dropout,
            "initializer": self.initializer,
        }

    @staticmethod
    def from_json(value: object) -> "Layer":
        """The layer that the JSON `value` describes. Raises InvalidInput with the pointer below the layer."""
        given = checked_fields("", value, known=[f.name for f in fields(Layer)], required=["units"])
        if "activation" in given:
            given["activation"] = kinds.from_json("activation", given["activation"], ACTIVATIONS)
        return Layer(**given)  # type: ignore[arg-type]  # the constructor checks the types


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network of dense layers over rows of `inputs` numbers; the last layer is the output layer.

    In each training step Gaussian noise of deviation `input_noise` is added to the inputs, then the fraction
    `input_dropout` of them is dropped. Raises InvalidInput.
    """

    inputs: int
    layers: tuple[Layer, ...]
    input_dropout: float = 0.0
    input_noise: float = 0.0

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "inputs", whole_number("inputs", self.inputs, least=1))
        put(self, "layers", _checked_layers(self.layers))
        put(self, "input_dropout", real_number("input_dropout", self.input_dropout, least=0, below=1))
        put(self, "input_noise", real_number("input_noise", self.input_noise, least=0))
        if self.parameters > MOST_PARAMETERS:
            detail = f"expected at most {MOST_PARAMETERS:,} parameters, these layers have {self.parameters:,}"
            raise InvalidInput("layers", detail)

    @property
    def outputs(self) -> int:
        """The units of the last layer."""
        return self.layers[-1].units

    @property
    def widths(self) -> tuple[int, ...]:
        """The numbers each layer receives: the inputs, then the units of all layers but the last."""
        return (self.inputs, *(layer.units for layer in self.layers[:-1]))

    @property
    def parameters(self) -> int:
        """How many numbers are learnt: weights, biases and slopes. Arithmetic only, nothing is allocated."""
        return sum(
            (inputs + 1) * layer.columns + layer.units * layer.activation.learns_slope
            for inputs, layer in zip(self.widths, self.layers, strict=True)
        )

    def to_json(self) -> dict[str, object]:
        """The fields, by name."""
        return {
            "inputs": self.inputs,
            "layers": [layer.to_json() for layer in self.layers],
            "input_dropout": self.input_dropout,
            "input_noise": self.input_noise,
        }

    @staticmethod
    def from_json(value: object) -> "Architecture":
        """The architecture that the JSON `value` describes. Raises InvalidInput with the pointer of the field."""
        known = ("inputs", "layers", "input_dropout", "input_noise")
        given = checked_fields("", value, known=known, required=("inputs", "layers"))
        described = given["layers"]
        if not isinstance(described, list | tuple):
            raise InvalidInput("layers", f"expected a list of layers, got {shown(described)}")
        layers: list[Layer] = []
        for i, layer in enumerate(cast(list[object], described)):
            with within(f"layers[{i}]"):
                layers.append(Layer.from_json(layer))
        given["layers"] = tuple(layers)
        return Architecture(**given)  # type: ignore[arg-type]  # the constructor checks the types


def _checked_layers(layers: object) -> tuple[Layer, ...]:
    if not isinstance(layers, Iterable) or isinstance(layers, str):
        raise InvalidInput("layers", f"expected a sequence of layers, got {shown(layers)}")
    given = tuple(cast(Iterable[object], layers))
    if not 1 <= len(given) <= MOST_LAYERS:
        raise InvalidInput("layers", f"expected 1 to {MOST_LAYERS} layers, got {len(given)}")
    for i, layer in enumerate(given):
        if not isinstance(layer, Layer):
            raise InvalidInput(f"layers[{i}]", f"expected a Layer, got {shown(layer)}")
    checked = cast(tuple[Layer, ...], given)
    if checked[-1].dropout:
        where = f"layers[{len(checked) - 1}].dropout"
        raise InvalidInput(where, f"expected 0, for the output layer drops nothing, got {checked[-1].dropout:g}")
    return checked
