"""A column of the table that a version takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from layerwise_proto.json_form import enum_name, to_json
from layerwise_proto.v1 import tables_pb2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table that a version takes.

    Attributes
    ----------
    name : str
        Name of the column.
    kind : str
        "number", "category" or "date".
    encoding : str or mapping
        How its values become inputs of the network, in JSON form; every "auto" is replaced by the choice.
    categories : tuple of str
        First 256 categories that have an input of their own.
    category_count : int
        Number of categories that have an input of their own.
    allows_missing : bool
        Whether a value may be missing.
    """

    name: str
    kind: str
    encoding: str | Mapping[str, Any]
    categories: tuple[str, ...]
    category_count: int
    allows_missing: bool

    @property
    def encoding_kind(self) -> str:
        """Name of the encoding, such as one_hot."""
        return self.encoding if isinstance(self.encoding, str) else str(self.encoding["kind"])


def column_of(message: tables_pb2.ColumnInfo) -> Column:
    encoding = tables_pb2.Encoder(columns={"": message.encoding})
    return Column(
        name=message.name,
        kind=enum_name(tables_pb2.ColumnKind.DESCRIPTOR, message.kind) or "unknown",
        encoding=cast("dict[str, Any]", to_json(encoding)["columns"])[""],
        categories=tuple(message.categories),
        category_count=message.category_count,
        allows_missing=message.allows_missing,
    )
