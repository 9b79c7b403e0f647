"""Inference by the Open Inference Protocol: tensors in, the tensors that were asked for out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.tables.unusual import TableWarning
from layerwise_service.domain.datasets import AnyColumns
from layerwise_service.errors import InvalidRequest
from layerwise_service.process.overflow import overflowing
from layerwise_service.process.threads import in_thread_if_many
from layerwise_service.usecases.loaded_version import LoadedVersion
from layerwise_service.usecases.oip.signature import LABEL, LOGITS, OUTPUT, PROBABILITIES, Signature, signature_of
from layerwise_service.usecases.oip.tensors import BYTES, DTYPES, InputTensor, OutputTensor, shown_shape
from layerwise_service.usecases.outputs import Prediction, Wanted
from layerwise_service.usecases.prediction import VersionPredictor


@dataclass(frozen=True, slots=True)
class RequestedOutput:
    """An output that is asked for; with `classes`, as the texts "value:index:label" of so many greatest values."""

    name: str
    classes: int = 0


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request for the outputs of a version, for all of them if there are no `outputs`."""

    model: str
    version: str
    inputs: Sequence[InputTensor]
    outputs: Sequence[RequestedOutput] = ()


@dataclass(frozen=True, slots=True)
class InferAnswer:
    """The outputs of a version, in the order in which they were asked for, and what is unusual about the rows."""

    model: str
    version: int
    outputs: Sequence[OutputTensor]
    warnings: Sequence[TableWarning] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the answer: the text of all warnings, a line for each, if there are any."""
        lines = [f"{warning.column}: {warning.message}" for warning in self.warnings]
        return {"warnings": "\n".join(lines)} if lines else {}

    @property
    def values(self) -> int:
        """How many values all outputs have."""
        return sum(tensor.values.size for tensor in self.outputs)


class Inference:
    """Answers requests for inference."""

    def __init__(self, predictor: VersionPredictor) -> None:
        self._predictor = predictor

    async def infer(self, request: InferRequest) -> InferAnswer:
        """Return the outputs. Raises `InvalidRequest` that names the tensor, and what `VersionPredictor` raises."""
        version = await self.version_soon(request.model, request.version)
        signature = signature_of(version.network)
        _check_names(signature, version, request)
        wanted = request.outputs or [RequestedOutput(name) for name in signature.output_names]
        rows = _columns(signature, request.inputs) if signature.is_table else _numbers(signature, request.inputs[0])
        names = {output.name for output in wanted}
        chosen = Wanted(probabilities=PROBABILITIES in names, logits=LOGITS in names)
        found = await version.predict_soon(rows, at="inputs", wanted=chosen)
        values = _values(found)

        def tensors() -> list[OutputTensor]:
            return [_output(signature, output, values[output.name]) for output in wanted]

        count = sum(values[output.name].size for output in wanted)
        outputs = await in_thread_if_many(count, tensors)
        return InferAnswer(version.model, version.version, outputs, found.warnings)

    def version(self, model: str, version: str) -> LoadedVersion:
        """Return a version by its number, an alias, or "" for the latest. Raises `NotFound`."""
        return self._predictor.load(model=model, version=version or None)

    async def version_soon(self, model: str, version: str) -> LoadedVersion:
        """Return what `version` does, while the event loop goes on."""
        return await self._predictor.load_soon(model=model, version=version or None)


def _check_names(signature: Signature, version: LoadedVersion, request: InferRequest) -> None:
    """Check that each input is there once, and that each output exists."""
    name = f"model '{version.model}'"
    given = {tensor.name for tensor in request.inputs}
    for tensor in request.inputs:
        if tensor.name not in signature.by_name:
            known = _listed(signature.by_name)
            raise InvalidRequest(f"unexpected inference input '{_cut(tensor.name)}' for {name}; its inputs are {known}")
    if len(given) < len(request.inputs):
        twice = next(tensor.name for at, tensor in enumerate(request.inputs) if tensor.name in _names(request, at))
        raise InvalidRequest(f"input '{twice}' already exists in request")
    if len(given) != len(signature.inputs):
        missing = [spec.name for spec in signature.inputs if spec.name not in given]
        detail = f"expected {len(signature.inputs)} inputs but got {len(given)} inputs for {name}"
        raise InvalidRequest(f"{detail}; missing are {_listed(missing)}")
    for output in request.outputs:
        if output.name not in signature.outputs_by_name:
            detail = f"unexpected inference output '{_cut(output.name)}' for {name}"
            raise InvalidRequest(f"{detail}; its outputs are {_listed(signature.output_names)}")


def _names(request: InferRequest, before: int) -> set[str]:
    return {tensor.name for tensor in request.inputs[:before]}


def _numbers(signature: Signature, tensor: InputTensor) -> NDArray[np.float32]:
    """Return the rows (n, inputs). Raises `InvalidRequest`."""
    spec = signature.inputs[0]
    if tensor.datatype == BYTES:
        raise tensor.error("expected FP32, or another datatype of numbers, got BYTES")
    if len(tensor.shape) != 2 or tensor.shape[1] != spec.shape[1]:
        raise tensor.error(f"expected shape {shown_shape(spec.shape)}, got {shown_shape(tensor.shape)}")
    values: NDArray[Any] = np.asarray(tensor.values())
    if values.dtype == np.float32:
        return values
    found: NDArray[np.float32] = overflowing(values.astype, np.float32)
    if values.dtype.itemsize > 2:
        changed = (found.astype(np.longdouble) != values) & np.isfinite(values)
        if changed.any():
            row, column = np.argwhere(changed)[0].tolist()
            detail = f"expected numbers that FP32 holds, got {values[row, column]} as {tensor.datatype}; send FP32"
            raise tensor.error(detail, row, column)
    return found


def _columns(signature: Signature, tensors: Sequence[InputTensor]) -> AnyColumns:
    """Return the columns of a table by name. Raises `InvalidRequest`."""
    found: dict[str, NDArray[Any] | list[str]] = {}
    rows = tensors[0].shape[0] if tensors[0].shape else 0
    for tensor in tensors:
        if len(tensor.shape) not in (1, 2) or math.prod(tensor.shape[1:]) != 1:
            raise tensor.error(f"expected shape [-1,1] or [-1], got {shown_shape(tensor.shape)}")
        if tensor.shape[0] != rows:
            detail = f"expected {rows} rows, as in input '{_cut(tensors[0].name)}', got {tensor.shape[0]}"
            raise tensor.error(detail)
        values = tensor.values()
        if isinstance(values, list):
            if signature.by_name[tensor.name].datatype == "FP64":
                raise tensor.error("expected FP64, or another datatype of numbers, got BYTES")
            found[tensor.name] = values
        else:
            column = values.reshape(-1)
            found[tensor.name] = column.astype(np.float64) if column.dtype.kind == "f" else column
    return found


def _values(found: Prediction) -> dict[str, Any]:
    """Return the values of the outputs that were computed, by the names of their tensors."""
    predictions = found.predictions.reshape(len(found.predictions), -1)
    return {PROBABILITIES: found.probabilities, LABEL: predictions, OUTPUT: predictions, LOGITS: found.logits}


def _output(signature: Signature, wanted: RequestedOutput, values: NDArray[Any]) -> OutputTensor:
    spec = signature.outputs_by_name[wanted.name]
    if wanted.classes:
        return _classified(signature, wanted, values)
    if spec.datatype == BYTES:
        texts = [str(value).encode() for value in values.ravel().tolist()]
        return OutputTensor(spec.name, BYTES, _objects(texts, values.shape))
    return OutputTensor(spec.name, spec.datatype, values.astype(DTYPES[spec.datatype], copy=False))


def _classified(signature: Signature, wanted: RequestedOutput, values: NDArray[Any]) -> OutputTensor:
    """Return the greatest values of each row as Triton's classification extension writes them."""
    if wanted.name == LABEL:
        known = [name for name in signature.output_names if name != LABEL]
        raise InvalidRequest(f"output '{LABEL}' cannot be classified; {_listed(known)} can")
    labels = signature.classes if len(signature.classes) == values.shape[1] else ()
    order = np.argsort(-values, axis=1, kind="stable")[:, : wanted.classes]
    texts = [
        b"%f:%d:%s" % (value, index, labels[index]) if labels else b"%f:%d" % (value, index)
        for row, indices in zip(values.tolist(), order.tolist(), strict=True)
        for index in indices
        for value in (row[index],)
    ]
    return OutputTensor(wanted.name, BYTES, _objects(texts, order.shape))


def _objects(texts: list[bytes], shape: Sequence[int]) -> NDArray[Any]:
    found = np.empty(len(texts), object)
    found[:] = texts
    return found.reshape(shape)


def _listed(names: Sequence[str] | Any) -> str:
    given = [f"'{_cut(name)}'" for name in names]
    return ", ".join(given[:20]) + (", …" if len(given) > 20 else "")


def _cut(name: str) -> str:
    return name if len(name) <= 64 else f"{name[:64]}…"
