"""What a network is built from: its layers, checked when made, counted by arithmetic alone."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Annotated, cast

from layerwise import variants
from layerwise.activations import ACTIVATIONS, Activation
from layerwise.checks import fields as checked_fields
from layerwise.checks import shown
from layerwise.errors import InvalidInput, Place, within
from layerwise.initializers import INITIALIZERS, Initializer
from layerwise.limits import Count, Fraction, NotNegative, OneOf, Positive, check_fields

NORMALIZATIONS = ("batch", "layer")

MOST_LAYERS = 1000
"""More would be a mistake: each costs a step some ten NumPy calls."""
MOST_PARAMETERS = 2**31
"""8 GiB of float32: no larger network trains on a CPU."""


@dataclass(frozen=True, slots=True, init=False)
class Layer:
    """A dense layer: activation(x @ weight + bias), of whose outputs `dropout` are dropped in each training step.

    `activation` and `initializer` are objects or their names; `initializer` None stands for the activation's usual
    one. `normalization` "batch" or "layer" puts scale · (z - mean) / √(variance + 1e-5) + bias in the place of
    z + bias, z = x @ weight. A `residual` layer adds its inputs to its outputs, after dropout: He et al. 2016.
    Raises InvalidInput.
    """

    units: Count
    activation: Activation
    dropout: Fraction
    initializer: Initializer | None
    normalization: Annotated[str, OneOf(NORMALIZATIONS)] | None
    residual: bool

    def __init__(
        self,
        units: int,
        activation: str | Activation = "identity",
        dropout: float = 0.0,
        initializer: str | Initializer | None = None,
        *,
        normalization: str | None = None,
        residual: bool = False,
    ) -> None:
        given = locals() | {
            "activation": variants.chosen("activation", activation, ACTIVATIONS),
            "initializer": None if initializer is None else variants.chosen("initializer", initializer, INITIALIZERS),
        }
        check_fields(self, given)
        if self.normalization == "layer" and self.columns == 1:
            raise InvalidInput("normalization", "expected none or batch, for one unit has no others in its layer")

    @property
    def columns(self) -> int:
        """The columns of the weight matrix: units, times the pieces of a maxout."""
        return self.units * self.activation.linear_pieces

    @property
    def weight_initializer(self) -> Initializer:
        """The initialiser, the activation's usual one if none was given."""
        return self.initializer or INITIALIZERS[self.activation.usual_initializer]()

    @property
    def scales(self) -> int:
        """How many scales are learnt: one a column if the layer normalises."""
        return self.columns if self.normalization else 0

    @property
    def slopes(self) -> int:
        """How many slopes are learnt: one a unit of a PReLU."""
        return self.units if self.activation.learns_slope else 0

    @property
    def statistics(self) -> int:
        """How many running statistics there are: mean and variance of each column if the layer normalises batches."""
        return 2 * self.columns if self.normalization == "batch" else 0

    def to_json(self) -> dict[str, object]:
        """The fields, by name."""
        return {
            "units": self.units,
            "activation": self.activation.to_json(),
            "dropout": self.dropout,
            "initializer": self.initializer.to_json() if self.initializer else None,
            "normalization": self.normalization,
            "residual": self.residual,
        }

    @staticmethod
    def from_json(value: object) -> "Layer":
        """The layer that the JSON `value` describes. Raises InvalidInput with the pointer below the layer."""
        given = checked_fields("", value, known=[f.name for f in fields(Layer)], required=["units"])
        if "activation" in given:
            given["activation"] = variants.from_json("activation", given["activation"], ACTIVATIONS)
        if given.get("initializer") is not None:
            given["initializer"] = variants.from_json("initializer", given["initializer"], INITIALIZERS)
        return Layer(**given)  # type: ignore[arg-type]  # the constructor checks the types


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network of dense layers over rows of `inputs` numbers; the last layer is the output layer.

    What enters the network is x · `input_scale` + `input_shift`, in training and prediction alike: images of bytes are
    brought to [0, 1] by 1/255. In each training step Gaussian noise of deviation `input_noise` is then added to the
    inputs, and the fraction `input_dropout` of them is dropped. Raises InvalidInput.
    """

    inputs: Count
    layers: tuple[Layer, ...]
    input_dropout: Fraction = 0.0
    input_noise: NotNegative = 0.0
    input_scale: Positive = 1.0
    input_shift: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "layers", _checked_layers(self.layers))
        _check_residuals(self.widths, self.layers)
        if self.parameters + self.statistics > MOST_PARAMETERS:
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
        """How many numbers are learnt: weights, biases, scales and slopes. Arithmetic only, nothing is allocated."""
        return sum(
            (inputs + 1) * layer.columns + layer.scales + layer.slopes
            for inputs, layer in zip(self.widths, self.layers, strict=True)
        )

    @property
    def statistics(self) -> int:
        """How many running statistics batch normalisation keeps; they are measured, not learnt."""
        return sum(layer.statistics for layer in self.layers)

    def to_json(self) -> dict[str, object]:
        """The fields, by name."""
        return {
            "inputs": self.inputs,
            "layers": [layer.to_json() for layer in self.layers],
            "input_dropout": self.input_dropout,
            "input_noise": self.input_noise,
            "input_scale": self.input_scale,
            "input_shift": self.input_shift,
        }

    @staticmethod
    def from_json(value: object) -> "Architecture":
        """The architecture that the JSON `value` describes. Raises InvalidInput with the pointer of the field."""
        known = [f.name for f in fields(Architecture)]
        given = checked_fields("", value, known=known, required=("inputs", "layers"))
        described = given["layers"]
        if not isinstance(described, list | tuple):
            raise InvalidInput("layers", f"expected a list of layers, got {shown(described)}")
        layers: list[Layer] = []
        for i, layer in enumerate(cast(list[object], described)):
            with within("layers", i):
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
            raise InvalidInput(Place("layers", i), f"expected a Layer, got {shown(layer)}")
    checked = cast(tuple[Layer, ...], given)
    if checked[-1].dropout:
        where = Place("layers", len(checked) - 1, "dropout")
        raise InvalidInput(where, f"expected 0, for the output layer drops nothing, got {checked[-1].dropout:g}")
    return checked


def _check_residuals(widths: Iterable[int], layers: Iterable[Layer]) -> None:
    for i, (inputs, layer) in enumerate(zip(widths, layers, strict=True)):
        if layer.residual and layer.units != inputs:
            detail = f"expected as many units as the layer receives numbers, {layer.units} units receive {inputs}"
            raise InvalidInput(Place("layers", i, "residual"), detail)
