"""The output array of an encoder, and the names of its columns."""

from collections.abc import Sequence
from itertools import count
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike

from layerwise.checks import shown
from layerwise.errors import InvalidInput
from layerwise.types import Floats

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def dtype_of_outputs(dtype: DTypeLike | None, out: Floats | None) -> np.dtype[Any]:
    """Return the dtype of the outputs: `dtype`, that of `out`, or float32.

    Raises InvalidInput if they differ, or `out` is not a writable array of float32 or float64.
    """
    if dtype is not None and dtype not in (FLOAT32, FLOAT64):
        raise InvalidInput("dtype", f"expected float32 or float64, got {shown(dtype)}")
    if out is None:
        return FLOAT32 if dtype is None else np.dtype(dtype)
    given = cast(object, out)
    if not isinstance(given, np.ndarray):
        raise InvalidInput("out", f"expected an array of float32 or float64, got {shown(given)}")
    if out.dtype not in (FLOAT32, FLOAT64):
        raise InvalidInput("out", f"expected an array of float32 or float64, got {out.shape} of {out.dtype}")
    if not out.flags.writeable:
        raise InvalidInput("out", "expected an array that can be written, got a read-only one")
    if dtype is not None and out.dtype != dtype:
        raise InvalidInput("dtype", f"expected {out.dtype}, which `out` has, or None, got {np.dtype(dtype)}")
    return out.dtype


def zeroed(out: Floats, shape: tuple[int, int]) -> Floats:
    """Check the shape of `out` and fill it with zeros. Raises InvalidInput."""
    if out.shape != shape:
        raise InvalidInput("out", f"expected an array {shape} of {out.dtype}, got {out.shape}")
    out[...] = 0
    return out


def copied(rows: Floats, out: Floats) -> Floats:
    """Copy `rows` into `out`, which must have the same shape. Raises InvalidInput."""
    zeroed(out, cast(tuple[int, int], rows.shape))[...] = rows
    return out


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the `names` (width,) with " (2)", " (3)" … appended to repeated ones, so that all differ."""
    taken = set(names)
    if len(taken) == len(names):
        return tuple(names)
    found: dict[str, None] = {}
    for name in names:
        new = name
        if name in found:
            new = next(free for number in count(2) if (free := f"{name} ({number})") not in taken)
            taken.add(new)
        found[new] = None
    return tuple(found)
