"""The independent streams of random numbers that one seed starts; nothing else in the library is random."""

import numpy as np

SPLIT, ORDER, NOISE, WEIGHTS = range(4)
"""What a stream is for: rows held out, order of an epoch's rows, dropout and noise, initial weights."""


def stream(seed: int, *key: int) -> np.random.Generator:
    """The generator of `seed` for the purpose `key`, always the same; those of different keys are independent."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
