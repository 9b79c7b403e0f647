"""What each column contributes to the predictions of single rows: integrated gradients. Sundararajan et al. 2017."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import whole_number
from layerwise.data.arrays import blocks, checked_rows
from layerwise.errors import InvalidInput, Place
from layerwise.evaluation.permutation import inputs_by_column
from layerwise.losses import links
from layerwise.model import MLP
from layerwise.network.architecture import Architecture, Layer
from layerwise.network.normalization import EPSILON
from layerwise.plan import Plan
from layerwise.tables import TableLike
from layerwise.training.passes import TrainingPass
from layerwise.types import Floats
from layerwise.workspace import Arena

STEPS, MOST_STEPS = 50, 1_000
BLOCK_NUMBERS = 2**18
"""The most numbers of a layer computed at once, unless the steps of a single row have more."""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """What each column contributes to the prediction of each of n rows, returned by `integrated_gradients`.

    Attributes
    ----------
    kind : {"probability", "score", "value"}
        What is explained: the probability of a class or flag, its score if the loss gives no probabilities, or a value.
    columns : tuple of str or int
        Name of each column, or index of each feature.
    values : ndarray (n, columns)
        The contributions; those of a row add up to its output less its baseline.
    outputs : ndarray (n,)
        The probability, score or value of each row.
    baselines : ndarray (n,)
        The same of the baseline.
    """

    kind: str
    columns: tuple[str | int, ...]
    values: Floats
    outputs: Floats
    baselines: Floats

    @classmethod
    def joined(cls, parts: "Sequence[Contributions]") -> "Contributions":
        """Return the contributions for consecutive rows as one.

        Parameters
        ----------
        parts : sequence of Contributions
            Those of each block of rows, by one model.

        Returns
        -------
        Contributions
        """
        return cls(
            parts[0].kind,
            parts[0].columns,
            values=np.concatenate([part.values for part in parts]),
            outputs=np.concatenate([part.outputs for part in parts]),
            baselines=np.concatenate([part.baselines for part in parts]),
        )


def integrated_gradients(
    model: MLP,
    X: ArrayLike | TableLike,
    *,
    baseline: ArrayLike | TableLike | None = None,
    target: int | None = None,
    steps: int = STEPS,
) -> Contributions:
    """Divide the prediction of each row among its columns, compared with the prediction of a baseline.

    What is divided is what `predict_proba` or `predict` returns: the probability of a class or a flag, or a value; of a
    loss that gives no probabilities, the score of a class. The contributions of a row add up to its output less that of
    the baseline, but for the error of the numeric integral (Gauss-Legendre), which more steps make smaller. The
    contribution of a column of a table is that of all inputs that it becomes. Sundararajan et al. 2017.

    Parameters
    ----------
    model : MLP
        A model.
    X : array-like (n, inputs), or a table if the model has an encoder
        The rows.
    baseline : array-like (inputs,), or a table of one row, optional
        What rows are compared with. By default the model's `average_row`, which versions of the service have; without
        one, zeros for all inputs of the network.
    target : int, optional
        The class to explain, by its place in `labels`, or the output; by default the predicted class of each row, or
        the only output.
    steps : int, default 50
        The number of points between baseline and row at which the gradient is computed, 1 to 1,000.

    Returns
    -------
    Contributions

    Raises
    ------
    InvalidInput
        If an argument is invalid, or outputs are not finite.

    Examples
    --------
    >>> from layerwise import MLP, Architecture, Layer, integrated_gradients
    >>> model = MLP(Architecture(inputs=2, layers=(Layer(1),)), weights={"layer0/weight": [[2.0], [-1.0]]})
    >>> found = integrated_gradients(model, [[3.0, 1.0]], baseline=[1.0, 1.0])
    >>> found.values.round(4).tolist(), found.outputs.tolist(), found.baselines.tolist()
    ([[4.0, 0.0]], [5.0], [1.0])
    """
    inputs = model.architecture.inputs
    x = checked_rows(model.encoded(X), inputs, dtype=model.dtype)
    whole_number("steps", steps, least=1, most=MOST_STEPS)
    start = None
    if baseline is not None:
        given: Any = model.encoded(baseline)
        one = np.shape(given) == (inputs,)
        start = checked_rows([given] if one else given, inputs, dtype=model.dtype, pointer="baseline")
        if len(start) != 1:
            raise InvalidInput("baseline", f"expected one row, got {len(start)}")
    with np.errstate(over="ignore", invalid="ignore"):  # checked right below
        outputs = model.outputs_by_products(x)
        targets = predicted_targets(model, outputs) if target is None else np.full(len(x), _checked(model, target))
        found = measure_contributions(model, x, outputs, targets, baseline=start, steps=steps)
    finite = np.isfinite(found.values).all(axis=1) & np.isfinite(found.outputs)
    if not finite.all():
        detail = f"expected a row whose outputs and gradients are finite in {model.dtype}"
        raise InvalidInput(Place("X", int(finite.argmin())), detail)
    return found


def predicted_targets(model: MLP, outputs: Floats) -> NDArray[np.intp]:
    """Return the predicted class, or the only output, of each row of `outputs` (n, k).

    Raises InvalidInput for several values or flags, of which none is predicted rather than the others.
    """
    k = outputs.shape[1]
    found: NDArray[np.intp] = np.zeros(len(outputs), np.intp)
    if model.is_classifier:
        np.copyto(found, outputs.argmax(axis=1) if k > 1 else outputs[:, 0] > 0)
    elif k > 1:
        raise InvalidInput("target", f"expected the output to explain, 0 to {k - 1}, since the model has {k}")
    return found


def _checked(model: MLP, target: object) -> int:
    count = len(model.labels) if model.is_classifier and model.labels else model.architecture.outputs
    return whole_number("target", target, least=0, most=count - 1)


def measure_contributions(
    model: MLP,
    x: NDArray[Any],
    outputs: Floats,
    targets: NDArray[np.intp],
    *,
    baseline: NDArray[Any] | None = None,
    steps: int = STEPS,
) -> Contributions:
    """Return the contributions for checked, encoded rows `x` (n, inputs) with their `outputs` (n, k).

    `targets` (n,) are the classes or outputs to explain, `baseline` is (1, inputs).
    """
    if baseline is None:
        baseline = np.array([model.average_row or np.zeros(x.shape[1])])
    parts = inputs_by_column(model)
    start = model.scaled(baseline)
    of_baseline = np.repeat(model.outputs_by_products(baseline), len(x), axis=0)
    gradients = _PathGradients(model, start, rows=len(x), steps=steps)
    values: Floats = np.empty((len(x), len(parts)), model.dtype)
    for block in blocks(len(x), 1, gradients.rows):
        by_input = gradients.mean(ends := model.scaled(x[block]), targets[block]) * (ends - start)
        for column, part in enumerate(parts.values()):
            values[block, column] = by_input[:, part].sum(axis=1)
    kind = "value"
    if model.plan is not None and model.plan.loss.classifies:
        kind = "probability" if model.gives_probabilities else "score"
    explained, _ = _explained(model, outputs, targets)
    baselines, _ = _explained(model, of_baseline, targets)
    return Contributions(kind, tuple(parts), values, explained, baselines)


class _PathGradients:
    """Mean gradients along the lines from `start` (1, inputs) to rows, of at most `rows` rows at once."""

    def __init__(self, model: MLP, start: Floats, *, rows: int, steps: int) -> None:
        self._model, self._start, self._steps = model, start, steps
        plain = _without_statistics(model)
        widest = max(plain.architecture.inputs, *(layer.columns for layer in plain.architecture.layers))
        self.rows = max(1, min(rows, BLOCK_NUMBERS // (widest * steps)))
        loss = (model.plan or Plan()).loss
        self._pass = TrainingPass(
            plain.architecture,
            plain.parameters,
            np.empty_like(plain.parameters),
            loss,
            statistics=plain.statistics,
            rows=self.rows * steps,
            arena=Arena(),
        )
        self._pass.inputs[:] = start  # the last block may have fewer rows
        self._out: Floats = np.empty_like(self._pass.inputs)
        # from -1 to 1; on ReLU networks the error is half that of midpoints, on smooth ones far smaller
        points, self._weights = np.polynomial.legendre.leggauss(steps)
        self._along: Floats = ((points + 1) / 2).astype(model.dtype)[:, None]
        self._rng = np.random.default_rng(0)  # nothing is random without dropout and noise

    def mean(self, ends: Floats, targets: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the mean gradient (n, inputs) of what is explained, along the line to each of `ends` (n, inputs)."""
        count = len(ends)
        shape = self.rows, self._steps, ends.shape[1]
        np.add(self._start, self._along * (ends - self._start)[:, None], out=self._pass.inputs.reshape(shape)[:count])
        scores = self._pass.forward(self._rng)
        wanted = np.zeros(self.rows, np.intp)
        wanted[:count] = targets
        _, delta = _explained(self._model, scores, np.repeat(wanted, self._steps))
        gradient = self._pass.input_gradient(delta, self._out).reshape(shape)
        mean: NDArray[np.float64] = np.einsum("s,nsi->ni", self._weights / 2, gradient[:count])
        return mean


