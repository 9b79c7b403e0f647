"""Use-cases of aliases: point them at versions that can be served, go back, delete them, list their moves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import structlog

from layerwise_service.domain.aliases import ALWAYS, AliasMove, Condition
from layerwise_service.domain.models import Model
from layerwise_service.domain.names import check_alias, check_name
from layerwise_service.errors import Conflict, DataLoss, ServiceError
from layerwise_service.stores.alias_store import AliasStore
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.version_store import VersionStore

log = structlog.get_logger()


class Aliases:
    """Everything that a caller can do with aliases, on a condition: `AliasMoved` says that it does not hold.

    `changed` is called after each change, so that this process predicts by it at once.
    """

    def __init__(
        self, aliases: AliasStore, versions: VersionStore, artifacts: ArtifactStore, *, changed: Callable[[], None]
    ) -> None:
        self._aliases = aliases
        self._versions = versions
        self._artifacts = artifacts
        self._changed = changed

    def set(self, model: str, alias: str, number: int, condition: Condition = ALWAYS) -> Model:
        """Point `alias` at a version.

        Raises `InvalidRequest`, `ModelNotFound`, `VersionNotFound`, and `Conflict` if the version cannot be loaded.
        """
        _check_names(model, alias)
        self._check_loads(model, number)
        return self._done(self._aliases.set(model, alias, number, condition))

    def rollback(self, model: str, alias: str, condition: Condition = ALWAYS) -> Model:
        """Point `alias` at the version that it pointed at before the last move that is not undone yet.

        Raises what `set` raises, `AliasNotFound`, and `Conflict` if there is no such move.
        """
        _check_names(model, alias)
        number = self._aliases.rollback_target(model, alias, condition)
        self._check_loads(model, number)
        return self._done(self._aliases.rollback(model, alias, number, condition))

    def delete(self, model: str, alias: str, condition: Condition = ALWAYS) -> Model:
        """Delete `alias`. Raises `InvalidRequest`, `ModelNotFound`, `AliasNotFound`."""
        _check_names(model, alias)
        return self._done(self._aliases.delete(model, alias, condition))

    def moves(self, model: str, alias: str) -> list[AliasMove]:
        """Return the last moves of `alias`, newest first. Raises `InvalidRequest`, `ModelNotFound`, `AliasNotFound`."""
        _check_names(model, alias)
        return self._aliases.moves(model, alias)

    def _check_loads(self, model: str, number: int) -> None:
        """Raise `Conflict` unless the version can be loaded, from its file: one in memory may have lost it since."""
        version = self._versions.find(model, str(number))
        try:
            self._artifacts.load_model(version.sha256)
        except DataLoss as error:
            log.error("data_loss", model=model, version=number, detail=str(error))
            detail = f"version {number} of {model} cannot be served: {error.detail}; the alias was not moved"
            raise Conflict(detail, pointer="version", reason="VERSION_UNUSABLE") from error

    def _done(self, model: Model) -> Model:
        with suppress(ServiceError):  # the change is made; the background loop sees it as soon as the store answers
            self._changed()
        return model


def _check_names(model: str, alias: str) -> None:
    check_name(model, pointer="model")
    check_alias(alias, pointer="alias")
