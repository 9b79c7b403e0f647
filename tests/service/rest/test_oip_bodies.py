"""Bodies of `/v2` that are wrong, by the rows of the catalogue of faults: always 4xx, and the protocol's error."""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from helpers.published import publish
from helpers.rest_clients import running_rest
from helpers.triton.infer_requests import BINARY, INFER, ONE, ONE_BINARY, ROW, outputs, split_step, tensor
from helpers.triton.model_requests import COLOUR, FRESH, SIZE, TABLE
from helpers.triton.ours import CLASSES, publish_all
from layerwise import MLP, Architecture, Layer
from layerwise_service.settings import Settings

LIMIT = 2**20
TEXT = json.dumps(ONE)


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = Settings(home=str(tmp_path_factory.mktemp("bodies") / "home"), max_body_bytes=LIMIT)
    publish_all(settings)
    huge = MLP(Architecture(2, (Layer(4, "relu"), Layer(2))), seed=0)
    huge.parameters[:] = 3e38
    huge.labels = ("no", "yes")
    publish(settings, "huge", huge, CLASSES, labels=("no", "yes"))
    with running_rest(settings) as client:
        yield client


def refused(rest: FlaskClient, body: bytes, *, path: str = INFER, headers: Mapping[str, str] | None = None) -> int:
    """The status of an answer that must be an error of the caller's."""
    response = rest.post(path, data=body, headers=dict(headers or {}))
    assert 400 <= response.status_code < 500, response.get_data()
    assert response.content_type == "application/json"
    answer = json.loads(response.get_data())
    assert list(answer) == ["error"]
    assert isinstance(answer["error"], str)
    assert answer["error"]
    assert "Traceback" not in answer["error"]
    assert len(answer["error"]) < 2_000
    return response.status_code


def with_data(text: str) -> bytes:
    """A request whose first number is `text`."""
    return TEXT.replace("[0.0,", f"[{text},", 1).encode()


BODIES: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n",
    "null": b"null",
    "a number": b"1",
    "a text": b'"inputs"',
    "a list": b"[]",
    "no end": TEXT[:-1].encode(),
    "trailing garbage": (TEXT + "x").encode(),
    "two documents": (TEXT + TEXT).encode(),
    "a byte order mark alone": b"\xef\xbb\xbf",
    "UTF-16": TEXT.encode("utf-16"),
    "bad UTF-8": TEXT.replace("input", "inp\xff").encode("latin-1"),
    "half a surrogate": TEXT.replace('"input"', '"\\ud800"').encode(),
    "a zero byte": TEXT.replace("input", "in\0put").encode(),
    "single quotes": TEXT.replace('"', "'").encode(),
    "a comment": (TEXT + "// end").encode(),
    "NaN": with_data("NaN"),
    "Infinity": with_data("-Infinity"),
    "1e999": with_data("1e999"),
    "beyond float32": with_data("1e39"),
    "5,000 digits": with_data("9" * 5_000),
    "a boolean": with_data("true"),
    "null among numbers": with_data("null"),
    "a text among numbers": with_data('"1"'),
    "an object among numbers": with_data("{}"),
    "an empty list among numbers": with_data("[]"),
    "ragged rows": json.dumps({"inputs": [tensor([ROW, ROW[1:]], [2, 30])]}).encode(),
    "deep data": with_data("[" * 5_000 + "1" + "]" * 5_000),
    "no shape": json.dumps({"inputs": [{"name": "input", "datatype": "FP32", "data": ROW}]}).encode(),
    "a shape of 40 dimensions": json.dumps({"inputs": [tensor(ROW, [1] * 39 + [30])]}).encode(),
    "a shape of 100,000 dimensions": json.dumps({"inputs": [tensor(ROW, [1] * 100_000)]}).encode(),
    "a shape whose product has 2,000 digits": json.dumps({"inputs": [tensor(ROW, [2**62] * 110)]}).encode(),
    "a shape of booleans": json.dumps({"inputs": [tensor(ROW, [True, 30])]}).encode(),
    "a datatype of 100,000 letters": json.dumps({"inputs": [tensor(datatype="F" * 100_000)]}).encode(),
    "a name of 100,000 letters": json.dumps({"inputs": [tensor(name="i" * 100_000)]}).encode(),
    "10,000 inputs": json.dumps({"inputs": [tensor([], [0])] * 10_000}).encode(),
    "10,000 unknown outputs": json.dumps(ONE | {"outputs": outputs(*map(str, range(10_000)))}).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_59_a_body_that_is_wrong_is_refused(body: bytes, rest: FlaskClient) -> None:
    assert refused(rest, body) == 400


@pytest.mark.parametrize(
    "columns",
    [
        [SIZE | {"data": [1.5, "a"]}, COLOUR, FRESH],
        [SIZE | {"data": [1e999, 1]}, COLOUR, FRESH],
        [SIZE, COLOUR | {"data": ["red", 7]}, FRESH],
        [SIZE, COLOUR, FRESH | {"data": [True, "x"]}],
        [SIZE, COLOUR, FRESH | {"datatype": "FP32", "data": [0.5, 2]}],
        [SIZE, COLOUR, FRESH | {"shape": [1, 2]}],
        [SIZE, COLOUR],
        [],
    ],
    ids=lambda columns: json.dumps(columns)[-60:],
)
def test_59_columns_that_are_wrong_are_refused(columns: list[Any], rest: FlaskClient) -> None:
    assert refused(rest, json.dumps({"inputs": columns}).encode(), path=TABLE) == 400


