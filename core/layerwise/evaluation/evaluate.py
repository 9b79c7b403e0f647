"""Evaluation of a trained network: all metrics that fit its loss, from one pass over the rows."""

from numpy.typing import ArrayLike

from layerwise.checks import whole_number
from layerwise.data.targets import read_targets
from layerwise.errors import InvalidInput
from layerwise.evaluation.outputs import evaluate_outputs, trained_plan
from layerwise.evaluation.result import Evaluation
from layerwise.metrics.arguments import read_weights
from layerwise.model import MLP
from layerwise.tables import TableLike


def evaluate(
    model: MLP,
    X: ArrayLike | TableLike,
    y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    most_classes: int | None = None,
) -> Evaluation:
    """Evaluate a trained model with every metric that fits its loss.

    The rows pass the network once, in blocks of bounded memory. Class weights of the plan do not count.

    Parameters
    ----------
    model : MLP
        A trained model.
    X : array-like (n, inputs), or a table if the model has an encoder
        The rows.
    y : array-like
        Actual labels (n,), flags (n, k), or values (n,) or (n, k), as for `fit`. A flag between 0 and 1 counts as set
        above 0.5, except in the loss.
    weights : array-like (n,), optional
        Row weights, used in every metric.
    most_classes : int, optional
        List at most this many classes, those with most rows, so that the result of thousands of classes stays small.

    Returns
    -------
    Evaluation

    Raises
    ------
    InvalidInput
        If the model is not trained, or the rows do not fit it.

    Examples
    --------
    >>> from layerwise import MLP, Architecture, Layer, Plan, evaluate
    >>> model = MLP(Architecture(inputs=1, layers=(Layer(2),)), weights={"layer0/weight": [[-1.0, 1.0]]})
    >>> model.plan, model.labels = Plan(loss="softmax_cross_entropy"), ("negative", "positive")
    >>> found = evaluate(model, [[-2.0], [-1.0], [1.0], [3.0]], ["negative", "positive", "positive", "positive"])
    >>> found.accuracy, found.confusion_matrix
    (0.75, ((1, 0), (1, 2)))
    """
    loss = trained_plan(model).loss
    if most_classes is not None:
        whole_number("most_classes", most_classes, least=1)
    outputs = model.outputs(X)
    rows = len(outputs)
    if not rows:
        raise InvalidInput("X", "expected at least one row, got none")
    targets, labels = read_targets(
        y,
        model.labels,
        loss=loss,
        architecture=model.architecture,
        rows=rows,
        dtype=model.dtype,
        pointer="y",
        check=True,
    )
    own = read_weights(weights, rows)
    return evaluate_outputs(model, outputs, targets, labels=labels, weights=own, most_classes=most_classes)
