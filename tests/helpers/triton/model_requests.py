"""Requests to models with a table and of a regression, which are sent to a Triton and to Layerwise."""

from __future__ import annotations

from typing import Any

from helpers.triton.infer_requests import LEFT_OUT, infer, outputs, split_step, tensor, without
from helpers.triton.rest_case import RestCase, case, get

TABLE = "/v2/models/table/infer"
VALUES = "/v2/models/values/infer"


def column(name: str, datatype: str, *cells: Any, **more: Any) -> dict[str, Any]:
    return tensor(list(cells), [len(cells), 1], name, datatype, **more)


def table(name: str, *inputs: Any, **more: Any) -> RestCase:
    return infer(name, *inputs, path=TABLE, **{"outputs": outputs("label")} | more)


def texts(*values: str) -> bytes:
    return b"".join(len(value.encode()).to_bytes(4, "little") + value.encode() for value in values)


SIZE = column("size", "FP64", 1.5, 2)
COLOUR = column("colour", "BYTES", "red", "green")
FRESH = column("fresh", "BOOL", True, False)
PART = "binary_data_size"
COLOUR_BYTES = without("data", COLOUR | {"parameters": {PART: len(texts("red", "green"))}})
FRESH_BYTES = without("data", FRESH | {"parameters": {PART: 2}})


def mixed(name: str, *inputs: Any, binary: bytes) -> RestCase:
    return case(name, split_step({"inputs": inputs, "outputs": outputs("label")}, binary, path=TABLE))


MODEL_CASES = [
    get("metadata of a table's model", "/v2/models/table"),
    get("configuration of a table's model", "/v2/models/table/config"),
    get("metadata of a regression", "/v2/models/values"),
    get("configuration of a regression", "/v2/models/values/config"),
    infer("a regression", tensor([1, 2, 3], [1, 3]), path=VALUES, outputs=LEFT_OUT),
    infer(
        "two rows of a regression as bytes",
        tensor([1, 2, 3] * 2, [2, 3]),
        path=VALUES,
        outputs=outputs("output", binary_data=True),
    ),
    infer("probabilities of a regression", tensor([1, 2, 3], [1, 3]), path=VALUES, outputs=outputs("probabilities")),
    infer(
        "classification of a regression",
        tensor([1, 2, 3], [1, 3]),
        path=VALUES,
        outputs=outputs("output", classification=1),
    ),
    table("two rows of a table", SIZE, COLOUR, FRESH),
    table("columns in another order", FRESH, COLOUR, SIZE),
    table("columns without their second dimension", *(one | {"shape": [2]} for one in (SIZE, COLOUR, FRESH))),
    table(
        "nested cells",
        SIZE | {"data": [[1.5], [2]]},
        COLOUR | {"data": [["red"], ["green"]]},
        FRESH | {"data": [[True], [False]]},
    ),
    table("a column too few", SIZE, COLOUR),
    table("a column too many", SIZE, COLOUR, FRESH, column("weight", "FP64", 1.0, 2.0)),
    table("columns of unequal length", SIZE, COLOUR, column("fresh", "BOOL", True)),
    table("a number among texts", SIZE, column("colour", "BYTES", "red", 1), FRESH),
    table("null among texts", SIZE, column("colour", "BYTES", "red", None), FRESH),
    table("null among a column of numbers", column("size", "FP64", 1.5, None), COLOUR, FRESH),
    table("a text among numbers", column("size", "FP64", 1.5, "2"), COLOUR, FRESH),
    table("a number among booleans", SIZE, COLOUR, column("fresh", "BOOL", True, 1)),
    table("a text beyond ASCII", SIZE, column("colour", "BYTES", "röt", "\0"), FRESH),
    mixed("a column as bytes", SIZE, COLOUR_BYTES, FRESH, binary=texts("red", "green")),
    mixed("two columns as bytes", SIZE, COLOUR_BYTES, FRESH_BYTES, binary=texts("red", "green") + b"\1\0"),
    mixed("texts whose lengths lie", SIZE, COLOUR_BYTES, FRESH, binary=b"\xff\xff\xff\x7f" + texts("red", "green")[4:]),
    mixed(
        "a length that is cut off", SIZE, COLOUR_BYTES | {"parameters": {PART: 9}}, FRESH, binary=texts("red") + b"\1\0"
    ),
    mixed("a text too few", SIZE, COLOUR_BYTES | {"parameters": {PART: 7}}, FRESH, binary=texts("red")),
    mixed("a text too many", SIZE, COLOUR_BYTES | {"parameters": {PART: 21}}, FRESH, binary=texts("red", "red", "red")),
    mixed("texts that are no UTF-8", SIZE, COLOUR_BYTES, FRESH, binary=texts("red", "green").replace(b"e", b"\xff")),
    mixed("booleans beyond 1", SIZE, COLOUR, FRESH_BYTES, binary=b"\7\0"),
]
