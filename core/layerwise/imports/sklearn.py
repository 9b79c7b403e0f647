"""Import of scikit-learn networks from fitted estimators."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from layerwise.activations import Identity, ReLU, Sigmoid, Tanh
from layerwise.checks import choice, shown
from layerwise.data.labels import MAX_INTEGER, Label
from layerwise.errors import InvalidInput, Place
from layerwise.imports.dense import Dense, build_model, finite_array, fold_scaling
from layerwise.model import MLP
from layerwise.types import Floats

ACTIVATIONS = {"identity": Identity(), "logistic": Sigmoid(), "tanh": Tanh(), "relu": ReLU()}
LOSSES = {
    "softmax": "softmax_cross_entropy",
    "logistic": "sigmoid_cross_entropy",
    "identity": "squared_error",
    "exp": "poisson",
}
"""Our losses by the output activation."""
FITTED = ("coefs_", "intercepts_", "activation", "out_activation_")


def from_sklearn(estimator: object) -> MLP:
    """Return the network of a fitted scikit-learn estimator.

    StandardScaler and MinMaxScaler before it in a pipeline become part of the first layer; a MinMaxScaler that clips
    becomes two layers of ReLU units. The labels are the classes, floats such as 1.0 as integers. A multilabel
    classifier predicts flags.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, or Pipeline that ends in one
        The fitted estimator.

    Returns
    -------
    MLP

    Raises
    ------
    InvalidInput
        If the model cannot be converted.
    """
    named = cast(Sequence[tuple[str, object]], getattr(estimator, "steps", [("", estimator)]))
    steps = [step for _, step in named if step is not None and step != "passthrough"] or [None]
    network = steps[-1]
    for name in FITTED:
        if not hasattr(network, name):
            got = f"{type(network).__name__} has no {name}"
            raise InvalidInput("estimator", f"expected a fitted MLPClassifier or MLPRegressor, {got}")
    given = cast(Any, network)
    hidden = ACTIVATIONS[choice(Place("estimator", "activation"), given.activation, ACTIVATIONS)]
    loss = LOSSES[choice(Place("estimator", "out_activation_"), given.out_activation_, LOSSES)]
    layers: list[Dense] = []
    if not 0 < len(given.coefs_) == len(given.intercepts_):
        got = f"{len(given.coefs_)} coefs_ and {len(given.intercepts_)} intercepts_"
        raise InvalidInput("estimator", f"expected a weight and a bias for each of at least one layer, got {got}")
    for i, (weight, bias) in enumerate(zip(given.coefs_, given.intercepts_, strict=True)):
        where = Place("estimator", "coefs_", i)
        matrix = finite_array(where, weight, dimensions=2)
        vector = finite_array(Place("estimator", "intercepts_", i), bias, shape=matrix.shape[1:])
        layers.append(Dense(where=where, weight=matrix, bias=vector, activation=hidden))
    last = layers[-1]
    layers[-1] = Dense(where=last.where, weight=last.weight, bias=last.bias, activation=Identity())
    for step in reversed(steps[:-1]):
        if getattr(step, "clip", False):
            layers = _after_clipping(layers, step)
        layers[0] = _after_scaling(layers[0], step)
    outputs = layers[-1].weight.shape[1]
    return build_model(layers, loss=loss, labels=_labels(given, outputs), source="scikit-learn")


def _labels(network: Any, outputs: int) -> Iterable[Label] | None:
    """Return the classes; None for a regression and for flags, which have one class for each sigmoid."""
    classes = getattr(network, "classes_", None)
    if classes is None or (network.out_activation_ == "logistic" and len(classes) == outputs):
        return None
    labels = np.asarray(classes)
    if labels.dtype.kind == "f":  # scikit-learn accepts only whole floats as classes
        if not all(each.is_integer() and abs(each) <= MAX_INTEGER for each in labels.ravel().tolist()):
            where = Place("estimator", "classes_")
            raise InvalidInput(where, f"expected whole numbers of 64 bits, got {shown(labels.tolist())}")
        labels = labels.astype(np.int64)
    return cast(list[Label], labels.tolist())


def _after_clipping(layers: Sequence[Dense], scaler: object) -> list[Dense]:
    """Return layers for rows that `scaler` has scaled but not clipped to its range, low to high.

    The clipped x is high - relu((high - low) - relu(x - low)), which loses no digits for x far outside the range.
    """
    first, name = layers[0], type(scaler).__name__
    low, high = map(float, cast(Any, scaler).feature_range)
    dtype, ones = first.weight.dtype, np.ones(len(first.weight))
    above = Dense(where=name, weight=np.diag(ones).astype(dtype), bias=-low * ones, activation=ReLU())
    below = Dense(where=name, weight=-above.weight, bias=(high - low) * ones, activation=ReLU())
    bias = high * first.weight.sum(axis=0, dtype=np.float64) + (0 if first.bias is None else first.bias)
    return [above, below, replace(first, weight=-first.weight, bias=bias), *layers[1:]]


def _after_scaling(first: Dense, scaler: object) -> Dense:
    """Return the first layer for rows that `scaler` has not scaled; scaling is x · factor + shift."""
    inputs, name = len(first.weight), type(scaler).__name__
    factor: Floats = np.ones(inputs)
    shift: Floats = np.zeros(inputs)
    if hasattr(scaler, "with_mean") and hasattr(scaler, "var_"):  # StandardScaler
        if (scale := cast(Any, scaler).scale_) is not None:
            factor = 1 / finite_array(Place(name, "scale_"), scale, shape=(inputs,)).astype(np.float64)
        if cast(Any, scaler).with_mean:
            shift = -finite_array(Place(name, "mean_"), cast(Any, scaler).mean_, shape=(inputs,)) * factor
    elif hasattr(scaler, "min_"):
        factor = finite_array(Place(name, "scale_"), cast(Any, scaler).scale_, shape=(inputs,)).astype(np.float64)
        shift = finite_array(Place(name, "min_"), cast(Any, scaler).min_, shape=(inputs,))
    else:
        raise InvalidInput("estimator", f"expected StandardScaler or MinMaxScaler before the network, got {name}")
    return fold_scaling(first, factor, shift)
