"""The models in memory of a process that predicts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerwise import MLP
from layerwise_service.process.counts import Levels
from layerwise_service.process.sizes import held_bytes
from layerwise_service.stores.artifact_store import ArtifactStore


@dataclass(eq=False, slots=True)
class LoadedModel:
    """A model, the bytes that it holds, and what was made of it for each version that has it, by name and number."""

    network: MLP
    bytes: int
    made: dict[tuple[str, int], Any] = field(default_factory=dict[tuple[str, int], Any])


class LoadedModels:
    """A cache of models by artefact: the least recently used are evicted once the total exceeds `max_bytes`."""

    def __init__(self, artifacts: ArtifactStore, *, max_bytes: int) -> None:
        self._artifacts = artifacts
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._bytes = 0
        self._loading: dict[str, threading.Lock] = {}

    @property
    def total_bytes(self) -> int:
        """The bytes that all loaded models hold."""
        with self._lock:
            return self._bytes

    def wants(self, artifact: str, *, in_place_of: str | None) -> bool:
        """Return whether to load a model in advance: there is room, or it takes the place of one that is loaded."""
        with self._lock:
            room = self._bytes < self._max_bytes or in_place_of in self._loaded
            return room and artifact not in self._loaded

    def any(self) -> MLP | None:
        """Return a model that is loaded, or None."""
        with self._lock:
            return next((loaded.network for loaded in self._loaded.values()), None)

    def levels(self) -> Levels:
        """Return how many models are loaded, and their bytes."""
        return {(): (len(self._loaded), self._bytes)}

    def kept(self, artifact: str) -> LoadedModel | None:
        """Return the model if it is loaded."""
        with self._lock:
            return self._found(artifact)

    def keep_only(self, artifacts: Collection[str]) -> None:
        """Drop all other models."""
        with self._lock:
            for gone in self._loaded.keys() - artifacts:
                self._bytes -= self._loaded.pop(gone).bytes

    def get(self, artifact: str) -> LoadedModel:
        """Return the model, loaded once however many threads ask for it. Raises `DataLoss`."""
        with self._lock:
            if (loaded := self._found(artifact)) is not None:
                return loaded
            loading = self._loading.setdefault(artifact, threading.Lock())
        with loading:
            with self._lock:
                if (loaded := self._found(artifact)) is not None:
                    return loaded
            try:
                model = self._artifacts.load_model(artifact)
                model.kept_optimizer = None  # predictions do not need it
                predict_once(model)
                loaded = LoadedModel(model, held_bytes(model))
                with self._lock:
                    self._keep(artifact, loaded)
            finally:
                with self._lock:
                    self._loading.pop(artifact, None)
            return loaded

    def _found(self, artifact: str) -> LoadedModel | None:
        loaded = self._loaded.get(artifact)
        if loaded is not None:
            self._loaded.move_to_end(artifact)
        return loaded

    def _keep(self, artifact: str, loaded: LoadedModel) -> None:
        if (before := self._loaded.pop(artifact, None)) is not None:  # loaded twice, after a load that failed
            self._bytes -= before.bytes
        self._loaded[artifact] = loaded
        self._bytes += loaded.bytes
        while self._bytes > self._max_bytes and len(self._loaded) > 1:
            _, gone = self._loaded.popitem(last=False)
            self._bytes -= gone.bytes


def predict_once(model: MLP) -> None:
    """Predict a row of zeros: the first prediction makes what later ones use, which counts among the model's bytes."""
    with np.errstate(all="ignore"):  # its outputs are not used
        model.outputs_by_products(np.zeros((1, model.architecture.inputs), model.dtype))
