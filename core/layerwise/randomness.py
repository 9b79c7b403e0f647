"""Independent streams of random numbers from one seed: the library's only source of randomness."""

from typing import Any

import numpy as np

from layerwise.types import Floats

SPLIT, ORDER, NOISE, WEIGHTS, EVALUATION, IMPORTANCES = range(6)
"""Purposes of a stream: rows held out, order of an epoch's rows, dropout and noise, initial weights, rows evaluated,
rows shuffled to see which columns matter."""


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of `seed` for the purpose `key`; streams of different keys are independent."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def draw(distribution: Any, out: Floats) -> None:
    """Fill `out`, in its dtype, from `distribution`: the method `random` or `standard_normal` of a generator."""
    distribution(out=out, dtype=out.dtype.type)
