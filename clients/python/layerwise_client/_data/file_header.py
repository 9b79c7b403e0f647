"""The header of a file or a table: the arguments of `Client.upload_dataset`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from layerwise_client._data.arguments import text
from layerwise_client._data.places import invalid
from layerwise_client.errors import InvalidRequest
from layerwise_client.wording import printable
from layerwise_proto.json_form import JSONFormError, to_message
from layerwise_proto.v1 import datasets_pb2

_MOST_NAME = 255


def open_path(path: object, argument: str = "path", or_else: str = "") -> Path:
    """Return the path of a file that is there. Raises `InvalidRequest`; `or_else` says what else the argument takes."""
    if not isinstance(path, str | os.PathLike):
        raise InvalidRequest(
            f"{argument}: expected the path of a file{or_else}, got {type(path).__name__}", pointer=argument
        )
    found = Path(cast("str", path))
    if not found.is_file():
        raise InvalidRequest(f"{argument}: there is no file {path}", pointer=argument, reason="FILE_NOT_FOUND")
    return found


def dataset_name(text: str) -> str:
    """Return a text as the service takes it as the name of a dataset: printable, and not too long."""
    return printable(text)[:_MOST_NAME]


def open_file_header(
    *,
    name: str = "",
    columns: Mapping[str, Any] | None = None,
    gaps: Iterable[str] = (),
    read_as: str | None = None,
    transient: bool = False,
) -> datasets_pb2.FileHeader:
    """Return the arguments as a message. Raises `InvalidRequest`."""
    if isinstance(gaps, str):
        raise InvalidRequest(f"gaps: expected a list of words, got the text {gaps!r}", pointer="gaps")
    model, slash, version = ("" if read_as is None else text(read_as, "read_as")).partition("/")
    if read_as is not None and (not model or (slash and not version)):
        raise InvalidRequest(f"read_as: expected a model, or model/version, got {read_as!r}", pointer="read_as")
    try:
        header = to_message({"formats": columns or {}, "gaps": list(gaps)}, datasets_pb2.FileHeader)
    except JSONFormError as exc:
        first, *rest = exc.place
        raise invalid(("columns" if first == "formats" else first, *rest), exc.detail) from exc
    header.name = text(name, "name")
    header.read_as_model, header.read_as_version, header.transient = model, version, transient
    return header
