"""The Open Inference Protocol over gRPC."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from helpers.published import publish_classifier
from helpers.rpc_requests import running_rpc
from layerwise import MLP, Architecture, Layer, Plan, TableEncoder
from layerwise_proto.oip import grpc_service_pb2 as oip
from layerwise_proto.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from layerwise_proto.v1 import models_pb2
from layerwise_proto.v1.models_pb2_grpc import PredictionServiceStub
from layerwise_service.domain.models import Version
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]
ROWS = np.array([[0, 1], [2, 3], [4, 5]], np.float32)
RAW = (ROWS.tobytes(),)
INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


@pytest.fixture
def calls(channel: grpc.Channel) -> Any:
    return GRPCInferenceServiceStub(channel)


def tensor(
    name: str = "input", datatype: str = "FP32", shape: Any = (3, 2), **more: Any
) -> oip.ModelInferRequest.InferInputTensor:
    return oip.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape, **more)


def output(name: str, **parameters: Any) -> oip.ModelInferRequest.InferRequestedOutputTensor:
    return oip.ModelInferRequest.InferRequestedOutputTensor(
        name=name, parameters={key: oip.InferParameter(**value) for key, value in parameters.items()}
    )


def request(inputs: Any = None, raw: Any = RAW, *, model: str = "xor", **more: Any) -> oip.ModelInferRequest:
    inputs = [tensor()] if inputs is None else inputs
    return oip.ModelInferRequest(model_name=model, inputs=inputs, raw_input_contents=raw, **more)


def contents(**values: Any) -> oip.InferTensorContents:
    return oip.InferTensorContents(**values)


def values(answer: oip.ModelInferResponse) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for spec, raw in zip(answer.outputs, answer.raw_output_contents, strict=True):
        if spec.datatype == "BYTES":
            found[spec.name] = np.array(texts_in(raw)).reshape(tuple(spec.shape)).tolist()
        else:
            dtype = {"FP32": "<f4", "INT64": "<i8", "BOOL": "?"}[spec.datatype]
            found[spec.name] = np.frombuffer(raw, dtype).reshape(tuple(spec.shape))
    return found


def texts_in(raw: bytes) -> list[str]:
    found = []
    while raw:
        (size,) = struct.unpack_from("<I", raw)
        found.append(raw[4 : 4 + size].decode())
        raw = raw[4 + size :]
    return found


def raw_texts(*texts: str) -> bytes:
    return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    return error.code(), error.details()


def test_a_classifier_gives_all_outputs_or_those_that_are_asked_for(
    calls: Any, channel: grpc.Channel, publish: Publish
) -> None:
    publish("xor", labels=("no", "yes"), loss="softmax_cross_entropy")

    answer = calls.ModelInfer(request(id="a1"), timeout=10)

    assert (answer.model_name, answer.model_version, answer.id) == ("xor", "1", "a1")
    found = values(answer)
    assert list(found) == ["probabilities", "label", "logits"]
    sent = models_pb2.PredictRequest(model="xor")
    sent.rows.data_type, sent.rows.data = 1, ROWS.tobytes()
    sent.rows.shape.extend(ROWS.shape)
    known = PredictionServiceStub(channel).Predict(sent, timeout=10)
    assert found["label"] == [[each] for each in known.labels.strings.values]
    probabilities = np.frombuffer(known.probabilities.data, "<f4").reshape(3, 2)
    np.testing.assert_array_equal(found["probabilities"], probabilities)

    chosen = values(calls.ModelInfer(request(outputs=[output("logits"), output("label")]), timeout=10))
    assert list(chosen) == ["logits", "label"]
    exponentials = np.exp(chosen["logits"])
    np.testing.assert_allclose(exponentials / exponentials.sum(axis=1, keepdims=True), probabilities, rtol=1e-5)


def test_a_regression_gives_its_output_and_integers_are_labels_of_64_bits(calls: Any, publish: Publish) -> None:
    publish("values", labels=None, outputs=3)
    publish("digits", labels=(7, 9))

    assert values(calls.ModelInfer(request(model="values"), timeout=10))["output"].shape == (3, 3)
    labels = values(calls.ModelInfer(request(model="digits"), timeout=10))["label"]
    assert (labels.dtype, labels.shape) == (np.int64, (3, 1))
    assert set(labels.ravel()) <= {7, 9}


SPELT: list[tuple[str, dict[str, Any], tuple[bytes, ...]]] = [
    ("FP32", {"fp32_contents": ROWS.ravel()}, ()),
    ("FP64", {"fp64_contents": ROWS.ravel()}, ()),
    ("INT8", {"int_contents": [0, 1, 2, 3, 4, 5]}, ()),
    ("UINT16", {"uint_contents": [0, 1, 2, 3, 4, 5]}, ()),
    ("INT64", {"int64_contents": [0, 1, 2, 3, 4, 5]}, ()),
    ("UINT64", {"uint64_contents": [0, 1, 2, 3, 4, 5]}, ()),
    ("FP16", {}, (ROWS.astype("<f2").tobytes(),)),
    ("INT32", {}, (ROWS.astype("<i4").tobytes(),)),
    ("BF16", {}, ((ROWS.view("<u4") >> 16).astype("<u2").tobytes(),)),
]


def test_the_same_rows_in_every_datatype_that_holds_them_get_the_same_answer(calls: Any, publish: Publish) -> None:
    publish("xor")
    wanted = calls.ModelInfer(request(), timeout=10).raw_output_contents

    for datatype, typed, raw in SPELT:
        sent = tensor(datatype=datatype, contents=contents(**typed)) if typed else tensor(datatype=datatype)
        assert calls.ModelInfer(request([sent], raw), timeout=10).raw_output_contents == wanted, datatype


def test_the_classification_extension_gives_value_index_and_label(calls: Any, publish: Publish) -> None:
    publish("xor", labels=("no", "yes"))
    asked = output("probabilities", classification={"int64_param": 1})

    probabilities = values(calls.ModelInfer(request(), timeout=10))["probabilities"]
    found = values(calls.ModelInfer(request(outputs=[asked]), timeout=10))["probabilities"]

    best = probabilities.argmax(axis=1)
    rows = zip(probabilities, best, strict=True)
    assert found == [[f"{row[index]:.6f}:{index}:{('no', 'yes')[index]}"] for row, index in rows]


WRONG: list[tuple[dict[str, Any], Any, str]] = [
    ({"inputs": [tensor(name="pixels")]}, INVALID, "unexpected inference input 'pixels' for model 'xor'"),
    ({"inputs": [], "raw": ()}, INVALID, "expected 1 inputs but got 0 inputs"),
    ({"inputs": [tensor(), tensor()], "raw": [ROWS.tobytes()] * 2}, INVALID, "input 'input' already exists"),
    ({"raw": ()}, INVALID, "unable to find data for input tensor 'input'"),
    ({"inputs": [tensor(contents=contents(fp32_contents=[0] * 6))]}, INVALID, "contents field must not be specified"),
    ({"inputs": [tensor(contents=contents(fp64_contents=[0] * 6))], "raw": ()}, INVALID, "fp64_contents"),
    ({"inputs": [tensor(datatype="BYTES")]}, INVALID, "inputs.input: expected FP32"),
    ({"inputs": [tensor(datatype="FP31")]}, INVALID, "there is no datatype 'FP31'"),
    ({"inputs": [tensor(shape=(2, 3))]}, INVALID, "expected shape [-1,2], got [2,3]"),
    ({"inputs": [tensor(shape=(6,))]}, INVALID, "expected shape [-1,2], got [6]"),
    ({"raw": [b"1234"]}, INVALID, "expected 24 bytes"),
    ({"inputs": [tensor(shape=(0, 2))], "raw": [b"", b""]}, INVALID, "at least one row"),
    ({"raw": [np.full((3, 2), np.nan, "<f4").tobytes()]}, INVALID, "inputs[0][0]: expected a finite number"),
    (
        {"inputs": [tensor(datatype="FP64")], "raw": [np.full((3, 2), 0.1).tobytes()]},
        INVALID,
        "expected numbers that FP32 holds, got 0.1 as FP64; send FP32",
    ),
    (
        {"inputs": [tensor(datatype="INT64")], "raw": [np.full((3, 2), 2**60 + 1, "<i8").tobytes()]},
        INVALID,
        "expected numbers that FP32 holds",
    ),
    ({"outputs": [output("pixels")]}, INVALID, "unexpected inference output 'pixels'"),
    ({"outputs": [output("label", classification={"int64_param": 1})]}, INVALID, "output 'label' cannot be classified"),
    ({"outputs": [output("logits", classification={"int64_param": 0})]}, INVALID, "expected > 0"),
    ({"outputs": [output("logits", classification={"string_param": "2"})]}, INVALID, "expected int64_param"),
    ({"parameters": {"triton_x": oip.InferParameter(int64_param=1)}}, INVALID, "are reserved"),
    ({"model": "nothing"}, NOT_FOUND, "there is no model 'nothing'"),
    ({"model_version": "8"}, NOT_FOUND, "no version or alias '8'"),
    ({"model_version": "x"}, NOT_FOUND, "no version or alias 'x'"),
]


def test_what_is_wrong_with_a_request_is_said(calls: Any, publish: Publish) -> None:
    publish("xor")

    for wrong, code, message in WRONG:
        found = refused(lambda wrong=wrong: calls.ModelInfer(request(**wrong), timeout=10))  # type: ignore[misc]
        assert found[0] == code, (wrong, found)
        assert message in found[1], (wrong, found)


def test_a_stream_answers_each_request_in_turn_and_survives_those_that_fail(calls: Any, publish: Publish) -> None:
    publish("xor")
    sent = [request(id="1"), request(model="nothing", id="2"), request(id="3")]

    found = list(calls.ModelStreamInfer(iter(sent), timeout=10))

    assert [each.infer_response.id for each in found] == ["1", "2", "3"]
    assert [bool(each.error_message) for each in found] == [False, True, False]
    assert "nothing" in found[1].error_message
    assert found[0].infer_response.raw_output_contents == found[2].infer_response.raw_output_contents != []


def test_metadata_and_configuration_describe_the_tensors(calls: Any, publish: Publish) -> None:
    publish("xor", labels=("no", "yes"))
    publish("xor", labels=("no", "yes"), seed=1)

    found = calls.ModelMetadata(oip.ModelMetadataRequest(name="xor"), timeout=10)
    config = calls.ModelConfig(oip.ModelConfigRequest(name="xor", version="2"), timeout=10).config

    assert (found.name, list(found.versions), found.platform) == ("xor", ["1", "2"], "layerwise")
    assert [(each.name, each.datatype, list(each.shape)) for each in found.inputs] == [("input", "FP32", [-1, 2])]
    outputs = {each.name: (each.datatype, list(each.shape)) for each in found.outputs}
    assert outputs == {"probabilities": ("FP32", [-1, 2]), "label": ("BYTES", [-1, 1]), "logits": ("FP32", [-1, 2])}
    assert config.max_batch_size > 0
    assert [(each.name, each.data_type, list(each.dims)) for each in config.input] == [("input", 11, [2])]
    assert {each.name: list(each.dims) for each in config.output} == {name: outputs[name][1][1:] for name in outputs}
    server = calls.ServerMetadata(oip.ServerMetadataRequest(), timeout=10)
    assert server.name == "layerwise"
    assert {"statistics", "binary_tensor_data", "mlp_training"} <= set(server.extensions)


def test_live_and_ready_tell_models_that_are_there(calls: Any, publish: Publish) -> None:
    publish("xor")

    def ready(name: str, version: str = "") -> bool:
        found: bool = calls.ModelReady(oip.ModelReadyRequest(name=name, version=version), timeout=10).ready
        return found

    assert calls.ServerLive(oip.ServerLiveRequest(), timeout=10).live
    assert calls.ServerReady(oip.ServerReadyRequest(), timeout=10).ready
    assert (ready("xor"), ready("xor", "1"), ready("xor", "2"), ready("nothing")) == (True, True, False, False)


def test_statistics_count_requests_rows_and_failures_of_every_way_in(
    calls: Any, channel: grpc.Channel, publish: Publish
) -> None:
    publish("counted")

    def found() -> Any:
        asked = oip.ModelStatisticsRequest(name="counted", version="1")
        return calls.ModelStatistics(asked, timeout=10).model_stats[0]

    before = found()
    calls.ModelInfer(request(model="counted"), timeout=10)
    sent = models_pb2.PredictRequest(model="counted")
    sent.rows.data_type, sent.rows.data = 1, ROWS.tobytes()
    sent.rows.shape.extend(ROWS.shape)
    PredictionServiceStub(channel).Predict(sent, timeout=10)
    wrong = np.full((3, 2), np.inf, "<f4").tobytes()
    refused(lambda: calls.ModelInfer(request(model="counted", raw=[wrong]), timeout=10))
    after = found()

    assert (before.inference_count, after.inference_count, after.execution_count) == (0, 6, 2)
    stats = after.inference_stats
    assert (stats.success.count, stats.queue.count, stats.fail.count) == (2, 2, 1)
    parts = stats.compute_input.ns + stats.compute_infer.ns + stats.compute_output.ns
    assert 0 < parts <= stats.success.ns + 3
    assert after.last_inference > 1_700_000_000_000
    assert refused(lambda: calls.ModelStatistics(oip.ModelStatisticsRequest(name="nothing"), timeout=10))[0] == INVALID


def test_the_index_lists_every_version(calls: Any, publish: Publish) -> None:
    publish("b")
    publish("a")
    publish("a", seed=1)

    found = calls.RepositoryIndex(oip.RepositoryIndexRequest(), timeout=10).models

    assert [(each.name, each.version, each.state) for each in found] == [
        ("a", "1", "READY"),
        ("a", "2", "READY"),
        ("b", "1", "READY"),
    ]


def test_a_model_that_is_unloaded_is_not_used_until_it_is_loaded(calls: Any, publish: Publish) -> None:
    publish("xor")

    calls.RepositoryModelUnload(oip.RepositoryModelUnloadRequest(model_name="xor"), timeout=10)

    code, message = refused(lambda: calls.ModelInfer(request(), timeout=10))
    assert (code, "xor was unloaded" in message) == (NOT_FOUND, True)
    assert not calls.ModelReady(oip.ModelReadyRequest(name="xor"), timeout=10).ready
    assert not calls.RepositoryIndex(oip.RepositoryIndexRequest(ready=True), timeout=10).models
    calls.RepositoryModelLoad(oip.RepositoryModelLoadRequest(model_name="xor"), timeout=10)
    assert calls.ModelInfer(request(), timeout=10).model_version == "1"


def test_a_request_whose_deadline_has_passed_is_not_computed(calls: Any, publish: Publish) -> None:
    publish("xor")
    many = np.zeros((20_000, 2), np.float32)  # too many to be answered at once
    sent = request([tensor(shape=many.shape)], [many.tobytes()])
    assert calls.ModelInfer(sent, timeout=10).outputs[0].shape[0] == 20_000

    sent.parameters["timeout"].int64_param = 1

    assert refused(lambda: calls.ModelInfer(sent, timeout=10))[0] == grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def of_a_table(settings: Settings, stores: Stores) -> Iterator[Any]:
    """Calls of a server with the model `pets`, which takes a table."""
    encoder = TableEncoder().fit(
        {
            "age": [1.0, 2.0, None, 4.0],
            "pet": ["cat", "dog", "", "cat"],
            "born": ["2013-01-31", "2014-01-31", "2015-03-01", "2016-07-09"],
            "tame": [True, False, True, True],
        }
    )
    network = MLP(Architecture(len(encoder.names), (Layer(4, activation="relu"), Layer(2))), seed=3)
    network.plan = plan = Plan(loss="softmax_cross_entropy")
    network.labels, network.encoder = ("no", "yes"), encoder
    publish_classifier(settings, "pets", network, plan)
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as opened:
        yield GRPCInferenceServiceStub(opened)


def test_a_table_is_one_tensor_for_each_column(of_a_table: Any) -> None:
    found = of_a_table.ModelMetadata(oip.ModelMetadataRequest(name="pets"), timeout=10)
    assert {each.name: (each.datatype, list(each.shape)) for each in found.inputs} == {
        "age": ("FP64", [-1, 1]),
        "pet": ("BYTES", [-1, 1]),
        "born": ("BYTES", [-1, 1]),
        "tame": ("BOOL", [-1, 1]),
    }

    def asked(age: tuple[str, bytes], shape: tuple[int, ...] = (2, 1)) -> oip.ModelInferRequest:
        columns = {
            "pet": ("BYTES", raw_texts("dog", "")),
            "age": age,
            "tame": ("BOOL", b"\1\0"),
            "born": ("BYTES", raw_texts("2014-01-31", "2014-02-28")),
        }
        inputs = [tensor(name, datatype, shape) for name, (datatype, _) in columns.items()]
        return request(inputs, [raw for _, raw in columns.values()], model="pets")

    whole = of_a_table.ModelInfer(asked(("FP64", np.array([3.0, 2.0]).tobytes())), timeout=10)
    flat = of_a_table.ModelInfer(asked(("INT32", np.array([3, 2], "<i4").tobytes()), (2,)), timeout=10)
    gap = of_a_table.ModelInfer(asked(("FP64", np.array([3.0, np.nan]).tobytes())), timeout=10)
    far = of_a_table.ModelInfer(asked(("FP64", np.array([3.0, 900.0]).tobytes())), timeout=10)

    assert values(whole)["probabilities"].shape == (2, 2)
    assert flat.raw_output_contents == whole.raw_output_contents
    np.testing.assert_array_equal(values(gap)["probabilities"][0], values(whole)["probabilities"][0])
    assert (values(gap)["probabilities"][1] != values(whole)["probabilities"][1]).any()
    assert dict(whole.parameters) == {}
    assert far.parameters["warnings"].string_param.startswith("age: ")


def test_errors_about_a_table_name_the_tensor(of_a_table: Any) -> None:
    def said(**changed: Any) -> str:
        columns: dict[str, Any] = {
            "age": ("FP64", (1, 1), np.zeros(1).tobytes()),
            "pet": ("BYTES", (1, 1), raw_texts("cat")),
            "born": ("BYTES", (1, 1), raw_texts("2014-01-31")),
            "tame": ("BOOL", (1, 1), b"\1"),
        } | changed
        given = {name: column for name, column in columns.items() if column}
        inputs = [tensor(name, datatype, shape) for name, (datatype, shape, _) in given.items()]
        sent = request(inputs, [raw for _, _, raw in given.values()], model="pets")
        code, message = refused(lambda: of_a_table.ModelInfer(sent, timeout=10))
        assert code == INVALID
        return message

    assert "missing are 'pet'" in said(pet=None)
    assert "inputs.age: expected FP64" in said(age=("BYTES", (1, 1), raw_texts("x")))
    assert "inputs.age: expected shape [-1,1] or [-1], got [1,2]" in said(age=("FP64", (1, 2), b"\0" * 16))
    assert "inputs.tame: expected 1 rows, as in input 'age', got 2" in said(tame=("BOOL", (2, 1), b"\1\1"))
    assert "inputs.rows[0].born" in said(born=("BYTES", (1, 1), raw_texts("soon")))


def test_shared_memory_is_refused_as_unsupported_and_settings_do_not_change(calls: Any) -> None:
    unsupported = grpc.StatusCode.UNIMPLEMENTED

    traced = oip.TraceSettingRequest(settings={"trace_level": {"value": ["TIMESTAMPS"]}})
    assert refused(lambda: calls.TraceSetting(traced, timeout=10)) == (
        INVALID,
        "trace_level cannot be changed: this service writes no traces",
    )
    assert calls.TraceSetting(oip.TraceSettingRequest(), timeout=10).settings["trace_level"].value == ["OFF"]
    region = oip.SystemSharedMemoryRegisterRequest(name="r", key="/r", byte_size=8)
    assert refused(lambda: calls.SystemSharedMemoryRegister(region, timeout=10))[0] == unsupported
    assert not calls.SystemSharedMemoryStatus(oip.SystemSharedMemoryStatusRequest(), timeout=10).regions
    settings = calls.LogSettings(oip.LogSettingsRequest(), timeout=10).settings
    assert settings["log_info"].bool_param
    changed = oip.LogSettingsRequest(settings={"log_info": oip.LogSettingsRequest.SettingValue(bool_param=False)})
    assert refused(lambda: calls.LogSettings(changed, timeout=10))[0] == unsupported
