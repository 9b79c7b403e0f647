"""Point sets in the plane that no straight line separates, drawn with a given generator.

Each function takes the number of rows, the standard deviation of the noise and the generator, and returns X, (rows, 2),
and y, (rows,), the class of each row, sorted by class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Points = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


def spiral(rows: int, noise: float, generator: np.random.Generator) -> Points:
    """Return three arms of a spiral, the toy data of the CS231n notes. The noise is in the angle, in radians."""
    import numpy as np

    y = _classes(rows, 3)
    radius = _within_class(y)
    angle = 4 * y + 4 * radius + noise * generator.standard_normal(rows)
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), y


def circles(rows: int, noise: float, generator: np.random.Generator) -> Points:
    """Return a circle of radius 1, and one of radius 0.5 inside it."""
    import numpy as np

    y = _classes(rows, 2)
    angle = 2 * np.pi * _within_class(y)
    radius = np.where(y == 0, 1.0, 0.5)
    X = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return X + noise * generator.standard_normal((rows, 2)), y


def xor(rows: int, noise: float, generator: np.random.Generator) -> Points:
    """Return four clouds around (±1, ±1); the class is 1 where the two signs differ, else 0."""
    import numpy as np

    y = _classes(rows, 2)
    first = generator.choice(np.array([-1.0, 1.0]), rows)
    X = np.stack([first, np.where(y == 1, -first, first)], axis=1)
    return X + noise * generator.standard_normal((rows, 2)), y


def moons(rows: int, noise: float, generator: np.random.Generator) -> Points:
    """Return the upper half of a circle around (0, 0), and the lower half of one around (1, 0.5)."""
    import numpy as np

    y = _classes(rows, 2)
    angle = np.pi * _within_class(y)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    X = np.where((y == 0)[:, np.newaxis], upper, np.array([1.0, 0.5]) - upper)
    return X + noise * generator.standard_normal((rows, 2)), y


def _classes(rows: int, classes: int) -> npt.NDArray[np.int64]:
    """Return classes 0, 0, …, 1, 1, …, of sizes as equal as possible."""
    import numpy as np

    return np.arange(rows, dtype=np.int64) * classes // rows


def _within_class(y: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the position of each row within its class, from 0 to 1."""
    import numpy as np

    counts = np.bincount(y)
    return np.concatenate([np.linspace(0.0, 1.0, count) for count in counts])
