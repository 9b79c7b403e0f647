"""The Open Inference Protocol over REST."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from flask.testing import FlaskClient

from helpers.rest_clients import running_rest
from layerwise_service.domain.models import Version
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]
ROWS = np.array([[0, 1], [2, 3], [4, 5]], np.float32)
INFER = "/v2/models/xor/infer"
LENGTH = "Inference-Header-Content-Length"


@pytest.fixture
def rest(settings: Settings, stores: Stores, publish: Publish) -> Iterator[FlaskClient]:
    publish("xor", labels=("no", "yes"))
    with running_rest(settings) as client:
        yield client


def tensor(**more: Any) -> dict[str, Any]:
    return {"name": "input", "shape": [3, 2], "datatype": "FP32", "data": ROWS.ravel().tolist()} | more


def infer(rest: FlaskClient, *inputs: Any, path: str = INFER, **more: Any) -> dict[str, Any]:
    answer = rest.post(path, data=json.dumps({"inputs": list(inputs) or [tensor()]} | more))
    assert answer.status_code == 200, answer.get_data()
    found: dict[str, Any] = json.loads(answer.get_data())
    return found


def split(message: dict[str, Any], binary: bytes) -> dict[str, Any]:
    text = json.dumps(message).encode()
    return {"data": text + binary, "headers": {LENGTH: str(len(text))}}


def as_bytes(size: int = 24, **more: Any) -> dict[str, Any]:
    found = tensor(parameters={"binary_data_size": size}) | more
    del found["data"]
    return found


def outputs_of(answer: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each["data"] for each in answer["outputs"]}


def test_rows_get_all_outputs_and_the_id_of_the_request(rest: FlaskClient) -> None:
    found = infer(rest, id="a-1")

    assert (found["model_name"], found["model_version"], found["id"]) == ("xor", "1", "a-1")
    assert [(each["name"], each["datatype"], each["shape"]) for each in found["outputs"]] == [
        ("probabilities", "FP32", [3, 2]),
        ("label", "BYTES", [3, 1]),
        ("logits", "FP32", [3, 2]),
    ]
    known = rest.post("/predict", json={"instances": ROWS.tolist()}).get_json()
    assert outputs_of(found)["label"] == known["predictions"]
    assert outputs_of(found)["probabilities"] == [number for row in known["probabilities"] for number in row]
    assert "id" not in infer(rest)
    assert infer(rest, path="/v2/models/xor/versions/1/infer")["outputs"] == found["outputs"]


def test_values_may_be_nested_in_any_way_and_other_datatypes_are_converted(rest: FlaskClient) -> None:
    wanted = infer(rest)["outputs"]

    for data in (ROWS.tolist(), [ROWS.ravel().tolist()], [[0, 1, 2], [3, 4], [5]], [0, 1, [2, [3, 4]], 5]):
        assert infer(rest, tensor(data=data))["outputs"] == wanted
    for datatype in ("FP64", "INT64", "UINT8"):
        assert infer(rest, tensor(datatype=datatype, data=[0, 1, 2, 3, 4, 5]))["outputs"] == wanted


def test_many_numbers_get_the_same_answer_however_they_are_nested(rest: FlaskClient) -> None:
    rows = np.random.default_rng(0).standard_normal((4_000, 2)).astype(np.float32)
    numbers = rows.ravel().tolist()
    sent = split({"inputs": [as_bytes(rows.nbytes, shape=[4000, 2])]}, rows.tobytes())
    wanted = json.loads(rest.post(INFER, **sent).get_data())["outputs"]

    for data in (numbers, rows.tolist(), [rows[:1000].tolist(), numbers[2000:]]):
        assert infer(rest, tensor(shape=[4000, 2], data=data))["outputs"] == wanted
    for wrong in (True, "1", None, {}):
        answer = rest.post(INFER, json={"inputs": [tensor(shape=[4000, 2], data=[*numbers[:-1], wrong])]})
        assert answer.status_code == 400
        assert "expected numbers for FP32" in json.loads(answer.get_data())["error"]


def test_tensors_are_bytes_after_the_json_both_ways(rest: FlaskClient) -> None:
    known = outputs_of(infer(rest))
    asked = {"inputs": [as_bytes()], "outputs": [{"name": "label"}, {"name": "logits"}, {"name": "probabilities"}]}
    asked["outputs"][2]["parameters"] = {"binary_data": False}  # type: ignore[index]

    answer = rest.post(INFER, **split(asked | {"parameters": {"binary_data_output": True}}, ROWS.tobytes()))

    assert (answer.status_code, answer.content_type) == (200, "application/octet-stream")
    data, length = answer.get_data(), int(answer.headers[LENGTH])
    label, logits, probabilities = json.loads(data[:length])["outputs"]
    texts = b"".join(len(text).to_bytes(4, "little") + text.encode() for text in known["label"])
    assert label == {
        "name": "label",
        "datatype": "BYTES",
        "shape": [3, 1],
        "parameters": {"binary_data_size": len(texts)},
    }
    assert logits["parameters"] == {"binary_data_size": 24}
    assert data[length:] == texts + np.array(known["logits"], "<f4").tobytes()
    assert probabilities["data"] == known["probabilities"]


def test_a_body_without_json_is_the_one_input_of_one_row(rest: FlaskClient) -> None:
    answer = rest.post(INFER, data=ROWS[:1].tobytes(), headers={LENGTH: "0"})

    assert answer.status_code == 200, answer.get_data()
    data, length = answer.get_data(), int(answer.headers[LENGTH])
    first = json.loads(data[:length])["outputs"][0]
    assert (first["name"], first["shape"]) == ("probabilities", [1, 2])
    wanted = outputs_of(infer(rest))["probabilities"][:2]
    np.testing.assert_allclose(np.frombuffer(data[length : length + 8], "<f4"), wanted, rtol=1e-5)


def test_bodies_and_answers_may_be_packed(rest: FlaskClient) -> None:
    wanted = infer(rest)["outputs"]
    sent = split({"inputs": [as_bytes()]}, ROWS.tobytes())

    for coding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        headers = sent["headers"] | {"Content-Encoding": coding}
        answer = rest.post(INFER, data=pack(sent["data"]), headers=headers)
        assert json.loads(answer.get_data())["outputs"] == wanted
    many = tensor(shape=[300, 2], data=[0.5] * 600)
    answer = rest.post(INFER, json={"inputs": [many]}, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.get_data()))["outputs"][0]["shape"] == [300, 2]


def test_classification_writes_value_index_and_label(rest: FlaskClient) -> None:
    asked = [{"name": "probabilities", "parameters": {"classification": 1}}]

    found = infer(rest, outputs=asked)["outputs"][0]

    assert (found["datatype"], found["shape"]) == ("BYTES", [3, 1])
    probabilities = np.array(outputs_of(infer(rest))["probabilities"]).reshape(3, 2)
    best = [(row.max(), row.argmax()) for row in probabilities]
    assert found["data"] == [f"{value:.6f}:{index}:{('no', 'yes')[index]}" for value, index in best]


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"data": b'{"inputs": ['}, 400, "not valid JSON"),
    ({"data": b""}, 400, "empty body"),
    ({"json": []}, 400, "Expected `object`"),
    ({"json": {"inputs": {}}}, 400, "inputs"),
    ({"json": {}}, 400, "inputs"),
    ({"json": {"inputs": [tensor(name="pixels")]}}, 400, "unexpected inference input 'pixels' for model 'xor'"),
    ({"json": {"inputs": [tensor(shape=[1, 6])]}}, 400, "inputs.input: expected shape [-1,2], got [1,6]"),
    ({"json": {"inputs": [tensor(data=[1.0])]}}, 400, "inputs.input: expected 6 values"),
    ({"json": {"inputs": [tensor(data=None)]}}, 400, "expected the data of input 'input' as a list"),
    ({"json": {"inputs": [tensor(data=[True] * 6)]}}, 400, "expected numbers for FP32 in the data of input 'input'"),
    ({"json": {"inputs": [tensor(data=["1"] * 6)]}}, 400, 'got "1"'),
    ({"json": {"inputs": [tensor(data=[1e39] * 6)]}}, 400, "inputs[0][0]: expected a finite number"),
    ({"data": json.dumps({"inputs": [tensor(data=[float("nan")] * 6)]})}, 400, "NaN"),
    ({"json": {"inputs": [tensor(datatype="FP16")]}}, 400, "expected raw bytes"),
    ({"json": {"inputs": [tensor(datatype="INT64", data=[0.5] * 6)]}}, 400, "expected whole numbers for INT64"),
    ({"json": {"inputs": [tensor(shape=[-3, 2])]}}, 400, "expected a shape of sizes that are 0 or more"),
    ({"json": {"inputs": [as_bytes()]}}, 400, "24 bytes are said, and 0 follow"),
    ({"json": {"inputs": [tensor(parameters={"binary_data_size": 24})]}}, 400, "must have either 'data'"),
    ({"json": {"inputs": [tensor()], "outputs": [{"name": "zz"}]}}, 400, "unexpected inference output 'zz'"),
    ({"json": {"inputs": [tensor()], "parameters": {"triton_x": 1}}}, 400, "are reserved"),
    ({"json": {"inputs": [tensor()], "parameters": {"timeout": -1}}}, 400, "'timeout' as a whole number"),
    ({"data": b"1234", "headers": {LENGTH: "0"}}, 400, "expected 8 bytes"),
    ({"data": b"{}", "headers": {LENGTH: "3"}}, 400, "inference header size should be in range (0, 2), got: 3"),
    ({"data": b"{}", "headers": {LENGTH: "-1"}}, 400, "got: -1"),
    (split({"inputs": [as_bytes()]}, b"1234"), 400, "24 bytes are said, and 4 follow"),
    (split({"inputs": [as_bytes()]}, ROWS.tobytes() + b"1"), 400, "1 bytes that no input names"),
    ({"data": b"no gzip", "headers": {"Content-Encoding": "gzip"}}, 400, "not in gzip"),
    ({"json": {"inputs": [tensor()]}, "path": "/v2/models/nobody/infer"}, 404, "there is no model 'nobody'"),
    ({"json": {"inputs": [tensor()]}, "path": "/v2/models/xor/versions/7/infer"}, 404, "no version or alias '7'"),
    ({"data": b"", "path": "/v2/nothing"}, 404, "nothing is at /v2/nothing"),
]


def test_errors_have_the_shape_of_the_protocol(rest: FlaskClient) -> None:
    for wrong, status, message in WRONG:
        sent = dict(wrong)
        answer = rest.post(sent.pop("path", INFER), **sent)
        found = json.loads(answer.get_data())
        assert (answer.status_code, list(found)) == (status, ["error"]), (wrong, found)
        assert message in found["error"], (wrong, found)
    answer = rest.get(INFER)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")


def test_many_values_in_json_are_refused_before_they_are_read(settings: Settings, rest: FlaskClient) -> None:
    limited = msgspec.structs.replace(settings, max_predict_values=1_000)

    with running_rest(limited) as client:
        answer = client.post(INFER, data=b'{"inputs": [' + b"0," * 1_001)

    assert answer.status_code == 413
    assert "send fewer rows, or the tensors as bytes" in json.loads(answer.get_data())["error"]


def test_metadata_configuration_and_health(rest: FlaskClient) -> None:
    def get(path: str) -> Any:
        answer = rest.get(f"/v2{path}")
        assert answer.status_code == 200, path
        return json.loads(answer.get_data())

    assert get("")["name"] == "layerwise"
    assert "binary_tensor_data" in get("/")["extensions"]
    assert (get("/health/live"), get("/health/ready")) == ({"live": True}, {"ready": True})
    assert get("/models/xor/ready") == get("/models/xor/versions/1/ready") == {"name": "xor", "ready": True}
    assert get("/models") == {"models": ["xor"]}
    assert get("/models/xor") == get("/models/xor/versions/1")
    assert get("/models/xor")["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 2]}]
    config = get("/models/xor/config")
    assert (config["input"][0]["data_type"], config["input"][0]["dims"]) == ("TYPE_FP32", [2])
    assert {each["name"] for each in config["output"]} == {"probabilities", "label", "logits"}
    for path, status in (("/models/nobody", 404), ("/models/xor/versions/7", 404), ("/models/nobody/ready", 400)):
        assert rest.get(f"/v2{path}").status_code == status


def test_statistics_grow_with_every_way_in(rest: FlaskClient) -> None:
    infer(rest)
    assert rest.post("/predict", json={"instances": ROWS.tolist()}).status_code == 200

    found = json.loads(rest.get("/v2/models/xor/stats").get_data())["model_stats"][0]

    assert (found["name"], found["version"]) == ("xor", "1")
    assert found["inference_count"] >= 6
    assert found["inference_stats"]["success"]["count"] == found["inference_stats"]["queue"]["count"] >= 2
    assert json.loads(rest.get("/v2/models/stats").get_data())["model_stats"][0]["name"] == "xor"
    assert rest.get("/v2/models/nobody/stats").status_code == 400


def test_a_model_that_is_unloaded_is_not_used_until_it_is_loaded(settings: Settings, rest: FlaskClient) -> None:
    def post(path: str, body: bytes = b"") -> tuple[int, bytes]:
        answer = rest.post(path, data=body)
        return answer.status_code, answer.get_data()

    index, row = "/v2/repository/index", {"instances": ROWS.tolist()}
    assert json.loads(post(index)[1]) == [{"name": "xor", "version": "1", "state": "READY"}]
    with running_rest(settings) as other:  # another process, as it were
        assert other.post("/predict", json=row).status_code == 200

        assert post("/v2/repository/models/xor/unload", b'{"parameters":{"unload_dependents":false}}') == (200, b"")

        refused = other.post(INFER, json={"inputs": [tensor()]})
        while refused.status_code == 200:  # until it has looked
            refused = other.post(INFER, json={"inputs": [tensor()]})
        assert refused.status_code == 404
        assert "xor was unloaded: load it" in json.loads(refused.get_data())["error"]
        assert other.post("/predict", json=row).get_json()["reason"] == "MODEL_UNLOADED"
        assert rest.get("/v2/models/xor/ready").status_code == 400
        state = {"name": "xor", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}
        assert json.loads(post(index)[1]) == [state]
        assert json.loads(post(index, b'{"ready": true}')[1]) == []

        assert post("/v2/repository/models/xor/load", b"{}") == (200, b"")

        assert infer(other)["model_version"] == "1"
    assert post("/v2/repository/models/nobody/load")[0] == 404
    assert post("/v2/repository/models/nobody/unload")[0] == 200
    assert post("/v2/repository/models/xor/load", b'{"parameters": {"config": "{}"}}')[0] == 501


def test_settings_of_log_and_trace_can_be_read_and_shared_memory_is_refused(rest: FlaskClient) -> None:
    def status(path: str, body: Any = None) -> int:
        answer = rest.get(path) if body is None else rest.post(path, data=json.dumps(body))
        return answer.status_code

    assert json.loads(rest.get("/v2/logging").get_data())["log_format"] == "default"
    assert status("/v2/logging", {"log_info": True, "nothing": 1}) == 200
    assert status("/v2/logging", {"log_info": "yes"}) == 400
    assert status("/v2/logging", {"log_verbose_level": 1}) == 501
    assert json.loads(rest.get("/v2/models/xor/trace/setting").get_data())["trace_level"] == ["OFF"]
    assert status("/v2/trace/setting", {"trace_level": ["OFF"]}) == 200
    assert status("/v2/trace/setting", {"trace_level": ["TIMESTAMPS"]}) == 400
    assert status("/v2/systemsharedmemory/status") == 200
    assert status("/v2/systemsharedmemory/region/r/status") == 404
    assert status("/v2/cudasharedmemory/region/r/register", {"byte_size": 4}) == 501
    assert status("/v2/cudasharedmemory/unregister", {}) == 200
