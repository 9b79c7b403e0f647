"""Import of ONNX models, read from an output back to the input, layer by layer."""

import json
from collections.abc import Iterable
from os import PathLike
from typing import cast

import numpy as np
import onnx

from layerwise.activations import Maxout
from layerwise.checks import real_number
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput, Place
from layerwise.imports.dense import Dense, NormalizationArrays, build_model, fold_scaling
from layerwise.losses import Loss
from layerwise.model import MLP
from layerwise.onnx.operators import OPERATORS, activation_of, check_pieces
from layerwise.onnx.passthrough import check_passthrough, skip_passthrough
from layerwise.onnx.scaling import input_scaling
from layerwise.onnx.source import Source, attributes, is_number, where
from layerwise.types import Floats

KNOWN = ("Gemm", "MatMul", "Add", "BatchNormalization", "LayerNormalization", *OPERATORS, "PRelu")


def from_onnx(
    file: str | PathLike[str] | bytes,
    *,
    output: str | None = None,
    loss: str | Loss | None = None,
    labels: Iterable[Label] | None = None,
) -> MLP:
    """Return the network of an ONNX model.

    The graph must be a chain of Gemm, or MatMul and Add, each optionally followed by BatchNormalization or
    LayerNormalization and by an activation; layers may add their inputs (residual). It may begin with a scaling of the
    columns, and end in Softmax or Sigmoid.

    Parameters
    ----------
    file : str, path-like or bytes
        The model file, or its contents.
    output : str, optional
        The output to read; by default the only float output.
    loss : str or Loss, optional
        What the outputs mean. By default the loss in the metadata, as Layerwise writes it; else
        softmax_cross_entropy after a Softmax, sigmoid_cross_entropy after a Sigmoid, poisson after an Exp, and
        otherwise squared_error.
    labels : iterable of label, optional
        The labels of the outputs. By default those in the metadata, as Layerwise writes them; else 0, 1 … for a
        Softmax and for both probabilities of a Sigmoid.

    Returns
    -------
    MLP

    Raises
    ------
    InvalidInput
        If the graph is not such a network; the error names the node.
    OSError
        If the file cannot be read.
    """
    source = Source(file)
    if len(source.inputs) != 1:
        raise InvalidInput("file", f"expected a graph of one input, got {', '.join(source.inputs) or 'none'}")
    answer, reshaped = _skip_reshapes(source, source.chosen_output(output))
    scores, link, outcomes = _network_output(source, answer)
    value, layers = scores, list[Dense]()
    while (found := _layer(source, value)) is not None:
        layer, value = found
        layers.insert(0, layer)
    scaling = input_scaling(source, value)
    assert scaling is not None
    factor, shift = scaling
    if not layers:
        raise InvalidInput("file", "expected a network, but there is no Gemm or MatMul before the output")
    source.check_columns(len(layers[0].weight))
    scale = 1.0, 0.0
    if factor.size == shift.size == 1 and factor > 0:
        scale = float(factor.item()), float(shift.item())
    else:
        layers[0] = fold_scaling(layers[0], factor, shift)
    noted, noted_labels = _metadata(source, "loss"), cast("list[Label] | None", _metadata(source, "labels"))
    outputs = layers[-1].weight.shape[1] // layers[-1].activation.linear_pieces
    if reshaped is not None and outputs != 1:
        raise InvalidInput(
            where(reshaped), f"expected outputs that keep their shape, got a {reshaped.op_type} of {outputs}"
        )
    return build_model(
        layers,
        loss=loss if loss is not None else noted if isinstance(noted, str) else link,
        labels=next((each for each in (labels, noted_labels, outcomes) if each is not None), None),
        source=f"ONNX ({source.producer})" if source.producer else "ONNX",
        input_scale=scale[0],
        input_shift=scale[1],
    )


def _metadata(source: Source, name: str) -> object:
    """Return an entry of Layerwise's metadata; None if another program wrote the file."""
    if source.producer != "layerwise" or name not in source.notes:
        return None
    try:
        return cast(object, json.loads(source.notes[name]))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(Place("metadata_props", name), f"expected JSON: {error}") from error


def _skip_reshapes(source: Source, value: str) -> tuple[str, onnx.NodeProto | None]:
    """Return the value before nodes that change only shape or type, and a node that changes the shape, if any."""
    reshaped = None
    while (node := source.node(value, "Identity", "Cast", "Squeeze", "Reshape")) is not None:
        check_passthrough(source, node)
        value = node.input[0]
        reshaped = node if node.op_type in ("Squeeze", "Reshape") else reshaped
    return value, reshaped


def _network_output(source: Source, value: str) -> tuple[str, str, tuple[Label, ...] | None]:
    """Return the output of the last layer, the usual loss of its link, and labels for a pair of probabilities."""
    if node := source.node(value, "Softmax"):
        _check_axis(node)
        negative = source.node(node.input[0], "Neg")
        cost, z, _ = activation_of(source, negative.input[0]) if negative else (None, "", None)
        inner = source.node(z, "Neg")
        if cost is not None and cost.kind == "softplus" and inner:  # of log σ(s)
            return inner.input[0], "sigmoid_cross_entropy", None
        return node.input[0], "softmax_cross_entropy", None
    if node := source.node(value, "Concat"):
        _check_axis(node)
        return _both_probabilities(source, node), "sigmoid_cross_entropy", (0, 1)
    if node := source.node(value, "Sigmoid"):
        return node.input[0], "sigmoid_cross_entropy", None
    least = source.node(value, "Min")
    limit = source.constant(least.input[1]) if least and len(least.input) == 2 else None
    capped = least is not None and limit is not None and bool((limit >= np.finfo(np.float32).max).all())
    if node := source.node(least.input[0] if least and capped else value, "Exp"):
        return node.input[0], "poisson", None
    return value, "squared_error", None


