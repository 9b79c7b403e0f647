"""Datasets: immutable rows with what is expected of each, known by the SHA-256 of their canonical bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

Label = int | str | bool


@dataclass(frozen=True, slots=True)
class Shape:
    """What the rows are like, whatever they hold.

    `outputs` is the number of classes, or of targets of a regression; `labels` are the classes in the order of their
    codes, None for a regression.
    """

    rows: int
    features: int
    outputs: int
    labels: tuple[Label, ...] | None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A stored dataset."""

    sha256: str
    shape: Shape
    size_bytes: int


def canonical_sha256(shape: Shape, *, rows_sha256: str, targets_sha256: str) -> str:
    """Identity of a dataset, however it was cut into batches.

    The digests are those of the rows as little-endian float32, row-major, and of the targets: codes of the sorted
    labels as little-endian int32, or values as little-endian float32, row-major.
    """
    header = {
        "format": "layerwise-dataset-1",
        "rows": shape.rows,
        "features": shape.features,
        "outputs": shape.outputs,
        "labels": None if shape.labels is None else list(shape.labels),
        "rows_sha256": rows_sha256,
        "targets_sha256": targets_sha256,
    }
    return hashlib.sha256(json.dumps(header, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
