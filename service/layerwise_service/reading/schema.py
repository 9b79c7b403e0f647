"""The schema of a table: its columns, how their cells are read, and what is doubtful."""

from __future__ import annotations

from dataclasses import dataclass, field

from layerwise.tables.doubt import Doubt
from layerwise.tables.format import Format
from layerwise_service.errors import TooLarge


def too_many_columns(most: int, got: str) -> TooLarge:
    """Return the error about a file with more than `most` columns; `got` says how many."""
    detail = f"expected at most {most:,} columns, got {got}"
    advice = "leave some out of the file, or start the service with a larger max_columns (LAYERWISE_MAX_COLUMNS)"
    return TooLarge(f"{detail}: {advice}", pointer="columns")


@dataclass(frozen=True, slots=True)
class ColumnSchema:
    """A column of a table.

    `format` says how its cells are read. `gaps` is the number of rows without a value, `distinct` that of different
    texts, which may be estimated, and `example` a cell as it is in the file.
    """

    name: str
    format: Format
    gaps: int
    distinct: int
    example: str
    doubts: tuple[Doubt, ...] = ()
    all_plain: bool = False
    """Whether every cell with a text is a number in plain notation."""
    distinct_estimated: bool = False

    @property
    def kind(self) -> str:
        return self.format.kind


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The columns of a table in their order, its number of rows, and doubts about the file as a whole."""

    columns: tuple[ColumnSchema, ...]
    rows: int
    doubts: tuple[Doubt, ...] = field(default=())

    def __getitem__(self, name: str) -> ColumnSchema:
        return next(column for column in self.columns if column.name == name)
