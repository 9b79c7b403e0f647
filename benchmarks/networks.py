"""The networks that are trained, from a table of flowers to images, and data for them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Network:
    """A ReLU network of `widths`, inputs first and classes last, trained in batches of `batch` out of `rows` rows."""

    widths: tuple[int, ...]
    batch: int
    rows: int = 4096

    @property
    def name(self) -> str:
        """As in 784-512-512-10 / 128."""
        return "-".join(map(str, self.widths)) + f" / {self.batch}"

    def data(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Random rows and random classes: the numbers do not matter to the time of a step."""
        rng = np.random.default_rng(0)
        X = rng.normal(size=(self.rows, self.widths[0])).astype(np.float32)
        return X, rng.integers(0, self.widths[-1], self.rows)


NETWORKS = (
    Network((4, 16, 3), 32),
    Network((30, 64, 64, 2), 64),
    Network((64, 100, 10), 128),
    Network((784, 100, 10), 128),
    Network((784, 512, 512, 10), 128),
    Network((784, 512, 512, 10), 512),
    Network((784, 2048, 2048, 10), 256, rows=1024),
)

LEARNING_RATE = 1e-5
"""So small that no network learns its random classes by heart: gradients near zero, below what float32 holds with
all its digits, would slow every peer down."""
