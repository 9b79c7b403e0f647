"""Whether the files of a dataset are what was stored, by its row of the database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layerwise_service.domain.datasets import Digests, Shape, StoredColumn, canonical_sha256
from layerwise_service.domain.table_datasets import read_schema, stored_columns, table_sha256
from layerwise_service.stores.files import sha256_of
from layerwise_service.stores.npy_file import HEADER_BYTES
from layerwise_service.stores.table_reader import StoredTable


def is_whole(folder: Path, row: Mapping[str, Any]) -> bool:
    """Return whether the files in `folder` have the hash of the dataset in a row of `datasets`, of any release."""
    try:
        return _hash_of(folder, row) == str(row["sha256"])
    except (OSError, ValueError):
        return False


def _hash_of(folder: Path, row: Mapping[str, Any]) -> str:
    if row.get("schema") is not None:
        columns, _ = read_schema(row["schema"])
        shape = Shape(row["rows"], len(columns), 0, None, stored_columns(columns))
        return table_sha256(row["rows"], columns, StoredTable(folder, shape).digests())
    return rows_sha256(folder, shape_of(row))


def shape_of(row: Mapping[str, Any]) -> Shape:
    """Return the sizes and types of the rows of a job, from their row of `datasets`."""
    labels, columns = row["labels"], row.get("columns")
    return Shape(
        row["rows"],
        row["features"],
        row["outputs"],
        None if labels is None else tuple(labels),
        None if columns is None else tuple(StoredColumn(**column) for column in columns),
    )


def rows_sha256(folder: Path, shape: Shape) -> str:
    """Return the hash that the rows in `folder` have now. Raises OSError if a file cannot be read."""
    weights = folder / "weights.npy"
    table = None if shape.columns is None else StoredTable(folder, shape)
    digests = Digests(
        sha256_of(folder / "rows.npy", skip=HEADER_BYTES) if table is None else table.digests(),
        sha256_of(folder / "targets.npy", skip=HEADER_BYTES),
        sha256_of(weights, skip=HEADER_BYTES) if weights.exists() else None,
    )
    return canonical_sha256(shape, digests)
