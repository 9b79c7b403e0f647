"""Reading of a table that was sent, into its canonical form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layerwise_service.reading.canonical import write_canonical
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.exchange import FILE, TABLE, ReadingLimits
from layerwise_service.reading.sent_table import SentTable
from layerwise_service.stores.files import storage_errors


def read_table(folder: Path, limits: ReadingLimits, choices: ReadingChoices) -> dict[str, Any]:
    """Write the columns in the folder `upload` to the folder `table`, both in `folder`, and return what was read.

    Raises `InvalidRequest`, and `ServiceError` of the disk.
    """
    with storage_errors():
        (folder / TABLE).mkdir(mode=0o700)
        return write_canonical(SentTable(folder / FILE, choices), folder / TABLE, limits)
