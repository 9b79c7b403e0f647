"""Use-cases of the registry: list and show models, delete versions, and resolve names to versions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from layerwise_service.domain.columns import ColumnInfo
from layerwise_service.domain.datasets import Label
from layerwise_service.domain.jobs import TableSource
from layerwise_service.domain.models import Model, ServedModel, Version, VersionSummary
from layerwise_service.domain.names import LATEST
from layerwise_service.domain.pages import Page, page_limit, page_start
from layerwise_service.errors import Conflict, ServiceError
from layerwise_service.process.loops import Loop
from layerwise_service.stores.job_rows import JobNotFound
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.version_store import ModelNotFound, ModelUnloaded, VersionNotFound, VersionStore
from layerwise_service.usecases.preloading import Preloading

_START_SECONDS = 0.5  # for loading versions before the process is ready: several hundred small ones
_TURN_SECONDS = 2.0  # the same, before new versions are served
_RETRY_SECONDS = 5.0  # after which a version that could not be loaded is tried again


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """Whose columns to return: those of a version (a number, an alias, or "" for the latest) or of a job."""

    model: str = ""
    version: str = ""
    job: str = ""


class Registry:
    """Everything that a caller can do with models, except predict."""

    def __init__(self, versions: VersionStore, jobs: JobStore) -> None:
        self._versions = versions
        self._jobs = jobs

    def page(self, *, page_size: int = 0, page_token: str = "") -> Page[Model]:
        """Return a page of models, sorted by name."""
        limit = page_limit(page_size)
        found = self._versions.page(limit=limit + 1, after=page_token)
        return Page(found[:limit], found[limit - 1].name if len(found) > limit else "")

    def get(self, model: str) -> Model:
        """Return the model. Raises `ModelNotFound`."""
        return self._versions.get(model)

    def versions(self, model: str, *, page_size: int = 0, page_token: str = "") -> Page[VersionSummary]:
        """Return a page of the model's version summaries, newest first. Raises `ModelNotFound`."""
        limit = page_limit(page_size)
        found = self._versions.versions(model, limit=limit + 1, before=page_start(page_token))
        if not found and not page_token:
            self._versions.get(model)
        return Page(found[:limit], str(found[limit - 1].number) if len(found) > limit else "")

    def version(self, model: str, version: str | int) -> Version:
        """Return a version by its number, an alias, "" or "latest". Raises `ModelNotFound`, `VersionNotFound`."""
        return self._versions.find(model, str(version))

    def classes(self, model: str, version: str, *, page_size: int = 0, page_token: str = "") -> Page[Label]:
        """Return a page of the classes of a version, in the order of its outputs; empty for a regression."""
        limit, start = page_limit(page_size), page_start(page_token)
        labels = self.version(model, version).labels or ()
        found = labels[start : start + limit]
        stop = start + len(found)
        return Page(found, str(stop) if stop < len(labels) else "")

    def columns(
        self, source: ColumnSource, *, page_size: int, page_token: str, with_categories: bool
    ) -> Page[ColumnInfo]:
        """Return a page of the columns that a version takes, in order; empty if it takes rows of numbers."""
        limit, start = page_limit(page_size), page_start(page_token)
        encoders = self._jobs.encoders
        return encoders.columns(self._encoder_of(source), limit=limit, start=start, with_categories=with_categories)

    def categories(self, source: ColumnSource, column: str, *, page_size: int, page_token: str) -> Page[str]:
        """Return a page of the categories of a column. Raises `NotFound`."""
        limit, start = page_limit(page_size), page_start(page_token)
        return self._jobs.encoders.categories(self._encoder_of(source), column, limit=limit, start=start)

    def source(self, model: str, version: int) -> TableSource | None:
        """Return how the rows of a version were made of a dataset.

        None if `Train` sent them, if it was imported, or if its job was deleted.
        """
        job = self._versions.job_of(model, str(version))
        try:
            return None if job is None else self._jobs.get(job).source
        except JobNotFound:
            return None

    def _encoder_of(self, source: ColumnSource) -> str:
        """Return the id of the encoder, "" if there is none."""
        if source.job:
            return self._jobs.get(source.job).id
        return self._versions.encoder_of(source.model, source.version) or ""

    def delete_version(self, model: str, number: int) -> None:
        """Delete a version. Raises `ModelNotFound`, `VersionNotFound`, and `Conflict` while it is in use."""
        self._versions.find(model, str(number))  # a read, so that a name that the database cannot store is refused
        self._versions.delete(model, number)


class ResolvedVersion(NamedTuple):
    """A version that a request named, and its artefact."""

    model: str
    version: int
    artifact: str


