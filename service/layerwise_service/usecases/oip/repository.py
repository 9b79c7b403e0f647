"""The model repository of the Open Inference Protocol: which versions there are, and which can be used."""

from __future__ import annotations

from collections.abc import Collection

from layerwise_service.errors import InvalidRequest, Unsupported
from layerwise_service.usecases.oip.inference import Inference
from layerwise_service.usecases.registry import VersionResolver


class Repository:
    """Lists versions and loads them."""

    def __init__(self, resolver: VersionResolver, inference: Inference) -> None:
        self._resolver = resolver
        self._inference = inference

    def index(self) -> list[dict[str, str]]:
        """Return each version of each model, with its state and the reason why it cannot be used."""
        models = self._resolver.current()
        return [
            {"name": name, "version": str(number), "state": "READY", "reason": ""}
            for name in sorted(models)
            for number in sorted(models[name].artifacts)
        ]

    def load(self, model: str, parameters: Collection[str]) -> None:
        """Check that the latest version of a model can be used. Raises `NotFound`, `InvalidRequest`, `ServiceError`."""
        for name in parameters:
            if name != "config" and not name.startswith("file:"):
                raise InvalidRequest(f"there is no load parameter {name[:64]!r}", pointer="parameters")
            detail = "models are trained or imported here, not sent with a request to load one"
            raise Unsupported(f"parameter {name[:64]!r} is not supported: {detail}")
        self._inference.version(model, "")

    def check_model(self, model: str) -> None:
        """Raise `InvalidRequest` if there is no such model; "" means all models."""
        if model and model not in self._resolver.current():
            raise InvalidRequest(f"request for unknown model {model[:64]!r}")
