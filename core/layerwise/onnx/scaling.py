"""Scaling of the columns before the first layer of an ONNX graph."""

import numpy as np
import onnx

from layerwise.errors import InvalidInput
from layerwise.onnx.passthrough import skip_passthrough
from layerwise.onnx.source import Source, attributes, is_row, where
from layerwise.types import Floats


def input_scaling(source: Source, value: str) -> tuple[Floats, Floats] | None:
    """Return factor and shift by which `value` follows from the graph's input, scalar or for each column, or None."""
    factor, shift = np.ones(1), np.zeros(1)
    steps: list[tuple[onnx.NodeProto, str, Floats]] = []
    value = skip_passthrough(source, value)
    while (node := source.node(value, "Add", "Sub", "Mul", "Div", "Scaler")) is not None:
        if node.op_type == "Scaler":  # of ai.onnx.ml: (x - offset) · scale
            given = attributes(node)
            steps.append((node, "Mul", np.array(given.get("scale", [1.0]))))
            steps.append((node, "Sub", np.array(given.get("offset", [0.0]))))
            value = skip_passthrough(source, node.input[0])
            continue
        first, second = (source.constant(each) for each in node.input)
        operator, constant, before = node.op_type, second, node.input[0]
        if constant is None and operator in ("Add", "Mul"):
            constant, before = first, node.input[1]
        if constant is None:
            return None
        if not is_row(constant):
            raise InvalidInput(where(node), f"expected a number for each column, got shape {constant.shape}")
        steps.append((node, operator, constant.astype(np.float64).reshape(-1)))
        value = skip_passthrough(source, before)
    if value != source.inputs[0]:
        return None
    for node, operator, constant in reversed(steps):
        columns = max(factor.size, shift.size)
        if constant.size != columns and 1 not in (constant.size, columns):
            raise InvalidInput(where(node), f"expected numbers for {columns} columns, got {constant.size}")
        if operator == "Div" and not constant.all():
            raise InvalidInput(where(node), "expected divisors other than 0")
        if operator in ("Mul", "Div"):
            by = constant if operator == "Mul" else 1 / constant
            factor, shift = factor * by, shift * by
        else:
            shift = shift + (constant if operator == "Add" else -constant)
    return factor, shift
