"""Data and networks so small that training on them takes no time."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from layerwise import MLP, Architecture, Layer, Record, fit


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 digits of scikit-learn with pixels between 0 and 1, and their labels."""
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def table(rows: int = 50, *, outputs: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random rows of 4 numbers, and random classes."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 4)), rng.integers(0, outputs, rows)


def small(outputs: int = 3, *, dtype: Any = np.float32, seed: int = 0, **fields: Any) -> MLP:
    """A network 4-8-`outputs`."""
    return MLP(Architecture(4, (Layer(8, "relu"), Layer(outputs)), **fields), seed=seed, dtype=dtype)


def run(model: MLP, X: Any, y: Any, **arguments: Any) -> list[Record]:
    """Train `model` to the end."""
    return list(fit(model, X, y, **arguments))
