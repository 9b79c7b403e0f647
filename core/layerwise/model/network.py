"""A network whose outputs have no meaning yet: parameters, and the computation of outputs from rows or tables."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from layerwise.checks import instance, shown, whole_number
from layerwise.data.arrays import blocks, check_unmasked, checked_rows
from layerwise.data.mapped_files import pages_of
from layerwise.errors import InvalidInput, Place, within
from layerwise.network.architecture import Architecture
from layerwise.network.inference import InferencePass
from layerwise.network.parameters import initial_statistics, members, views
from layerwise.network.summary import Summary, summarize
from layerwise.plan import MOST_SEED
from layerwise.randomness import WEIGHTS, stream
from layerwise.tables import TableEncoder, TableLike, checked_encoder, is_table
from layerwise.types import Floats

BLOCK_NUMBERS = 2**22
"""The most activations computed at once in a prediction, 16 MiB of float32, so that memory stays bounded."""


class Network:
    """Parameters, encoder and forward pass of a network of `architecture`."""

    def __init__(self, architecture: Architecture, dtype: DTypeLike) -> None:
        # to NumPy, None is float64
        none = dtype is None  # pyright: ignore[reportUnnecessaryComparison]
        if none or dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise InvalidInput("dtype", f"expected float32 or float64, got {shown(dtype)}")
        self.architecture = instance("architecture", architecture, Architecture)
        self._parameters: Floats = np.zeros(architecture.parameters, dtype)
        self._statistics = initial_statistics(architecture, dtype)
        self._inference_pass: InferencePass | None = None
        self._encoder: TableEncoder | None = None
        self._widest = max(architecture.inputs, *(layer.columns for layer in architecture.layers))

    def _initialize(self, seed: int) -> None:
        """Draw the initial weights from `seed`."""
        rng = stream(whole_number("seed", seed, least=0, most=MOST_SEED), WEIGHTS)
        for layer, own in zip(self.architecture.layers, views(self.architecture, self._parameters), strict=True):
            layer.weight_initializer.fill(own.weight, fan_out=layer.units, rng=rng)
            own.scale[:] = 1
            own.slope[:] = getattr(layer.activation, "slope", 0.0)

    def _set_weights(self, weights: object) -> None:
        """Check the arrays that a user gives by name, and copy them into the vectors."""
        if not isinstance(weights, Mapping):
            raise InvalidInput("weights", f"expected arrays by name, got {shown(weights)}")
        known = self.weights
        for name, given in cast(Mapping[object, Any], weights).items():
            if not isinstance(name, str) or name not in known:
                raise InvalidInput("weights", f"expected names among {', '.join(known)}, got {shown(name)}")
            known[name][...] = _checked_array(Place("weights", name), given, known[name])
            if name.endswith("/variance") and (known[name] < 0).any():
                raise InvalidInput(Place("weights", name), "expected variances of at least 0")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of parameters and computations: float32 or float64."""
        return self._parameters.dtype

    @property
    def parameters(self) -> Floats:
        """Vector of all learnt parameters, shape (p,). Training changes it in place; so may you."""
        return self._parameters

    @property
    def statistics(self) -> Floats:
        """Vector of the running means and variances of batch normalisation, shape (s,); empty without it."""
        return self._statistics

    @property
    def weights(self) -> dict[str, Floats]:
        """Views of parameters and statistics by their names in the model file: "layer0/weight", "layer0/bias" …"""
        return members(self.architecture, self._parameters, self._statistics)

    @property
    def encoder(self) -> TableEncoder | None:
        """The encoder of tables, or None if the model takes numbers only; saved with the model.

        It must be fitted and have as many outputs as the network has inputs.
        """
        return self._encoder

    @encoder.setter
    def encoder(self, encoder: TableEncoder | None) -> None:
        self._encoder = None if encoder is None else checked_encoder(encoder, self.architecture.inputs)

    def summary(self) -> Summary:
        """Return the units and parameters of each layer.

        Returns
        -------
        Summary

        Examples
        --------
        >>> from layerwise import MLP, Architecture, Layer
        >>> model = MLP(Architecture(inputs=4, layers=(Layer(3, activation="relu"), Layer(2))))
        >>> model.summary().parameters
        23
        """
        return summarize(self.architecture, self.dtype)

    def encoded(self, X: ArrayLike | TableLike) -> ArrayLike:
        """Encode a table as rows of numbers, if the model has an encoder.

        Parameters
        ----------
        X : array-like (n, inputs), or a table if the model has an encoder
            The rows.

        Returns
        -------
        ndarray (n, inputs)
            `X` itself if it is not a table, or the model has no encoder.

        Raises
        ------
        InvalidInput
            If `X` does not fit the model.
        """
        if self._encoder is None or not is_table(X):
            return cast("ArrayLike", X)
        return self._encoder.encode(cast("TableLike", X), dtype=self.dtype)

    def to_train_on(self, X: ArrayLike | TableLike) -> ArrayLike:
        """Encode a table as rows of numbers to train on.

        Parameters
        ----------
        X : array-like (n, inputs), or a table if the model has an encoder
            The rows.

        Returns
        -------
        ndarray (n, inputs)
            As `encoded` returns.

        Raises
        ------
        InvalidInput
            If `X` does not fit the model, or both the encoder and `input_scale` would scale the inputs.
        """
        if self._encoder is not None:
            with within("architecture"):
                self._encoder.check_scaled_once(self.architecture.input_scale, self.architecture.input_shift)
        return self.encoded(X)

    def outputs(self, X: ArrayLike | TableLike, *, check: bool = True) -> Floats:
        """Return the outputs of the last layer, before softmax or sigmoid, computed in blocks of bounded memory.

        Parameters
        ----------
        X : array-like (n, inputs), or a table if the model has an encoder
            The rows.
        check : bool, default True
            Whether to check `X`; if not, it must be an array (n, inputs) of finite numbers.

        Returns
        -------
        ndarray (n, k)

        Raises
        ------
        InvalidInput
            If `X` does not fit the model.
        """
        if type(X) is np.ndarray and X.ndim == 2 and X.shape[1] == self.architecture.inputs:
            few = self._inference.outputs_of_few_rows(X)
            if few is not None:
                return few
        given = self.encoded(X)
        x = checked_rows(given, self.architecture.inputs, dtype=self.dtype) if check else np.asarray(given)
        return self.outputs_by_products(x)

    def layer_outputs(self, X: ArrayLike | TableLike) -> Iterator[Floats]:
        """Compute the outputs of every layer.

        Parameters
        ----------
        X : array-like (n, inputs), or a table if the model has an encoder
            The rows.

        Returns
        -------
        iterator of ndarray (n, units)
            The outputs of each layer in turn.

        Raises
        ------
        InvalidInput
            If `X` does not fit the model.
        """
        x = checked_rows(self.encoded(X), self.architecture.inputs, dtype=self.dtype)
        return self._inference.layer_outputs(self.scaled(x))

    def outputs_by_products(self, x: NDArray[Any]) -> Floats:
        """Return the outputs of checked rows, with the same bits with and without compiled loops.

        `outputs` may differ by rounding, because it has a faster way for few rows.

        Parameters
        ----------
        x : ndarray (n, inputs)
            Finite numbers.

        Returns
        -------
        ndarray (n, k)
        """
        if len(x) * self._widest <= BLOCK_NUMBERS:
            return self._inference.outputs(self.scaled(x))
        out: Floats = np.empty((len(x), self.architecture.outputs), self.dtype)
        pages = pages_of(x)
        for block in blocks(len(x), self._widest, BLOCK_NUMBERS):
            out[block] = self._inference.outputs(self.scaled(x[block]))
            if pages:
                pages.release(block)
        return out

    @property
    def _inference(self) -> InferencePass:
        # made on first use, as it may load the compiled loops
        if self._inference_pass is None:
            self._inference_pass = InferencePass(self.architecture, self._parameters, self._statistics)
        return self._inference_pass

    def scaled(self, x: NDArray[Any]) -> Floats:
        """Return rows as they enter the first layer: x · input_scale + input_shift, in `dtype`.

        Parameters
        ----------
        x : ndarray (n, inputs)
            The rows.

        Returns
        -------
        ndarray (n, inputs)
        """
        scale, shift = self.architecture.input_scale, self.architecture.input_shift
        inputs: Floats = x.astype(self.dtype, copy=False)
        if scale != 1:
            inputs = inputs * scale
        return inputs + shift if shift else inputs


def _checked_array(pointer: Place, value: ArrayLike, like: Floats) -> Floats:
    """Return `value` as an array of finite numbers with the shape and dtype of `like`."""
    check_unmasked(value, pointer)
    try:
        given = np.asarray(value)
    except ValueError:  # lists of unequal length
        raise InvalidInput(pointer, f"expected shape {like.shape}, got {shown(value)}") from None
    if given.shape != like.shape:
        raise InvalidInput(pointer, f"expected shape {like.shape}, got {given.shape}")
    if given.dtype.kind not in "fiu":
        raise InvalidInput(pointer, f"expected numbers, got {given.dtype}")
    with np.errstate(over="ignore"):
        found: Floats = given.astype(like.dtype)
    if not np.isfinite(found).all():
        raise InvalidInput(pointer, f"expected finite numbers within {like.dtype}")
    return found
