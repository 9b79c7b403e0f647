"""Whether the elementwise work of training runs as compiled loops, or as the NumPy code that is always there.

With the extra `fast` installed, training uses Numba's loops from its first step on. LAYERWISE_KERNELS=numpy keeps to
NumPy, LAYERWISE_KERNELS=numba insists. Compiled code is kept in LAYERWISE_KERNEL_CACHE, or beside the package, or in
the user's cache.
"""

import os
import shutil
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from types import ModuleType

from layerwise.checks import choice

CHOICES = ("auto", "numpy", "numba")


@cache
def compiled() -> ModuleType | None:
    """The module of compiled loops, which may be imported only now, or None. Raises InvalidInput, ImportError."""
    wanted = choice("LAYERWISE_KERNELS", os.environ.get("LAYERWISE_KERNELS", "auto"), CHOICES)
    if wanted == "numpy" or (wanted == "auto" and find_spec("numba") is None):
        return None
    if folder := os.environ.get("LAYERWISE_KERNEL_CACHE"):
        os.environ.setdefault("NUMBA_CACHE_DIR", _writable(folder))  # which Numba reads when it is imported
    from layerwise.kernels import loops  # noqa: PLC0415 - it takes half a second

    return loops


def kernels_in_use() -> str:
    """ "numpy", or "numba" and its version."""
    loops = compiled()
    return "numpy" if loops is None else str(loops.NAME)


def _writable(folder: str) -> str:
    """`folder`, or a copy of it that lasts as long as the process: Numba reads from no folder it cannot write to."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError:
        pass
    try:
        from multiprocessing.util import Finalize  # noqa: PLC0415 - it takes 4 ms

        own = mkdtemp(prefix="layerwise-kernels-")
        Finalize(None, shutil.rmtree, (own, True), exitpriority=0)  # unlike atexit's, also in processes of a pool
        for kept in Path(folder).glob("*/*.nb[ci]"):
            copy = own / kept.relative_to(folder)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(kept, copy)
    except OSError:  # nothing can be written anywhere: the loops are compiled, and not kept
        return folder
    return own
