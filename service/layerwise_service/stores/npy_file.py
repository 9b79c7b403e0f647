"""A file of numbers that grows at its end: .npy, its header written when its length is known."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

# NumPy pads headers so that the length of the first axis may grow in its place.
HEADER_BYTES = 128


class NpyFile:
    """The file `path`, made new. It is open only while it is written to, so that a dataset may have many of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        path.write_bytes(bytes(HEADER_BYTES))

    def append(self, values: NDArray[Any]) -> None:
        """Adds `values`, row-major."""
        block = np.ascontiguousarray(values).data.cast("B")
        with self._path.open("ab", buffering=0) as file:
            written = 0
            while written < len(block):
                written += file.write(block[written:])
        self._digest.update(block)

    def close(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
        """Writes the header, makes the file durable, and gives the digest of its values."""
        with self._path.open("r+b") as file:
            header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            npy.write_array_header_1_0(file, header)
            if file.tell() != HEADER_BYTES:
                raise AssertionError("NumPy's header has another length than was kept free for it")
            file.flush()
            os.fsync(file.fileno())
        return self._digest.hexdigest()
