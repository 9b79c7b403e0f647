"""Layers as ONNX operators: linear part, normalisation, activation."""

from collections.abc import Callable, Mapping

import numpy as np

from layerwise.activations.smooth import GELU_CUBE, GELU_SCALE
from layerwise.network.architecture import Architecture, Layer
from layerwise.network.normalization import EPSILON
from layerwise.onnx.graph import Graph
from layerwise.types import Floats


def network_nodes(graph: Graph, x: str, architecture: Architecture, weights: Mapping[str, Floats]) -> str:
    """Return the outputs (rows, k) of the last layer for the value `x` (rows, inputs).

    `weights` are arrays by their names in the model file.
    """
    if architecture.input_scale != 1:
        x = graph.node("Mul", x, graph.number(architecture.input_scale), name="scaled")
    if architecture.input_shift:
        x = graph.node("Add", x, graph.number(architecture.input_shift), name="shifted")
    for i, layer in enumerate(architecture.layers):
        own = {name.partition("/")[2]: array for name, array in weights.items() if name.startswith(f"layer{i}/")}
        a = layer_nodes(graph, x, layer, own, f"layer{i}")
        x = graph.node("Add", a, x, name=f"layer{i}/residual") if layer.residual else a
    return x


def layer_nodes(graph: Graph, x: str, layer: Layer, own: Mapping[str, Floats], where: str) -> str:
    """Return the activations (rows, units) of a layer for the value `x` (rows, inputs)."""
    arrays = {name: graph.numbers(f"{where}/{name}", array) for name, array in own.items()}
    if layer.normalization is None:
        z = graph.node("Gemm", x, arrays["weight"], arrays["bias"], name=f"{where}/linear")
    else:
        z = graph.node("MatMul", x, arrays["weight"], name=f"{where}/linear")
        z = _normalized(graph, z, layer, arrays, f"{where}/normal")
    return _activation(graph, z, layer, arrays.get("slope", ""), f"{where}/activation")


def softplus(graph: Graph, z: str, name: str) -> str:
    """Return log(1 + exp(z))."""
    if graph.dtype == np.float32:
        return graph.node("Softplus", z, name=name)
    # without a float64 kernel, runtimes compute Softplus from its definition, whose exp() overflows
    e = graph.node("Exp", graph.node("Neg", graph.node("Abs", z)))
    rest = graph.node("Log", graph.node("Add", e, graph.number(1)))
    return graph.node("Add", graph.node("Relu", z), rest, name=name)


def _normalized(graph: Graph, z: str, layer: Layer, arrays: Mapping[str, str], name: str) -> str:
    affine = arrays["scale"], arrays["bias"]
    if layer.normalization == "layer":
        return graph.node("LayerNormalization", z, *affine, name=name, axis=-1, epsilon=EPSILON)
    return graph.node("BatchNormalization", z, *affine, arrays["mean"], arrays["variance"], name=name, epsilon=EPSILON)


def _activation(graph: Graph, z: str, layer: Layer, slope: str, name: str) -> str:
    """Return the activations of the value `z`: the nodes of `NODES`, or else the activation's own operator."""
    activation = layer.activation
    if nodes := NODES.get(activation.kind):
        return nodes(graph, z, layer, slope, name)
    assert activation.onnx_operator is not None
    attributes = {each: getattr(activation, field) for each, field in activation.onnx_attributes.items()}
    return graph.node(activation.onnx_operator, z, name=name, **attributes)


def _prelu(graph: Graph, z: str, _layer: Layer, slope: str, name: str) -> str:
    return graph.node("PRelu", z, slope, name=name)


def _maxout(graph: Graph, z: str, layer: Layer, _slope: str, name: str) -> str:
    shape = np.array([0, layer.activation.linear_pieces, layer.units], np.int64)  # 0: as it is, the rows
    pieces = graph.node("Reshape", z, graph.array(f"{name} shape", shape), name=f"{name} pieces")
    return graph.node("ReduceMax", pieces, graph.integers(1), name=name, keepdims=0)


def _gelu(graph: Graph, z: str, _layer: Layer, _slope: str, name: str) -> str:
    """z (1 + t) / 2, t = tanh(z (s + s c z²)): the operator Gelu came two opsets later."""
    square = graph.node("Mul", z, z)
    factor = graph.node("Mul", square, graph.number(GELU_CUBE * GELU_SCALE))
    factor = graph.node("Add", factor, graph.number(GELU_SCALE))
    t = graph.node("Tanh", graph.node("Mul", factor, z))
    half = graph.node("Mul", graph.node("Add", t, graph.number(1)), graph.number(0.5))
    return graph.node("Mul", z, half, name=name)


def _silu(graph: Graph, z: str, _layer: Layer, _slope: str, name: str) -> str:
    if graph.dtype == np.float32:
        return graph.node("Mul", z, graph.node("Sigmoid", z), name=name)
    # onnxruntime 1.20 and older make of that product an operator that they do not have for float64
    divisor = graph.node("Add", graph.node("Exp", graph.node("Neg", z)), graph.number(1))
    return graph.node("Div", z, divisor, name=name)


NODES: dict[str, Callable[[Graph, str, Layer, str, str], str]] = {
    "identity": lambda _graph, z, _layer, _slope, _name: z,
    "prelu": _prelu,
    "gelu": _gelu,
    "silu": _silu,
    "softplus": lambda graph, z, _layer, _slope, name: softplus(graph, z, name),
    "maxout": _maxout,
}
"""The nodes of the activations that are not one operator, by name.

Each is made of the graph, z (rows, columns), the layer, its slopes and the name of the result.
"""
