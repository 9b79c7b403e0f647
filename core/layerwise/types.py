"""Array types shared by all modules."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
"""Arrays of float32 or float64."""

Flags: TypeAlias = NDArray[np.bool_]
"""Arrays of bool."""
