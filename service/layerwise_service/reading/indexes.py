"""Columns without a name that number the rows, such as the index that `DataFrame.to_csv` writes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from layerwise.tables.doubt import Doubt
from layerwise.tables.names import INDEX_LEVEL
from layerwise_service.reading.schema import ColumnSchema, TableSchema

_INDEX = Doubt(
    "INDEX",
    "has no name, and another whole number in every row, like the index of a DataFrame, so it is left out unless it is"
    " chosen",
    "number",
)
_MOST_DIFFERENT = 0.8  # of the rows: the number of different cells may be an estimate


def with_indexes(schema: TableSchema, *, chosen: Collection[str], numbers_rows: Callable[[int], bool]) -> TableSchema:
    """Return the schema with a doubt about each column that is an index, in place of that about its missing name.

    `numbers_rows` says whether a column of numbers without gaps, by its place, has a whole number of at least 0 in each
    row, all different, in any order. Columns whose format is `chosen` are wanted.
    """
    unnamed = {doubt.column for doubt in schema.doubts if doubt.reason == "NO_NAME"}

    def is_index(place: int, column: ColumnSchema) -> bool:
        has_no_name = column.name in unnamed or INDEX_LEVEL.fullmatch(column.name) is not None
        if not has_no_name or column.name in chosen or column.kind != "number" or column.gaps:
            return False
        return column.distinct >= _MOST_DIFFERENT * schema.rows and numbers_rows(place)

    indexes = {column.name for place, column in enumerate(schema.columns) if is_index(place, column)}
    return replace(
        schema,
        columns=tuple(
            replace(each, doubts=(*each.doubts, _INDEX)) if each.name in indexes else each for each in schema.columns
        ),
        doubts=tuple(each for each in schema.doubts if each.reason != "NO_NAME" or each.column not in indexes),
    )
