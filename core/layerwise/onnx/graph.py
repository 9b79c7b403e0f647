"""Construction of an ONNX graph, node by node."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from layerwise.data.labels import Label

OPSET = 18
"""Opset of 2022: the first that defines Elu, Selu and PRelu by other operators, so that runtimes without float64
kernels can compute them."""
IR_VERSION = 8
"""File format of the same time."""
ML_OPSET = 3
"""Opset of the domain ai.onnx.ml."""

ROWS = "rows"
"""The name of the dynamic dimension."""


class Graph:
    """An ONNX graph under construction.

    Its numbers are of `dtype`, float32 or float64. A value is referred to by its name; a name that is taken gets a
    number.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.number_type = int(helper.np_dtype_to_tensor_dtype(dtype))
        self._nodes: list[onnx.NodeProto] = []
        self._arrays: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._numbers: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    def input(self, name: str, kind: int, columns: int) -> str:
        """Add an input (rows, columns) of the element type `kind`, and return its name."""
        self._inputs.append(helper.make_tensor_value_info(self._free(name), kind, [ROWS, columns]))
        return name

    def output(self, name: str, kind: int, *columns: int) -> None:
        """Declare the value `name` (rows, *columns) an output."""
        self._outputs.append(helper.make_tensor_value_info(name, kind, [ROWS, *columns]))

    def node(
        self, operator: str, *inputs: str, name: str | None = None, domain: str | None = None, **attributes: Any
    ) -> str:
        """Add a node, and return its value, called `name` or by the operator."""
        value = self._free(name or operator.lower())
        made = helper.make_node(operator, inputs, [value], name=value, domain=domain, **attributes)
        self._nodes.append(made)
        return value

    def array(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant array."""
        value = self._free(name)
        self._arrays.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), value))
        return value

    def numbers(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant array of the graph's dtype."""
        return self.array(name, array.astype(self.dtype))

    def number(self, value: float) -> str:
        """Return a constant of the graph's dtype; equal constants are shared."""
        return self._constant(np.array(value, self.dtype))

    def double(self, value: float) -> str:
        """Return a float64 constant."""
        return self._constant(np.array(value, np.float64))

    def integers(self, *values: int) -> str:
        """Return a constant int64 array."""
        return self._constant(np.array(values, np.int64))

    def _constant(self, array: NDArray[Any]) -> str:
        """Return a constant, added once for equal arrays."""
        key = str(array.dtype), str(array.tolist())
        if key not in self._numbers:
            self._numbers[key] = self.array(f"{array.dtype.name} {key[1]}", array)
        return self._numbers[key]

    def rows_of(self, table: str, places: str, name: str) -> str:
        """Return the rows (rows, k) of the array `table` (n, k) at `places` (rows, 1)."""
        found = self.node("Gather", table, places, axis=0)
        return self.node("Squeeze", found, self.integers(1), name=name)

    def labels(self, name: str, labels: Sequence[Label]) -> tuple[str, int]:
        """Add a constant array of labels, and return it with its element type: int64, bool or string."""
        if not isinstance(labels[0], str):
            array = np.array(labels)
            return self.array(name, array), int(helper.np_dtype_to_tensor_dtype(array.dtype))
        return self.texts(name, [str(label) for label in labels]), TensorProto.STRING

    def texts(self, name: str, texts: Sequence[str]) -> str:
        """Add a constant array (texts,) of strings."""
        value = self._free(name)
        self._arrays.append(onnx.numpy_helper.from_array(np.array(texts, object), value))
        return value

    def model(self, *, version: str, description: str, notes: dict[str, str]) -> onnx.ModelProto:
        """Return the model, with `notes` as its metadata."""
        graph = helper.make_graph(self._nodes, "network", self._inputs, self._outputs, self._arrays)
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain for node in self._nodes):
            opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="layerwise",
            producer_version=version,
            doc_string=description,
        )
        helper.set_model_props(model, notes)
        return model

    def _free(self, name: str) -> str:
        found, count = name, 1
        while found in self._taken:
            count += 1
            found = f"{name} {count}"
        self._taken.add(found)
        return found