def _both_probabilities(source: Source, node: onnx.NodeProto) -> str:
    """Return the score s of a Concat of 1 - σ(s), or σ(-s), and σ(s)."""
    second = source.node(node.input[1], "Sigmoid") if len(node.input) == 2 else None
    first = source.node(node.input[0], "Sigmoid", "Sub")
    if first and second:
        s = second.input[0]
        if first.op_type == "Sub" and first.input[1] == node.input[1] and is_number(source.constant(first.input[0]), 1):
            return s
        negative = source.node(first.input[0], "Neg")
        if negative and negative.input[0] == s:
            return s
    raise InvalidInput(where(node), "expected a Concat of the two probabilities of a sigmoid")


def _layer(source: Source, value: str) -> tuple[Dense, str] | None:
    """Return the layer that computes `value`, and its input; None if `value` is the scaled graph input."""
    value = skip_passthrough(source, value)
    if input_scaling(source, value) is not None:
        return None
    added = source.node(value, "Add")
    if added and activation_of(source, value)[1] == value:
        for a, x in (added.input, reversed(added.input)):
            found = _dense(source, a, residual=True)
            if found is not None and found[1] == skip_passthrough(source, x):
                return found
    found = _dense(source, value, residual=False)
    if found is None:
        raise _unknown(source, activation_of(source, value)[1])
    return found


def _dense(source: Source, value: str, *, residual: bool) -> tuple[Dense, str] | None:
    """Return the layer that computes `value`, and its input; None if it has no matrix product."""
    activation, z, slope = activation_of(source, skip_passthrough(source, value))
    z = skip_passthrough(source, z)
    normal = None
    if node := source.node(z, "BatchNormalization", "LayerNormalization"):
        normal, z = _normalization(source, node), skip_passthrough(source, node.input[0])
    found = _linear(source, z)
    if found is None:
        return None
    node, weight, bias = found
    if isinstance(activation, Maxout):
        check_pieces(source, value, weight.shape[1])
    dense = Dense(
        where=where(node),
        weight=weight,
        bias=bias,
        activation=activation,
        normal=normal,
        slope=slope,
        residual=residual,
    )
    return dense, skip_passthrough(source, node.input[0])


def _linear(source: Source, z: str) -> tuple[onnx.NodeProto, Floats, Floats | None] | None:
    """Return node, weight (inputs, columns) and bias (columns,) of the product `z`; None if it is not a product."""
    node, bias = source.node(z, "Gemm", "MatMul"), None
    if node is None and (added := source.node(z, "Add")) is not None:
        for i in (1, 0):
            found = source.node(added.input[1 - i], "MatMul")
            if found is not None and source.constant(added.input[i]) is not None:
                node, bias = found, source.array(added, i)
    if node is None:
        return None
    given = attributes(node)
    if given.get("transA", 0):
        raise InvalidInput(where(node), "expected rows as the left factor, got transA 1")
    weight = source.array(node, 1, dimensions=2)
    if given.get("transB", 0):
        weight = weight.T
    if node.op_type == "Gemm" and len(node.input) > 2:
        bias = source.array(node, 2)
    columns = weight.shape[1]
    if bias is not None:
        if bias.size not in (1, columns):
            raise InvalidInput(where(node), f"expected a bias of {columns} numbers, got {bias.size}")
        with np.errstate(over="ignore"):  # refused later
            bias = np.broadcast_to(bias, (columns,)) * bias.dtype.type(given.get("beta", 1.0))
    if given.get("alpha", 1.0) != 1:
        with np.errstate(over="ignore"):
            weight = weight * weight.dtype.type(given["alpha"])
    return node, weight, bias


def _normalization(source: Source, node: onnx.NodeProto) -> NormalizationArrays:
    given = attributes(node)
    arrays = [source.array(node, i) for i, name in enumerate(node.input) if i and name]
    epsilon = real_number(Place(where(node), "epsilon"), given.get("epsilon", 1e-5), above=0)
    shift = arrays[1] if len(arrays) > 1 else None
    if node.op_type == "LayerNormalization":
        _check_axis(node)
        return NormalizationArrays(kind="layer", scale=arrays[0], shift=shift, epsilon=epsilon)
    if given.get("training_mode", 0) or len(node.output) > 1:  # before opset 14, further outputs say that it trains
        raise InvalidInput(where(node), "expected training_mode 0, got 1: the statistics would be those of each batch")
    return NormalizationArrays(
        kind="batch", scale=arrays[0], shift=shift, mean=arrays[2], variance=arrays[3], epsilon=epsilon
    )


def _check_axis(node: onnx.NodeProto) -> None:
    """Raise InvalidInput if the node does not work along the columns."""
    if (axis := attributes(node).get("axis", -1)) not in (-1, 1):
        raise InvalidInput(where(node), f"expected axis -1, got {axis}")


def _unknown(source: Source, value: str) -> InvalidInput:
    node = source.node(value)
    if node is None:
        return InvalidInput("file", f"expected the chain of nodes to begin at the input, but it begins at {value}")
    if node.op_type in KNOWN:
        order = "layers of a linear part, then at most one normalisation, then at most one activation"
        return InvalidInput(where(node), f"expected {order}, got this {node.op_type} elsewhere")
    return InvalidInput(where(node), f"expected one of {', '.join(KNOWN)} in a chain, got {node.op_type}")
