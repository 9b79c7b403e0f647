"""The ways to ask for predictions over REST, and bodies that each of them refuses."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import Any

GOOD = "[[0, 1], [1, 1]]"
"""Rows for a network with two inputs."""


@dataclass(frozen=True)
class Way:
    """A way to send rows of numbers to the model `xor`, a network with two inputs.

    - `template` is the body, with ROWS for a list of rows, and COUNT for their number.
    - `error` is the name of an error's text in the answer. With `places` it names the row and the column.
    - `not_finite` is the status of an error about an answer that is not finite.
    - `accepts` are those of `wrong_bodies`, and an unknown parameter, that this way takes as the original does.
    """

    name: str
    path: str
    template: str = '{"instances": ROWS}'
    error: str = "error"
    places: bool = True
    not_finite: int = 422
    accepts: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, rows: str) -> bytes:
        return self.template.replace("COUNT", str(rows.count("[") - 1)).replace("ROWS", rows).encode()

    def predictions(self, answer: Any) -> list[Any]:
        """What is answered for each row: probabilities by some ways, labels by others."""
        if self.name != "oip":
            (values,) = [answer[name] for name in ("predictions", "outputs") if name in answer]
            return list(values)
        (tensor,) = [each for each in answer["outputs"] if each["name"] == "probabilities"]
        rows, classes = tensor["shape"]
        return [tensor["data"][row * classes : (row + 1) * classes] for row in range(rows)]

    def message(self, answer: Any) -> str:
        found = answer[self.error]
        assert isinstance(found, str)
        return found


_TFS, _MLFLOW = "/v1/models/xor:predict", "/models/xor/invocations"
WAYS = [
    Way("predict", "/predict", '{"model": "xor", "instances": ROWS}', "detail"),
    Way("tf-rows", _TFS),
    Way("tf-columns", _TFS, '{"inputs": ROWS}'),
    Way("tf-named-columns", _TFS, '{"inputs": {"input_1": ROWS}, "signature_name": "serving_default"}'),
    Way("mlflow-split", _MLFLOW, '{"dataframe_split": {"data": ROWS}}', "message"),
    Way(
        "mlflow-split-columns",
        _MLFLOW,
        '{"dataframe_split": {"columns": ["a", "b"], "index": [0, 1], "data": ROWS}, "params": {}}',
        "message",
    ),
    Way("mlflow-instances", _MLFLOW, error="message"),
    Way("mlflow-inputs", _MLFLOW, '{"inputs": ROWS}', "message"),
    Way(
        "oip",
        "/v2/models/xor/infer",
        '{"inputs": [{"name": "input", "datatype": "FP32", "shape": [COUNT, 2], "data": ROWS}]}',
        places=False,
        not_finite=400,
        accepts=("an unknown field", "bytes that are not UTF-8", "another type", "an unknown parameter"),
    ),
    Way("mlflow-named-inputs", "/serving-endpoints/xor/invocations", '{"inputs": {"a": ROWS}}', "message"),
]
WAYS_OF_OBJECTS = [
    Way("tf-examples", "/v1/models/xor:classify", '{"examples": [{"input": ROWS}]}'),
    Way("mlflow-records", "/models/xor/versions/1/invocations", '{"dataframe_records": [{"a": ROWS}]}', "message"),
]
"""Ways that take other rows, but the same bodies."""

WRONG_ROWS = [
    # rows, the place in an error
    ("[]", ""),
    ("{}", ""),
    ("null", ""),
    ("3", ""),
    ('"abc"', ""),
    ("[[]]", "[0]"),
    ("[[0, 0], [0]]", "[1]"),
    ("[[0, 0], [0, 0, 0]]", "[1]"),
    ("[[0, 0], 3]", "[1]"),
    ("[[0, 0], null]", "[1]"),
    ("[[0, 0], {}]", "[1]"),
    ('[[0, 0], {"a": 1, "b": 2}]', "[1]"),
    ('[[0, "1"]]', "[0][1]"),
    ("[[0, 0], [0, true]]", "[1][1]"),
    ("[[0, null]]", "[0][1]"),
    ("[[[0], 0]]", "[0][0]"),
    ('[[0, {"b64": "MQ=="}]]', "[0][1]"),
    ("[[0, 0], [0, NaN]]", "[1][1]"),
    ("[[Infinity, 0]]", "[0][0]"),
    ("[[0, -Infinity]]", "[0][1]"),
    ("[[0, 1e999]]", "[0][1]"),
    ("[[0, 1e39]]", "[0][1]"),
    ("[[0, " + "9" * 400 + "]]", "[0][1]"),
    ("[[0, " + "9" * 5000 + "]]", "[0][1]"),
    ("[[0, nan]]", ""),
    ("[[0, 0],]", ""),
    ("[[0, 0]", ""),
    ('[[0, "\\ud800"]]', "[0][1]"),
    ("[" * 900 + "]" * 900, ""),
    ("[" * 30_000 + "]" * 30_000, ""),
    ("[[0, 0]" + ", [0, 0]" * 40_000 + "]", ""),
    ("[[0" + ", 0" * 70_000 + "]]", ""),
]


def wrong_bodies(way: Way) -> list[tuple[str, bytes, dict[str, str], int | None]]:
    """Bodies as a whole, each with its headers, and the status of the answer; None: any that blames the caller."""
    good = way.body(GOOD)
    name = json.dumps(next(iter(json.loads(good)))).encode()
    return [
        ("empty", b"", {}, 400),
        ("cut off", good[:-1], {}, 400),
        ("an open string", b'"', {}, 400),
        ("nonsense", b"nonsense", {}, 400),
        ("a list", b"[]", {}, 400),
        ("null", b"null", {}, 400),
        ("NaN", b"NaN", {}, 400),
        ("no field", b"{}", {}, 400),
        ("an unknown field", b'{"colour": 1, ' + good[1:], {}, 400),
        ("a field twice", good[:-1] + b", " + name + b": [[0, 0]]}", {}, 400),
        ("trailing garbage", good + b" x", {}, 400),
        ("a byte order mark", b"\xef\xbb\xbf" + good, {}, 400),
        ("UTF-16", good.decode().encode("utf-16"), {}, 400),
        ("bytes that are not UTF-8", b'{"\xff": 1, ' + good[1:], {}, 400),
        ("objects 1,000,000 deep", b'{"a":' * 1_000_000, {}, None),
        ("lists 1,000,000 deep", b"[" * 1_000_000, {}, None),
        ("packed, but not said so", gzip.compress(good, mtime=0), {}, 400),
        ("said to be packed", good, {"Content-Encoding": "gzip"}, 400),
        ("cut off while packed", gzip.compress(good, mtime=0)[:-9], {"Content-Encoding": "gzip"}, 400),
        ("an unknown packing", good, {"Content-Encoding": "br"}, None),
        ("a gzip bomb", gzip.compress(bytes(80 * 2**20), 1), {"Content-Encoding": "gzip"}, 413),
        ("beyond the limit", b" " * (33 * 2**20), {}, 413),
        ("another type", good, {"Content-Type": "text/plain"}, 415),
    ]
