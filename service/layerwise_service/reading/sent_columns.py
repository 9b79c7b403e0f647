"""The columns of a table that was sent: a folder for the reader, with what a `TableWriter` wrote to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from layerwise_service.domain.datasets import Shape, StoredColumn
from layerwise_service.stores.table_reader import StoredTable

_DESCRIPTION = "columns.json"


@dataclass(frozen=True, slots=True)
class SentColumns:
    """The columns of `rows` rows. `kinds` has the types, by name, of those columns whose type was sent."""

    rows: int
    columns: tuple[StoredColumn, ...]
    kinds: Mapping[str, str]

    def write(self, folder: Path) -> None:
        """Describe the columns in the `folder` where they are."""
        (folder / _DESCRIPTION).write_text(json.dumps(asdict(self)), "utf-8")

    @staticmethod
    def read(folder: Path) -> SentColumns:
        """Return what `write` described."""
        form: dict[str, Any] = json.loads((folder / _DESCRIPTION).read_text("utf-8"))
        return SentColumns(form["rows"], tuple(StoredColumn(**each) for each in form["columns"]), form["kinds"])

    def table(self, folder: Path) -> StoredTable:
        """Return the table whose values are in the `folder`."""
        return StoredTable(folder, Shape(self.rows, len(self.columns), 0, None, self.columns))
