"""Columns of datasets, and how their cells were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from layerwise_client._transport.messages import doubt_of
from layerwise_client.source import Doubt
from layerwise_proto.json_form import to_json
from layerwise_proto.v1 import datasets_pb2, tables_pb2


@dataclass(frozen=True, slots=True)
class DatasetColumn:
    """A column of a dataset, and how its cells were read.

    Attributes
    ----------
    name : str
        Name of the column.
    kind : str
        "number", "boolean", "date", "time", "category" or "text".
    format : mapping
        How its cells are spelled, in JSON form, as `columns` of `Client.upload_dataset` takes it.
    gaps : int
        Number of rows without a value.
    distinct : int
        How many different texts its cells have.
    example : str
        A cell as it was sent.
    doubts : tuple of Doubt
        What is doubtful about the column.
    distinct_estimated : bool
        Whether `distinct` is estimated, as in columns of numbers of many rows.
    """

    name: str
    kind: str
    format: Mapping[str, Any]
    gaps: int
    distinct: int
    example: str
    doubts: tuple[Doubt, ...]
    distinct_estimated: bool = False

    @property
    def reading(self) -> str:
        """How its cells were read in words, as far as it is not the usual way: "decimal comma, unit %"."""
        from layerwise.tables.cells import GAPS

        given = {name: value for name, value in self.format.items() if value != _USUAL.get(name)}
        words = [_WORDS[name].format(value=_listed(value)) for name, value in given.items() if name in _WORDS]
        if self.kind == "boolean":
            words = _booleans(self.format)
        if gaps := [word for word in self.format.get("gaps", ()) if word not in GAPS]:
            words.append(f"no value: {_listed(gaps)}")
        return ", ".join(words)


def _booleans(form: Mapping[str, Any]) -> list[str]:
    """Return how booleans are spelled: the column's own words first, if these are among the usual ones."""
    found: list[str] = []
    for name in ("true", "false"):
        usual, words = _USUAL[name], form.get(name, _USUAL[name])
        if not {word.casefold() for word in words[1:] or words} <= set(usual):
            found.append(f"{name}: {_listed(words)}")
        elif words[0].casefold() != name:
            found.append(words[0])
    return found


_USUAL: Mapping[str, Any] = {
    "decimal": ".",
    "thousands": "",
    "unit": "",
    "true": ["true", "yes", "t", "y"],
    "false": ["false", "no", "f", "n"],
    "day_first": True,
    "year_first": False,
    "strip": True,
    "numeric": False,
}
_WORDS = {
    "decimal": "decimal comma",
    "thousands": "thousands {value}",
    "unit": "unit {value}",
    "day_first": "month first",
    "year_first": "year first",
    "strip": "blanks kept",
    "numeric": "numbers",
}
_SIGNS = {" ": "blank", ",": "comma", ".": "point"}


def _listed(value: object) -> str:
    if not isinstance(value, list):
        return _SIGNS.get(str(value), str(value))
    return " ".join(map(str, cast("list[object]", value)))


def column_of(message: datasets_pb2.DatasetColumn) -> DatasetColumn:
    """Return the column of a message."""
    encoder = tables_pb2.Encoder(formats={"": message.format})
    form: str | dict[str, Any] = cast("dict[str, Any]", to_json(encoder)["formats"])[""]
    return DatasetColumn(
        name=message.name,
        kind=message.format.WhichOneof("kind") or "unknown",
        format={"kind": form} if isinstance(form, str) else form,
        gaps=message.gaps,
        distinct=message.distinct,
        example=message.example,
        doubts=tuple(map(doubt_of, message.doubts)),
        distinct_estimated=message.distinct_estimated,
    )
