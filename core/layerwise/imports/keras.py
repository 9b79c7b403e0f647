"""Import of Keras networks from their lists of arrays."""

from collections.abc import Iterable, Sequence

from layerwise.activations import Activation
from layerwise.checks import real_number, shown
from layerwise.data.labels import Label
from layerwise.errors import InvalidInput, Place
from layerwise.imports.dense import (
    Dense,
    NormalizationArrays,
    build_model,
    dimensions_of,
    finite_array,
    layer_activations,
)
from layerwise.losses import Loss
from layerwise.model import MLP
from layerwise.types import Floats

EPSILON = 1e-3
"""The default epsilon of Keras."""

ARRAYS_AFTER_KERNEL = (
    "bias, then gamma and beta of a normalisation, then moving mean and variance of a BatchNormalization"
)


def from_keras(
    weights: Sequence[object],
    *,
    loss: str | Loss,
    labels: Iterable[Label] | None = None,
    activation: str | Activation | Sequence[str | Activation] = "relu",
    output_activation: str | Activation = "identity",
    epsilon: float = EPSILON,
) -> MLP:
    """Return the network with the weights of a Keras model.

    Its layers are Dense, each optionally followed by BatchNormalization or LayerNormalization, then by its activation.

    Parameters
    ----------
    weights : sequence of arrays
        `model.get_weights()`, in the order of the layers.
    loss : str or Loss
        What the outputs mean.
    labels : iterable of label, optional
        The labels of the outputs. By default classes are 0, 1 …, and sigmoid_cross_entropy has flags.
    activation : str, Activation, or sequence of them, default "relu"
        Activation of all hidden layers, or one for each. Use "prelu" for a PReLU.
    output_activation : str or Activation, default "identity"
        Activation of the last layer; "identity" also for a softmax or sigmoid that belongs to the loss.
    epsilon : float, default 1e-3
        Epsilon of the normalisations.

    Returns
    -------
    MLP

    Raises
    ------
    InvalidInput
        If the model cannot be converted.

    Examples
    --------
    >>> import numpy as np
    >>> from layerwise.imports import from_keras
    >>> model = from_keras([np.ones((2, 1)), np.zeros(1)], loss="squared_error")
    >>> model.predict([[1.0, 2.0]]).tolist()
    [3.0]
    """
    if not isinstance(weights, Sequence) or isinstance(weights, str) or not weights:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput("weights", f"expected a list of arrays, got {shown(weights)}")
    added = real_number("epsilon", epsilon, above=0)
    starts = [i for i, array in enumerate(weights) if dimensions_of(array) != 1]
    if not starts or starts[0] != 0:
        raise InvalidInput(Place("weights", 0), "expected the kernel of a Dense layer, of shape (in, out)")
    chosen = layer_activations(activation, output_activation, len(starts))
    layers = [
        _dense(weights, start, end, each, added)
        for start, end, each in zip(starts, [*starts[1:], len(weights)], chosen, strict=True)
    ]
    return build_model(layers, loss=loss, labels=labels, source="Keras")


def _dense(weights: Sequence[object], start: int, end: int, activation: Activation, epsilon: float) -> Dense:
    """Return the layer whose kernel is `weights[start]`, and whose other arrays end before `end`."""
    where = Place("weights", start)
    kernel = finite_array(where, weights[start], dimensions=2)
    columns = kernel.shape[1]
    slope = None
    if activation.learns_slope:
        end -= 1
        if end == start:
            raise InvalidInput(where, "expected the slopes of a PReLU among the arrays after it, there are none")
        slope = finite_array(Place("weights", end), weights[end])
    rest = [finite_array(Place("weights", i), weights[i], shape=(columns,)) for i in range(start + 1, end)]
    if len(rest) > 5:
        slopes = ", then the slopes of a PReLU" if slope is not None else ""
        raise InvalidInput(where, f"expected at most {ARRAYS_AFTER_KERNEL}{slopes} after it, got {len(rest)} arrays")
    bias = rest.pop(0) if len(rest) % 2 else None
    normal = _normalization(rest, epsilon) if rest else None
    return Dense(where=where, weight=kernel, bias=bias, activation=activation, normal=normal, slope=slope)


def _normalization(arrays: Sequence[Floats], epsilon: float) -> NormalizationArrays:
    """Return the normalisation of gamma and beta, or of gamma, beta, moving mean and moving variance."""
    if len(arrays) == 2:
        return NormalizationArrays(kind="layer", scale=arrays[0], shift=arrays[1], epsilon=epsilon)
    scale, shift, mean, variance = arrays
    return NormalizationArrays(kind="batch", scale=scale, shift=shift, mean=mean, variance=variance, epsilon=epsilon)
