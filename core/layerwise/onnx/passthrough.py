"""Nodes of an ONNX graph that change no number."""

from onnx import NodeProto, TensorProto

from layerwise.errors import InvalidInput
from layerwise.onnx.source import FLOATS, Source, attributes, where

_PASSED = ("Identity", "Cast", "Dropout", "Flatten")
"""Operators that do not change rows of numbers."""


def skip_passthrough(source: Source, value: str) -> str:
    """Return the value before nodes that change no number."""
    while (node := source.node(value, *_PASSED)) is not None:
        check_passthrough(node)
        value = node.input[0]
    return value


def check_passthrough(node: NodeProto) -> None:
    """Raise InvalidInput if the node changes numbers after all."""
    given = attributes(node)
    if node.op_type == "Flatten" and given.get("axis", 1) != 1:
        raise InvalidInput(where(node), "expected Flatten of axis 1, which leaves rows as they are")
    if node.op_type == "Cast" and given["to"] not in FLOATS:
        kind = TensorProto.DataType.Name(given["to"])
        raise InvalidInput(where(node), f"expected a Cast to float or double, got {kind}")
