"""The canonical form of a table: a file or two for each column, and the schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.errors import Place
from layerwise_service.domain.datasets import Table, rows_of
from layerwise_service.domain.table_datasets import DatasetColumn, schema_json, table_sha256
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.reading.exchange import ReadingLimits
from layerwise_service.reading.schema import ColumnSchema, TableSchema
from layerwise_service.reading.values import Values
from layerwise_service.stores.files import sync_folder
from layerwise_service.stores.table_writer import TableWriter

_MOST_EXAMPLE = 60
_MOST_SCHEMA = 4 * 2**20  # bytes: it goes into one answer


class TypedTable(Protocol):
    """A table whose columns have formats, by which the cells are read."""

    schema: TableSchema

    def blocks(self) -> Iterator[dict[str, Values]]:
        """Yield the rows in blocks: the values of each column by name."""
        ...


def write_canonical(table: TypedTable, folder: Path, limits: ReadingLimits) -> dict[str, Any]:
    """Write the columns of `table` to a new `folder`, and return what was read. Raises `InvalidRequest`."""
    if not table.schema.rows:
        raise InvalidRequest("expected rows below the header, the file has none", reason="NO_ROWS")
    columns = tuple(map(_column, table.schema.columns))
    schema = schema_json(columns, table.schema.doubts)
    if len(str(schema)) > _MOST_SCHEMA:
        raise TooLarge(f"expected names and formats of columns of at most {_MOST_SCHEMA} bytes together, got more")
    writer = TableWriter(
        folder,
        max_columns=limits.max_columns,
        max_name_bytes=limits.max_name_bytes,
        max_text_bytes=limits.max_text_bytes,
    )
    rows = 0
    for block in table.blocks():
        stored = {name: _stored(values) for name, values in block.items()}
        writer.checked(stored, Place(), first=rows)()
        if writer.size_bytes > limits.max_bytes:
            detail = f"expected at most {limits.max_bytes} bytes as columns of numbers and texts, the table has more"
            raise TooLarge(detail, reason="DATASET_TOO_LARGE")
        rows += rows_of(cast("Table", stored))
    digests = writer.close()
    sync_folder(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {"id": table_sha256(rows, columns, digests), "rows": rows, "size_bytes": size, "schema": schema}


def _column(column: ColumnSchema) -> DatasetColumn:
    example = column.example
    if len(example) > _MOST_EXAMPLE:
        example = f"{example[: _MOST_EXAMPLE - 1]}…"
    form = cast("dict[str, Any]", column.format.to_json())
    return DatasetColumn(
        column.name,
        column.kind,
        form,
        column.gaps,
        column.distinct,
        example,
        column.doubts,
        distinct_estimated=column.distinct_estimated,
    )


def _stored(values: Values) -> NDArray[np.float64] | list[str]:
    """Return the values of a block as they are stored: a missing one is NaN or ""."""
    if isinstance(values, list):
        return [text or "" for text in values]
    if values.dtype.kind != "M":
        return values
    seconds = values.astype(np.float64)
    seconds[np.isnat(values)] = np.nan
    return seconds
