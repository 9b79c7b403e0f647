"""Requests of predictions over REST that are sent to a Triton and to Layerwise."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import numpy as np

from helpers.triton.rest_case import RestCase, Step, post, post_step

INFER = "/v2/models/bench/infer"
ROW = [number / 10 for number in range(30)]
ROWS = [ROW, ROW[::-1], [0.0] * 30]
FLAT = ROWS[0] + ROWS[1] + ROWS[2]
LEFT_OUT = object()
BINARY = np.array(ROW, "<f4").tobytes()


def tensor(
    data: Any = ROW, shape: Any = (1, 30), name: Any = "input", datatype: Any = "FP32", **more: Any
) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data} | more


def without(key: str, message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != key}


def infer(name: str, *inputs: Any, path: str = INFER, headers: dict[str, str] | None = None, **more: Any) -> RestCase:
    """A request for the probabilities, unless it says otherwise."""
    message = {"inputs": list(inputs or [tensor()]), "outputs": outputs("probabilities")} | more
    return post(name, path, {key: value for key, value in message.items() if value is not LEFT_OUT}, **(headers or {}))


def outputs(*names: str, **parameters: Any) -> list[dict[str, Any]]:
    return [{"name": name} | ({"parameters": parameters} if parameters else {}) for name in names]


def split(name: str, message: Any, binary: bytes = BINARY, *, length: Any = None, **headers: str) -> RestCase:
    """A request whose JSON is followed by the bytes of tensors."""
    return RestCase(name, (split_step(message, binary, length=length, **headers),))


def split_step(message: Any, binary: bytes, *, path: str = INFER, length: Any = None, **headers: str) -> Step:
    text = json.dumps(message).encode()
    length = str(len(text) if length is None else length)
    return post_step(path, text + binary, Inference_Header_Content_Length=length, **headers)


def bytes_of(size: Any, **more: Any) -> dict[str, Any]:
    """An input whose numbers are `size` bytes after the JSON."""
    return without("data", tensor(parameters={"binary_data_size": size}, **more))


ONE = {"inputs": [tensor()], "outputs": outputs("probabilities")}
ONE_BINARY = {"inputs": [bytes_of(120)], "outputs": outputs("probabilities", binary_data=True)}

DATA = [
    infer("one row"),
    infer("all outputs of one row", outputs=LEFT_OUT),
    infer("three rows, flat", tensor(FLAT, [3, 30])),
    infer("three rows, nested", tensor(ROWS, [3, 30])),
    infer("rows nested in one list", tensor([FLAT], [3, 30])),
    infer("rows nested otherwise than the shape", tensor([FLAT[:45], FLAT[45:]], [3, 30])),
    infer("rows of unequal length that sum up", tensor([FLAT[:29], FLAT[29:]], [3, 30])),
    infer("a list beside numbers", tensor([*ROW[:29], [1.0]])),
    infer("whole numbers", tensor(list(range(30)))),
    infer("a number beyond float32", tensor([1e39, *ROW[1:]])),
    infer("a whole number beyond int64", tensor([10**30, *ROW[1:]])),
    infer("null among the numbers", tensor([None, *ROW[1:]])),
    infer("a text among the numbers", tensor(["1", *ROW[1:]])),
    infer("a boolean among the numbers", tensor([True, *ROW[1:]])),
    infer("an object among the numbers", tensor([{}, *ROW[1:]])),
    infer("NaN", tensor([float("nan"), *ROW[1:]])),
    infer("Infinity", tensor([float("inf"), *ROW[1:]])),
    post("1e999", INFER, json.dumps(ONE).replace("0.1,", "1e999,", 1).encode()),
    infer("too few numbers", tensor(ROW[:29])),
    infer("too many numbers", tensor([*ROW, 1.0])),
    infer("no numbers", tensor([])),
    infer("data is null", tensor(None)),
    infer("data is a text", tensor("0.1")),
    infer("data is a number", tensor(1.0)),
    infer("data is an object", tensor({})),
    infer("no data", without("data", tensor())),
]

SHAPES = [
    infer("no rows", tensor([], [0, 30])),
    infer("29 inputs", tensor(ROW[:29], [1, 29])),
    infer("a shape without rows", tensor(ROW, [30])),
    infer("a shape of three dimensions", tensor(ROW, [1, 30, 1])),
    infer("a shape that asks for two rows", tensor(ROW, [2, 30])),
    infer("a negative dimension", tensor(ROW, [-1, 30])),
    infer("both dimensions negative", tensor(ROW, [-1, -30])),
    infer("an immense dimension", tensor(ROW, [2**62, 30])),
    infer("a dimension beyond int64", tensor(ROW, [2**64, 30])),
    infer("dimensions whose product overflows to the right size", tensor(ROW, [2**63 // 16 + 1, 32])),
    infer("a dimension that is a fraction", tensor(ROW, [1.0, 30])),
    infer("a dimension that is a text", tensor(ROW, ["1", 30])),
    infer("a shape that is a number", tensor(ROW, 30)),
    infer("a shape that is null", tensor(ROW, None)),
    infer("an empty shape", tensor(ROW, [])),
    infer("no shape", without("shape", tensor())),
    infer("more rows than max_batch_size", tensor([0.0] * 30 * 1025, [1025, 30])),
]

DATATYPES = [
    *(infer(f"datatype {datatype}", tensor([1] * 30, datatype=datatype)) for datatype in ("FP64", "INT32", "FP16")),
    infer("datatype BOOL", tensor([True] * 30, datatype="BOOL")),
    infer("datatype BYTES", tensor(["1"] * 30, datatype="BYTES")),
    infer("an unknown datatype", tensor(datatype="FLOAT")),
    infer("a datatype in small letters", tensor(datatype="fp32")),
    infer("a datatype that is a number", tensor(datatype=1)),
    infer("no datatype", without("datatype", tensor())),
]

INPUTS = [
    infer("an input of another name", tensor(name="inputs")),
    infer("an input without a name", without("name", tensor())),
    infer("an input whose name is a number", tensor(name=1)),
    infer("an input more than the model has", tensor(), tensor(name="other")),
    infer("the same input twice", tensor(), tensor()),
    infer("an input that is a text", "input"),
    infer("an input with an unknown key", tensor(nothing=1)),
    infer("an input with parameters", tensor(parameters={"scale": 2, "unit": "m"})),
    infer("an input whose parameters are a list", tensor(parameters=[])),
    post("no inputs", INFER, {}),
    post("an empty list of inputs", INFER, {"inputs": []}),
    post("inputs that are an object", INFER, {"inputs": {}}),
    post("inputs that are null", INFER, {"inputs": None}),
]

OUTPUTS = [
    *(infer(f"only {name}", outputs=outputs(name)) for name in ("probabilities", "label", "logits")),
    infer("two outputs in their own order", outputs=outputs("logits", "label")),
    infer("an output that the model lacks", outputs=outputs("nothing")),
    infer("an output twice", outputs=outputs("label", "label")),
    infer("an empty list of outputs", outputs=[]),
    infer("outputs that are null", outputs=None),
    infer("outputs that are an object", outputs={}),
    infer("an output that is a text", outputs=["label"]),
    infer("an output without a name", outputs=[{}]),
    infer("an output whose name is a number", outputs=[{"name": 1}]),
    infer("an output with an unknown parameter", outputs=outputs("label", nothing=1)),
    infer("an output whose parameters are a list", outputs=[{"name": "label", "parameters": []}]),
    *(
        infer(
            f"classification {count!r}", tensor(FLAT, [3, 30]), outputs=outputs("probabilities", classification=count)
        )
        for count in (1, 2, 5, 0, -1, "2", True, 1.0)
    ),
    infer("classification of the logits", outputs=outputs("logits", classification=2)),
    infer("classification as bytes", outputs=outputs("probabilities", classification=2, binary_data=True)),
    infer("an output as bytes", outputs=outputs("probabilities", binary_data=True)),
    infer("a label as bytes", tensor(FLAT, [3, 30]), outputs=outputs("label", binary_data=True)),
    infer("an output as text", outputs=outputs("probabilities", binary_data=False)),
    infer("binary_data is a text", outputs=outputs("probabilities", binary_data="yes")),
    infer("all outputs as bytes", outputs=LEFT_OUT, parameters={"binary_data_output": True}),
    infer("no outputs as bytes", parameters={"binary_data_output": False}),
    infer("binary_data_output is a number", parameters={"binary_data_output": 1}),
    infer(
        "one output as bytes, one as text", outputs=[*outputs("probabilities", binary_data=True), *outputs("logits")]
    ),
    infer(
        "all outputs as bytes but one",
        outputs=[*outputs("probabilities"), *outputs("logits", binary_data=False)],
        parameters={"binary_data_output": True},
    ),
]

ENVELOPE = [
    infer("an id", id="a-1"),
    infer("an empty id", id=""),
    infer("an id that is a number", id=7),
    infer("an id that is null", id=None),
    infer("parameters of each kind", parameters={"text": "a", "whole": 1, "part": 0.5, "flag": True}),
    infer("a parameter that is null", parameters={"nothing": None}),
    infer("a parameter that is a list", parameters={"list": [1]}),
    infer("a parameter that is an object", parameters={"object": {}}),
    infer("parameters that are a list", parameters=[]),
    infer("parameters that are null", parameters=None),
    infer("a reserved parameter", parameters={"triton_nothing": 1}),
    infer("priority and timeout", parameters={"priority": 1, "timeout": 10_000_000}),
    infer("a priority that is a text", parameters={"priority": "high"}),
    infer("a negative timeout", parameters={"timeout": -1}),
    infer("parameters of a sequence", parameters={"sequence_id": 7, "sequence_start": True, "sequence_end": True}),
    infer("an unknown key", nothing=1),
    infer("version 1", path="/v2/models/bench/versions/1/infer"),
    *(
        infer(f"version {version}", path=f"/v2/models/bench/versions/{version}/infer")
        for version in ("2", "0", "-1", "latest", "1.0", "01", "99999999999999999999")
    ),
    infer("a model that is none", path="/v2/models/nobody/infer"),
    infer("a model whose name is odd", path="/v2/models/%2e%2e%2fbench/infer"),
]

BODIES = [
    post("an empty body", INFER, b""),
    post("a list", INFER, []),
    post("null", INFER, None),
    post("a text", INFER, "text"),
    post("malformed JSON", INFER, b'{"inputs": ['),
    post("JSON that goes on", INFER, json.dumps(ONE).encode() + b"{}"),
    post("JSON with a comma too many", INFER, b'{"inputs": [],}'),
    post("JSON with a byte order mark", INFER, b"\xef\xbb\xbf" + json.dumps(ONE).encode()),
    post("JSON in UTF-16", INFER, json.dumps(ONE).encode("utf-16")),
    post("bytes that are no UTF-8", INFER, b'{"id": "\xff", ' + json.dumps(ONE)[1:].encode()),
    post("a key twice", INFER, b'{"id": "a", "id": "b", ' + json.dumps(ONE)[1:].encode()),
    post("another content type", INFER, ONE, Content_Type="text/plain"),
    post("JSON with the length of its header", INFER, ONE, Inference_Header_Content_Length=str(len(json.dumps(ONE)))),
]

BINARY_CASES = [
    split("bytes", {"inputs": [bytes_of(120)], "outputs": outputs("probabilities")}),
    split("bytes both ways", ONE_BINARY),
    split("bytes of three rows", ONE_BINARY | {"inputs": [bytes_of(360, shape=[3, 30])]}, BINARY * 3),
    split("bytes in, text out", {"inputs": [bytes_of(120)], "outputs": outputs("probabilities", binary_data=False)}),
    split("bytes with an id", ONE_BINARY | {"id": "b"}),
    split("bytes of NaN", ONE_BINARY, np.full(30, np.nan, "<f4").tobytes()),
    split("bytes after their content type", ONE_BINARY, Content_Type="application/octet-stream"),
    split("bytes beside data", {"inputs": [tensor(parameters={"binary_data_size": 120})]}),
    split("bytes of another size than the shape", {"inputs": [bytes_of(120, shape=[2, 30])]}),
    split("fewer bytes than said", {"inputs": [bytes_of(120)]}, BINARY[:100]),
    split("more bytes than said", {"inputs": [bytes_of(120)]}, BINARY + b"1234"),
    split("a size below the shape's", {"inputs": [bytes_of(100)]}),
    split("a size above the shape's", {"inputs": [bytes_of(124)]}, BINARY + b"1234"),
    split("a size that is negative", {"inputs": [bytes_of(-120)]}),
    split("a size that is a text", {"inputs": [bytes_of("120")]}),
    split("a size that is immense", {"inputs": [bytes_of(2**62)]}),
    split("a size of 0", {"inputs": [bytes_of(0)]}, b""),
    split("bytes and no size", {"inputs": [without("data", tensor())]}),
    split("bytes of FP64", {"inputs": [bytes_of(240, datatype="FP64")]}, BINARY * 2),
    split("bytes of FP16", {"inputs": [bytes_of(60, datatype="FP16")]}, BINARY[:60]),
    split("bytes without rows", {"inputs": [bytes_of(0, shape=[0, 30])]}, b""),
    split("a header longer than the body", ONE_BINARY, length=100_000),
    split("a header shorter than its JSON", ONE_BINARY, length=10),
    split("a header of negative length", ONE_BINARY, length=-1),
    split("a header whose length is a text", ONE_BINARY, length="ten"),
    split("a header whose length is empty", ONE_BINARY, length=""),
    split("a header whose length is immense", ONE_BINARY, length=10**30),
    post("raw bytes", INFER, BINARY, Inference_Header_Content_Length="0"),
    post("raw bytes of two rows", INFER, BINARY * 2, Inference_Header_Content_Length="0"),
    post("raw bytes that are too few", INFER, BINARY[:100], Inference_Header_Content_Length="0"),
    post("raw bytes that are none", INFER, b"", Inference_Header_Content_Length="0"),
]


ONE_ROW = post_step(INFER, ONE)


def packed(name: str, pack: Any, encoding: str, sent: Step = ONE_ROW) -> RestCase:
    """A request whose body is compressed by `pack`."""
    return RestCase(name, (Step("POST", sent.path, pack(sent.body), {**sent.headers, "Content-Encoding": encoding}),))


COMPRESSION = [
    packed("gzip", gzip.compress, "gzip"),
    packed("deflate", zlib.compress, "deflate"),
    packed("gzip of bytes", gzip.compress, "gzip", split_step(ONE_BINARY, BINARY)),
    packed("gzip in name only", bytes, "gzip"),
    packed("deflate in name only", bytes, "deflate"),
    packed("gzip that is cut off", lambda body: gzip.compress(body)[:-20], "gzip"),
    packed("gzip that is called deflate", gzip.compress, "deflate"),
    packed("deflate that is called gzip", zlib.compress, "gzip"),
    packed("no compression by name", bytes, "identity"),
    packed("an unknown compression", bytes, "br"),
    post("an answer as gzip", INFER, ONE, Accept_Encoding="gzip"),
    post("an answer as deflate", INFER, ONE, Accept_Encoding="deflate"),
    post("an answer as gzip or deflate", INFER, ONE, Accept_Encoding="gzip, deflate"),
    post("an answer in an unknown compression", INFER, ONE, Accept_Encoding="br"),
    post("an answer in any compression", INFER, ONE, Accept_Encoding="*"),
    RestCase("bytes as gzip", (split_step(ONE_BINARY, BINARY, Accept_Encoding="gzip"),)),
    infer(
        "a large answer as gzip",
        tensor([0.5] * 1200, [40, 30]),
        outputs=outputs("probabilities", "logits"),
        headers={"Accept_Encoding": "gzip"},
    ),
    infer(
        "a large answer as deflate",
        tensor([0.5] * 1200, [40, 30]),
        outputs=outputs("probabilities", binary_data=True),
        headers={"Accept_Encoding": "deflate"},
    ),
    post("an error as gzip", INFER, {}, Accept_Encoding="gzip"),
]

INFER_CASES = [*DATA, *SHAPES, *DATATYPES, *INPUTS, *OUTPUTS, *ENVELOPE, *BODIES, *BINARY_CASES, *COMPRESSION]