def _without_statistics(model: MLP) -> MLP:
    """Return a network with the same outputs in predictions and in training: without dropout and noise, and with batch
    normalisation as part of weights and biases. It does not scale its inputs.
    """
    layers: list[Layer] = []
    weights = dict(model.weights)
    for i, layer in enumerate(model.architecture.layers):
        by_batch = layer.normalization == "batch"
        layers.append(replace(layer, dropout=0.0, normalization=None if by_batch else layer.normalization))
        if by_batch:
            mean, variance, scale = (weights.pop(f"layer{i}/{name}") for name in ("mean", "variance", "scale"))
            factor = scale / np.sqrt(variance + EPSILON)
            weights[f"layer{i}/weight"] = weights[f"layer{i}/weight"] * factor
            weights[f"layer{i}/bias"] = weights[f"layer{i}/bias"] - mean * factor
    return MLP(Architecture(model.architecture.inputs, tuple(layers)), dtype=model.dtype, weights=weights)


def _explained(model: MLP, scores: Floats, targets: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return what is explained (n,), for `scores` (n, k) and `targets` (n,), and its gradient by the scores (n, k)."""
    rows, loss = np.arange(len(scores)), (model.plan or Plan()).loss
    if model.is_classifier and scores.shape[1] == 1:  # of two labels: the second where the score is positive
        value: Floats = model.probabilities(scores)[rows, targets]
        slope = value * (1 - value)
        return value, np.where(targets == 1, slope, -slope)[:, None]
    gradient: Floats = np.zeros_like(scores)
    gradient[rows, targets] = 1
    value = scores[rows, targets]
    if model.gives_probabilities:
        p = model.probabilities(scores)
        value = p[rows, targets]
        if not model.is_classifier:  # flags
            gradient[rows, targets] = value * (1 - value)
            return value, gradient
        gradient = value[:, None] * (gradient - p)
        if loss.link == "sigmoid":  # each against the rest, then divided by the sum
            gradient *= links.sigmoid(-scores)
    elif model.plan is not None and loss.link == "exp":
        value = gradient[rows, targets] = links.exponential(value)
    return value, gradient
