"""The model repository of the Open Inference Protocol: which versions there are, and which can be used."""

from __future__ import annotations

from collections.abc import Collection

from layerwise_service.errors import InvalidRequest, Unsupported
from layerwise_service.stores.version_store import ModelNotFound, VersionStore
from layerwise_service.usecases.prediction import VersionPredictor
from layerwise_service.usecases.registry import VersionResolver

READY, UNAVAILABLE = "READY", "UNAVAILABLE"


class Repository:
    """Lists versions, and loads and unloads models: one that is unloaded answers no prediction, in any process."""

    def __init__(self, resolver: VersionResolver, predictor: VersionPredictor, versions: VersionStore) -> None:
        self._resolver = resolver
        self._predictor = predictor
        self._versions = versions

    def index(self) -> list[dict[str, str]]:
        """Return each version of each model, with its state and the reason why it cannot be used."""
        models, found = self._resolver.current(), list[dict[str, str]]()
        for name in sorted(models):
            numbers = sorted(models[name].artifacts)
            for number in numbers:
                reason = "unloaded" if models[name].unloaded else ""
                if number == numbers[-1]:
                    reason = reason or self._resolver.unusable.get(name, "")
                state = UNAVAILABLE if reason else READY
                found.append({"name": name, "version": str(number), "state": state, "reason": reason})
        return found

    def load(self, model: str, parameters: Collection[str]) -> None:
        """Let a model be used again, and read its latest version. Raises `NotFound`, `InvalidRequest`, `DataLoss`."""
        for name in parameters:
            if name != "config" and not name.startswith("file:"):
                raise InvalidRequest(f"there is no load parameter {name[:64]!r}", pointer="parameters")
            detail = "models are trained or imported here, not sent with a request to load one"
            raise Unsupported(f"parameter {name[:64]!r} is not supported: {detail}")
        self._versions.set_loaded(model, loaded=True)
        self._resolver.refresh()
        self._predictor.load(model=model, version=None)

    def unload(self, model: str) -> None:
        """Let a model not be used until it is loaded again. One that is not there is unloaded already."""
        try:
            self._versions.set_loaded(model, loaded=False)
        except ModelNotFound:  # as Triton answers
            return
        self._resolver.refresh()

    def check_model(self, model: str) -> None:
        """Raise `InvalidRequest` if there is no such model; "" means all models."""
        if model and model not in self._resolver.current():
            raise InvalidRequest(f"request for unknown model {model[:64]!r}")
