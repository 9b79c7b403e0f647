"""Networks of other libraries as a list of dense layers, and the MLP that computes the same."""

import dataclasses
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from layerwise import variants
from layerwise.activations import ACTIVATIONS, Activation
from layerwise.checks import counted, shown
from layerwise.data.arrays import check_unmasked
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput, Place, within
from layerwise.losses import LOSSES, Loss
from layerwise.model import MLP
from layerwise.network.architecture import Architecture, Layer
from layerwise.network.normalization import EPSILON
from layerwise.plan import Plan
from layerwise.types import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizationArrays:
    """The normalisation between the linear part of a layer and its activation; all arrays are (columns,).

    `kind` is "batch" or "layer"; only the first has running statistics, `mean` and `variance`.
    """

    kind: str
    scale: Floats | None
    shift: Floats | None
    mean: Floats | None = None
    variance: Floats | None = None
    epsilon: float = EPSILON


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """A layer: activation(normal(x @ weight + bias)), with `weight` (inputs, columns) and `bias` (columns,) or None.

    `where` is the name of the weight in its source; `slope` the slopes of a PReLU, (units,) or (1,).
    """

    where: Place | str
    weight: Floats
    activation: Activation
    bias: Floats | None = None
    normal: NormalizationArrays | None = None
    slope: Floats | None = None
    residual: bool = False


def dimensions_of(value: object) -> int:
    """Return the number of dimensions of an array or a tensor; 0 for anything else."""
    shape = getattr(value, "shape", ())
    return len(shape) if isinstance(shape, Sized) else 0


