"""An .npy file that numbers are appended to; its header is written at the end, when its length is known."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

# NumPy pads headers so that the length of the first axis can be written later.
HEADER_BYTES = 128


class NpyFile:
    """A new file at `path`. It is open only during writes, so that a dataset may have many files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        path.write_bytes(bytes(HEADER_BYTES))

    def append(self, values: NDArray[Any]) -> None:
        """Append `values`, row-major."""
        block = np.ascontiguousarray(values).data.cast("B")
        with self._path.open("ab", buffering=0) as file:
            written = 0
            while written < len(block):
                written += file.write(block[written:])
        self._digest.update(block)

    def close(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, durable: bool = True) -> str:
        """Write the header, and flush a `durable` file to the disk; return the SHA-256 of its values."""
        with self._path.open("r+b") as file:
            header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            npy.write_array_header_1_0(file, header)
            if file.tell() != HEADER_BYTES:
                raise AssertionError("NumPy's header does not fit the space reserved for it")
            if durable:
                file.flush()
                os.fsync(file.fileno())
        return self._digest.hexdigest()
