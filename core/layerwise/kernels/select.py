"""The choice between loops that Numba compiles and NumPy code, for elementwise operations of training.

With the extra `fast` installed, the loops are used. LAYERWISE_KERNELS=numpy selects NumPy; LAYERWISE_KERNELS=numba
selects the loops, and is an error without Numba. Compiled code is cached in the folder LAYERWISE_KERNEL_CACHE, by
default beside the package or in the user's cache.
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
    """Return the module of compiled loops, or None for NumPy; the first call may import it.

    Raises InvalidInput if LAYERWISE_KERNELS is invalid, and ImportError if it asks for Numba, which is not installed.
    """
    wanted = choice("LAYERWISE_KERNELS", os.environ.get("LAYERWISE_KERNELS", "auto"), CHOICES)
    if wanted == "numpy" or (wanted == "auto" and find_spec("numba") is None):
        return None
    if folder := os.environ.get("LAYERWISE_KERNEL_CACHE"):
        os.environ.setdefault("NUMBA_CACHE_DIR", _writable_cache(folder))  # Numba reads it when it is imported
    from layerwise.kernels import loops  # noqa: PLC0415 - it takes half a second

    return loops


def kernels_in_use() -> str:
    """Return which implementation of elementwise operations is in use.

    Returns
    -------
    str
        "numpy", or "numba" and its version.

    Raises
    ------
    InvalidInput
        If the environment variable LAYERWISE_KERNELS is not auto, numpy or numba.
    ImportError
        If it is numba, and Numba is not installed.
    """
    loops = compiled()
    return "numpy" if loops is None else str(loops.NAME)


def _writable_cache(folder: str) -> str:
    """Return `folder`, or a temporary copy if it is read-only: Numba uses only a cache that it can write to."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError:
        pass
    try:
        from multiprocessing.util import Finalize  # noqa: PLC0415 - it takes 4 ms

        temporary = mkdtemp(prefix="layerwise-kernels-")
        Finalize(None, shutil.rmtree, (temporary, True), exitpriority=0)  # unlike atexit, also runs in a pool
        for file in Path(folder).glob("*/*.nb[ci]"):
            copy = temporary / file.relative_to(folder)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, copy)
    except OSError:  # nothing can be written anywhere: the loops are compiled in each process
        return folder
    return temporary
