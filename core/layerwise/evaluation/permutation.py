"""Permutation importance: how much worse a network predicts when the values of a column are shuffled. Breiman 2001."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import whole_number
from layerwise.data.arrays import checked_rows
from layerwise.data.targets import read_targets
from layerwise.errors import InvalidInput
from layerwise.evaluation.importances import Importance, Importances
from layerwise.evaluation.outputs import trained_plan
from layerwise.metrics.arguments import read_weights
from layerwise.metrics.running import metric_of
from layerwise.model import MLP
from layerwise.plan import MOST_SEED
from layerwise.randomness import IMPORTANCES, stream
from layerwise.tables import TableLike

REPEATS = 5


def permutation_importance(
    model: MLP,
    X: ArrayLike | TableLike,
    y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Importances:
    """Measure how much accuracy or R² falls when the values of a column are shuffled among the rows.

    A column of a table is shuffled as a whole, with all inputs that it becomes. Columns that say the same can stand in
    for each other, so that each of them seems to matter little. Breiman 2001, as scikit-learn's function of this name.

    Parameters
    ----------
    model : MLP
        A trained model.
    X : array-like (n, inputs), or a table if the model has an encoder
        The rows, such as those held out; each is predicted `repeats` times for every column.
    y : array-like
        Actual labels, flags or values, as for `evaluate`.
    weights : array-like (n,), optional
        Row weights in the metric.
    repeats : int, default 5
        How often each column is shuffled.
    seed : int, default 0
        Seed of the shuffling.

    Returns
    -------
    Importances
        The importance of each column or feature, and its deviation.

    Raises
    ------
    InvalidInput
        If the model is not trained, the rows do not fit it, or its outputs are not finite.

    Examples
    --------
    >>> from layerwise import MLP, Architecture, Layer, Plan, permutation_importance
    >>> model = MLP(Architecture(inputs=2, layers=(Layer(1),)), weights={"layer0/weight": [[2.0], [0.0]]})
    >>> model.plan = Plan(loss="squared_error")
    >>> found = permutation_importance(model, [[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]], [2.0, 4.0, 6.0])
    >>> [(each.name, each.mean > 0) for each in found.columns]
    [(0, True), (1, False)]
    """
    loss = trained_plan(model).loss
    whole_number("repeats", repeats, least=1)
    whole_number("seed", seed, least=0, most=MOST_SEED)
    x = checked_rows(model.encoded(X), model.architecture.inputs, dtype=model.dtype)
    if not len(x):
        raise InvalidInput("X", "expected at least one row, got none")
    targets, _ = read_targets(
        y,
        model.labels,
        loss=loss,
        architecture=model.architecture,
        rows=len(x),
        dtype=model.dtype,
        pointer="y",
        check=True,
    )
    return measure_importances(model, x, targets, weights=read_weights(weights, len(x)), repeats=repeats, seed=seed)


def inputs_by_column(model: MLP) -> dict[str | int, slice]:
    """Return the inputs that each column becomes, or each feature by itself if the model has no encoder."""
    if model.encoder is None:
        return {feature: slice(feature, feature + 1) for feature in range(model.architecture.inputs)}
    found: dict[str | int, slice] = {}
    start = 0
    for column in model.encoder.columns:
        found[column.name] = slice(start, start + column.width)
        start += column.width
    return found


def measure_importances(
    model: MLP,
    x: NDArray[Any],
    targets: NDArray[Any],
    *,
    weights: NDArray[Any] | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
    check: Callable[[], object] = lambda: None,
) -> Importances:
    """Return the importances for checked, encoded rows `x` (n, inputs) and `targets`, class indices (n,) or numbers.

    `check` is called for each shuffling, and ends the measurement if it raises.
    """
    loss, rows = trained_plan(model).loss, len(x)
    metric = metric_of(loss, targets, np.arange(rows), rows, model.dtype, weights=weights)
    actual = targets.astype(np.intp if targets.ndim == 1 else model.dtype, copy=False)
    own = None if weights is None else weights.astype(model.dtype, copy=False)
    sums = np.zeros(metric.sums)

    def score(inputs: NDArray[Any], what: str) -> float:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite shows in the metric
            metric.measure(model.outputs_by_products(inputs), actual, sums, own)
            found = metric.value(sums, rows)
        if not math.isfinite(found):
            raise InvalidInput("X", f"expected rows whose outputs are finite in {model.dtype}, {what}")
        return found

    before = score(x, "also before any are shuffled")
    rng, shuffled, found = stream(seed, IMPORTANCES), np.array(x, model.dtype), list[Importance]()
    for name, part in inputs_by_column(model).items():
        falls = np.empty(repeats)
        for repeat in range(repeats):
            check()
            shuffled[:, part] = x[rng.permutation(rows), part]
            falls[repeat] = before - score(shuffled, f"also with {name} shuffled")
        shuffled[:, part] = x[:, part]
        found.append(Importance(name, float(falls.mean()), float(falls.std())))
    found.sort(key=lambda each: -each.mean)
    return Importances(metric.name, before, rows, repeats, tuple(found))
