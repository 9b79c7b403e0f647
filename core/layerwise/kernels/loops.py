"""Elementwise operations of training as loops that Numba compiles, each with the same result as NumPy code elsewhere.

The loops do the same operations in the same order as NumPy, without fastmath, so that every result has the same bits.
exp and log are left to NumPy, because libraries differ in their last digit. Scalars are converted to the dtype of the
arrays, as NumPy does. Numba compiles a loop when it is first called, and caches it for later processes.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba  # pyright: ignore[reportMissingTypeStubs]
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

NAME = f"numba {numba.__version__}"


def _compiled(loop: F, **options: Any) -> F:
    try:
        return cast(F, numba.njit(loop, error_model="numpy", nogil=True, cache=True, **options))
    except RuntimeError:  # there is no folder for the cache
        return cast(F, numba.njit(loop, error_model="numpy", nogil=True, **options))


def _compiled_with_fused_sums(loop: F) -> F:
    """Compile with fused multiply-add, which rounds a product and a sum once instead of twice; for predictions only."""
    return _compiled(loop, fastmath={"contract"})


@_compiled
def sgd(p: Any, g: Any, rate: Any) -> None:
    """p ← p - η g."""
    rate = p.dtype.type(rate)
    for i in range(p.size):
        p[i] -= g[i] * rate


@_compiled
def momentum(p: Any, g: Any, v: Any, mu: Any, rate: Any) -> None:
    """v ← μ v + g, p ← p - η v."""
    number = p.dtype.type
    mu, rate = number(mu), number(rate)
    for i in range(p.size):
        velocity = v[i] * mu + g[i]
        v[i] = velocity
        p[i] -= velocity * rate


@_compiled
def nesterov(p: Any, g: Any, v: Any, mu: Any, rate: Any) -> None:
    """v ← μ v + g, p ← p - η (g + μ v)."""
    number = p.dtype.type
    mu, rate = number(mu), number(rate)
    for i in range(p.size):
        velocity = v[i] * mu + g[i]
        v[i] = velocity
        p[i] -= (velocity * mu + g[i]) * rate


@_compiled
def adam(  # noqa: PLR0917 - compiled loops have positional arguments
    p: Any, g: Any, m: Any, v: Any, beta1: Any, beta2: Any, rate: Any, epsilon: Any
) -> None:
    """m ← β₁ m + g, v ← β₂ v + g², p ← p - η m / (√v + ε), where η and ε include the factors of m̂ and v̂."""
    number = p.dtype.type
    beta1, beta2, rate, epsilon = number(beta1), number(beta2), number(rate), number(epsilon)
    for i in range(p.size):
        mean = m[i] * beta1 + g[i]
        variance = v[i] * beta2 + g[i] * g[i]
        m[i] = mean
        v[i] = variance
        p[i] -= mean / (np.sqrt(variance) + epsilon) * rate


@_compiled
def nadam(  # noqa: PLR0917
    p: Any, g: Any, m: Any, v: Any, beta1: Any, beta2: Any, rate_g: Any, rate_m: Any, epsilon: Any
) -> None:
    """m and v as in `adam`, p ← p - (η₁ g + η₂ m) / (√v + ε)."""
    number = p.dtype.type
    beta1, beta2, epsilon = number(beta1), number(beta2), number(epsilon)
    rate_g, rate_m = number(rate_g), number(rate_m)
    for i in range(p.size):
        mean = m[i] * beta1 + g[i]
        variance = v[i] * beta2 + g[i] * g[i]
        m[i] = mean
        v[i] = variance
        p[i] -= (g[i] * rate_g + mean * rate_m) / (np.sqrt(variance) + epsilon)


@_compiled
def bias_relu(z: Any, bias: Any) -> None:
    """Replace z by a = max(0, z + bias)."""
    zero = z.dtype.type(0)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            a = z[i, j] + bias[j]
            z[i, j] = zero if a <= zero else a  # NaN stays


@_compiled
def packed_bias_relu(z: Any, bias: Any) -> None:
    """`bias_relu` for K networks: z (K, n, units), bias (K, units)."""
    for k in range(z.shape[0]):
        bias_relu(z[k], np.ascontiguousarray(bias[k]))


@_compiled
def relu_derivative(delta: Any, a: Any) -> None:
    """Multiply delta by da/dz = 1 where a > 0, else 0."""
    zero, one = delta.dtype.type(0), delta.dtype.type(1)
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            delta[i, j] *= one if a[i, j] > zero else zero


@_compiled
def bias_leaky_relu(z: Any, bias: Any, slope: Any) -> None:
    """Replace z by a = max(s, slope · s), where s = z + bias."""
    slope = z.dtype.type(slope)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            s = z[i, j] + bias[j]
            scaled = s * slope
            z[i, j] = scaled if s <= scaled else s  # NaN stays


@_compiled
def packed_bias_leaky_relu(z: Any, bias: Any, slope: Any) -> None:
    """`bias_leaky_relu` for K networks: z (K, n, units), bias (K, units)."""
    for k in range(z.shape[0]):
        bias_leaky_relu(z[k], np.ascontiguousarray(bias[k]), slope)


@_compiled
def leaky_relu_derivative(delta: Any, a: Any, slope: Any) -> None:
    """Multiply delta by da/dz = 1 where a > 0, else slope."""
    number = delta.dtype.type
    slope, zero, one = number(slope), number(0), number(1)
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            delta[i, j] *= one if a[i, j] > zero else slope


@_compiled
def dropout(x: Any, scale: Any, out: Any, rate: Any, factor: Any) -> None:
    """Replace the random numbers in `scale` by `factor` where they are at least `rate`, else by 0; out = x · scale."""
    number = x.dtype.type
    rate, factor, zero = number(rate), number(factor), number(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            kept = factor if scale[i, j] >= rate else zero
            scale[i, j] = kept
            out[i, j] = x[i, j] * kept


@_compiled
def shift_scores(scores: Any, targets: Any, s: Any, picked: Any) -> None:
    """Write scores (n, k) minus the largest of each row into `s` (k, n), and s of the targets into `picked` (n,)."""
    classes = scores.shape[1]
    for i in range(scores.shape[0]):
        largest = scores[i, 0]
        for j in range(1, classes):  # without a branch, which the processor could not predict
            x = scores[i, j]
            largest = x if (x > largest) | np.isnan(x) else largest  # NaN counts as the largest, as in NumPy
        for j in range(classes):
            s[j, i] = scores[i, j] - largest
        if not 0 <= targets[i] < classes:
            raise IndexError("a target is no class of the network")
        picked[i] = s[targets[i], i]


@_compiled
def softmax_gradient(e: Any, targets: Any, total: Any, gradient: Any) -> None:
    """Write Σ e into `total` (n,), and e / total - onehot into `gradient` (n, k), for e = exp(s) (k, n)."""
    classes, rows = e.shape
    one = e.dtype.type(1)
    for i in range(rows):
        total[i] = e[0, i]
    for j in range(1, classes):
        for i in range(rows):
            total[i] += e[j, i]
    for i in range(rows):
        for j in range(classes):
            gradient[i, j] = e[j, i] / total[i]
        gradient[i, targets[i]] -= one


@_compiled
def is_correct(scores: Any, target: Any) -> bool:
    """Return whether the first of the largest `scores` (k,) is that of the target."""
    if not 0 <= target < scores.size:
        return False
    before = 0  # the number of scores that rank before that of the target
    own = scores[target]
    for j in range(scores.size):
        before += (scores[j] > own) | ((scores[j] == own) & (j < target))
    return before == 0


@_compiled
def count_correct(scores: Any, targets: Any) -> int:
    """Return the number of rows whose first largest score is that of the target."""
    correct = 0
    for i in range(scores.shape[0]):
        correct += is_correct(scores[i], targets[i])
    return correct


@_compiled
def mark_correct(scores: Any, targets: Any, out: Any) -> None:
    """Write 1 into `out` (n, 1) where the first largest score of a row is that of the target, else 0."""
    for i in range(scores.shape[0]):
        out[i, 0] = is_correct(scores[i], targets[i])


@_compiled_with_fused_sums
def few_rows(x: Any, parameters: Any, widths: Any, slopes: Any) -> Any:
    """Return the outputs (n, k) of a network for the rows `x` (n, inputs), and whether `x` is finite.

    Layer l has `widths[l]` inputs, `widths[l + 1]` units and the activation max(z, slopes[l] · z). `parameters` has
    the weights of all layers, then the biases of all layers.
    """
    zero, layers, outputs = parameters.dtype.type(0), slopes.size, widths[-1]
    out = np.empty((x.shape[0], outputs), parameters.dtype)
    a = np.empty(widths.max(), parameters.dtype)
    b = np.empty(widths.max(), parameters.dtype)
    first_bias = 0
    for i in range(layers):
        first_bias += widths[i] * widths[i + 1]
    zero_if_finite = zero  # becomes NaN if an input is not finite
    for row in range(x.shape[0]):
        a[: widths[0]] = x[row]
        for j in range(widths[0]):
            zero_if_finite += a[j] * zero
        weight, bias = 0, first_bias
        for i in range(layers):
            inputs, units = widths[i], widths[i + 1]
            z = b[:units]
            z[:] = zero
            unrolled = inputs - inputs % 4
            for k in range(0, unrolled, 4):  # four at a time, so that z is loaded and stored a quarter as often
                w0 = parameters[weight : weight + units]
                w1 = parameters[weight + units : weight + 2 * units]
                w2 = parameters[weight + 2 * units : weight + 3 * units]
                w3 = parameters[weight + 3 * units : weight + 4 * units]
                for j in range(units):
                    z[j] = z[j] + a[k] * w0[j] + a[k + 1] * w1[j] + a[k + 2] * w2[j] + a[k + 3] * w3[j]
                weight += 4 * units
            for k in range(unrolled, inputs):
                for j in range(units):
                    z[j] += a[k] * parameters[weight + j]
                weight += units
            slope = slopes[i]
            for j in range(units):
                s = z[j] + parameters[bias + j]
                scaled = s * slope if slope else zero
                z[j] = scaled if s <= scaled else s  # NaN stays
            bias += units
            a, b = b, a
        out[row] = a[:outputs]
    return out, zero_if_finite == zero


@_compiled
def softmax(scores: Any) -> Any:
    """Return exp(s) / Σ exp(s) of each row of `scores` (n, k); may differ from NumPy in the last digit."""
    out = np.empty_like(scores)
    for i in range(scores.shape[0]):
        largest = scores[i, 0]
        for j in range(1, scores.shape[1]):
            largest = max(largest, scores[i, j])
        total = scores.dtype.type(0)
        for j in range(scores.shape[1]):
            e = np.exp(scores[i, j] - largest)
            out[i, j] = e
            total += e
        for j in range(scores.shape[1]):
            out[i, j] /= total
    return out
