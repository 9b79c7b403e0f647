"""From scores (n, k) to predictions (n, k), in new memory."""

import numpy as np

from layerwise import kernels
from layerwise.types import Floats

FEW = 4096
"""Numbers up to which the passes of NumPy cost more to begin than a compiled loop takes in all."""


def softmax(scores: Floats) -> Floats:
    """exp(s) / Σ exp(s): positive, each row's sum is 1."""
    if scores.size <= FEW and (loops := kernels.compiled()):
        found: Floats = loops.softmax(scores)
        return found
    p: Floats = scores - np.maximum.reduce(scores, axis=1, keepdims=True)
    np.exp(p, out=p)
    np.divide(p, np.add.reduce(p, axis=1, keepdims=True), out=p)
    return p


def sigmoid(scores: Floats) -> Floats:
    """1 / (1 + exp(-s)), each score for itself."""
    return np.exp(log_sigmoid(scores))


def log_sigmoid(scores: Floats) -> Floats:
    """log(1 / (1 + exp(-s))), which a large score of either sign does not overflow."""
    return -np.logaddexp(0.0, -scores)


def exponential(scores: Floats) -> Floats:
    """exp(s); of a score whose exponential is too large for its type, the largest number of that type."""
    with np.errstate(over="ignore"):
        return np.minimum(np.exp(scores), np.finfo(scores.dtype).max)
