"""Reading of a file, by DuckDB, into the canonical form of its table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from layerwise_service.reading.canonical import write_canonical
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.exchange import FILE, TABLE, ReadingLimits
from layerwise_service.reading.loading import check_room
from layerwise_service.reading.table_file import TableFile
from layerwise_service.stores.files import storage_errors


def read_file(folder: Path, limits: ReadingLimits, choices: ReadingChoices) -> dict[str, Any]:
    """Write the columns of the file `upload` to the folder `table`, both in `folder`, and return what was read.

    Raises `InvalidRequest`, `ServiceError` of the disk, and MemoryError.
    """
    with storage_errors():
        (folder / TABLE).mkdir(mode=0o700)
        try:
            with TableFile(
                folder / FILE,
                max_bytes=limits.max_bytes,
                max_columns=limits.max_columns,
                max_rows=limits.max_rows,
                choices=choices,
            ) as file:
                return write_canonical(file, folder / TABLE, limits)
        except duckdb.OutOfMemoryException as error:
            raise MemoryError from error
        except duckdb.Error as error:
            check_room(folder, error)
            raise
