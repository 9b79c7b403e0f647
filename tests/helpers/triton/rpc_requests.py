"""Requests that are sent to a Triton and to Layerwise over gRPC, so that the answers can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.message import Message

from helpers.triton.infer_requests import BINARY, FLAT, ROW
from helpers.triton.model_requests import texts
from helpers.triton.rpc_case import RpcCase
from layerwise_proto.oip import grpc_service_pb2 as oip

Tensor = oip.ModelInferRequest.InferInputTensor
Output = oip.ModelInferRequest.InferRequestedOutputTensor
Contents = oip.InferTensorContents
Parameter = oip.InferParameter
ON = Parameter(bool_param=True)
Stored = oip.ModelRepositoryParameter
THREE = np.array(FLAT, "<f4").tobytes()


def call(name: str, method: str, request: Message, **how: bool) -> RpcCase:
    return RpcCase(name, ((method, request),), **how)


def tensor(shape: Any = (1, 30), name: str = "input", datatype: str = "FP32", **contents: Any) -> Tensor:
    parameters = contents.pop("parameters", {})
    typed = Contents(**contents) if contents else None
    return Tensor(name=name, shape=shape, datatype=datatype, contents=typed, parameters=parameters)


def request(
    *inputs: Tensor, raw: Any = None, outputs: Any = ("probabilities",), model: str = "bench", **more: Any
) -> oip.ModelInferRequest:
    """A request for the probabilities of one row in raw bytes, unless it says otherwise."""
    raw = ([] if inputs else [BINARY]) if raw is None else raw
    wanted = [output if isinstance(output, Output) else Output(name=output) for output in outputs]
    return oip.ModelInferRequest(
        model_name=model, inputs=inputs or [tensor()], raw_input_contents=raw, outputs=wanted, **more
    )


def infer(name: str, *inputs: Tensor, **more: Any) -> RpcCase:
    return call(name, "ModelInfer", request(*inputs, **more))


def stream(name: str, *requests: oip.ModelInferRequest) -> RpcCase:
    return RpcCase(name, tuple(("ModelStreamInfer", one) for one in requests), stream=True)


def classes(count: Parameter, name: str = "probabilities") -> Output:
    return Output(name=name, parameters={"classification": count})


SERVER = [
    call("the server is live", "ServerLive", oip.ServerLiveRequest()),
    call("the server is ready", "ServerReady", oip.ServerReadyRequest()),
    call("metadata of the server", "ServerMetadata", oip.ServerMetadataRequest()),
    call("the model is ready", "ModelReady", oip.ModelReadyRequest(name="bench")),
    call("the version is ready", "ModelReady", oip.ModelReadyRequest(name="bench", version="1")),
    call("a version that is none is not ready", "ModelReady", oip.ModelReadyRequest(name="bench", version="2")),
    call("a version that is no number is not ready", "ModelReady", oip.ModelReadyRequest(name="bench", version="one")),
    call("a model that is none is not ready", "ModelReady", oip.ModelReadyRequest(name="nobody")),
    call("a model without a name is not ready", "ModelReady", oip.ModelReadyRequest()),
    call("metadata of the model", "ModelMetadata", oip.ModelMetadataRequest(name="bench")),
    call("metadata of the version", "ModelMetadata", oip.ModelMetadataRequest(name="bench", version="1")),
    call("metadata of a version that is none", "ModelMetadata", oip.ModelMetadataRequest(name="bench", version="2")),
    call(
        "metadata of a version that is no number", "ModelMetadata", oip.ModelMetadataRequest(name="bench", version="v")
    ),
    call("metadata of version -1", "ModelMetadata", oip.ModelMetadataRequest(name="bench", version="-1")),
    call("metadata of a model that is none", "ModelMetadata", oip.ModelMetadataRequest(name="nobody")),
    call("metadata of a table's model", "ModelMetadata", oip.ModelMetadataRequest(name="table")),
    call("metadata of a regression", "ModelMetadata", oip.ModelMetadataRequest(name="values")),
    call("configuration of the model", "ModelConfig", oip.ModelConfigRequest(name="bench")),
    call("configuration of the version", "ModelConfig", oip.ModelConfigRequest(name="bench", version="1")),
    call("configuration of a version that is none", "ModelConfig", oip.ModelConfigRequest(name="bench", version="2")),
    call("configuration of a model that is none", "ModelConfig", oip.ModelConfigRequest(name="nobody")),
    call("configuration of a table's model", "ModelConfig", oip.ModelConfigRequest(name="table")),
]

STATISTICS = [
    RpcCase(
        "statistics of the version",
        (("ModelInfer", request()), ("ModelStatistics", oip.ModelStatisticsRequest(name="bench", version="1"))),
    ),
    call(
        "statistics of a version that is none", "ModelStatistics", oip.ModelStatisticsRequest(name="bench", version="2")
    ),
    call("statistics of a model that is none", "ModelStatistics", oip.ModelStatisticsRequest(name="nobody")),
    call("what one row adds to the statistics", "ModelInfer", request(), counted=True),
    call("what three rows add to the statistics", "ModelInfer", request(tensor([3, 30]), raw=[THREE]), counted=True),
    call("what a wrong shape adds to the statistics", "ModelInfer", request(tensor([30]), raw=[BINARY]), counted=True),
    RpcCase("what a stream adds to the statistics", (("ModelStreamInfer", request()),) * 3, stream=True, counted=True),
]

LOAD = oip.RepositoryModelLoadRequest
UNLOAD = oip.RepositoryModelUnloadRequest
REPOSITORY = [
    call("index of the repository", "RepositoryIndex", oip.RepositoryIndexRequest()),
    call("index of what is ready", "RepositoryIndex", oip.RepositoryIndexRequest(ready=True)),
    call("index of a repository by name", "RepositoryIndex", oip.RepositoryIndexRequest(repository_name="one")),
    call("load a model that is loaded", "RepositoryModelLoad", LOAD(model_name="bench")),
    call("load a model that is none", "RepositoryModelLoad", LOAD(model_name="nobody")),
    call("load from a repository by name", "RepositoryModelLoad", LOAD(model_name="bench", repository_name="one")),
    call("load a model without a name", "RepositoryModelLoad", LOAD()),
    call(
        "load with a configuration that is none",
        "RepositoryModelLoad",
        LOAD(model_name="bench", parameters={"config": Stored(string_param="{")}),
    ),
    call(
        "load with an unknown parameter",
        "RepositoryModelLoad",
        LOAD(model_name="bench", parameters={"nothing": Stored(bool_param=True)}),
    ),
    call("unload a model that is none", "RepositoryModelUnload", UNLOAD(model_name="nobody")),
    RpcCase(
        "unload and load",
        (
            ("RepositoryModelUnload", UNLOAD(model_name="bench")),
            ("ModelReady", oip.ModelReadyRequest(name="bench")),
            ("ModelInfer", request()),
            ("RepositoryModelUnload", UNLOAD(model_name="bench")),
            ("RepositoryModelLoad", LOAD(model_name="bench")),
            ("ModelInfer", request(outputs=["probabilities"])),
        ),
    ),
]

REGION = oip.SystemSharedMemoryRegisterRequest(name="r", key="/none", byte_size=4)
SETTINGS = [
    call("settings of the log", "LogSettings", oip.LogSettingsRequest()),
    call(
        "change a flag of the log", "LogSettings", oip.LogSettingsRequest(settings={"log_info": {"bool_param": True}})
    ),
    call("a flag is a text", "LogSettings", oip.LogSettingsRequest(settings={"log_info": {"string_param": "yes"}})),
    call("an unknown setting", "LogSettings", oip.LogSettingsRequest(settings={"nothing": {"bool_param": True}})),
    call(
        "the log's format is none",
        "LogSettings",
        oip.LogSettingsRequest(settings={"log_format": {"string_param": "o"}}),
    ),
    call("the log's file", "LogSettings", oip.LogSettingsRequest(settings={"log_file": {"string_param": "/tmp/l"}})),
    call("settings of the trace", "TraceSetting", oip.TraceSettingRequest()),
    call("settings of a model's trace", "TraceSetting", oip.TraceSettingRequest(model_name="bench")),
    call("settings of the trace of a model that is none", "TraceSetting", oip.TraceSettingRequest(model_name="nobody")),
    call(
        "switch the trace on",
        "TraceSetting",
        oip.TraceSettingRequest(settings={"trace_level": {"value": ["TIMESTAMPS"]}}),
    ),
    call("status of the shared memory", "SystemSharedMemoryStatus", oip.SystemSharedMemoryStatusRequest()),
    call("status of a region that is none", "SystemSharedMemoryStatus", oip.SystemSharedMemoryStatusRequest(name="r")),
    call("register a region", "SystemSharedMemoryRegister", REGION),
    call("unregister all regions", "SystemSharedMemoryUnregister", oip.SystemSharedMemoryUnregisterRequest()),
    call("status of CUDA's shared memory", "CudaSharedMemoryStatus", oip.CudaSharedMemoryStatusRequest()),
    call("unregister all regions of CUDA", "CudaSharedMemoryUnregister", oip.CudaSharedMemoryUnregisterRequest()),
]

SIZE = tensor([2, 1], "size", "FP64", fp64_contents=[1.5, 2])
COLOUR = tensor([2, 1], "colour", "BYTES", bytes_contents=[b"red", b"green"])
FRESH = tensor([2, 1], "fresh", "BOOL", bool_contents=[True, False])
RAW_TABLE = [tensor([2, 1], "size", "FP64"), tensor([2, 1], "colour", "BYTES"), tensor([2, 1], "fresh", "BOOL")]
SIZES = np.array([1.5, 2]).tobytes()
COLOURS = texts("red", "green")

INFER = [
    infer("one row"),
    infer("all outputs of one row", outputs=()),
    infer("three rows", tensor([3, 30]), raw=[THREE]),
    infer("one typed row", tensor(fp32_contents=ROW)),
    infer("raw and typed", tensor(fp32_contents=ROW), raw=[BINARY]),
    infer("NaN", tensor(), raw=[np.full(30, np.nan, "<f4").tobytes()]),
    infer("typed too few", tensor(fp32_contents=ROW[:29])),
    infer("typed too many", tensor(fp32_contents=[*ROW, 1])),
    infer("typed as fp64", tensor(fp64_contents=ROW)),
    infer("typed as two kinds", tensor(fp32_contents=ROW, fp64_contents=ROW)),
    infer("no contents", tensor()),
    infer("raw too few", tensor(), raw=[BINARY[:100]]),
    infer("raw too many", tensor(), raw=[BINARY * 2]),
    infer("raw that is empty", tensor(), raw=[b""]),
    infer("two raw contents for one input", tensor(), raw=[BINARY, BINARY]),
    infer("no rows", tensor([0, 30]), raw=[b""]),
    infer("29 inputs", tensor([1, 29]), raw=[BINARY[:116]]),
    infer("a shape without rows", tensor([30]), raw=[BINARY]),
    infer("an empty shape", tensor([]), raw=[BINARY]),
    infer("a shape of three dimensions", tensor([1, 30, 1]), raw=[BINARY]),
    infer("a shape that asks for two rows", tensor([2, 30]), raw=[BINARY]),
    infer("a negative dimension", tensor([-1, 30]), raw=[BINARY]),
    infer("both dimensions negative", tensor([-1, -30]), raw=[BINARY]),
    infer("an immense dimension", tensor([2**62, 30]), raw=[BINARY]),
    infer("dimensions whose product overflows to the right size", tensor([2**62 + 1, 4 * 30]), raw=[BINARY]),
    infer("more rows than max_batch_size", tensor([1025, 30]), raw=[bytes(1025 * 120)]),
    infer("datatype FP64", tensor(datatype="FP64"), raw=[BINARY * 2]),
    infer("datatype FP16", tensor(datatype="FP16"), raw=[BINARY[:60]]),
    infer("datatype INT32, typed", tensor(datatype="INT32", int_contents=[1] * 30)),
    infer("an unknown datatype", tensor(datatype="FLOAT"), raw=[BINARY]),
    infer("no datatype", tensor(datatype=""), raw=[BINARY]),
    infer("an input of another name", tensor(name="inputs"), raw=[BINARY]),
    infer("an input without a name", tensor(name=""), raw=[BINARY]),
    infer("an input more than the model has", tensor(), tensor(name="other"), raw=[BINARY, BINARY]),
    infer("the same input twice", tensor(), tensor(), raw=[BINARY, BINARY]),
    call("no inputs", "ModelInfer", oip.ModelInferRequest(model_name="bench")),
    call(
        "no inputs but raw contents", "ModelInfer", oip.ModelInferRequest(model_name="bench", raw_input_contents=[b"a"])
    ),
    infer("an input with parameters", tensor(parameters={"scale": Parameter(int64_param=2)}), raw=[BINARY]),
    *(infer(f"only {name}", outputs=[name]) for name in ("probabilities", "label", "logits")),
    infer("two outputs in their own order", outputs=["logits", "label"]),
    infer("an output that the model lacks", outputs=["nothing"]),
    infer("an output twice", outputs=["label", "label"]),
    infer("an output without a name", outputs=[""]),
    infer(
        "an output with an unknown parameter",
        outputs=[Output(name="label", parameters={"a": Parameter(int64_param=2)})],
    ),
    *(infer(f"classification {count}", outputs=[classes(Parameter(int64_param=count))]) for count in (1, 2, 5, 0, -1)),
    infer("classification as a text", outputs=[classes(Parameter(string_param="2"))]),
    infer("classification as unsigned", outputs=[classes(Parameter(uint64_param=2))]),
    infer("classification of the logits", outputs=[classes(Parameter(int64_param=2), "logits")]),
    infer(
        "binary_data is without effect",
        outputs=[Output(name="label", parameters={"binary_data": Parameter(bool_param=False)})],
    ),
    infer("an id", id="a-1", outputs=["label"]),
    infer(
        "parameters of each kind",
        parameters={
            "text": Parameter(string_param="a"),
            "whole": Parameter(int64_param=1),
            "part": Parameter(double_param=0.5),
            "flag": Parameter(bool_param=True),
        },
        outputs=["label"],
    ),
    infer("a parameter without a value", parameters={"nothing": Parameter()}, outputs=["label"]),
    infer("a reserved parameter", parameters={"triton_nothing": Parameter(int64_param=1)}, outputs=["label"]),
    infer("priority", parameters={"priority": Parameter(uint64_param=1)}, outputs=["label"]),
    infer("a priority that is a text", parameters={"priority": Parameter(string_param="high")}, outputs=["label"]),
    infer("a timeout", parameters={"timeout": Parameter(int64_param=10_000_000)}, outputs=["label"]),
    infer("a negative timeout", parameters={"timeout": Parameter(int64_param=-1)}, outputs=["label"]),
    infer("version 1", model_version="1", outputs=["label"]),
    *(
        infer(f"version {version}", model_version=version, outputs=["label"])
        for version in ("2", "0", "-1", "latest", "1.0", "01", "99999999999999999999")
    ),
    infer("a model that is none", model="nobody"),
    infer("a model without a name", model=""),
    infer("a model whose name is odd", model="../bench"),
    call("a request compressed by gzip", "ModelInfer", request(outputs=["label"]), compressed=True),
    infer("a regression", tensor([1, 3]), raw=[BINARY[:12]], model="values", outputs=()),
    infer("a typed table", SIZE, COLOUR, FRESH, model="table", outputs=["label"]),
    infer("a raw table", *RAW_TABLE, raw=[SIZES, COLOURS, b"\1\0"], model="table", outputs=["label"]),
    infer("one column raw, two typed", RAW_TABLE[0], COLOUR, FRESH, raw=[SIZES], model="table", outputs=["label"]),
    infer("a column too few", SIZE, COLOUR, model="table"),
    infer(
        "columns of unequal length", SIZE, COLOUR, tensor([1, 1], "fresh", "BOOL", bool_contents=[True]), model="table"
    ),
    infer(
        "texts whose lengths lie", *RAW_TABLE, raw=[SIZES, b"\xff\xff\xff\x7f" + COLOURS[4:], b"\1\0"], model="table"
    ),
    infer("a text too few", *RAW_TABLE, raw=[SIZES, texts("red"), b"\1\0"], model="table"),
    infer("a text too many", *RAW_TABLE, raw=[SIZES, texts("red", "red", "red"), b"\1\0"], model="table"),
    infer("a length that is cut off", *RAW_TABLE, raw=[SIZES, texts("red") + b"\1\0", b"\1\0"], model="table"),
    infer("booleans beyond 1", *RAW_TABLE, raw=[SIZES, COLOURS, b"\7\0"], model="table", outputs=["label"]),
]

STREAMS = [
    stream("a stream of one", request(id="1", outputs=["label"])),
    stream("a stream of three", *(request(id=str(number), outputs=["label"]) for number in range(3))),
    stream("a stream of none"),
    stream(
        "a stream with final responses",
        request(parameters={"triton_enable_empty_final_response": ON}, outputs=["label"]),
    ),
    stream(
        "a stream with an error at the end",
        request(id="1", outputs=["label"]),
        request(tensor([30]), raw=[BINARY], id="2"),
    ),
    stream("a stream with an error first", request(model="nobody", id="1"), request(id="2", outputs=["label"])),
    stream(
        "a stream with an error in the middle",
        request(id="1", outputs=["label"]),
        request(id="2", outputs=["nothing"]),
        request(id="3", outputs=["label"]),
    ),
    stream(
        "a stream for two models",
        request(id="1", outputs=["label"]),
        request(tensor([1, 3]), raw=[BINARY[:12]], model="values", outputs=()),
    ),
]

RPC_CASES = [*STATISTICS, *SERVER, *REPOSITORY, *SETTINGS, *INFER, *STREAMS]
