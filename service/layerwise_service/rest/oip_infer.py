"""The body of an inference of the Open Inference Protocol, and of its answer: JSON, and the bytes of tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.process.prediction_request import current_request
from layerwise_service.rest.bodies import decoded
from layerwise_service.rest.many_numbers import LEAST_BYTES, read_numbers
from layerwise_service.rest.messages import Answer, Request
from layerwise_service.usecases.oip.inference import InferAnswer, RequestedOutput
from layerwise_service.usecases.oip.signature import TensorSpec
from layerwise_service.usecases.oip.tensors import BYTES, InputTensor, OutputTensor

HEADER_LENGTH = "Inference-Header-Content-Length"
"""The header with the bytes of JSON before those of tensors."""
_MOST_LENGTH = 18  # digits
_DEEPEST = 32  # lists in lists in the data of a tensor


class InferInput(msgspec.Struct):
    """An input in JSON: its values are `data`, or `binary_data_size` bytes after the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Any = None
    data: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class InferOutput(msgspec.Struct):
    """An output that is asked for."""

    name: str
    parameters: Any = None


class InferBody(msgspec.Struct):
    """The JSON of an inference."""

    inputs: list[InferInput]
    id: str = ""
    parameters: dict[str, str | int | float | bool] = {}
    outputs: list[InferOutput] = []


@dataclass(frozen=True, slots=True)
class AskedInference:
    """An inference, and how it is answered: `binary` says which of its outputs are sent as bytes."""

    inputs: Sequence[InputTensor]
    outputs: Sequence[RequestedOutput] = ()
    id: str = ""
    binary: Mapping[str, bool] = field(default_factory=dict[str, bool])
    binary_by_default: bool = False


_BODY = msgspec.json.Decoder(InferBody)
_FLOATS = msgspec.json.Decoder(list[float])
_KINDS: Mapping[str, tuple[type, ...]] = {"BOOL": (bool,), BYTES: (str,)}
"""The Python types of the values of a datatype; of all others numbers."""


def json_length(request: Request, body: bytes) -> int:
    """Return how many bytes of the body are JSON; 0: all are those of the one input. Raises `InvalidRequest`."""
    length = request.header(HEADER_LENGTH.lower())
    if not length:
        return len(body)
    if not (length.isascii() and length.isdecimal() and len(length) <= _MOST_LENGTH) or int(length) > len(body):
        detail = f"inference header size should be in range (0, {len(body)}), got: {length[:_MOST_LENGTH]}"
        raise InvalidRequest(f"{detail}; {HEADER_LENGTH} is the number of bytes of the JSON")
    return int(length)


def write_infer_answer(answer: InferAnswer, asked: AskedInference) -> Answer:
    """Return the answer: JSON, followed by the bytes of the outputs that are asked for as bytes."""
    parts: list[bytes] = []
    outputs: list[dict[str, Any]] = []
    for tensor in answer.outputs:
        found: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if asked.binary.get(tensor.name, asked.binary_by_default):
            parts.append(data := tensor.to_bytes())
            found["parameters"] = {"binary_data_size": len(data)}
        else:
            found["data"] = _values(tensor)
        outputs.append(found)
    message: dict[str, Any] = {"model_name": answer.model, "model_version": str(answer.version)}
    if asked.id:
        message["id"] = asked.id
    if parameters := answer.parameters:
        message["parameters"] = parameters
    message["outputs"] = outputs
    header = orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)
    if not parts:
        return Answer(header)
    headers = ((HEADER_LENGTH, str(len(header))),)
    return Answer(b"".join((header, *parts)), content_type="application/octet-stream", headers=headers)


def read_json(request: Request, text: bytes, binary: memoryview, *, max_values: int) -> AskedInference:
    """Return the inference that `text` asks for; `binary` is what follows it. Raises `InvalidRequest`, `TooLarge`."""
    if text.count(b",") > max_values:  # each value may take 32 bytes in memory
        detail = f"expected at most {max_values:,} values in JSON; send fewer rows, or the tensors as bytes"
        raise TooLarge(detail, reason="TOO_MANY_VALUES")
    try:
        body = decoded(_BODY, text)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error)) from error
    if body.parameters:
        _check_parameters(body.parameters)
    inputs, at = list[InputTensor](), 0
    for tensor in body.inputs:
        size = _parameter(tensor.parameters, "binary_data_size", int)
        if (size is None) == (not tensor.data):
            detail = f"input '{tensor.name[:64]}' must have either 'data' or the parameter 'binary_data_size'"
            raise InvalidRequest(detail)
        if size is None:
            inputs.append(InputTensor(tensor.name, tensor.datatype, tensor.shape, given=_given(tensor)))
            continue
        if size < 0 or at + size > len(binary):
            detail = f"unexpected size for input '{tensor.name[:64]}': {size} bytes are said"
            raise InvalidRequest(f"{detail}, and {len(binary) - at} follow")
        inputs.append(InputTensor(tensor.name, tensor.datatype, tensor.shape, binary[at : at + size]))
        at += size
    if at != len(binary):
        raise InvalidRequest(f"unexpected additional input data: {len(binary) - at} bytes that no input names")
    return AskedInference(
        inputs,
        [RequestedOutput(each.name, _parameter(each.parameters, "classification", int) or 0) for each in body.outputs],
        body.id,
        {
            each.name: flag
            for each in body.outputs
            if (flag := _parameter(each.parameters, "binary_data", bool)) is not None
        },
        _parameter(body.parameters, "binary_data_output", bool) or False,
    )


