"""Reading of an ONNX graph: its nodes, constants and metadata."""

import math
from os import PathLike
from typing import Any, cast

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import external_data_helper, helper, numpy_helper

from layerwise.checks import counted, shown
from layerwise.errors import InvalidInput, Place
from layerwise.imports.dense import finite_array
from layerwise.types import Floats

FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
DOMAINS = ("", "ai.onnx.ml")
"""The domains whose operators are known. No operator that is read is in both."""
OLDEST_OPSET = 7
"""Before it, Add took the axis of a bias from an attribute, and Dropout and BatchNormalization trained by default."""


class Source:
    """The graph of an ONNX model, a path or the contents of a file.

    Raises InvalidInput if it is not an ONNX model, OSError if the file cannot be read.
    """

    def __init__(self, file: str | PathLike[str] | bytes) -> None:
        if not isinstance(cast(object, file), str | PathLike | bytes):
            raise InvalidInput("file", f"expected a path or the bytes of an ONNX model, got {shown(file)}")
        try:
            model = onnx.load_model_from_string(file) if isinstance(file, bytes) else onnx.load_model(file, "protobuf")
            _check(model)
            constants = {each.name: each for each in model.graph.initializer} | _constants(model.graph)
            self._arrays = {name: numpy_helper.to_array(each) for name, each in constants.items()}
        except (DecodeError, onnx.checker.ValidationError, ValueError, KeyError) as error:  # the last two: of tensors
            raise InvalidInput("file", f"expected an ONNX model: {' '.join(str(error).split())}") from error
        for each in model.opset_import:
            if each.domain == "" and each.version < OLDEST_OPSET:
                raise InvalidInput("file", f"expected opset {OLDEST_OPSET} of ONNX or newer, got {each.version}")
        self.graph = model.graph
        self.notes = {note.key: note.value for note in model.metadata_props}
        self.producer = model.producer_name
        self._functions = {(each.domain, each.name) for each in model.functions}
        self._nodes = {name: node for node in self.graph.node for name in node.output}

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs that are not constants."""
        return [each.name for each in self.graph.input if each.name not in self._arrays]

    def check_columns(self, columns: int) -> None:
        """Raise InvalidInput if the graph declares rows of another size than `columns`."""
        tensor = next(each.type.tensor_type for each in self.graph.input if each.name == self.inputs[0])
        sizes = [each.dim_value for each in tensor.shape.dim[1:]]  # 0: unknown
        if tensor.HasField("shape") and all(sizes) and math.prod(sizes) != columns:
            wanted = f"expected rows of {counted(columns, 'number')}, as the first weights need"
            raise InvalidInput(self.inputs[0], f"{wanted}; the graph declares {math.prod(sizes)}")

    def constant(self, value: str) -> NDArray[Any] | None:
        """Return the constant array of that name; None if the value is computed. Raises InvalidInput if it is text."""
        while value not in self._arrays and (node := self.node(value, "Identity")) is not None:
            value = node.input[0]
        array = self._arrays.get(value)
        if array is not None and array.dtype.kind == "O":
            raise InvalidInput(value, f"expected an array of numbers, got {shown(array)}")
        return array

    def array(self, node: onnx.NodeProto, i: int, *, dimensions: int = 1) -> Floats:
        """Return the constant at input `i` of `node`, with so many dimensions; a single row counts as a vector.

        Raises InvalidInput if it is computed, or has other dimensions.
        """
        pointer, array = Place(where(node), node.input[i]), self.constant(node.input[i])
        if array is None:
            raise InvalidInput(pointer, "expected a constant array, it is computed")
        if array.ndim != dimensions == 1 and is_row(array):
            array = array.reshape(-1)
        return finite_array(pointer, array, dimensions=dimensions)

    def node(self, value: str, *operators: str) -> onnx.NodeProto | None:
        """Return the node whose first output is `value`; None if there is none, or it is none of `operators`.

        Raises InvalidInput if `value` is another output, or is computed by an operator that ONNX does not define.
        """
        node = self._nodes.get(value)
        if node is None:
            return None
        if node.domain not in DOMAINS or (node.domain, node.op_type) in self._functions:
            detail = f"expected operators of ONNX, got {node.op_type} of the domain {shown(node.domain)}"
            raise InvalidInput(where(node), detail)
        if value != node.output[0]:
            raise InvalidInput(where(node), f"expected only its first output to be used, got {shown(value)}")
        return node if not operators or node.op_type in operators else None

    def chosen_output(self, name: str | None) -> str:
        """Return the output of that name, by default the only float tensor. Raises InvalidInput."""
        tensors = {each.name: each.type.tensor_type.elem_type for each in self.graph.output}
        if name is not None:
            if name not in tensors:
                raise InvalidInput("output", f"expected one of {', '.join(tensors)}, got {shown(name)}")
            return name
        found = [each for each, kind in tensors.items() if kind in FLOATS]
        if len(found) != 1:
            detail = (
                f"expected the name of the output to read, as {len(found)} of {', '.join(tensors)} are float tensors"
            )
            raise InvalidInput("output", detail)
        return found[0]


def _check(model: onnx.ModelProto) -> None:
    """Check that nodes have their inputs, are in order, have attributes of the right types, and that no weights lack.

    Unlike ONNX's own checker, accept a newer version of the format, and outputs without a shape. Raises ValueError or
    ValidationError.
    """
    values = (each.t for node in model.graph.node for each in node.attribute if each.HasField("t"))
    for tensor in (*model.graph.initializer, *values):
        if external_data_helper.uses_external_data(tensor):  # `load_model` has read those beside a file
            raise ValueError(f"{tensor.name} is in another file; pass the path of the model instead of its bytes")
    model.ir_version = min(model.ir_version, onnx.IR_VERSION)
    for output in model.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.shape.SetInParent()
    onnx.checker.check_model(model)


def _constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Return the tensors of the nodes of type Constant, by the names of their outputs."""
    nodes = (node for node in graph.node if node.op_type == "Constant" and node.domain in DOMAINS)
    found = ((node.output[0], attributes(node).get("value")) for node in nodes)
    return {name: tensor for name, tensor in found if tensor is not None}


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of a node by name."""
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def where(node: onnx.NodeProto) -> Place:
    """Return the place of a node: its name, or else that of its first output."""
    return Place("node", node.name or node.output[0])


def is_row(array: NDArray[Any]) -> bool:
    """Return whether the array is a single row, or a single number."""
    return array.shape[-1:] in ((), (array.size,))


def is_number(array: NDArray[Any] | None, number: float) -> bool:
    """Return whether the constant is the single number `number`, up to float32 precision."""
    return array is not None and array.size == 1 and bool(np.isclose(float(array.item()), number, rtol=1e-6))
