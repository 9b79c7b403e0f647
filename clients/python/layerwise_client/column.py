"""A column of the tables that a version takes, and how it becomes inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from layerwise_proto.json_form import enum_name, to_json
from layerwise_proto.v1 import tables_pb2


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a version takes.

    `kind` is number, category or date; `encoding` how it becomes inputs, in its JSON form, with nothing left to decide.
    `categories` are the first 256 of `category_count` that have an input of their own. Where `allows_missing` is False,
    a value must be there.
    """

    name: str
    kind: str
    encoding: str | Mapping[str, Any]
    categories: tuple[str, ...]
    category_count: int
    allows_missing: bool

    @property
    def encoding_kind(self) -> str:
        """The name of its encoding, such as one_hot."""
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
