"""The elementwise work of a training step as compiled loops of one pass each, the formulas those of the NumPy code.

Without fastmath every operation is rounded as NumPy rounds it: the bits are the same, but where exp and log are taken,
whose last digit may differ. Numba compiles a loop when it is first called, and keeps it for the next process.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba  # pyright: ignore[reportMissingTypeStubs]
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

NAME = f"numba {numba.__version__}"


def _compiled(loop: F) -> F:
    """`loop`, to be compiled. As in NumPy, division by zero gives infinity: loops become vector instructions."""
    try:
        return cast(F, numba.njit(cache=True, error_model="numpy", nogil=True)(loop))
    except RuntimeError:  # there is no place where the compiled code could be kept
        return cast(F, numba.njit(error_model="numpy", nogil=True)(loop))


@_compiled
def sgd(p: Any, g: Any, rate: Any) -> None:
    """p ← p - η g."""
    for i in range(p.size):
        p[i] -= g[i] * rate


@_compiled
def momentum(p: Any, g: Any, v: Any, mu: Any, rate: Any) -> None:
    """v ← μ v + g, p ← p - η v."""
    for i in range(p.size):
        velocity = v[i] * mu + g[i]
        v[i] = velocity
        p[i] -= velocity * rate


@_compiled
def adam(p: Any, g: Any, m: Any, v: Any, beta1: Any, beta2: Any, rate: Any, epsilon: Any) -> None:  # noqa: PLR0917
    """m ← β₁ m + g, v ← β₂ v + g², p ← p - η m / (√v + ε), with the factors of m̂ and v̂ drawn into η and ε."""
    for i in range(p.size):
        mean = m[i] * beta1 + g[i]
        variance = v[i] * beta2 + g[i] * g[i]
        m[i] = mean
        v[i] = variance
        p[i] -= mean / (np.sqrt(variance) + epsilon) * rate


@_compiled
def bias_relu(z: Any, bias: Any) -> None:
    """a = max(0, z + bias)."""
    zero = z.dtype.type(0)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            a = z[i, j] + bias[j]
            z[i, j] = zero if a <= zero else a  # NaN stays


@_compiled
def relu_derivative(delta: Any, a: Any) -> None:
    """da/dz = 1 where a > 0, else 0."""
    zero, one = delta.dtype.type(0), delta.dtype.type(1)
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            delta[i, j] *= one if a[i, j] > zero else zero


@_compiled
def softmax_cross_entropy(scores: Any, targets: Any, gradient: Any, loss: Any) -> None:
    """log Σ exp(s) - s at the target, with s shifted by the largest score; the gradient is softmax(s) - onehot."""
    one = scores.dtype.type(1)
    for i in range(scores.shape[0]):
        largest = scores[i, 0]
        for j in range(1, scores.shape[1]):
            largest = max(largest, scores[i, j])
        total = np.exp(scores[i, 0] - largest)
        gradient[i, 0] = total
        for j in range(1, scores.shape[1]):
            e = np.exp(scores[i, j] - largest)
            gradient[i, j] = e
            total += e
        for j in range(scores.shape[1]):
            gradient[i, j] /= total
        loss[i] = np.log(total) - (scores[i, targets[i]] - largest)
        gradient[i, targets[i]] -= one


@_compiled
def count_right(scores: Any, targets: Any) -> int:
    """How many rows have their first largest score at the target."""
    right = 0
    for i in range(scores.shape[0]):
        best = 0
        for j in range(1, scores.shape[1]):
            if scores[i, j] > scores[i, best]:
                best = j
        right += best == targets[i]
    return right
