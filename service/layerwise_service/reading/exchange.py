"""What a reader and the process that starts it exchange: files in a folder, limits, errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layerwise.errors import Place
from layerwise_service.domain.table_datasets import ReadTable, read_schema
from layerwise_service.errors import DataLoss, InvalidRequest, NoSpace, ServiceError, StorageUnavailable, TooLarge

FILE, CHOICES, TABLE = "upload", "choices", "table"
"""In the folder of a reader: the file, or the folder of a table; what the caller chose, as JSON; the columns read."""
_KINDS: dict[str, type[ServiceError]] = {
    error.kind.value: error for error in (InvalidRequest, TooLarge, NoSpace, StorageUnavailable, DataLoss)
}


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """How long a reader may take, what it may hold in memory, and how large the table may be.

    It stops at the first row beyond `max_rows`.
    """

    seconds: float
    memory_bytes: int
    max_bytes: int
    max_columns: int
    max_name_bytes: int
    max_text_bytes: int
    max_rows: int | None = None


def table_of(found: dict[str, Any]) -> ReadTable:
    """Return the table that a reader says it has read, from the JSON form."""
    columns, doubts = read_schema(found["schema"])
    return ReadTable(found["id"], found["rows"], found["size_bytes"], columns, doubts)


def error_form(error: ServiceError) -> dict[str, Any]:
    """Return the JSON form of an error, for the process that started this one."""
    return {"kind": error.kind.value, "reason": error.reason, "detail": error.detail, "place": list(error.place)}


def error_of(form: dict[str, Any]) -> ServiceError:
    """Return the error of a JSON form."""
    kind = _KINDS.get(form["kind"], ServiceError)
    return kind(form["detail"], pointer=Place(*form["place"]), reason=form["reason"])