def read_bytes(body: bytes, specs: Sequence[TensorSpec]) -> AskedInference:
    """Return the inference of one row, whose bytes in the one input are the whole body. Raises `InvalidRequest`."""
    if len(specs) != 1:
        raise InvalidRequest(f"raw bytes are those of one input, and this model has {len(specs)}")
    spec = specs[0]
    raw = len(body).to_bytes(4, "little") + body if spec.datatype == BYTES else body
    return AskedInference([InputTensor(spec.name, spec.datatype, (1, *spec.dims), raw)], binary_by_default=True)


def _check_parameters(parameters: Mapping[str, object]) -> None:
    for name in parameters:
        if name.startswith("triton_"):
            raise InvalidRequest(f"parameter keys that start with 'triton_' are reserved, got {name[:64]!r}")
    _parameter(parameters, "priority", int)
    if timeout := _parameter(parameters, "timeout", int):
        current_request().limit(timeout / 1e6)


def _parameter(parameters: object, name: str, kind: type[Any]) -> Any:
    """Return a parameter, None if it is not there. Raises `InvalidRequest` if it is not of this type."""
    if not isinstance(parameters, dict):
        return None
    found = cast("dict[str, object]", parameters).get(name)
    if found is not None and (type(found) is not kind or (kind is int and not 0 <= cast("int", found) < 2**63)):
        wanted = "true or false" if kind is bool else "a whole number of 63 bits, 0 or more"
        raise InvalidRequest(f"expected the parameter '{name}' as {wanted}, got {str(found)[:64]!r}")
    return found


def _given(tensor: InferInput) -> Sequence[Any] | NDArray[np.float64]:
    """Return the values of an input in one list: they may be nested in any way. Raises `InvalidRequest`."""
    name, kinds = tensor.name[:64], _KINDS.get(tensor.datatype)
    try:
        if tensor.datatype in ("FP32", "FP64") and (found := _floats(bytes(tensor.data))) is not None:
            return found
        nested: Any = msgspec.json.decode(tensor.data)
        if not isinstance(nested, list):
            raise InvalidRequest(f"expected the data of input '{name}' as a list, got another value")
        whole = kinds is None and "INT" in tensor.datatype
        return list(_flat(tensor, cast("list[object]", nested), kinds or ((int,) if whole else (int, float))))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a number that no float holds, a text that is none
        raise InvalidRequest(f"the data of input '{name}' cannot be read: {error}") from error
    except RecursionError as error:
        raise InvalidRequest(f"the data of input '{name}' is nested too deeply") from error


def _floats(data: bytes) -> Sequence[float] | NDArray[np.float64] | None:
    """Return the numbers of a list in JSON; None for what has to be read value by value."""
    if len(data) >= LEAST_BYTES:
        return read_numbers(data)
    try:
        return _FLOATS.decode(data)
    except msgspec.ValidationError:
        return None


def _flat(tensor: InferInput, values: list[object], kinds: tuple[type, ...], depth: int = 0) -> Iterator[object]:
    if depth > _DEEPEST:
        raise InvalidRequest(f"the data of input '{tensor.name[:64]}' is nested too deeply")
    for value in values:
        if type(value) in kinds:
            yield value
        elif value is None and tensor.datatype == "FP64":  # a number of a table that is missing
            yield math.nan
        elif isinstance(value, list):
            yield from _flat(tensor, cast("list[object]", value), kinds, depth + 1)
        else:
            what = "true or false" if bool in kinds else "texts" if str in kinds else "numbers"
            what = "whole numbers" if kinds == (int,) else what
            detail = f"expected {what} for {tensor.datatype[:32]} in the data of input '{tensor.name[:64]}'"
            raise InvalidRequest(f"{detail}, got {json.dumps(value, ensure_ascii=False)[:64]}")


def _values(tensor: OutputTensor) -> Any:
    flat = tensor.values.ravel()
    return [value.decode() for value in flat.tolist()] if tensor.datatype == BYTES else flat
