"""Versions are loaded before names lead to them, so that no request waits for the file of a new version."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice

import structlog

from layerwise_service.domain.models import ServedModel
from layerwise_service.domain.names import LATEST
from layerwise_service.errors import DataLoss, ServiceError, Unavailable
from layerwise_service.usecases.loaded_models import LoadedModels, predict_once

log = structlog.get_logger()

_MOST_OLDER = 3  # versions of a model that are tried if its newest one cannot be loaded
_MOST_TRIED = 3  # models that are loaded to see whether any can predict


class Preloading:
    """Loads the versions to which names lead, and knows which cannot be loaded.

    A version is loaded in advance if there is room for it, or if it takes the place of one that is loaded. Others are
    loaded by the first request for them.
    """

    def __init__(self, models: LoadedModels) -> None:
        self._models = models
        self._unusable: Mapping[str, str] = {}

    @property
    def unusable(self) -> Mapping[str, str]:
        """Why the newest version of a model cannot be loaded, by the names of the models."""
        return self._unusable

    def prepare(
        self, stored: Mapping[str, ServedModel | None], served: Mapping[str, ServedModel], *, seconds: float
    ) -> dict[str, ServedModel | None]:
        """Return changed models as they are to be served: `latest` is the newest version that can be loaded.

        Those that aliases name are loaded first; what is not loaded after so many `seconds` is left to the first
        request for it. `served` are the models before the change. A model without versions is None.
        """
        deadline = time.monotonic() + seconds
        models = {name: model for name, model in stored.items() if model is not None and not model.unloaded}
        for name, model in models.items():
            before = served.get(name)
            for alias, number in model.aliases.items():
                self._load(model, number, _artifact_of(before, alias), deadline)
        unusable = {name: why for name, why in self._unusable.items() if name not in stored}
        found: dict[str, ServedModel | None] = {**stored}
        for name, model in models.items():
            before = served.get(name)
            if why := self._load(model, model.latest, _artifact_of(before, LATEST), deadline):
                unusable[name] = f"version {model.latest} cannot be loaded: {why}"
                found[name] = replace(model, latest=self._older(model))
                if self._unusable.get(name) != unusable[name]:
                    log.error("version_unusable", model=name, version=model.latest, error=why)
        self._unusable = unusable
        return found

    def check(self, served: Mapping[str, ServedModel]) -> None:
        """Predict a row by a model that is loaded, or can be. Raises `Unavailable` if there are models, but none can.

        A service without models passes, and one whose models were all unloaded.
        """
        network, wrong = self._models.any(), ""
        usable = ((name, model) for name, model in served.items() if not model.unloaded)
        for name, model in islice(usable, _MOST_TRIED if network is None else 0):
            try:
                network = self._models.get(model.artifacts[model.latest]).network
                break
            except ServiceError as error:
                wrong = wrong or f"no model can be served; version {model.latest} of {name}: {error.detail}"
        if network is not None:
            predict_once(network)
        elif wrong:
            raise Unavailable(wrong)

    def _load(self, model: ServedModel, number: int, in_place_of: str | None, deadline: float) -> str:
        """Load a version if it is to be loaded in advance, and return what is wrong with it."""
        artifact = model.artifacts[number]
        if time.monotonic() > deadline or not self._models.wants(artifact, in_place_of=in_place_of):
            return ""
        try:
            self._models.get(artifact)
        except DataLoss as error:
            return error.detail
        except (ServiceError, MemoryError):  # perhaps only now: the first request tries again
            return ""
        return ""

    def _older(self, model: ServedModel) -> int:
        """Return the newest version that can be loaded in place of the latest, which cannot; the latest if none can."""
        for number in sorted(model.artifacts, reverse=True)[1 : 1 + _MOST_OLDER]:
            with suppress(ServiceError, MemoryError):
                self._models.get(model.artifacts[number])
                return number
        return model.latest


def _artifact_of(model: ServedModel | None, name: str) -> str | None:
    """Return the artefact to which an alias, or "latest", leads."""
    if model is None:
        return None
    number = model.latest if name == LATEST else model.aliases.get(name, 0)
    return model.artifacts.get(number)