class VersionResolver:
    """Resolves names to versions from memory, which a thread refreshes every `refresh_seconds`.

    A name that is not in memory is looked up in the store before it counts as missing, so that a version can be used
    by its number as soon as it is published. Aliases and `latest` move when `preloading` has loaded what they lead to.
    While the store does not answer, the versions in memory are served.
    """

    def __init__(self, versions: VersionStore, *, refresh_seconds: float, preloading: Preloading | None = None) -> None:
        self._versions = versions
        self._preloading = preloading
        self._retry_at = 0.0
        self._lock = threading.Lock()
        self._revision = 0
        self._models: Mapping[str, ServedModel] = {}
        self._stored: Mapping[str, ServedModel] = {}  # as the store has them; `latest` of those served may be older
        self.changed: Callable[[Collection[str]], None] = lambda served: None
        """Called after each change with the artefacts that may be used."""
        self._read(seconds=_START_SECONDS)
        self.loop = Loop("versions", self.refresh, every=refresh_seconds)
        self.loop.start()

    @property
    def models(self) -> Mapping[str, ServedModel]:
        return self._models

    def current(self) -> Mapping[str, ServedModel]:
        """Return the models after a look at the store; those in memory if it does not answer."""
        with suppress(ServiceError):
            self.refresh()
        return self._models

    def resolve(self, model: str | None, version: str | int | None) -> ResolvedVersion:
        """Return the version that is named by `model` and `version`.

        `model` may be None if there is exactly one; `version` is a number, an alias, or None for the latest. Raises
        `ModelNotFound`, `VersionNotFound`, and `Conflict` if no model is named and there are none or several.
        """
        known = self._models
        try:
            return _find(known, model, version)
        except ServiceError:
            self.refresh()
            if self._models is known:
                raise
            return _find(self._models, model, version)  # another thread has refreshed the memory meanwhile

    def known(self, model: str | None, version: str | int | None) -> ResolvedVersion | None:
        """Return the version if it is in memory, without a look at the store."""
        try:
            return _find(self._models, model, version)
        except ServiceError:
            return None

    def refresh(self) -> None:
        """Read what has changed in the store."""
        with self._lock:
            revision = self._versions.revision()
            if revision != self._revision:
                self._read(since=self._revision if revision > self._revision else None)  # else: restored from a backup
            elif self.unusable and time.monotonic() >= self._retry_at:
                again = {name: self._stored.get(name) for name in self.unusable}
                self._models = _merged(self._models, self._prepared(again, self._models, _TURN_SECONDS))

    @property
    def unusable(self) -> Mapping[str, str]:
        """Why the newest version of a model cannot be loaded, by the names of the models."""
        return self._preloading.unusable if self._preloading else {}

    def check(self) -> None:
        """Raise `Unavailable` if there are models, but none can predict."""
        if self._preloading:
            self._preloading.check(self._models)

    def _read(self, *, since: int | None = None, seconds: float = _TURN_SECONDS) -> None:
        revision, changed = self._versions.served(since=since)
        nothing: Mapping[str, ServedModel] = {}
        stored, models = (nothing, nothing) if since is None else (self._stored, self._models)
        self._stored = _merged(stored, changed)
        self._models = _merged(models, self._prepared(changed, models, seconds))
        self._revision = revision
        served = (model for model in self._models.values() if not model.unloaded)
        self.changed({artifact for model in served for artifact in model.artifacts.values()})

    def _prepared(
        self, changed: Mapping[str, ServedModel | None], models: Mapping[str, ServedModel], seconds: float
    ) -> Mapping[str, ServedModel | None]:
        if self._preloading is None:
            return changed
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        return self._preloading.prepare(changed, models, seconds=seconds)

    def close(self) -> None:
        self.loop.stop()


def _merged(models: Mapping[str, ServedModel], changed: Mapping[str, ServedModel | None]) -> dict[str, ServedModel]:
    found = {**models, **changed}
    return {name: model for name, model in found.items() if model is not None}


def _find(models: Mapping[str, ServedModel], name: str | None, version: str | int | None) -> ResolvedVersion:
    if name is None:
        if len(models) != 1:
            known = f"there are {len(models)} models: name one" if models else "there is no model yet: train one"
            raise Conflict(
                f"a request without a model needs a service with exactly one; {known}",
                pointer="model",
                reason="MODEL_NOT_NAMED",
            )
        (name,) = models
    model = models.get(name)
    if model is None:
        raise ModelNotFound(name, models.keys())
    if model.unloaded:
        raise ModelUnloaded(name)
    if version is None or version == LATEST:
        number = model.latest
    elif isinstance(version, int) or (version.isascii() and version.isdecimal()):
        number = int(version) if len(str(version)) < 19 else 0
    else:
        number = model.aliases.get(version, 0)
    if number not in model.artifacts:
        raise VersionNotFound(model, "" if version is None else version, deleted=model.deleted)
    return ResolvedVersion(name, number, model.artifacts[number])
