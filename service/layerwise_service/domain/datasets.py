"""Datasets: immutable rows with what is expected of each, known by the SHA-256 of their canonical bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Label = int | str | bool
Table = Mapping[str, NDArray[np.float64] | list[str]]
"""Columns of equal length by their names: numbers, NaN where one is missing, or texts, "" where one is missing."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows (n, features), or a table of n rows, as they come.

    With labels (n,) or targets (n,) or (n, outputs), and weights (n,) if any.
    """

    rows: NDArray[np.float32] | Table
    expected: Sequence[Label] | NDArray[np.float32]
    weights: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.rows) if isinstance(self.rows, np.ndarray) else rows_of(self.rows)


def rows_of(table: Table) -> int:
    """The number of rows of a table."""
    return len(next(iter(table.values()), ()))


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column of a table as it was sent, whatever its encoding makes of it."""

    name: str
    kind: Literal["numbers", "texts"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the rows are like, whatever they hold.

    `outputs` is the number of classes, or of targets of a regression; `labels` are the classes in the order of their
    codes, None for a regression. Of a table, `columns` are its columns and `features` their number; else it is None.
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

    `rows` is that of the rows as little-endian float32, row-major. Of a table it is a tuple with that of each column:
    numbers as little-endian float64, or of texts two, that of their UTF-8 one after the other, and that of where each
    ends in it, as little-endian int64. `targets` are codes of the sorted labels as little-endian int32, or values as
    little-endian float32, row-major, `weights` little-endian float32.
    """

    rows: str | tuple[tuple[str, ...], ...]
    targets: str
    weights: str | None = None


def canonical_sha256(shape: Shape, digests: Digests) -> str:
    """Identity of a dataset, however it was cut into batches."""
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
