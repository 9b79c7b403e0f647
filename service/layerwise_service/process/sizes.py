"""The memory that objects hold."""

from __future__ import annotations

import gc
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType

import numpy as np

_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType)  # code, which the program holds anyway


def held_bytes(root: object) -> int:
    """Return the bytes of `root` and of all objects reachable from it, each counted once, without code."""
    known: set[int] = set()
    total = 0
    waiting: list[object] = [root]
    while waiting:
        found: list[object] = []
        for value in waiting:
            if id(value) not in known and not isinstance(value, _SHARED):
                known.add(id(value))
                found.append(value)
                total += sys.getsizeof(value)
        waiting = gc.get_referents(*found)
        # the garbage collector does not know the array whose memory a view shows
        waiting.extend(value.base for value in found if isinstance(value, np.ndarray) and value.base is not None)
    return total
