"""The spec file of `layerwise train`: an architecture, a plan and an encoder in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from layerwise_client._data.places import place_words
from layerwise_client.errors import InvalidRequest
from layerwise_proto.json_form import JSONFormError, to_message
from layerwise_proto.v1 import tables_pb2, types_pb2

_PARTS = {"architecture": types_pb2.Architecture, "plan": types_pb2.Plan, "encoder": tables_pb2.Encoder}
_WANTED = 'expected an object with "architecture", "plan" and "encoder", or some of them'


def read_spec(path: Path) -> dict[str, Any]:
    """Return the parts of a spec file in JSON form. Raises `InvalidRequest` with the file and the place in it."""
    try:
        spec: object = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeated_keys)
    except _RepeatedKey as exc:
        raise InvalidRequest(f"{path}: the key {str(exc)!r} is repeated in one object") from exc
    except ValueError as exc:
        raise InvalidRequest(f"{path}: not JSON ({exc})") from exc
    except RecursionError as exc:
        raise InvalidRequest(f"{path}: expected a spec of a few levels, got one that is nested too deeply") from exc
    if not isinstance(spec, dict) or not spec:
        raise InvalidRequest(f"{path}: {_WANTED}")
    parts = cast("dict[str, Any]", spec)
    for name in parts:
        if name not in _PARTS:
            near = get_close_matches(name, _PARTS, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise InvalidRequest(f'{path}: {_WANTED}; got "{name}"{hint}')
    try:
        for name, kind in _PARTS.items():
            if parts.get(name) is not None:
                to_message(parts[name], kind, at=(name,))
    except JSONFormError as exc:
        raise InvalidRequest(f"{path}: {place_words(exc.place)}: {exc.detail}") from exc
    return parts


class _RepeatedKey(Exception):
    """A key is repeated in an object."""


def _without_repeated_keys(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _RepeatedKey(key)
        found[key] = value
    return found
