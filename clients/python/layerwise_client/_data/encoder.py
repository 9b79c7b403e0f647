"""Encodings of columns from the arguments of `Client.train`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from layerwise_client._data.places import invalid
from layerwise_client.errors import InvalidRequest
from layerwise_proto.json_form import HasJSONForm, JSONFormError, to_message
from layerwise_proto.v1 import tables_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from layerwise_client._data.tables import UncheckedTable

    M = TypeVar("M", bound=Message)


def open_encoder(
    encoder: Mapping[str, Any] | HasJSONForm | None, columns: Mapping[str, Any] | None, ignore: Iterable[str]
) -> tables_pb2.Encoder:
    """Return `encoder`, in JSON form, with `columns` and `ignore` added. Raises `InvalidRequest`."""
    message = spec_message(encoder or {}, tables_pb2.Encoder, "encoder")
    for name, encoding in spec_message({"columns": columns or {}}, tables_pb2.Encoder, "").columns.items():
        message.columns[name].CopyFrom(encoding)
    if isinstance(ignore, str):
        raise InvalidRequest(f"ignore: expected a list of columns, got the text {ignore!r}", pointer="ignore")
    message.ignore.extend(spec_message({"ignore": list(ignore)}, tables_pb2.Encoder, "").ignore)
    return message


def check_encoder(encoder: tables_pb2.Encoder, given: UncheckedTable, target: str | None) -> None:
    """Raise `InvalidRequest` if the encoder names a column that the table does not have, or the target."""
    for what, names in (("columns", sorted(encoder.columns)), ("ignore", list(encoder.ignore))):
        if target in names:
            raise InvalidRequest(f"{what}: {target} is the target and cannot be encoded or ignored", pointer=what)
        given.check_names(names, what)
        if twice := next((name for name in names if what == "ignore" and name in encoder.columns), None):
            raise InvalidRequest(f"ignore: column {twice} has an encoding; it cannot be ignored too", pointer="ignore")


def kinds_of(encoder: tables_pb2.Encoder, given: UncheckedTable) -> dict[str, str]:
    """Return the kind of values that each column's encoding reads, "" without one; see `UncheckedTable.opened`."""
    kinds = dict.fromkeys(given.columns, "")
    if encoder.columns:
        from layerwise.tables import ENCODINGS

        for name, encoding in encoder.columns.items():
            if (chosen := encoding.WhichOneof("kind")) is not None:
                kinds[name] = ENCODINGS[chosen].reads
    return kinds


def spec_message(value: object, kind: type[M], name: str) -> M:
    """Return `value`, in JSON form, as a message. Errors name the argument `name`."""
    try:
        return to_message(value, kind, at=(name,) if name else ())
    except JSONFormError as exc:
        raise invalid(exc.place, exc.detail, reason=f"INVALID_{str(exc.place[0]).upper()}") from exc
