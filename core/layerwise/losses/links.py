"""Functions from scores (n, k) to predictions (n, k), in new memory."""

import numpy as np

from layerwise import kernels
from layerwise.types import Floats

FEW_NUMBERS = 4096
"""Up to this many numbers, a compiled loop is faster than the calls of NumPy."""


def softmax(scores: Floats) -> Floats:
    """Return exp(s) / Σ exp(s): positive, with the sum 1 in each row."""
    if scores.size <= FEW_NUMBERS and (loops := kernels.compiled()):
        found: Floats = loops.softmax(scores)
        return found
    p: Floats = scores - np.maximum.reduce(scores, axis=1, keepdims=True)
    np.exp(p, out=p)
    np.divide(p, np.add.reduce(p, axis=1, keepdims=True), out=p)
    return p


def sigmoid(scores: Floats) -> Floats:
    """Return 1 / (1 + exp(-s)) of each score."""
    return np.exp(log_sigmoid(scores))


def log_sigmoid(scores: Floats) -> Floats:
    """Return log(1 / (1 + exp(-s))) of each score, without overflow."""
    return -np.logaddexp(0.0, -scores)


def exponential(scores: Floats) -> Floats:
    """Return exp(s), or the largest number of the type where that overflows."""
    with np.errstate(over="ignore"):
        return np.minimum(np.exp(scores), np.finfo(scores.dtype).max)