def finite_array(
    pointer: Place | str, value: object, *, shape: tuple[int, ...] | None = None, dimensions: int = 1
) -> Floats:
    """Return `value` as an array of finite numbers, of `shape`, or of so many `dimensions`. Raises InvalidInput."""
    check_unmasked(value, pointer)
    try:
        array = np.asarray(cast(Any, value))
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor on a GPU, or one that records gradients
        raise InvalidInput(pointer, f"expected an array that NumPy reads: {error}") from error
    if array.dtype.kind not in "fiu":
        raise InvalidInput(pointer, f"expected an array of numbers, got {shown(value)}")
    if shape is not None and array.shape != shape:
        raise InvalidInput(pointer, f"expected shape {shape}, got {array.shape}")
    if shape is None and (array.ndim != dimensions or array.size == 0):
        wanted = "a matrix" if dimensions == 2 else "an array of one dimension"
        raise InvalidInput(pointer, f"expected {wanted}, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidInput(pointer, "expected finite numbers, got NaN or infinity")
    floats: Floats = array if array.dtype == np.float64 else array.astype(np.float32)
    return floats


def layer_activations(hidden: object, output: object, layers: int) -> list[Activation]:
    """Return the activation of each layer: `hidden`, one for all hidden layers or one for each, then `output`.

    Raises InvalidInput.
    """
    if isinstance(hidden, Sequence) and not isinstance(hidden, str):
        given = list(cast(Sequence[object], hidden))
        if len(given) != layers - 1:
            wanted = f"expected one activation, or one for each of {counted(layers - 1, 'hidden layer')}"
            raise InvalidInput("activation", f"{wanted}, got {len(given)}")
        found = [variants.chosen(Place("activation", i), each, ACTIVATIONS) for i, each in enumerate(given)]
    else:
        found = [variants.chosen("activation", hidden, ACTIVATIONS)] * (layers - 1)
    return [*found, variants.chosen("output_activation", output, ACTIVATIONS)]


def fold_scaling(first: Dense, factor: Floats, shift: Floats) -> Dense:
    """Return the first layer with x · factor + shift, each (inputs,) or (1,), folded into its weights.

    Raises InvalidInput.
    """
    inputs = len(first.weight)
    for name, array in (("factor", factor), ("shift", shift)):
        if array.size not in (1, inputs) or not np.isfinite(array).all():
            raise InvalidInput(
                first.where, f"expected a finite {name} for each of {counted(inputs, 'input')} before it"
            )
    before = np.broadcast_to(shift, (inputs,)) @ first.weight.astype(np.float64)
    weight: Floats = first.weight * np.broadcast_to(factor, (inputs,))[:, None]
    bias: Floats = before if first.bias is None else first.bias + before
    return dataclasses.replace(first, weight=weight.astype(first.weight.dtype), bias=bias)


def build_model(
    layers: Sequence[Dense],
    *,
    loss: str | Loss,
    labels: Iterable[Label] | None,
    source: str,
    input_scale: float = 1.0,
    input_shift: float = 0.0,
) -> MLP:
    """Return the MLP of `layers`, float64 if the first weights are, else float32; its lineage names the `source`.

    Without `labels`, the classes are 0, 1 …, and sigmoid_cross_entropy has flags. Raises InvalidInput.
    """
    known = variants.chosen("loss", loss, LOSSES)
    arrays: dict[str, Floats] = {}
    made: list[Layer] = []
    inputs = len(layers[0].weight)
    for i, dense in enumerate(layers):
        if len(dense.weight) != inputs:
            wanted = f"expected {counted(inputs, 'input')}, as many as the layer before has units"
            raise InvalidInput(dense.where, f"{wanted}, got {len(dense.weight)}")
        layer, own = _converted(dense)
        made.append(layer)
        arrays |= {f"layer{i}/{name}": array for name, array in own.items()}
        inputs = layer.units
    architecture = Architecture(len(layers[0].weight), tuple(made), input_scale=input_scale, input_shift=input_shift)
    model = MLP(architecture, dtype=layers[0].weight.dtype, weights=arrays)
    model.plan = Plan(loss=known)
    model.labels = _labels(known, labels, architecture.outputs)
    model.lineage = {"imported_from": source}
    return model


def _labels(loss: Loss, labels: Iterable[Label] | None, outputs: int) -> Iterable[Label] | None:
    if not loss.classifies:
        if labels is not None:
            raise InvalidInput("labels", f"expected none, because {loss.kind} is a loss of regression")
        return None
    if labels is None and loss.targets == "classes":
        if loss.classes(outputs) < 2:
            raise InvalidInput("loss", f"expected one that takes a single output, got {loss.kind}")
        return range(loss.classes(outputs))
    if labels is not None and isinstance(labels, np.ndarray):
        return cast(list[Label], cast(Any, labels).tolist())
    return labels


def _converted(dense: Dense) -> tuple[Layer, dict[str, Floats]]:
    """Return the equivalent layer, and its arrays by their names in it."""
    columns, activation, normal = dense.weight.shape[1], dense.activation, dense.normal
    if columns % activation.linear_pieces:
        pieces = activation.linear_pieces
        raise InvalidInput(dense.where, f"expected columns for {pieces} pieces of each unit, got {columns}")
    units = columns // activation.linear_pieces
    with within(dense.where):
        layer = Layer(units, activation, normalization=normal.kind if normal else None, residual=dense.residual)
    for name in ("scale", "shift", "mean", "variance") if normal else ():
        _check_size(dense, name, getattr(normal, name), columns)
    _check_size(dense, "bias", dense.bias, columns)
    bias = dense.bias if dense.bias is not None else np.zeros(columns)
    arrays = {"weight": dense.weight, "bias": bias} if normal is None else _folded(dense, normal, bias)
    if layer.slopes:
        if dense.slope is None:
            raise InvalidInput(dense.where, f"expected the slopes of its {activation.kind}, there are none")
        if dense.slope.size != 1:
            _check_size(dense, "slope", dense.slope, units)
        arrays["slope"] = np.broadcast_to(dense.slope, (units,))
    return layer, arrays


def _check_size(dense: Dense, name: str, array: Floats | None, size: int) -> None:
    if array is not None and array.shape != (size,):
        raise InvalidInput(dense.where, f"expected {counted(size, 'number')} as its {name}, got shape {array.shape}")


def _folded(dense: Dense, normal: NormalizationArrays, bias: Floats) -> dict[str, Floats]:
    """Return the arrays of a normalised layer, with the bias folded away and epsilon changed to EPSILON."""
    scale = normal.scale if normal.scale is not None else np.ones(len(bias))
    shift = normal.shift if normal.shift is not None else np.zeros(len(bias))
    weight = dense.weight
    if normal.kind == "batch":
        assert normal.mean is not None
        assert normal.variance is not None
        variance = normal.variance.astype(np.float64)
        if normal.epsilon != EPSILON:
            scale = scale * np.sqrt((variance + EPSILON) / (variance + normal.epsilon))
        return {"weight": weight, "scale": scale, "bias": shift, "mean": normal.mean - bias, "variance": variance}
    if np.ptp(bias) > 0:  # the mean removes a constant bias
        wanted = "expected no bias before a layer normalisation, which has its own"
        raise InvalidInput(dense.where, f"{wanted}, got one that differs between units")
    if normal.epsilon != EPSILON:  # z / √(var + ε) = α z / √(α² var + α² ε)
        weight = weight * np.sqrt(EPSILON / normal.epsilon)
    return {"weight": weight, "scale": scale, "bias": shift}
