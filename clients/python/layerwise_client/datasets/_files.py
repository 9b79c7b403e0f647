"""The data sets in files of this package; SOURCES.md has their origins."""

from __future__ import annotations

import csv
import gzip
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_FILES = {"digits": "digits.csv.gz", "iris": "iris.csv"}


def read(name: str) -> tuple[npt.NDArray[np.float32], np.ndarray[Any, np.dtype[Any]]]:
    """Return X, (rows, features) float32, and y, (rows,), from a file whose last column is the target."""
    import numpy as np

    data = resources.files("layerwise_client.datasets").joinpath(_FILES[name]).read_bytes()
    text = (gzip.decompress(data) if _FILES[name].endswith(".gz") else data).decode()
    _, *rows = csv.reader(text.splitlines())
    X = np.array([row[:-1] for row in rows], dtype=np.float32)
    labels = [row[-1] for row in rows]
    return X, np.array([int(label) for label in labels]) if labels[0].isdigit() else np.array(labels)
