"""The layers of a network, and the number of their parameters."""

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
"""Each layer costs about ten NumPy calls a step; more layers are a mistake."""
MOST_PARAMETERS = 2**31
"""8 GiB of float32, too much to train on a CPU."""


@dataclass(frozen=True, slots=True, init=False)
class Layer:
    """A dense layer: activation(x @ weight + bias).

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str or Activation, default "identity"
        An object, or the name of a class, which stands for its defaults.
    dropout : float, default 0
        Fraction of the outputs dropped in each training step, below 1. Must be 0 in the output layer.
    initializer : str or Initializer, optional
        The initial weights. None is the usual initialiser of the activation.
    normalization : {"batch", "layer"}, optional
        Normalise z = x @ weight: scale · (z - mean) / √(variance + 1e-5) + bias replaces z + bias.
    residual : bool, default False
        Add the inputs to the outputs, after dropout (He et al. 2016). Their numbers must be equal.

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import Layer, Maxout
    >>> Layer(32, Maxout(2), dropout=0.2).columns
    64
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
            raise InvalidInput(
                "normalization", "expected none or batch, because layer normalisation needs more than one unit"
            )

    @property
    def columns(self) -> int:
        """Number of columns of the weight matrix: units · linear pieces of the activation."""
        return self.units * self.activation.linear_pieces

    @property
    def weight_initializer(self) -> Initializer:
        """The initialiser, or the usual one of the activation."""
        return self.initializer or INITIALIZERS[self.activation.usual_initializer]()

    @property
    def scales(self) -> int:
        """Number of learnt scales: one per column with normalisation."""
        return self.columns if self.normalization else 0

    @property
    def slopes(self) -> int:
        """Number of learnt slopes: one per unit if the activation learns them."""
        return self.units if self.activation.learns_slope else 0

    @property
    def statistics(self) -> int:
        """Number of running statistics: mean and variance of each column with batch normalisation."""
        return 2 * self.columns if self.normalization == "batch" else 0

    def to_json(self) -> dict[str, object]:
        """Return the JSON form.

        Returns
        -------
        dict
            The fields by name.
        """
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
        """Return the layer of a JSON form; missing fields have their defaults.

        Parameters
        ----------
        value : dict
            As `to_json` returns it.

        Returns
        -------
        Layer

        Raises
        ------
        InvalidInput
            At the field that is wrong.
        """
        given = checked_fields("", value, known=[f.name for f in fields(Layer)], required=["units"])
        if "activation" in given:
            given["activation"] = variants.from_json("activation", given["activation"], ACTIVATIONS)
        if given.get("initializer") is not None:
            given["initializer"] = variants.from_json("initializer", given["initializer"], INITIALIZERS)
        return Layer(**given)  # type: ignore[arg-type]  # the constructor checks the types


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network of dense layers.

    Parameters
    ----------
    inputs : int
        Numbers in a row.
    layers : sequence of Layer
        The last one is the output layer.
    input_dropout : float, default 0
        Fraction of the inputs dropped in each training step, below 1.
    input_noise : float, default 0
        Standard deviation of Gaussian noise added to the inputs in each training step.
    input_scale, input_shift : float, default 1 and 0
        The network computes with x · input_scale + input_shift, in training and in predictions. A scale of 1/255
        maps the bytes of an image to [0, 1].

    Raises
    ------
    InvalidInput
        If an argument is invalid, or if there are more than 2³¹ parameters.

    Examples
    --------
    >>> from layerwise import Architecture, Layer
    >>> architecture = Architecture(4, [Layer(8, "relu"), Layer(3)])
    >>> architecture.outputs, architecture.parameters
    (3, 67)
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
        """Number of units of the last layer."""
        return self.layers[-1].units

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of inputs of each layer."""
        return (self.inputs, *(layer.units for layer in self.layers[:-1]))

    @property
    def parameters(self) -> int:
        """Number of weights, biases, scales and slopes. Nothing is allocated."""
        return sum(
            (inputs + 1) * layer.columns + layer.scales + layer.slopes
            for inputs, layer in zip(self.widths, self.layers, strict=True)
        )

    @property
    def statistics(self) -> int:
        """Number of running statistics of batch normalisation, which are not learnt."""
        return sum(layer.statistics for layer in self.layers)

    def to_json(self) -> dict[str, object]:
        """Return the JSON form.

        Returns
        -------
        dict
            The fields by name.
        """
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
        """Return the architecture of a JSON form; missing fields have their defaults.

        Parameters
        ----------
        value : dict
            As `to_json` returns it.

        Returns
        -------
        Architecture

        Raises
        ------
        InvalidInput
            At the field that is wrong.
        """
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
        raise InvalidInput(where, f"expected 0, because the output layer has no dropout, got {checked[-1].dropout:g}")
    return checked


def _check_residuals(widths: Iterable[int], layers: Iterable[Layer]) -> None:
    for i, (inputs, layer) in enumerate(zip(widths, layers, strict=True)):
        if layer.residual and layer.units != inputs:
            detail = f"expected as many units as the layer receives numbers, {layer.units} units receive {inputs}"
            raise InvalidInput(Place("layers", i, "residual"), detail)
