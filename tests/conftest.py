"""For all tests: training runs on the NumPy code that a plain install has; test_kernels.py asks for the other."""

from __future__ import annotations

import os

os.environ.setdefault("LAYERWISE_KERNELS", "numpy")
