"""The network itself: parameters, what it predicts, and what it remembers of its training."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from os import PathLike
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from layerwise.checks import instance, shown, whole_number
from layerwise.data.arrays import blocks, check_unmasked, checked_rows
from layerwise.data.labels import Label, checked_labels, label_array
from layerwise.data.mapped_files import pages_of
from layerwise.errors import InvalidInput, within
from layerwise.files import model_file
from layerwise.files.manifest import ModelContents
from layerwise.losses import links
from layerwise.network.architecture import Architecture
from layerwise.network.inference import InferencePass
from layerwise.network.parameters import initial_statistics, members, views
from layerwise.network.summary import Summary, summarize
from layerwise.network.target_scale import TargetScale
from layerwise.optimizers.saved_state import PREFIX, KeptOptimizer
from layerwise.plan import MOST_SEED, Plan
from layerwise.randomness import WEIGHTS, stream
from layerwise.tables import TableEncoder, TableLike, checked_encoder, is_table
from layerwise.types import Floats

BLOCK_NUMBERS = 2**22
"""How many activations a block of rows may make while predicting, 16 MiB of float32: memory stays bounded."""


class MLP:
    """A multilayer perceptron of `architecture`, its weights drawn from `seed`, its biases zero.

    `weights`, arrays by the names that `weights` gives, are put in the place of what was drawn; names it leaves out
    stay as drawn. `dtype` is float32 or float64. Raises InvalidInput. Several threads may predict on one model at
    once; while one trains, the others see its weights change.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        seed: int = 0,
        dtype: DTypeLike = np.float32,
        weights: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        self._prepare(architecture, dtype)
        rng = stream(whole_number("seed", seed, least=0, most=MOST_SEED), WEIGHTS)
        for layer, own in zip(architecture.layers, views(architecture, self._parameters), strict=True):
            layer.weight_initializer.fill(own.weight, fan_out=layer.units, rng=rng)
            own.scale[:] = 1
            own.slope[:] = getattr(layer.activation, "slope", 0.0)
        if weights is not None:
            self._take(weights)

    def _prepare(self, architecture: Architecture, dtype: DTypeLike) -> None:
        # to NumPy, None is float64
        none = dtype is None  # pyright: ignore[reportUnnecessaryComparison]
        if none or dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise InvalidInput("dtype", f"expected float32 or float64, got {shown(dtype)}")
        self.architecture = instance("architecture", architecture, Architecture)
        self._parameters: Floats = np.zeros(architecture.parameters, dtype)
        self._statistics = initial_statistics(architecture, dtype)
        self._inference_pass: InferencePass | None = None
        self._labels: tuple[Label, ...] | None = None
        self._label_array: NDArray[Any] | None = None
        self._encoder: TableEncoder | None = None
        self._widest = max(architecture.inputs, *(layer.columns for layer in architecture.layers))
        self.kept_optimizer: KeptOptimizer | None = None
        self.target_scale: TargetScale | None = None
        self.plan: Plan | None = None
        self.metrics: dict[str, float] = {}
        self.lineage: dict[str, Any] = {}

    def _take(self, weights: object) -> None:
        """Copies given arrays into the vectors, each checked first."""
        if not isinstance(weights, Mapping):
            raise InvalidInput("weights", f"expected arrays by name, got {shown(weights)}")
        known = self.weights
        for name, given in cast(Mapping[object, Any], weights).items():
            if not isinstance(name, str) or name not in known:
                raise InvalidInput("weights", f"expected names of {', '.join(known)}, got {shown(name)}")
            known[name][...] = _checked_array(f"weights[{name}]", given, known[name])
            if name.endswith("/variance") and (known[name] < 0).any():
                raise InvalidInput(f"weights[{name}]", "expected variances of at least 0")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the parameters and of every product: float32 or float64."""
        return self._parameters.dtype

    @property
    def parameters(self) -> Floats:
        """The one contiguous vector of everything that is learnt; training and its owner change it in place."""
        return self._parameters

    @property
    def statistics(self) -> Floats:
        """The one vector of running means and variances that batch normalisation predicts with, empty without it."""
        return self._statistics

    @property
    def weights(self) -> dict[str, Floats]:
        """Views of all parameters and statistics by the names of the model file: "layer0/weight", "layer0/bias" …"""
        return members(self.architecture, self._parameters, self._statistics)

    @property
    def encoder(self) -> TableEncoder | None:
        """What turns tables into the network's inputs, None if it is given numbers alone; saved with the model.

        It must be fitted, and give as many outputs as the network has inputs.
        """
        return self._encoder

    @encoder.setter
    def encoder(self, encoder: TableEncoder | None) -> None:
        self._encoder = None if encoder is None else checked_encoder(encoder, self.architecture.inputs)

    @property
    def loss(self) -> str | None:
        """The name of the loss the network was trained with, None before."""
        return self.plan.loss.kind if self.plan else None

    @property
    def labels(self) -> tuple[Label, ...] | None:
        """The label each output stands for, None before training, of flags and of a regression.

        A single output stands for the first label where it is negative, else for the second.
        """
        return self._labels

    @labels.setter
    def labels(self, labels: Iterable[Label] | None) -> None:
        given = cast(object, labels)
        if isinstance(given, str) or not isinstance(given, Iterable | None):
            raise InvalidInput("labels", f"expected a label for each output, got {shown(labels)}")
        self._labels = None if labels is None else checked_labels(labels, self.architecture.outputs)
        self._label_array = None if self._labels is None else label_array(self._labels)

    @property
    def is_classifier(self) -> bool:
        """Whether it was trained to tell classes apart, so that `predict` gives labels."""
        return self.plan is not None and self.plan.loss.classifies and self._labels is not None

    @property
    def gives_probabilities(self) -> bool:
        """Whether `predict_proba` has an answer."""
        if self.plan is None or not self.plan.loss.gives_probabilities:
            return False
        return self._labels is not None or self.plan.loss.targets == "flags"

    def encoded(self, X: ArrayLike | TableLike) -> ArrayLike:
        """`X` itself or, if the model has an encoder and `X` is a table, what it becomes, (n, inputs).

        Raises InvalidInput.
        """
        if self._encoder is None or not is_table(X):
            return cast("ArrayLike", X)
        return self._encoder.encode(cast("TableLike", X), dtype=self.dtype)

    def to_train_on(self, X: ArrayLike | TableLike) -> ArrayLike:
        """`encoded`, but refuses a model that scales its inputs after its encoder has scaled them.

        Raises InvalidInput.
        """
        if self._encoder is not None:
            with within("architecture"):
                self._encoder.check_scaled_once(self.architecture.input_scale, self.architecture.input_shift)
        return self.encoded(X)

    def outputs(self, X: ArrayLike | TableLike, *, check: bool = True) -> Floats:
        """The outputs (n, k) of the last layer for the rows `X` (n, inputs), in blocks of bounded memory.

        With an encoder, `X` may be a table. Without `check`, `X` must be an array (n, inputs) of finite numbers. Raises
        InvalidInput.
        """
        if type(X) is np.ndarray and X.ndim == 2 and X.shape[1] == self.architecture.inputs:
            few = self._inference.outputs_of_few_rows(X)
            if few is not None:
                return few
        given = self.encoded(X)
        x = checked_rows(given, self.architecture.inputs, dtype=self.dtype) if check else np.asarray(given)
        return self.outputs_by_products(x)

    def outputs_by_products(self, x: NDArray[Any]) -> Floats:
        """The outputs of checked rows `x` (n, inputs): the same bits with the compiled loops as without them.

        Those of `outputs` may differ within rounding, for few rows take a shorter way there.
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
        """Made when it is first asked for: it may load the compiled loops."""
        if self._inference_pass is None:
            self._inference_pass = InferencePass(self.architecture, self._parameters, self._statistics)
        return self._inference_pass

    def scaled(self, x: NDArray[Any]) -> Floats:
        """The rows `x` (n, inputs) as they enter the network: of its dtype, x · input_scale + input_shift."""
        scale, shift = self.architecture.input_scale, self.architecture.input_shift
        inputs: Floats = x.astype(self.dtype, copy=False)
        if scale != 1:
            inputs = inputs * scale
        return inputs + shift if shift else inputs

    def layer_outputs(self, X: ArrayLike | TableLike) -> Iterator[Floats]:
        """The outputs (n, units) of one layer after the other for the rows `X`. Raises InvalidInput."""
        x = checked_rows(self.encoded(X), self.architecture.inputs, dtype=self.dtype)
        return self._inference.layer_outputs(self.scaled(x))

    def decide(self, outputs: Floats) -> NDArray[Any]:
        """What `outputs` (n, k) say: labels (n,), flags (n, k) of 0 and 1, or values, (n,) or (n, k).

        A value of a loss with a logarithmic link is exp(output). Outputs of an untrained network are returned as they
        are.
        """
        if self.plan is None:
            return outputs
        loss = self.plan.loss
        if self._label_array is not None and self.is_classifier:
            chosen = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0).astype(np.intp)
            labels: NDArray[Any] = self._label_array[chosen]
            return labels
        if loss.targets == "flags":
            return (outputs > 0).astype(np.int64)
        values = links.exponential(outputs) if loss.link == "exp" else outputs
        return values[:, 0] if values.shape[1] == 1 else values

    def probabilities(self, outputs: Floats) -> Floats:
        """The probability of each label (n, labels), or flag (n, k), by `outputs` (n, k).

        Those of labels add up to 1; where each output tells its class from the others, its sigmoid is divided by the
        sum of all. Raises InvalidInput if the loss gives none.
        """
        if self.plan is None or not self.gives_probabilities:
            how = f"a network trained with {self.loss}" if self.loss else "an untrained network"
            able = "those trained with softmax_cross_entropy or sigmoid_cross_entropy do"
            raise InvalidInput("predict_proba", f"{how} gives no probabilities; {able}")
        if self.plan.loss.link == "softmax":
            return links.softmax(outputs)
        if self._labels is None:
            return links.sigmoid(outputs)
        if outputs.shape[1] > 1:
            return links.softmax(links.log_sigmoid(outputs))
        return np.hstack([links.sigmoid(-outputs), links.sigmoid(outputs)])

    def predict(self, X: ArrayLike | TableLike) -> NDArray[Any]:
        """Labels (n,), flags (n, k), or values, (n,) or (n, k), for the rows `X`. Raises InvalidInput."""
        return self.decide(self.outputs(X))

    def predict_proba(self, X: ArrayLike | TableLike) -> Floats:
        """The probability of each of `labels` (n, labels), or flag (n, k), for the rows `X`. Raises InvalidInput."""
        return self.probabilities(self.outputs(X))

    def summary(self) -> Summary:
        """Neurons and parameters, layer by layer."""
        return summarize(self.architecture, self.dtype)

    def save(self, path: str | PathLike[str]) -> str:
        """Writes the model to `path`, wholly or not at all, and returns the file's SHA-256 in hexadecimal."""
        return model_file.save(path, self._contents())

    @classmethod
    def load(cls, file: str | PathLike[str] | BinaryIO, *, sha256: str | None = None) -> "MLP":
        """The model in `file`, a path or an open binary file; `sha256` is what its hash must be.

        Raises CorruptModel if the file cannot be trusted, OSError if it cannot be read.
        """
        contents = model_file.load(file, sha256=sha256)
        model = cls.__new__(cls)
        model.__setstate__(contents)
        return model

    def __getstate__(self) -> ModelContents:
        """What a copy or a pickle holds, which is what a file does: the layers see views, which would come apart."""
        return self._contents()

    def __setstate__(self, contents: ModelContents) -> None:
        self._prepare(contents.architecture, contents.dtype)
        for name, array in self.weights.items():
            array[...] = contents.arrays[name]
        self.plan, self.labels, self.encoder = contents.plan, contents.labels, contents.encoder
        self.metrics, self.lineage = dict(contents.metrics), dict(contents.lineage)
        self.target_scale = contents.target_scale
        if (kept := contents.optimizer) is not None:
            vectors = {name: contents.arrays[PREFIX + name] for name in kept.vectors}
            self.kept_optimizer = replace(kept, vectors=vectors)

    def _contents(self) -> ModelContents:
        kept = self.kept_optimizer
        return ModelContents(
            architecture=self.architecture,
            dtype=self.dtype,
            plan=self.plan,
            labels=self._labels,
            metrics=self.metrics,
            lineage=self.lineage,
            arrays=self.weights | {PREFIX + name: vector for name, vector in (kept.vectors if kept else {}).items()},
            encoder=self._encoder,
            optimizer=kept,
            target_scale=self.target_scale,
        )


def _checked_array(pointer: str, value: ArrayLike, like: Floats) -> Floats:
    """`value` as an array of finite numbers with the shape and dtype of `like`."""
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
        raise InvalidInput(pointer, f"expected finite numbers that {like.dtype} holds")
    return found
