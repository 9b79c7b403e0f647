"""The tensors that a version takes and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np

from layerwise import MLP
from layerwise.tables.format import Format
from layerwise.tables.formats import CategoryFormat
from layerwise_service.domain.datasets import Label
from layerwise_service.usecases.oip.tensors import BYTES

INPUT = "input"
"""The one input of a version that takes rows of numbers."""
PROBABILITIES = "probabilities"
LABEL = "label"
LOGITS = "logits"
OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor of a version: its first size, -1, is that of the batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape without the batch."""
        return self.shape[1:]


class Signature:
    """The inputs and outputs of a network.

    Rows of numbers are one input; of a table, each column is one. `columns` has the latter, by name.
    """

    def __init__(self, network: MLP) -> None:
        encoder = network.encoder
        self.is_table = encoder is not None
        columns = () if encoder is None else encoder.columns
        self.inputs: tuple[TensorSpec, ...] = (
            tuple(TensorSpec(column.name, _datatype(column.format), (-1, 1)) for column in columns)
            if self.is_table
            else (TensorSpec(INPUT, "FP32", (-1, network.architecture.inputs)),)
        )
        self.outputs = _outputs(network)
        self.labels = network.labels if network.is_classifier else None

    @cached_property
    def by_name(self) -> Mapping[str, TensorSpec]:
        """The inputs by name."""
        return {spec.name: spec for spec in self.inputs}

    @cached_property
    def output_names(self) -> Sequence[str]:
        return [spec.name for spec in self.outputs]

    @cached_property
    def outputs_by_name(self) -> Mapping[str, TensorSpec]:
        """The outputs by name."""
        return {spec.name: spec for spec in self.outputs}

    @cached_property
    def classes(self) -> Sequence[bytes]:
        """The labels as the classification extension shows them; empty if there are none."""
        return [_text(label).encode() for label in self.labels or ()]


_KNOWN: WeakKeyDictionary[MLP, Signature] = WeakKeyDictionary()


def signature_of(network: MLP) -> Signature:
    """Return the signature of a network, made once."""
    if (found := _KNOWN.get(network)) is None:
        found = _KNOWN[network] = Signature(network)
    return found


def _datatype(form: Format) -> str:
    if form.kind == "number" or (isinstance(form, CategoryFormat) and form.numeric):
        return "FP64"
    return "BOOL" if form.kind == "boolean" else BYTES


def _outputs(network: MLP) -> tuple[TensorSpec, ...]:
    width = network.architecture.outputs
    logits = TensorSpec(LOGITS, _floats(network), (-1, width))
    if network.is_classifier and network.labels:
        found = [TensorSpec(LABEL, _label_datatype(network.labels[0]), (-1, 1)), logits]
        if network.gives_probabilities:
            found.insert(0, TensorSpec(PROBABILITIES, _floats(network), (-1, len(network.labels))))
        return tuple(found)
    if network.gives_probabilities:  # of flags
        return (
            TensorSpec(PROBABILITIES, _floats(network), (-1, width)),
            TensorSpec(OUTPUT, "INT64", (-1, width)),
            logits,
        )
    return (TensorSpec(OUTPUT, _floats(network), (-1, width)),)


def _floats(network: MLP) -> str:
    return "FP64" if network.dtype == np.float64 else "FP32"


def _label_datatype(label: Label) -> str:
    if isinstance(label, bool):
        return "BOOL"
    return "INT64" if isinstance(label, int) else BYTES


def _text(label: Label) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)