@pytest.mark.parametrize("text", [b"r\xffd", b"\xed\xa0\x80", b"\\ud800"])
def test_59_a_cell_that_is_no_text_is_refused(text: bytes, rest: FlaskClient) -> None:
    body = json.dumps({"inputs": [SIZE, COLOUR, FRESH]}).encode()

    assert refused(rest, body.replace(b"red", text), path=TABLE) == 400


@pytest.mark.parametrize("path", ["repository/index", "repository/models/bench/load", "logging", "trace/setting"])
def test_59_settings_and_calls_of_the_repository_refuse_what_is_no_json(path: str, rest: FlaskClient) -> None:
    for body in (b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b"{}{}"):
        refused(rest, body, path=f"/v2/{path}")


def test_60_a_million_nested_lists_are_refused(rest: FlaskClient) -> None:
    assert refused(rest, b'{"inputs": ' + b"[" * 1_000_000) in (400, 413)
    assert refused(rest, b'{"inputs": [{"parameters": ' + b'{"a": ' * 100_000) == 400


def test_60_a_body_beyond_the_limit_is_refused_without_being_kept(rest: FlaskClient) -> None:
    body = bytes(100_000_000)

    tracemalloc.start()
    try:
        assert refused(rest, body) == 413
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4 * LIMIT


def test_61_outputs_that_are_no_numbers_are_refused_not_sent(rest: FlaskClient) -> None:
    tensor_of_huge = tensor([1.0, 1.0], [1, 2])
    for wanted in ("probabilities", "label", "logits"):
        body = json.dumps({"inputs": [tensor_of_huge], "outputs": outputs(wanted, binary_data=True)}).encode()
        assert refused(rest, body, path="/v2/models/huge/infer") == 400


def test_62_a_gzip_bomb_is_refused_before_it_is_unpacked_whole(rest: FlaskClient) -> None:
    bomb = gzip.compress(bytes(100 * LIMIT), 1)

    assert refused(rest, bomb, headers={"Content-Encoding": "gzip"}) == 413


@pytest.mark.parametrize("length", ["-1", "1.5", "ten", "0x10", "9" * 400, "１０", " ", str(10**18)])
def test_a_header_length_that_lies_is_refused(length: str, rest: FlaskClient) -> None:
    step = split_step(ONE_BINARY, BINARY, length=length)

    assert (
        refused(rest, step.body, headers={"Inference-Header-Content-Length": length.encode().decode("latin-1")}) == 400
    )


@pytest.mark.parametrize("size", [-1, 1, 119, 121, 240, 2**31, 2**63, 2**64, 10**30, 1.5, True, None, "120", [120]])
def test_the_size_of_a_tensor_that_lies_is_refused(size: Any, rest: FlaskClient) -> None:
    lying = {"name": "input", "shape": [1, 30], "datatype": "FP32", "parameters": {"binary_data_size": size}}
    step = split_step({"inputs": [lying]}, BINARY)

    assert refused(rest, step.body, headers=step.headers) == 400


Mutate = Callable[[random.Random, bytes], bytes]


def cut(draw: random.Random, body: bytes) -> bytes:
    return body[: draw.randrange(len(body))]


def flip(draw: random.Random, body: bytes) -> bytes:
    at = draw.randrange(len(body))
    return body[:at] + bytes([draw.randrange(256)]) + body[at + 1 :]


def repeat(draw: random.Random, body: bytes) -> bytes:
    start, end = sorted(draw.randrange(len(body)) for _ in range(2))
    return body[:end] + body[start:]


def swap(draw: random.Random, body: bytes) -> bytes:
    value = draw.choice([b"null", b"[]", b"{}", b"-1", b"1e400", b'""', b"true", b"18446744073709551616"])
    at = draw.choice([at for at, byte in enumerate(body) if byte == ord(":")])
    end = min(at + draw.randrange(1, 20), len(body))
    return body[: at + 1] + value + body[end:]


@pytest.mark.parametrize("mutate", [cut, flip, repeat, swap])
@pytest.mark.parametrize("path", [INFER, TABLE])
def test_a_body_that_is_changed_at_random_is_answered_or_refused(path: str, mutate: Mutate, rest: FlaskClient) -> None:
    draw = random.Random(f"{path} {mutate.__name__}")
    whole = {"inputs": [SIZE, COLOUR, FRESH], "id": "7"} if path == TABLE else ONE | {"parameters": {"a": 1}}
    parts = [(json.dumps(whole).encode(), {})]
    if path == INFER:
        step = split_step(ONE_BINARY, np.array(ROW, "<f4").tobytes())
        parts.append((step.body, step.headers))
    for body, headers in parts:
        for _ in range(150):
            sent = mutate(draw, body)
            if rest.post(path, data=sent, headers=dict(headers)).status_code != 200:
                refused(rest, sent, path=path, headers=headers)


@pytest.mark.parametrize(
    "name",
    ["..", "%2e%2e%2fbench", "a%2Fb", "%00", "a" * 5_000, "%EF%BC%A2ENCH", ".bench", "b%23%3F", "bench%0A", "%FF"],
)
def test_47_names_and_versions_that_are_none_are_not_found(name: str, rest: FlaskClient) -> None:
    for place in (f"models/{name}", f"models/bench/versions/{name}"):
        for method, path, body in (
            ("GET", place, b""),
            ("GET", f"{place}/config", b""),
            ("GET", f"{place}/ready", b""),
            ("GET", f"{place}/stats", b""),
            ("POST", f"{place}/infer", TEXT.encode()),
        ):
            response = rest.open(f"/v2/{path}", method=method, data=body)
            assert response.status_code in (400, 404), (method, path)
            assert list(json.loads(response.get_data())) == ["error"]
            assert len(response.get_data()) < 2_000
