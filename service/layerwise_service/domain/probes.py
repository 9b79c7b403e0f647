"""Probe rows of a model and their outputs, by which another process shows that it computes the same network.

A hash shows that a file is whole. It does not show that this machine, with its processor, its BLAS and its compiled
loops, computes what the machine computed that stored the file.
"""

from __future__ import annotations

import sys

import msgspec
import numpy as np
from numpy.typing import NDArray

from layerwise import MLP

_MOST_ROWS = 4
_MOST_NUMBERS = 16_384
"""In all rows, and in all outputs: their file stays below half a megabyte, whatever the network."""
_TOLERANCE = 1e-3
"""Of the largest output: 200 times what processors were seen to differ by, see docs/format.md."""
_MARGIN = 100.0
"""How many times the rounding seen when the probes were made is allowed: for networks that amplify rounding."""


class Probes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows (n, inputs) as they enter the network, and their outputs (n, k), which may be off by `tolerance`."""

    rows: list[list[float]]
    outputs: list[list[float]]
    tolerance: float


def make_probes(model: MLP) -> Probes:
    """Return probes of the model; without rows if it is too wide, or no row has finite outputs.

    The rows are drawn around the average row of the training, not taken from it: they tell nothing about its data.
    """
    inputs, outputs = model.architecture.inputs, model.architecture.outputs
    count = min(_MOST_ROWS, _MOST_NUMBERS // max(inputs, outputs))
    if count == 0:
        return Probes([], [], 0.0)
    average = np.array(model.average_row or (0.0,) * inputs)
    drawn = np.random.Generator(np.random.Philox(0)).uniform(-1.0, 1.0, (count, inputs))
    with np.errstate(over="ignore"):  # such a row has no finite outputs
        rows = (average + drawn * np.maximum(np.abs(average), 1.0)).astype(model.dtype)
    together, alone = _ways(model, rows)
    finite = np.isfinite(together).all(axis=1) & np.isfinite(alone).all(axis=1)
    rows, together, alone = rows[finite], together[finite], alone[finite]
    largest = float(np.abs(together).max(initial=0.0))
    rounding = float(np.abs(together - alone).max(initial=0.0))
    tolerance = min(max(_TOLERANCE * largest, _MARGIN * rounding), sys.float_info.max)
    return Probes(rows.tolist(), together.tolist(), tolerance)


def difference(model: MLP, probes: Probes) -> str:
    """Return how the outputs of `model` differ from those of the probes, in words; "" if they do not."""
    if not probes.rows:
        return ""
    rows = np.array(probes.rows, model.dtype).reshape(-1, model.architecture.inputs)
    expected = np.array(probes.outputs).reshape(-1, model.architecture.outputs)
    for found in _ways(model, rows):
        if found.shape != expected.shape:
            return f"expected outputs of {len(expected)} rows, got {len(found)}"
        wrong = ~(np.abs(found - expected) <= probes.tolerance)  # NaN is wrong, too
        if wrong.any():
            row, output = (int(index) for index in np.argwhere(wrong)[0])
            wanted, got = float(expected[row, output]), float(found[row, output])
            return f"row {row}, output {output}: expected {wanted:.7g}, got {got:.7g}"
    return ""


def _ways(model: MLP, rows: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the outputs computed for all rows at once, and row by row: the ways of many and of few rows."""
    with np.errstate(over="ignore", invalid="ignore"):
        together = model.outputs_by_products(rows)
        alone = np.concatenate([model.outputs(row[None], check=False) for row in rows])
    return together.astype(np.float64), alone.astype(np.float64)
