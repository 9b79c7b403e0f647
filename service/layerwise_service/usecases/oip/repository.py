"""The model repository of the Open Inference Protocol: which versions there are, and which can be used."""

from __future__ import annotations

from layerwise_service.usecases.registry import VersionResolver


class Repository:
    """Lists versions."""

    def __init__(self, resolver: VersionResolver) -> None:
        self._resolver = resolver

    def index(self) -> list[dict[str, str]]:
        """Return each version of each model, with its state and the reason why it cannot be used."""
        models = self._resolver.current()
        return [
            {"name": name, "version": str(number), "state": "READY", "reason": ""}
            for name in sorted(models)
            for number in sorted(models[name].artifacts)
        ]
