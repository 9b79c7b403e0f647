"""What each column contributes to predictions, on request: how many rows at once, and of which versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import MLP, Contributions
from layerwise.checks import counted
from layerwise.evaluation.contributions import STEPS, measure_contributions, predicted_targets
from layerwise_service.errors import InvalidRequest, TooLarge

_MOST_ROWS = 1_000
_MOST_VALUES = 2**20  # contributions: 4 MiB
_MOST_PRODUCTS = 2**33  # multiplications, which take about a second
_PASSES = 3  # at each of STEPS points of a row: forward, and back to the inputs and the parameters


def most_explained(network: MLP) -> int:
    """Return the most rows whose predictions by `network` are explained at once."""
    columns = network.architecture.inputs if network.encoder is None else len(network.encoder.columns)
    by_work = _MOST_PRODUCTS // (_PASSES * STEPS * network.architecture.parameters)
    return max(1, min(_MOST_ROWS, _MOST_VALUES // columns, by_work))


def check_explained(network: MLP, rows: int, *, at: str) -> None:
    """Raise `InvalidRequest` if predictions of `network` cannot be explained, `TooLarge` if there are too many rows."""
    outputs, most = network.architecture.outputs, most_explained(network)
    if not network.is_classifier and outputs > 1:
        detail = f"expected a version with classes or one output to explain, this one has {outputs} outputs"
        hint = "layerwise.integrated_gradients explains a single one"
        raise InvalidRequest(f"{detail}; {hint}", pointer="explain", reason="CANNOT_EXPLAIN")
    if rows > most:
        detail = f"expected at most {counted(most, 'row')} to explain at once, got {rows:,}"
        raise TooLarge(f"{detail}; send them in several requests", pointer=at, reason="TOO_MANY_ROWS")


def explained(network: MLP, inputs: Sequence[NDArray[np.float32]], outputs: NDArray[Any]) -> Contributions:
    """Return what each column contributes to the `outputs` (n, k), of rows in blocks of `inputs` (n, inputs).

    What is not finite stays so.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return measure_contributions(network, np.concatenate(inputs), outputs, predicted_targets(network, outputs))
