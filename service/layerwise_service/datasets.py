"""Datasets: immutable rows with what is expected of each, known by the SHA-256 of their canonical bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Label = int | str | bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows (n, features) as they come, with labels (n,) or targets (n,) or (n, outputs), and weights (n,) if any."""

    rows: NDArray[np.float32]
    expected: Sequence[Label] | NDArray[np.float32]
    weights: NDArray[np.float32] | None = None


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


def canonical_sha256(shape: Shape, *, rows_sha256: str, targets_sha256: str, weights_sha256: str | None = None) -> str:
    """Identity of a dataset, however it was cut into batches.

    The digests are those of the rows as little-endian float32, row-major, and of the targets: codes of the sorted
    labels as little-endian int32, or values as little-endian float32, row-major; and of the weights, if there are any,
    as little-endian float32.
    """
    header: dict[str, object] = {
        "format": "layerwise-dataset-1",
        "rows": shape.rows,
        "features": shape.features,
        "outputs": shape.outputs,
        "labels": None if shape.labels is None else list(shape.labels),
        "rows_sha256": rows_sha256,
        "targets_sha256": targets_sha256,
    }
    if weights_sha256 is not None:
        header["weights_sha256"] = weights_sha256
    return hashlib.sha256(json.dumps(header, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
