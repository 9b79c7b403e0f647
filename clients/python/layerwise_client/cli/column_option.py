"""The option --column: NAME=KIND, or NAME=KIND:option=value,option=value.

KIND is one of the kinds of cells (number, date …) or an encoding (log, one_hot …). A name may hold "=" and ":": the
kind begins at the first "=" after which a known kind stands with options that it has. A value may hold a comma: an
option begins at a comma only where the name of one and "=" follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from layerwise_client._data.encoder import ENCODING_KINDS, FORMAT_KINDS
from layerwise_proto.v1 import tables_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

_ALL = {
    kind.name: {option.name: option for option in kind.message_type.fields} if kind.message_type else {}
    for message in (tables_pb2.Format, tables_pb2.Encoding)
    for kind in message.DESCRIPTOR.oneofs_by_name["kind"].fields
}
"""The options of each kind by name."""
_WANTED = "NAME=KIND or NAME=KIND:option=value,…"
KINDS = f"how its cells are read: {', '.join(FORMAT_KINDS)}; or its encoding: {', '.join(ENCODING_KINDS)}"


def read_columns(given: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the formats and the encodings of columns in JSON form, by name. Raises `click.BadParameter`."""
    formats: dict[str, Any] = {}
    encodings: dict[str, Any] = {}
    for name, form in map(_column, given):
        kind = form if isinstance(form, str) else form["kind"]
        (formats if kind in FORMAT_KINDS else encodings)[name] = form
    return formats, encodings


def _column(given: str) -> tuple[str, Any]:
    wrong = ""
    for at in (match.start() for match in re.finditer("=", given)):
        name, (kind, colon, rest) = given[:at], given[at + 1 :].partition(":")
        if not name or kind not in _ALL:
            continue
        options = _options(kind, rest) if colon else []
        if all(option in _ALL[kind] for option, _ in options):
            values = {option: _value(_ALL[kind][option], value, given) for option, value in options}
            return name, {"kind": kind, **values} if values else kind
        unknown = next(option for option, _ in options if option not in _ALL[kind])
        wrong = wrong or f"{kind} has no option {unknown!r}; it has {', '.join(_ALL[kind]) or 'none'}"
    raise click.BadParameter(wrong or _unknown_kind(given), param_hint="--column")


def _unknown_kind(given: str) -> str:
    from layerwise.wording import did_you_mean

    near = did_you_mean(given.rpartition("=")[2].partition(":")[0], _ALL) if "=" in given else ""
    return f"expected {_WANTED}, KIND one of {', '.join(_ALL)}; got {given}{near}"


def _options(kind: str, text: str) -> list[tuple[str, str]]:
    """Return the options and their values as they stand in `text`."""
    names = "|".join(_ALL[kind])
    parts = re.split(rf",(?=(?:{names})=)", text) if names else [text]
    return [(option, value) for option, _, value in (part.partition("=") for part in parts)]


def _value(field: FieldDescriptor, text: str, given: str) -> Any:
    """Return the value of an option: text, a list of texts, true or false, or a number."""
    if field.is_repeated:
        return text.split(",")
    if field.cpp_type == field.CPPTYPE_STRING:
        return text
    if field.cpp_type == field.CPPTYPE_BOOL:
        if text not in ("true", "false"):
            raise click.BadParameter(
                f"{field.name}: expected true or false, got {text} in {given}", param_hint="--column"
            )
        return text == "true"
    try:
        return int(text) if field.cpp_type == field.CPPTYPE_INT64 else float(text)
    except ValueError as exc:
        if field.message_type is not None:  # a policy for missing numbers, or the number that replaces them
            return text
        detail = f"{field.name}: expected a whole number, got {text} in {given}"
        raise click.BadParameter(detail, param_hint="--column") from exc
