"""Encodings of columns from the arguments of `Client.train`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from layerwise_client._data.places import invalid
from layerwise_client.errors import InvalidRequest
from layerwise_proto.json_form import HasJSONForm, JSONFormError, to_message
from layerwise_proto.v1 import tables_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from layerwise_client._data.tables import UncheckedTable

    M = TypeVar("M", bound=Message)


def open_encoder(
    encoder: Mapping[str, Any] | HasJSONForm | None, columns: object, ignore: Iterable[str]
) -> tables_pb2.Encoder:
    """Return `encoder`, in JSON form, with `columns` and `ignore` added. Raises `InvalidRequest`.

    A column is given an encoding, or the kind of its cells.
    """
    message = spec_message(encoder or {}, tables_pb2.Encoder, "encoder")
    for name, given in _by_name(columns).items():
        if _kind_of(given) in FORMAT_KINDS:
            message.formats[name].CopyFrom(_column_message(name, given, tables_pb2.Format))
        else:
            message.columns[name].CopyFrom(_column_message(name, given, tables_pb2.Encoding))
    if isinstance(ignore, str):
        raise InvalidRequest(f"ignore: expected a list of columns, got the text {ignore!r}", pointer="ignore")
    message.ignore.extend(spec_message({"ignore": list(ignore)}, tables_pb2.Encoder, "").ignore)
    _rename(message)
    return message


def _rename(message: tables_pb2.Encoder) -> None:
    """Call columns as they are called in an open table: without invisible characters and blanks around their names."""
    from layerwise.tables.names import visible_name

    for named in cast("tuple[Any, ...]", (message.columns, message.formats)):
        for name in [name for name in named if visible_name(name) != name]:
            named[visible_name(name)].CopyFrom(named.pop(name))
    message.ignore[:] = map(visible_name, message.ignore)


def kinds_in(message: type[tables_pb2.Encoding] | type[tables_pb2.Format]) -> tuple[str, ...]:
    """Return the names of all encodings, or of all formats."""
    return tuple(each.name for each in message.DESCRIPTOR.oneofs_by_name["kind"].fields)


FORMAT_KINDS = kinds_in(tables_pb2.Format)
ENCODING_KINDS = kinds_in(tables_pb2.Encoding)


def _by_name(columns: object) -> dict[str, object]:
    if not isinstance(columns, Mapping | None):
        raise InvalidRequest(f"columns: expected a mapping, got {type(columns).__name__}", pointer="columns")
    given = cast("Mapping[object, object]", {} if columns is None else columns)
    for name in given:
        if not isinstance(name, str):
            raise InvalidRequest(f"columns: expected names of columns, got {name!r}", pointer="columns")
    return cast("dict[str, object]", dict(given))


def _kind_of(given: object) -> object:
    """Return the kind of an encoding or a format in JSON form, or as an object."""
    form = given.to_json() if isinstance(given, HasJSONForm) and not isinstance(given, type) else given
    return cast("Mapping[str, object]", form).get("kind") if isinstance(form, Mapping) else form


def _column_message(name: str, given: object, kind: type[M]) -> M:
    """Return what is given for a column as a message. Raises `InvalidRequest`."""
    wanted = _kind_of(given)
    if isinstance(wanted, str) and wanted not in FORMAT_KINDS + ENCODING_KINDS:
        from layerwise.wording import did_you_mean

        kinds = f"{', '.join(ENCODING_KINDS)}, or of the kinds {', '.join(FORMAT_KINDS)}"
        detail = f"expected one of {kinds}; got {wanted!r}{did_you_mean(wanted, FORMAT_KINDS + ENCODING_KINDS)}"
        raise invalid(("columns", name), detail, reason="INVALID_COLUMNS")
    try:
        return to_message(given, kind, at=("columns", name))
    except JSONFormError as exc:
        raise invalid(exc.place, exc.detail, reason="INVALID_COLUMNS") from exc


def check_encoder(encoder: tables_pb2.Encoder, given: UncheckedTable, target: str | None) -> None:
    """Raise `InvalidRequest` if the encoder names a column that the table does not have, or the target."""
    named = {"columns": sorted(encoder.columns), "formats": sorted(encoder.formats), "ignore": list(encoder.ignore)}
    for what, names in named.items():
        if target in names:
            raise InvalidRequest(
                f"{what}: {target} is the target and cannot be encoded, read otherwise or ignored", pointer=what
            )
        given.check_names(names, what)
        if twice := next((name for name in names if what == "ignore" and name in encoder.columns), None):
            raise InvalidRequest(f"ignore: column {twice} has an encoding; it cannot be ignored too", pointer="ignore")


def kinds_of(encoder: tables_pb2.Encoder, given: UncheckedTable) -> dict[str, str]:
    """Return the kind of values that each column's encoding or format reads, "" without one.

    `UncheckedTable.opened` says more about kinds.
    """
    kinds = dict.fromkeys(given.columns, "")
    if encoder.formats or encoder.columns:
        from layerwise.tables import ENCODINGS
        from layerwise.tables.formats import READ_BY

        for name, form in encoder.formats.items():
            if (read := form.WhichOneof("kind")) is not None:
                kinds[name] = next(kind for kind, formats in READ_BY.items() if read in formats)
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
