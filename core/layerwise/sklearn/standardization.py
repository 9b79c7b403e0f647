"""Standardisation of columns, and its folding into the network, which then takes raw rows."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.variation import negligible
from layerwise.errors import InvalidInput
from layerwise.model import MLP
from layerwise.network.architecture import Architecture, Layer
from layerwise.sklearn.sparse import SparseRows, is_sparse, sparse_moments

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Standardization:
    """z = (x - `shift`) / `scale` for each of k columns; both are (k,)."""

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]

    def of(self, table: Any) -> Floats | SparseRows:
        """Return `table` (n, k) standardised, in its own dtype; a sparse one is standardised on demand."""
        if is_sparse(table):
            return SparseRows(table, self.shift, self.scale)
        return ((table - self.shift) / self.scale).astype(table.dtype, copy=False)  # type: ignore[no-any-return]


def no_standardization(columns: int) -> Standardization:
    """Return the standardisation that leaves `columns` columns unchanged."""
    return Standardization(np.zeros(columns), np.ones(columns))


def fit_standardization(
    table: Any, weights: NDArray[np.float64], pointer: str, *, constant_scale: float = np.inf
) -> Standardization:
    """Return the standardisation of the columns of `table` (n, k) with row `weights` (n,).

    The table may be sparse. A column that is constant up to rounding gets the `constant_scale`: infinity makes all its
    values 0, later ones too, and its folded weights 0. Raises InvalidInput if a deviation overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variance = sparse_moments(table, weights) if is_sparse(table) else _moments(table, weights)
        deviation = np.sqrt(variance)
    if not np.isfinite(deviation).all():
        column = int(np.argmin(np.isfinite(deviation)))
        raise InvalidInput(pointer, f"expected columns of finite deviation, column {column} is too large to have one")
    constant = negligible(deviation, mean, len(weights), table.dtype)
    return Standardization(mean, np.where(constant, constant_scale, deviation))


def _moments(table: Floats, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weighted mean and variance (k,) of the columns of `table` (n, k)."""
    # of differences from the first row, which round by the spread and not by the size of the numbers
    first = table[0].astype(np.float64)
    mean: NDArray[np.float64] = first + np.average(table - first, axis=0, weights=weights)
    variance: NDArray[np.float64] = np.average(np.square(table - mean), axis=0, weights=weights)
    return mean, variance


def fold_standardization(network: MLP, inputs: Standardization) -> MLP:
    """Return the network of raw rows that is equivalent to `network` on standardised rows.

    Shift and scale are folded into the first layer. If that is residual or layer-normalised, it needs the standardised
    inputs, and a linear layer is put before it.
    """
    architecture = network.architecture
    arrays: dict[str, NDArray[Any]] = {name: array.astype(np.float64) for name, array in network.weights.items()}
    first = architecture.layers[0]
    if (inputs.shift == 0).all() and (inputs.scale == 1).all():
        pass
    elif first.residual or first.normalization == "layer":
        architecture, arrays = _with_standardizing_layer(architecture, arrays, inputs)
    else:
        weight = arrays["layer0/weight"]
        weight /= inputs.scale[:, None]
        if first.normalization == "batch":
            arrays["layer0/mean"] += inputs.shift @ weight
        else:
            arrays["layer0/bias"] -= inputs.shift @ weight
    made = MLP(architecture, dtype=network.dtype, weights=arrays)
    made.plan, made.labels, made.metrics = network.plan, network.labels, dict(network.metrics)
    made.target_scale = network.target_scale
    return made


def _with_standardizing_layer(
    architecture: Architecture, arrays: dict[str, NDArray[Any]], inputs: Standardization
) -> tuple[Architecture, dict[str, NDArray[Any]]]:
    """Return the layers with a standardising one before them."""
    layers = (Layer(architecture.inputs), *architecture.layers)
    moved = {"layer0/weight": np.diag(1 / inputs.scale), "layer0/bias": -inputs.shift / inputs.scale}
    for name, array in arrays.items():
        layer, _, part = name.removeprefix("layer").partition("/")
        moved[f"layer{int(layer) + 1}/{part}"] = array
    return replace(architecture, layers=layers), moved
