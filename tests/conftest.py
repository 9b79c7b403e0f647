"""For all tests: training runs on the NumPy code that a plain install has; test_kernels.py asks for the other."""

from __future__ import annotations

import gc
import os

import pytest

os.environ.setdefault("LAYERWISE_KERNELS", "numpy")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the garbage collector from looking at thousands of tests again and again."""
    gc.collect()
    gc.freeze()
