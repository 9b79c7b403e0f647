"""Recognition of activations in ONNX graphs: single operators, and patterns of several."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import onnx

from layerwise.activations import ACTIVATIONS, GELU, SELU, Activation, Identity, Maxout, PReLU, SiLU, Softplus
from layerwise.activations.smooth import GELU_CUBE, GELU_SCALE
from layerwise.errors import InvalidInput
from layerwise.onnx.passthrough import skip_passthrough
from layerwise.onnx.source import Source, attributes, is_number, where
from layerwise.types import Floats

Found = tuple[Activation, str, Floats | None]
"""An activation, its input, and the slopes of a PReLU."""


def activation_of(source: Source, value: str) -> Found:
    """Return the activation that computes `value`, the identity if none does. Raises InvalidInput."""
    for pattern in (_silu, _gelu, _stable_softplus, _cut_softplus, _maxout):
        if (found := pattern(source, value)) is not None:
            return (*found, None)
    node = source.node(value, *OPERATORS, "PRelu")
    if node is None:
        return Identity(), value, None
    if node.op_type == "PRelu":
        return PReLU(), node.input[0], source.array(node, 1)
    return OPERATORS[node.op_type](node, attributes(node)), node.input[0], None


def _selu(node: onnx.NodeProto, given: Mapping[str, Any]) -> Activation:
    constants = given.get("alpha", 1.67326324), given.get("gamma", 1.05070098)
    if not np.allclose(constants, (1.67326324, 1.05070098), rtol=1e-6):
        raise InvalidInput(where(node), f"expected Selu with its usual alpha and gamma, got {constants}")
    return SELU()


def _gelu_operator(node: onnx.NodeProto, given: Mapping[str, Any]) -> Activation:
    if given.get("approximate", b"none") != b"tanh":
        raise InvalidInput(where(node), "expected Gelu with approximate tanh, got the form with erf")
    return GELU()


def operator_reader(cls: type[Activation]) -> "Read":
    """Return what makes an object of `cls` of a node of its operator, whose attributes are its fields."""

    def read(node: onnx.NodeProto, given: Mapping[str, Any]) -> Activation:
        if unknown := given.keys() - cls.onnx_attributes.keys():
            wanted = ", ".join(cls.onnx_attributes) or "no attributes"
            raise InvalidInput(where(node), f"expected {node.op_type} with {wanted}, got {', '.join(sorted(unknown))}")
        return cls(**{field: given[name] for name, field in cls.onnx_attributes.items() if name in given})

    return read


Read: TypeAlias = Callable[[onnx.NodeProto, Mapping[str, Any]], Activation]

OPERATORS: dict[str, Read] = {
    **{cls.onnx_operator: operator_reader(cls) for cls in ACTIVATIONS.values() if cls.onnx_operator},
    "Selu": _selu,
    "Gelu": _gelu_operator,
}
"""What makes an activation of a node of each operator, and of its attributes."""


def _silu(source: Source, value: str) -> tuple[Activation, str] | None:
    """Match z · σ(z), in either order, or z / (exp(-z) + 1), which `layers` writes for float64."""
    if quotient := source.node(value, "Div"):
        one = source.node(quotient.input[1], "Add")
        e = source.node(one.input[0], "Exp") if one and is_number(source.constant(one.input[1]), 1) else None
        negative = source.node(e.input[0], "Neg") if e else None
        return (SiLU(), quotient.input[0]) if negative and negative.input[0] == quotient.input[0] else None
    node = source.node(value, "Mul")
    for z, factor in (node.input, reversed(node.input)) if node else ():
        sigmoid = source.node(factor, "Sigmoid")
        if sigmoid and sigmoid.input[0] == z:
            return SiLU(), z
    return None


def _gelu(source: Source, value: str) -> tuple[Activation, str] | None:
    """Match z · ((tanh((z² · cs + s) · z) + 1) · 1/2), which `layers` writes."""
    node = source.node(value, "Mul")
    half = source.node(node.input[1], "Mul") if node else None
    one = source.node(half.input[0], "Add") if half and is_number(source.constant(half.input[1]), 0.5) else None
    t = source.node(one.input[0], "Tanh") if one and is_number(source.constant(one.input[1]), 1) else None
    inner = source.node(t.input[0], "Mul") if t else None
    factor = source.node(inner.input[0], "Add") if inner else None
    cube = source.node(factor.input[0], "Mul") if factor else None
    square = source.node(cube.input[0], "Mul") if cube else None
    if not (node and inner and factor and cube and square):
        return None
    z = node.input[0]
    fits = (
        list(square.input) == [z, z]
        and inner.input[1] == z
        and is_number(source.constant(factor.input[1]), GELU_SCALE)
        and is_number(source.constant(cube.input[1]), GELU_CUBE * GELU_SCALE)
    )
    return (GELU(), z) if fits else None


def _stable_softplus(source: Source, value: str) -> tuple[Activation, str] | None:
    """Match max(z, 0) + log(exp(-|z|) + 1), which `layers` writes for float64."""
    node = source.node(value, "Add")
    positive = source.node(node.input[0], "Relu") if node else None
    log = source.node(node.input[1], "Log") if node else None
    one = source.node(log.input[0], "Add") if log else None
    e = source.node(one.input[0], "Exp") if one and is_number(source.constant(one.input[1]), 1) else None
    negative = source.node(e.input[0], "Neg") if e else None
    absolute = source.node(negative.input[0], "Abs") if negative else None
    if positive and absolute and positive.input[0] == absolute.input[0]:
        return Softplus(), positive.input[0]
    return None


def _cut_softplus(source: Source, value: str) -> tuple[Activation, str] | None:
    """Match z where z > 20, else softplus(z), which PyTorch writes; it differs from softplus by 2e-9."""
    node = source.node(value, "Where")
    inner = source.node(node.input[2], "Softplus") if node else None
    greater = source.node(node.input[0], "Greater") if node else None
    if node and inner and greater and list(greater.input[:1]) == [inner.input[0]] == [node.input[1]]:
        limit = source.constant(greater.input[1])
        if limit is not None and limit.size == 1 and limit.item() >= 20:
            return Softplus(), inner.input[0]
    return None


def _maxout(source: Source, value: str) -> tuple[Activation, str] | None:
    """Match the maximum over axis 1 of z in the shape (rows, pieces, units)."""
    found = _pieces(source, value)
    return None if found is None else (Maxout(found[1][1]), found[0].input[0])


def check_pieces(source: Source, value: str, columns: int) -> None:
    """Raise InvalidInput if the Maxout that computes `value` does not split the `columns` of a row into all pieces."""
    found = _pieces(source, skip_passthrough(source, value))
    assert found is not None
    node, (rows, pieces, units) = found
    if pieces * units != columns and (rows, units) != (0, -1):
        detail = f"expected {pieces} pieces of {columns / pieces:g} units, got the shape {[rows, pieces, units]}"
        raise InvalidInput(where(node), detail)


def _pieces(source: Source, value: str) -> tuple[onnx.NodeProto, list[int]] | None:
    """Return the Reshape of a Maxout that computes `value`, and its shape: rows, pieces, units."""
    node = source.node(value, "ReduceMax")
    pieces = source.node(node.input[0], "Reshape") if node else None
    if not (node and pieces) or attributes(pieces).get("allowzero", 0) or attributes(node).get("keepdims", 1):
        return None
    axes = source.constant(node.input[1]) if len(node.input) > 1 else attributes(node).get("axes")
    shape = source.constant(pieces.input[1])
    if axes is None or shape is None or np.ravel(axes).tolist() != [1] or shape.size != 3 or shape.dtype.kind != "i":
        return None
    return pieces, shape.tolist()
