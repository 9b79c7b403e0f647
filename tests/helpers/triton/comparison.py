"""What differs between a recorded answer of Triton and ours: statuses, fields, types, and the forms of tensors.

The texts of errors and the numbers that a network predicts may differ; that there are as many may not.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CLASSIFIED = re.compile(rb"-?\d+\.\d{6}:\d+(:(no|yes))?")
CALLERS_ERROR = {500: 400}
"""Triton calls JSON that it cannot read an internal error; it is the caller's."""
ITEM_SIZE = {"FP32": 4}


def differences(recorded: Any, ours: Any) -> list[str]:
    """What differs, one line each; an answer of several is named by its place."""
    if isinstance(recorded, list):
        found = [
            f"{at}: {line}" for at, pair in enumerate(zip(recorded, ours, strict=False)) for line in differences(*pair)
        ]
        return found if len(recorded) == len(ours) else [*found, f"{len(ours)} answers, not {len(recorded)}"]
    status = CALLERS_ERROR.get(recorded.get("status"), recorded.get("status"))
    if status != ours.get("status"):
        return [f"status {ours.get('status')}, not {recorded.get('status')}"]
    return list(_differences(form(recorded), form(ours), ""))


def form(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer without what may differ. Headers count where there is a body that is no error."""
    found = {name: value for name, value in answer.items() if name not in ("status", "headers", "binary")}
    if "error" in found:
        found["error"] = bool(found["error"])
    if isinstance(answer.get("body"), dict) and "error" not in answer["body"]:
        found["headers"] = answer["headers"]
    for place in ("body", "message", "infer_response"):
        if place in found:
            found[place] = _body(found[place], answer)
    if "error_message" in found:
        found["error_message"] = "text"
    return found


def _body(body: Any, answer: Mapping[str, Any]) -> Any:
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("error"), str):
        return {**body, "error": "text"}
    if "model_name" not in body or "outputs" not in body:
        return body
    contents = body.get("raw_output_contents")
    raw = base64.b64decode(answer.get("binary", "")) if contents is None else b"".join(map(base64.b64decode, contents))
    sizes = None if contents is None else [len(base64.b64decode(content)) for content in contents]
    outputs = {}
    for at, output in enumerate(body["outputs"]):
        size = sizes[at] if sizes else output.get("parameters", {}).get("binary_data_size", 0)
        outputs[output["name"]] = _output(output, raw[:size])
        raw = raw[size:]
    left = {"bytes beyond the outputs": len(raw)} if raw else {}
    return {name: value for name, value in body.items() if name != "raw_output_contents"} | {"outputs": outputs} | left


def _output(output: Mapping[str, Any], raw: bytes) -> dict[str, Any]:
    """The form of an output; `raw` are its bytes, if it has any."""
    if "data" in output:
        return {**output, "data": [_kind(value) for value in output["data"]]}
    found: dict[str, Any] = {**output, "bytes": _raw_form(output["datatype"], raw)}
    if output["datatype"] == "BYTES" and "parameters" in output:  # texts differ in length
        found["parameters"] = {**output["parameters"], "binary_data_size": "number"}
    return found


def _raw_form(datatype: str, raw: bytes) -> Any:
    if datatype != "BYTES":
        return {datatype: len(raw) / ITEM_SIZE[datatype]}
    texts = []
    while raw:
        size = 4 + int.from_bytes(raw[:4], "little")
        texts.append(_kind(raw[4:size].decode()))
        raw = raw[size:]
    return texts


def _kind(value: Any) -> str:
    if isinstance(value, str) and (classified := CLASSIFIED.fullmatch(value.encode())):
        return "value:index:label" if classified[1] else "value:index"
    return type(value).__name__


def _differences(recorded: Any, ours: Any, place: str) -> Iterator[str]:
    if isinstance(recorded, Mapping) and isinstance(ours, Mapping):
        for name in recorded.keys() | ours.keys():
            if name not in ours:
                yield f"{place}{name} is missing"
            elif name not in recorded:
                yield f"{place}{name} is new"
            else:
                yield from _differences(recorded[name], ours[name], f"{place}{name}.")
    elif _is_list(recorded) and _is_list(ours) and len(recorded) == len(ours):
        for at, (one, other) in enumerate(zip(recorded, ours, strict=True)):
            yield from _differences(one, other, f"{place}{at}.")
    elif type(recorded) is not type(ours) or recorded != ours:
        yield f"{place.removesuffix('.')} is {ours!r}, not {recorded!r}"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
