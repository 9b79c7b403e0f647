"""A body that is one array of NumPy (.npy), read where it lies."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from layerwise_service.errors import InvalidRequest

_MOST_HEADER = 4_096
_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_HELP = "np.save writes one: send what it wrote"


def read_array(body: bytes) -> NDArray[Any]:
    """Return the rows (n, k) of numbers in `body`; an array of one dimension is one row. Raises `InvalidRequest`."""
    file = io.BytesIO(body)
    try:
        version = npy.read_magic(file)
        if version not in _READERS:
            raise ValueError(f"the format version {version} is not read")
        shape, is_fortran, kind = _READERS[version](file, max_header_size=_MOST_HEADER)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        detail = f"expected an array of NumPy (.npy), its header cannot be read: {str(error)[:200]}; {_HELP}"
        raise InvalidRequest(detail, reason="INVALID_NPY") from error
    if kind.kind not in "fiu" or kind.itemsize > 8:
        raise InvalidRequest(f"expected an array of floats or whole numbers, got one of {kind}", reason="INVALID_NPY")
    if len(shape) not in (1, 2) or min(shape) < 0:
        raise InvalidRequest(f"expected an array (rows, inputs), got the shape {shape}", reason="INVALID_NPY")
    wanted, sent = math.prod(shape) * kind.itemsize, len(body) - file.tell()
    if wanted != sent:
        detail = f"expected {wanted:,} bytes of {kind} for the shape {shape}, got {sent:,}"
        raise InvalidRequest(detail, reason="INVALID_NPY")
    values = np.frombuffer(body, kind, offset=file.tell())
    array = values.reshape(shape, order="F" if is_fortran else "C")
    return array if array.ndim == 2 else array[None]
