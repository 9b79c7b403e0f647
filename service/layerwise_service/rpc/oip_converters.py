"""Conversion between the messages of the Open Inference Protocol and the service's own types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layerwise_proto.oip import grpc_service_pb2 as oip
from layerwise_service.errors import InvalidRequest
from layerwise_service.process.prediction_request import current_request
from layerwise_service.usecases.oip.inference import InferAnswer, InferRequest, RequestedOutput
from layerwise_service.usecases.oip.metadata import ModelMetadata
from layerwise_service.usecases.oip.signature import TensorSpec
from layerwise_service.usecases.oip.tensors import InputTensor

_CONTENTS: Mapping[str, str] = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""The field that holds the values of each datatype."""
_ANY_PARAMETER = ("bool_param", "int64_param", "uint64_param", "double_param", "string_param")
_PARAMETERS: Mapping[str, Sequence[str]] = {"timeout": ("int64_param",), "priority": ("int64_param", "uint64_param")}
"""The types of parameters that mean something."""


def read_infer_request(request: oip.ModelInferRequest) -> InferRequest:
    """Return the request. Raises `InvalidRequest`."""
    if request.parameters:
        _check_parameters(request.parameters)
    raw = request.raw_input_contents
    if raw:
        tensors = _raw_tensors(request, raw)
    else:
        tensors = [
            InputTensor(tensor.name, tensor.datatype, tensor.shape, given=_contents(tensor))
            for tensor in request.inputs
        ]
    outputs = [RequestedOutput(output.name, _classes(output)) for output in request.outputs]
    return InferRequest(request.model_name, request.model_version, tensors, outputs)


def write_infer_answer(answer: InferAnswer, request: oip.ModelInferRequest) -> oip.ModelInferResponse:
    """Return the answer to `request` as a message, with the values as raw bytes, which all clients read."""
    return oip.ModelInferResponse(
        model_name=answer.model,
        model_version=str(answer.version),
        id=request.id,
        parameters={name: oip.InferParameter(string_param=text) for name, text in answer.parameters.items()},
        outputs=[
            oip.ModelInferResponse.InferOutputTensor(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
            for tensor in answer.outputs
        ],
        raw_output_contents=[tensor.to_bytes() for tensor in answer.outputs],
    )


def write_metadata(found: ModelMetadata) -> oip.ModelMetadataResponse:
    """Return the metadata of a version as a message."""
    return oip.ModelMetadataResponse(
        name=found.name,
        versions=found.versions,
        platform=found.platform,
        inputs=_specs(found.inputs),
        outputs=_specs(found.outputs),
    )


def _check_parameters(parameters: Mapping[str, oip.InferParameter]) -> None:
    """Note how long the caller waits. Raises `InvalidRequest` for a parameter that cannot be what it is."""
    for name, parameter in parameters.items():
        kind = parameter.WhichOneof("parameter_choice")
        if name.startswith("triton_") and name != "triton_enable_empty_final_response":
            raise InvalidRequest(f"parameter keys that start with 'triton_' are reserved, got {name[:64]!r}")
        expected = _PARAMETERS.get(name, _ANY_PARAMETER)
        if kind not in expected:
            detail = f"expected {' or '.join(expected)}, got {kind or 'none'}"
            raise InvalidRequest(f"invalid value type for '{name[:64]}' parameter, {detail}")
        if name == "timeout" and parameter.int64_param > 0:
            current_request().limit(parameter.int64_param / 1e6)


def _raw_tensors(request: oip.ModelInferRequest, raw: Sequence[bytes]) -> list[InputTensor]:
    if len(raw) < len(request.inputs):
        tensor = request.inputs[len(raw)]
        raise InvalidRequest(f"unable to find data for input tensor '{tensor.name[:64]}' in request")
    found: list[InputTensor] = []
    for tensor, data in zip(request.inputs, raw, strict=False):  # Triton, too, lets more of them pass
        if tensor.HasField("contents"):
            detail = "contents field must not be specified when using raw_input_contents"
            raise InvalidRequest(f"{detail} for '{tensor.name[:64]}'")
        found.append(InputTensor(tensor.name, tensor.datatype, tensor.shape, data))
    return found


def _contents(tensor: oip.ModelInferRequest.InferInputTensor) -> Sequence[Any]:
    if "shared_memory_region" in tensor.parameters:
        raise InvalidRequest(f"input '{tensor.name[:64]}' is in shared memory, which this service does not read")
    if not tensor.HasField("contents"):
        raise InvalidRequest(f"unable to find data for input tensor '{tensor.name[:64]}' in request")
    wanted = _CONTENTS.get(tensor.datatype, "")
    fields: Sequence[tuple[Any, Sequence[Any]]] = tensor.contents.ListFields()
    for field, _ in fields:
        if field.name != wanted:
            detail = f"unexpected explicit tensor data in {field.name} for input tensor '{tensor.name[:64]}'"
            raise InvalidRequest(f"{detail} of type '{tensor.datatype[:32]}'")
    return fields[0][1] if fields else ()


def _classes(output: oip.ModelInferRequest.InferRequestedOutputTensor) -> int:
    if not output.parameters:
        return 0
    if "shared_memory_region" in output.parameters:
        raise InvalidRequest(f"output '{output.name[:64]}' is in shared memory, which this service does not write")
    if "classification" not in output.parameters:
        return 0
    parameter = output.parameters["classification"]
    if parameter.WhichOneof("parameter_choice") != "int64_param":
        raise InvalidRequest("invalid value type for 'classification' parameter, expected int64_param")
    if parameter.int64_param <= 0:
        raise InvalidRequest("invalid value for 'classification' parameter, expected > 0")
    return parameter.int64_param


def _specs(specs: Sequence[TensorSpec]) -> list[oip.ModelMetadataResponse.TensorMetadata]:
    return [
        oip.ModelMetadataResponse.TensorMetadata(name=spec.name, datatype=spec.datatype, shape=spec.shape)
        for spec in specs
    ]
