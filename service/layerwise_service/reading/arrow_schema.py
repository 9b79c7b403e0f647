"""What Parquet itself does not say of its columns, and writers add as a schema of Arrow: pandas, Polars, pyarrow."""

from __future__ import annotations

from base64 import b64decode
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb


def durations(database: duckdb.DuckDBPyConnection, path: Path) -> frozenset[str]:
    """Return the names of the columns that hold lengths of time: in Parquet they are whole numbers of some unit."""
    found = database.execute(
        "SELECT value FROM parquet_kv_metadata($path) WHERE key = 'ARROW:schema'::BLOB", {"path": str(path)}
    ).fetchone()
    if found is None:
        return frozenset()
    nanoarrow: Any = import_module("nanoarrow")  # on demand: few files have such a schema
    try:
        schema = nanoarrow.ArrayStream.from_readable(b64decode(found[0])).schema
        return frozenset(field.name for field in schema.fields if field.type == nanoarrow.Type.DURATION)
    except (RuntimeError, ValueError):  # no schema that is known here
        return frozenset()
