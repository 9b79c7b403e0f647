"""Nodes of an ONNX graph that change no number."""

from onnx import NodeProto, TensorProto

from layerwise.errors import InvalidInput
from layerwise.onnx.source import FLOATS, Source, attributes, is_number, where

_PASSED = ("Identity", "Cast", "Dropout", "Flatten")
"""Operators that do not change rows of numbers."""
COLUMN_SHAPES = ([-1], [0], [-1, 1], [0, 1], [0, -1])
"""Arguments of a Reshape that keep the number of rows if there is one column."""


def skip_passthrough(source: Source, value: str) -> str:
    """Return the value before nodes that change no number."""
    while (node := source.node(value, *_PASSED)) is not None:
        check_passthrough(source, node)
        value = node.input[0]
    return value


def check_passthrough(source: Source, node: NodeProto) -> None:
    """Raise InvalidInput if the node changes numbers after all."""
    given = attributes(node)
    if node.op_type == "Flatten" and given.get("axis", 1) != 1:
        raise InvalidInput(where(node), "expected Flatten of axis 1, which leaves rows as they are")
    if node.op_type == "Cast" and given["to"] not in FLOATS:
        kinds = TensorProto.DataType
        kind = kinds.Name(given["to"]) if given["to"] in kinds.values() else given["to"]
        raise InvalidInput(where(node), f"expected a Cast to float or double, got {kind}")
    if node.op_type == "Dropout" and len(node.input) > 2 and not is_number(source.constant(node.input[2]), 0):
        raise InvalidInput(where(node), "expected Dropout with training_mode false, which leaves rows as they are")
    if node.op_type == "Reshape":
        shape = source.constant(node.input[1])
        if shape is None or shape.tolist() not in COLUMN_SHAPES:
            got = "a computed one" if shape is None else shape.tolist()
            raise InvalidInput(where(node), f"expected a shape that keeps the rows, such as [-1, 1], got {got}")
