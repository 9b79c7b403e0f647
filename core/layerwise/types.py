"""The types of arrays that all modules speak of."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
"""Numbers in float32 or float64."""

Flags: TypeAlias = NDArray[np.bool_]
"""Truth values."""
