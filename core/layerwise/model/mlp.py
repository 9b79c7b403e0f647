"""A multilayer perceptron: a network with the meaning of its outputs, its plan and its metrics."""

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from layerwise.checks import shown
from layerwise.data.labels import Label, checked_labels, label_array
from layerwise.errors import InvalidInput
from layerwise.files import model_file
from layerwise.files.manifest import ModelContents
from layerwise.model.answers import predictions, probabilities
from layerwise.model.network import Network
from layerwise.network.architecture import Architecture
from layerwise.network.target_scale import TargetScale
from layerwise.optimizers.saved_state import KeptOptimizer
from layerwise.plan import Plan
from layerwise.tables import TableLike
from layerwise.types import Floats


class MLP(Network):
    """A multilayer perceptron.

    Several threads may predict with one model at once; while one of them trains it, the others see its weights change.

    Parameters
    ----------
    architecture : Architecture
        The layers of the network.
    seed : int, default 0
        Seed of the initial weights. Biases start at 0.
    dtype : {float32, float64}, default float32
        Type of the parameters and of all computations.
    weights : mapping of str to array-like, optional
        Values of some or all arrays, by the names that the attribute `weights` has; the others are drawn.

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import MLP, Architecture, Layer
    >>> weights = {"layer0/weight": [[1.0], [-1.0]], "layer0/bias": [0.5]}
    >>> model = MLP(Architecture(inputs=2, layers=(Layer(1),)), weights=weights)
    >>> model.predict([[3.0, 1.0]])
    array([[2.5]], dtype=float32)
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
        self._initialize(seed)
        if weights is not None:
            self._set_weights(weights)

    def _prepare(self, architecture: Architecture, dtype: DTypeLike) -> None:
        super().__init__(architecture, dtype)
        self._labels: tuple[Label, ...] | None = None
        self._label_array: NDArray[Any] | None = None
        self.plan: Plan | None = None
        """How the model was trained; None before training."""
        self.metrics: dict[str, float] = {}
        """Metrics to store in the model file."""
        self.lineage: dict[str, Any] = {}
        """Origin of the model, as JSON, to store in the model file."""
        self.target_scale: TargetScale | None = None
        """How the targets of a regression were scaled during training."""
        self.average_row: tuple[float, ...] | None = None
        """The mean of the rows that it was trained on, as inputs of the network; `integrated_gradients` compares with
        it. Training leaves it as it is; versions of the service have it."""
        self.kept_optimizer: KeptOptimizer | None = None
        """State of the optimiser at the end of training."""

    def __repr__(self) -> str:
        sizes = "-".join(str(size) for size in (self.architecture.inputs, *(x.units for x in self.architecture.layers)))
        return f"<MLP {sizes}, {f'loss {self.loss}' if self.loss else 'untrained'}>"

    @property
    def loss(self) -> str | None:
        """The name of the loss that the model was trained with; None before training."""
        return self.plan.loss.kind if self.plan else None

    @property
    def labels(self) -> tuple[Label, ...] | None:
        """The label of each output; None before training, for flags and for a regression.

        A single output has two labels: the first where it is at most 0, the second where it is positive.
        """
        return self._labels

    @labels.setter
    def labels(self, labels: Iterable[Label] | None) -> None:
        given = cast(object, labels)
        if isinstance(given, str) or not isinstance(given, Iterable | None):
            raise InvalidInput("labels", f"expected a list of labels, one for each output, got {shown(labels)}")
        self._labels = None if labels is None else checked_labels(labels, self.architecture.outputs)
        self._label_array = None if self._labels is None else label_array(self._labels)

    @property
    def is_classifier(self) -> bool:
        """Whether the model was trained as a classifier, so that `predict` returns labels."""
        return self.plan is not None and self.plan.loss.classifies and self._labels is not None

    @property
    def gives_probabilities(self) -> bool:
        """Whether the model has `predict_proba`."""
        if self.plan is None or not self.plan.loss.gives_probabilities:
            return False
        return self._labels is not None or self.plan.loss.targets == "flags"

    def decide(self, outputs: Floats) -> NDArray[Any]:
        """Return the predictions for outputs of the network.

        Parameters
        ----------
        outputs : ndarray (n, k)
            The outputs of the last layer.

        Returns
        -------
        ndarray
            As `predict` returns; a value is exp(output) for a loss with a logarithmic link.
        """
        return outputs if self.plan is None else predictions(outputs, self.plan.loss, self._label_array)

    def probabilities(self, outputs: Floats) -> Floats:
        """Return the probabilities for outputs of the network.

        Parameters
        ----------
        outputs : ndarray (n, k)
            The outputs of the last layer.

        Returns
        -------
        ndarray (n, labels) or (n, k)
            As `predict_proba` returns; one-against-rest sigmoids are divided by their sum.

        Raises
        ------
        InvalidInput
            If the loss gives no probabilities.
        """
        if self.plan is None or not self.gives_probabilities:
            how = f"a network trained with {self.loss}" if self.loss else "an untrained network"
            able = "train with softmax_cross_entropy or sigmoid_cross_entropy"
            raise InvalidInput("predict_proba", f"{how} gives no probabilities; {able}")
        return probabilities(outputs, self.plan.loss, of_labels=self._labels is not None)

    def predict(self, X: ArrayLike | TableLike) -> NDArray[Any]:
        """Predict labels, flags or values.

        Parameters
        ----------
        X : array-like (n, inputs), or a table if the model has an encoder
            The rows.

        Returns
        -------
        ndarray
            Labels (n,) of a classifier, flags (n, k) of 0 and 1, or values of a regression, (n,) for a single output
            and (n, k) for several. An untrained model returns its outputs (n, k).

        Raises
        ------
        InvalidInput
            If `X` does not fit the model.

        Examples
        --------
        >>> from layerwise import MLP, Architecture, Layer, Plan
        >>> model = MLP(Architecture(inputs=1, layers=(Layer(2),)), weights={"layer0/weight": [[1.0, -1.0]]})
        >>> model.plan, model.labels = Plan(loss="softmax_cross_entropy"), ("positive", "negative")
        >>> model.predict([[2.0], [-3.0]]).tolist()
        ['positive', 'negative']
        """
        return self.decide(self.outputs(X))

    def predict_proba(self, X: ArrayLike | TableLike) -> Floats:
        """Predict the probability of each label or flag.

        Parameters
        ----------
        X : array-like (n, inputs), or a table if the model has an encoder
            The rows.

        Returns
        -------
        ndarray (n, labels) or (n, k)
            Probabilities in the order of `labels`, each row adding up to 1; or of each of k flags.

        Raises
        ------
        InvalidInput
            If `X` does not fit the model, or its loss gives no probabilities.

        Examples
        --------
        >>> from layerwise import MLP, Architecture, Layer, Plan
        >>> model = MLP(Architecture(inputs=1, layers=(Layer(2),)), weights={"layer0/weight": [[1.0, -1.0]]})
        >>> model.plan, model.labels = Plan(loss="softmax_cross_entropy"), ("positive", "negative")
        >>> model.predict_proba([[1.0], [0.0]]).round(2)
        array([[0.88, 0.12],
               [0.5 , 0.5 ]], dtype=float32)
        """
        return self.probabilities(self.outputs(X))

    def save(self, path: str | PathLike[str]) -> str:
        """Write the model to a file, atomically: after an error or a crash, the old file is unchanged.

        Parameters
        ----------
        path : str or path-like
            The file, by convention `*.npz`. A link is followed, a device or a pipe is written and not replaced.

        Returns
        -------
        str
            SHA-256 of the file, in hexadecimal. It depends on the model alone.

        Raises
        ------
        InvalidInput
            If a parameter is not finite, or `metrics` or `lineage` is not JSON.
        """
        return model_file.save(path, self.__getstate__())

    @classmethod
    def load(cls, file: str | PathLike[str] | BinaryIO, *, sha256: str | None = None) -> "MLP":
        """Read a model from a file.

        Parameters
        ----------
        file : str, path-like or seekable binary file
            The model file.
        sha256 : str, optional
            The SHA-256 that the file must have, in hexadecimal.

        Returns
        -------
        MLP

        Raises
        ------
        CorruptModel
            If the file is damaged, forged, or written in a later format.
        OSError
            If the file cannot be read.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> from layerwise import MLP, Architecture, Layer
        >>> model = MLP(Architecture(inputs=4, layers=(Layer(3, activation="relu"), Layer(2))))
        >>> with TemporaryDirectory() as folder:
        ...     sha256 = model.save(f"{folder}/model.npz")
        ...     loaded = MLP.load(f"{folder}/model.npz", sha256=sha256)
        >>> bool((loaded.parameters == model.parameters).all())
        True
        """
        contents = model_file.load(file, sha256=sha256)
        model = cls.__new__(cls)
        model.__setstate__(contents)
        return model

    def __getstate__(self) -> ModelContents:
        """Return what a file, a copy or a pickle holds."""
        # a plain copy of the attributes would separate the layers' views from their vector
        return ModelContents(
            architecture=self.architecture,
            dtype=self.dtype,
            plan=self.plan,
            labels=self._labels,
            metrics=self.metrics,
            lineage=self.lineage,
            arrays=self.weights,
            encoder=self._encoder,
            optimizer=self.kept_optimizer,
            target_scale=self.target_scale,
            average_row=self.average_row,
        )

    def __setstate__(self, contents: ModelContents) -> None:
        self._prepare(contents.architecture, contents.dtype)
        for name, array in self.weights.items():
            array[...] = contents.arrays[name]
        self.plan, self.labels, self.encoder = contents.plan, contents.labels, contents.encoder
        self.metrics, self.lineage = dict(contents.metrics), dict(contents.lineage)
        self.target_scale, self.average_row = contents.target_scale, contents.average_row
        self.kept_optimizer = contents.optimizer
