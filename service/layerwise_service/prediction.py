"""Use-case of predicting: rows in, labels or values out, by the version that is meant."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import MLP
from layerwise_service.errors import InvalidRequest, OutputNotFinite, TooLarge
from layerwise_service.registry import Directory
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.telemetry import predictions_of


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a version says of n rows.

    `predictions` is (n,), labels or values, or (n, outputs) values of a regression with several outputs;
    `probabilities` (n, classes), or None where the loss gives none.
    """

    model: str
    version: int
    predictions: NDArray[Any]
    probabilities: NDArray[np.float32] | None
    is_classifier: bool


class Predictor:
    """Predicts with any version, and keeps those that are in use loaded."""

    def __init__(
        self, directory: Directory, artifacts: ArtifactStore, *, cache_bytes: int, max_rows: int, max_values: int
    ) -> None:
        self._directory = directory
        self._models = LoadedModels(artifacts, max_bytes=cache_bytes)
        self._max_rows = max_rows
        self._max_values = max_values

    def predict(
        self,
        rows: list[list[float]] | NDArray[np.float32],
        *,
        model: str | None,
        version: str | int | None,
        at: str = "instances",
    ) -> Prediction:
        """Predicts `rows` (n, inputs); `model` and `version` as `Directory.resolve` reads them, `at` names the rows.

        Raises `InvalidRequest` with the row, and the column, that is wrong, `TooLarge`, and what `resolve` raises.
        """
        target = self._directory.resolve(model, version)
        network = self._models.get(target.artifact)
        most = max(1, min(self._max_rows, self._max_values // network.architecture.outputs))
        if len(rows) > most:
            detail = f"this model predicts at most {most} rows at once, got {len(rows)}; send them in several requests"
            raise TooLarge(detail, pointer=at, reason="TOO_MANY_ROWS")
        checked = _check(rows, network.architecture.inputs, at)
        start = time.perf_counter()
        with np.errstate(over="ignore", invalid="ignore"):  # looked at right below
            outputs = network.outputs(checked, check=False)
        if not np.isfinite(outputs).all():
            row = int(np.argmin(np.isfinite(outputs).all(axis=1)))
            detail = f"version {target.version} of {target.model} answers this row with NaN or infinity"
            raise OutputNotFinite(detail, pointer=f"{at}[{row}]")
        prediction = Prediction(
            target.model,
            target.version,
            network.decide(outputs),
            network.probabilities(outputs) if network.gives_probabilities else None,
            network.is_classifier,
        )
        seconds, predicted = predictions_of(target.model, target.version)
        seconds.observe(time.perf_counter() - start)
        predicted.inc(len(checked))
        return prediction


class LoadedModels:
    """Models by artefact, the least recently used leaving when together they exceed `max_bytes`."""

    def __init__(self, artifacts: ArtifactStore, *, max_bytes: int) -> None:
        self._artifacts = artifacts
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, MLP] = OrderedDict()
        self._loading: dict[str, threading.Lock] = {}

    def get(self, artifact: str) -> MLP:
        """The model, loaded once however many ask for it. Raises `DataLoss`."""
        with self._lock:
            if (model := self._found(artifact)) is not None:
                return model
            loading = self._loading.setdefault(artifact, threading.Lock())
        with loading:
            with self._lock:
                if (model := self._found(artifact)) is not None:
                    return model
            try:
                model = self._artifacts.load_model(artifact)
                model.kept_optimizer = None  # for another training; predicting has no use for it
                with self._lock:
                    self._keep(artifact, model)
            finally:
                with self._lock:
                    self._loading.pop(artifact, None)
            return model

    def _found(self, artifact: str) -> MLP | None:
        model = self._loaded.get(artifact)
        if model is not None:
            self._loaded.move_to_end(artifact)
        return model

    def _keep(self, artifact: str, model: MLP) -> None:
        self._loaded[artifact] = model
        size = sum(loaded.parameters.nbytes for loaded in self._loaded.values())
        while size > self._max_bytes and len(self._loaded) > 1:
            _, gone = self._loaded.popitem(last=False)
            size -= gone.parameters.nbytes


def _check(rows: list[list[float]] | NDArray[np.float32], inputs: int, at: str) -> NDArray[np.float32]:
    """`rows` as (n, inputs) float32, all finite. Raises `InvalidRequest`."""
    if isinstance(rows, list):
        for index, numbers in enumerate(rows):
            if len(numbers) != inputs:
                detail = f"expected {inputs} numbers, got {len(numbers)}"
                raise InvalidRequest(detail, pointer=f"{at}[{index}]", reason="WRONG_FEATURE_COUNT")
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, and is told as that below
            array = np.array(rows, dtype=np.float32).reshape(len(rows), inputs)
    else:
        array = rows
        if array.ndim != 2 or array.shape[1] != inputs:
            detail = f"expected rows of {inputs} numbers, got shape {array.shape}"
            raise InvalidRequest(detail, pointer=at, reason="WRONG_FEATURE_COUNT")
    if len(array) == 0:
        raise InvalidRequest("expected at least one row", pointer=at, reason="EMPTY_BATCH")
    finite = np.isfinite(array)
    if not finite.all():
        row, column = (int(index) for index in np.unravel_index(int(np.argmin(finite)), array.shape))
        got = rows[row][column]
        detail = f"expected a finite number within float32, got {got}"
        raise InvalidRequest(detail, pointer=f"{at}[{row}][{column}]", reason="NOT_FINITE")
    return array
