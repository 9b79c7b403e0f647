"""Datasets: immutable rows with their labels or targets, identified by the SHA-256 of their canonical bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Label = int | str | bool
Table = Mapping[str, NDArray[np.float64] | list[str]]
"""Columns of equal length by name: numbers, NaN where one is missing, or texts, "" where one is missing."""
AnyColumns = Mapping[str, NDArray[Any] | list[Any]]
"""Columns of equal length by name, as a table or with values of other types."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it was sent: rows (n, features) or a table of n rows.

    `y` are labels (n,), or targets (n,) or (n, outputs); `weights` are (n,), or None. `kinds` are those of the table's
    columns, by name, that the caller knows: "number", "whole", "boolean", "category", "date", "time" or "text".
    """

    rows: NDArray[np.float32] | Table
    y: Sequence[Label] | NDArray[np.float32]
    weights: NDArray[np.float32] | None = None
    kinds: Mapping[str, str] = field(default_factory=dict[str, str])

    def __len__(self) -> int:
        return len(self.rows) if isinstance(self.rows, np.ndarray) else rows_of(self.rows)


def rows_of(table: AnyColumns) -> int:
    """Return the number of rows of a table."""
    return len(next(iter(table.values()), ()))


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column of a table as it was sent, before any encoding."""

    name: str
    kind: Literal["numbers", "texts"]


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes and types of a dataset.

    `outputs` is the number of classes, or of targets of a regression; `labels` are the classes in the order of their
    codes, None for a regression. `columns` are those of a table, whose `features` is their number; else None.
    """

    rows: int
    features: int
    outputs: int
    labels: tuple[Label, ...] | None
    columns: tuple[StoredColumn, ...] | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A stored dataset."""

    sha256: str
    shape: Shape
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Digests:
    """SHA-256 of the canonical bytes of each part of a dataset, hexadecimal.

    - `rows`: the rows as little-endian float32, row-major. Of a table it is a tuple with the digests of each column:
      one for numbers, as little-endian float64; two for texts, of their UTF-8 one after the other and of the offsets at
      which they end, as little-endian int64.
    - `targets`: codes of the sorted labels as little-endian int32, or values as little-endian float32, row-major.
    - `weights`: little-endian float32.
    """

    rows: str | tuple[tuple[str, ...], ...]
    targets: str
    weights: str | None = None


def canonical_sha256(shape: Shape, digests: Digests) -> str:
    """Return the identity of a dataset, which does not depend on how it was split into batches."""
    header: dict[str, Any] = {
        "format": "layerwise-dataset-1",
        "rows": shape.rows,
        "features": shape.features,
        "outputs": shape.outputs,
        "labels": None if shape.labels is None else list(shape.labels),
        "targets_sha256": digests.targets,
    }
    if isinstance(digests.rows, str):
        header["rows_sha256"] = digests.rows
    else:
        pairs = zip(shape.columns or (), digests.rows, strict=True)
        header["columns"] = [asdict(column) | {"sha256": list(own)} for column, own in pairs]
    if digests.weights is not None:
        header["weights_sha256"] = digests.weights
    return hashlib.sha256(json.dumps(header, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
