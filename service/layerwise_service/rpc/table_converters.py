"""Conversion between the tables and columns of layerwise.v1 and the service's own types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import counted, shown
from layerwise.errors import Place
from layerwise.tables import NumberFormat
from layerwise_proto.json_form import to_message
from layerwise_proto.v1 import models_pb2, tables_pb2
from layerwise_service.domain.columns import ColumnCounts, ColumnInfo
from layerwise_service.domain.datasets import Table
from layerwise_service.domain.models import Signature
from layerwise_service.errors import InvalidRequest


def read_table(table: tables_pb2.Table, *, at: Place | str) -> Table:
    """Return the columns by name, all of one length. Raises `InvalidRequest`."""
    found: dict[str, NDArray[np.float64] | list[str]] = {}
    first = ""
    for index, column in enumerate(table.columns):
        name = column.name
        if not name or name in found:
            detail = f"expected distinct names, got {name[:64]!r} twice" if name else "expected a name, got none"
            raise InvalidRequest(detail, pointer=Place(at, "columns", index, "name"))
        values = _values(column)
        if values is None:
            raise InvalidRequest("expected numbers or texts, got neither", pointer=Place(at, "columns", index))
        if not found:
            first = name
        elif len(values) != len(found[first]):
            detail = f"expected {counted(len(found[first]), 'value')}, as in column {first[:64]!r}, got {len(values)}"
            raise InvalidRequest(detail, pointer=Place(at, "columns", index))
        found[name] = values
    return found


def _values(column: tables_pb2.Column) -> NDArray[np.float64] | list[str] | None:
    match column.WhichOneof("values"):
        case "numbers":
            numbers = column.numbers.values
            return np.fromiter(numbers, np.float64, len(numbers))
        case "texts":
            return list(column.texts.values)
        case None:
            return None


def read_kinds(table: tables_pb2.Table) -> dict[str, str]:
    """Return the kinds of the columns that have one, by name."""
    types = tables_pb2.ColumnType.DESCRIPTOR.values_by_number
    return {
        column.name: types[column.type].name.removeprefix("COLUMN_TYPE_").lower()
        for column in table.columns
        if column.type in types and column.type
    }


def read_typed_table(table: tables_pb2.Table, *, at: Place | str) -> Mapping[str, NDArray[Any] | list[Any]]:
    """Return the columns by name, as `read_table`, but columns of booleans, and numbers among texts, as such.

    Raises `InvalidRequest`.
    """
    found: dict[str, NDArray[Any] | list[Any]] = dict(read_table(table, at=at))
    for index, column in enumerate(table.columns):
        for row in column.texts.typed:
            found[column.name][row] = _typed(column.texts.values, row, at=Place(at, "columns", index, "texts"))
    for name, kind in read_kinds(table).items():
        values = found[name]
        if kind == "boolean" and isinstance(values, np.ndarray):
            found[name] = _booleans(values)
    return found


def _typed(texts: Sequence[str], row: int, *, at: Place) -> float:
    """Return the number in a row. Raises `InvalidRequest`."""
    if not 0 <= row < len(texts):
        detail = f"expected the index of one of the {counted(len(texts), 'value')}, got {row}"
        raise InvalidRequest(detail, pointer=Place(*at, "typed"))
    try:
        return float(NumberFormat(()).read(texts[row]))
    except (ValueError, TypeError):  # TypeError: a gap
        detail = f"expected a number in plain notation, got {shown(texts[row])}"
        raise InvalidRequest(detail, pointer=Place(*at, "values", row)) from None


def _booleans(values: NDArray[np.float64]) -> NDArray[Any] | list[Any]:
    """Return 1 and 0 as booleans and NaN as None; `values` as they are if there are other numbers."""
    if ((values == 0) | (values == 1)).all():
        return values.astype(bool)
    known: dict[float, bool] = {0.0: False, 1.0: True}
    there = values[~np.isnan(values)]
    return [known.get(each) for each in values.tolist()] if ((there == 0) | (there == 1)).all() else values


def write_counts(counts: ColumnCounts | None) -> tables_pb2.ColumnCounts | None:
    """Return the counts as a message."""
    return None if counts is None else tables_pb2.ColumnCounts(**asdict(counts))


def write_signature(signature: Signature) -> models_pb2.Signature:
    """Return what a version takes as a message."""
    columns = [
        models_pb2.SignatureColumn(name=column.name, kind=_column_kind(column.kind)) for column in signature.columns
    ]
    return models_pb2.Signature(model=signature.model, version=signature.version, columns=columns)


def write_columns(columns: Sequence[ColumnInfo]) -> list[tables_pb2.ColumnInfo]:
    """Return the columns as messages."""
    return [
        tables_pb2.ColumnInfo(
            name=column.name,
            kind=_column_kind(column.kind),
            encoding=to_message(column.encoding, tables_pb2.Encoding),
            categories=column.categories,
            category_count=column.category_count,
            allows_missing=column.allows_missing,
        )
        for column in columns
    ]


def _column_kind(kind: str) -> tables_pb2.ColumnKind.ValueType:
    return tables_pb2.ColumnKind.Value(f"COLUMN_KIND_{kind.upper()}")
