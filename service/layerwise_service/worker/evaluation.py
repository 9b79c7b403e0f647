"""The evaluation of a trained job, in bounded time and memory: on the rows held out, or trained on if none were."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import structlog
from numpy.typing import NDArray

from layerwise import MLP, Importances, InvalidInput
from layerwise.evaluation.outputs import evaluate_outputs
from layerwise.evaluation.permutation import REPEATS, inputs_by_column, measure_importances
from layerwise.randomness import EVALUATION, stream
from layerwise_service.domain.jobs import JSONObject

MOST_ROWS = 100_000
"""More rows tell nothing more: the standard error of an accuracy is then below 0.2 %."""
MOST_NUMBERS = 2**24
"""Inputs, or outputs, of the rows evaluated: 64 MiB of float32."""
MOST_CLASSES = 50
"""Classes that are listed, with their confusions."""
MOST_COLUMNS = 256
"""With more columns or features, such as the pixels of an image, the importance of a single one says little."""
MOST_SHUFFLED_ROWS, FEWEST_SHUFFLED_ROWS = 4_096, 50
MOST_AVERAGED_ROWS, MOST_AVERAGED_COLUMNS = 4_096, 4_096
SHARE_OF_TRAINING = 0.05
"""The most work on importances, as a share of the multiplications of training."""
LEAST_PRODUCTS, MOST_PRODUCTS = 2e8, 1e11
"""Multiplications that are always allowed, and never exceeded: some hundredths of a second, and some seconds."""

_BLOCK_ROWS = 8_192
_ROW_PRODUCTS = 64  # what a row costs beside multiplications

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded rows (n, inputs), their targets, class indices (n,) or numbers (n, outputs), and weights (n,) or None."""

    inputs: NDArray[Any]
    targets: NDArray[Any]
    weights: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.inputs)

    def parted(self, held_out: int) -> tuple[Rows, tuple[NDArray[Any], ...] | None]:
        """Return the rows to train on, and the last `held_out` rows as `fit` takes them; None if there are none."""
        if not held_out:
            return self, None
        parts = [part for part in (self.inputs, self.targets, self.weights) if part is not None]
        weights = None if self.weights is None else self.weights[:-held_out]
        return Rows(self.inputs[:-held_out], self.targets[:-held_out], weights), tuple(
            part[-held_out:] for part in parts
        )

    def chosen(self, numbers: NDArray[np.intp]) -> Rows:
        """Return copies of the rows with these numbers."""
        weights = None if self.weights is None else self.weights[numbers]
        return Rows(self.inputs[numbers], self.targets[numbers], weights)


def evaluation_of(
    model: MLP,
    rows: Rows,
    held_out: NDArray[np.intp] | None,
    *,
    epochs: int,
    check: Callable[[], None],
    target: str | None = None,
) -> JSONObject | None:
    """Return the evaluation of a trained `model` in its JSON form; None if its figures would not be finite.

    `target` is the name of what it predicts, if that has one. It is measured on the `held_out` of `rows`, or on all
    of them if that is None. `check` is called every now and then; what it raises ends the evaluation.
    """
    assert model.plan is not None
    measured_on: Literal["held_out", "trained_on"] = "trained_on" if held_out is None else "held_out"
    numbers = np.arange(len(rows), dtype=np.intp) if held_out is None else held_out
    most = max(1, min(MOST_ROWS, MOST_NUMBERS // max(model.architecture.inputs, model.architecture.outputs)))
    rng = stream(model.plan.seed, EVALUATION)
    sample = rows.chosen(_some(numbers, most, rng))
    if sample.weights is not None and not sample.weights.any():
        return None
    try:
        found = evaluate_outputs(
            model,
            _outputs(model, sample.inputs, check),
            sample.targets,
            labels=model.labels if sample.targets.ndim == 1 else None,
            weights=sample.weights,
            most_classes=MOST_CLASSES,
        )
        few = _shuffled_rows(model, rows=len(rows), epochs=epochs)
        shuffled = sample.chosen(_some(np.arange(len(sample), dtype=np.intp), few, rng)) if few else None
        found = replace(
            found,
            target=target,
            measured_on=measured_on,
            sampled_from=len(numbers) if len(sample) < len(numbers) else None,
            importances=None if shuffled is None else _importances(model, shuffled, check),
        )
        form = found.to_json()
        json.dumps(form, allow_nan=False)
    except (InvalidInput, ValueError, MemoryError) as error:  # the weights are good all the same
        log.warning("version_not_evaluated", error=str(error) or type(error).__name__)
        return None
    return form


def average_row(inputs: NDArray[Any]) -> tuple[float, ...] | None:
    """Return the mean of at most 4,096 evenly spaced rows of `inputs` (n, k); None if k is so large that the model's
    manifest may have no room for it.
    """
    rows, width = inputs.shape
    if width > MOST_AVERAGED_COLUMNS:
        return None
    count = min(rows, MOST_AVERAGED_ROWS)
    numbers: NDArray[np.intp] = np.arange(count, dtype=np.intp) * rows // count
    return tuple(float(f"{mean:.6g}") for mean in inputs[numbers].mean(axis=0, dtype=np.float64))


def _some(numbers: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return `most` of the numbers, chosen at random, in order; all of them if they are no more."""
    if len(numbers) <= most:
        return numbers
    return numbers[np.sort(rng.choice(len(numbers), most, replace=False, shuffle=False))]


def _outputs(model: MLP, inputs: NDArray[Any], check: Callable[[], None]) -> NDArray[Any]:
    outputs = np.empty((len(inputs), model.architecture.outputs), model.dtype)
    for start in range(0, len(inputs), _BLOCK_ROWS):
        check()
        block = slice(start, start + _BLOCK_ROWS)
        outputs[block] = model.outputs_by_products(inputs[block])
    return outputs


def _shuffled_rows(model: MLP, *, rows: int, epochs: int) -> int:
    """Return how many rows to measure importances on, so that they cost little beside training; 0: none."""
    columns, cost = len(inputs_by_column(model)), model.architecture.parameters + _ROW_PRODUCTS
    if columns > MOST_COLUMNS:
        return 0
    training = 3.0 * rows * epochs * cost  # forward, and back to inputs and weights
    products = min(MOST_PRODUCTS, max(LEAST_PRODUCTS, SHARE_OF_TRAINING * training))
    affordable = int(products / (columns * REPEATS * cost))
    return min(affordable, MOST_SHUFFLED_ROWS) if affordable >= FEWEST_SHUFFLED_ROWS else 0


def _importances(model: MLP, rows: Rows, check: Callable[[], None]) -> Importances | None:
    assert model.plan is not None
    if rows.weights is not None and not rows.weights.any():
        return None
    seed = model.plan.seed
    return measure_importances(model, rows.inputs, rows.targets, weights=rows.weights, seed=seed, check=check)
