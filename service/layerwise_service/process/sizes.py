"""How much memory objects hold."""

from __future__ import annotations

import gc
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType

import numpy as np

_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType)  # held by the program, whatever it loads


def held_bytes(root: object) -> int:
    """Bytes of `root` and of all that it leads to, each object once; code is left out."""
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
        # an array does not tell the garbage collector whose memory it looks at
        waiting.extend(value.base for value in found if isinstance(value, np.ndarray) and value.base is not None)
    return total
