"""Models and their versions; large parts are fetched when they are first read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from layerwise_client._data.targets import labels_of
from layerwise_client._transport.connection import text
from layerwise_client._transport.pages import VersionOrJob, categories_of, classes_of, columns_of, versions_of
from layerwise_client.column import Column
from layerwise_client.errors import InvalidRequest, NotFound
from layerwise_client.results import time_of
from layerwise_proto.json_form import to_json
from layerwise_proto.v1 import models_pb2

if TYPE_CHECKING:
    from layerwise_client._data.targets import Label
    from layerwise_client._transport.connection import Connection


class _Details:
    """Large parts of a version, each fetched once, when it is first read."""

    def __init__(self, connection: Connection, model: str, version: int) -> None:
        self._connection = connection
        self._model = model
        self._version = version
        self.source = VersionOrJob(model, str(version))

    def __deepcopy__(self, _memo: object) -> _Details:
        return self

    @cached_property
    def message(self) -> models_pb2.ModelVersion:
        request = models_pb2.GetVersionRequest(model=self._model, version=str(self._version))
        return self._connection.call(self._connection.models.GetVersion, request)

    @cached_property
    def labels(self) -> tuple[Label, ...] | None:
        message = self.message
        if not message.HasField("labels"):
            return None
        first = tuple(labels_of(message.labels))
        if len(first) >= message.class_count:
            return first
        return classes_of(self._connection, self._model, self._version)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        return columns_of(self._connection, self.source, with_categories=True)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        found = columns_of(self._connection, self.source, with_categories=False)
        return tuple(column.name for column in found)

    def categories(self, column: str) -> tuple[str, ...]:
        return categories_of(self._connection, self.source, column)


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable version of a model.

    `sha256` and `size_bytes` are those of its .npz file, `metrics` the metrics of its weights, `dataset` the SHA-256 of
    the rows that it was trained on. `architecture`, `plan`, `labels` and `columns` are fetched when they are first
    read, which may raise `NotFound`, `Unavailable` or `DeadlineExceeded`.
    """

    model: str
    version: int
    job_id: str
    created: datetime
    sha256: str
    size_bytes: int
    metrics: Mapping[str, float]
    parameters: int
    dataset: str
    _details: _Details = field(repr=False, compare=False)

    @property
    def architecture(self) -> Mapping[str, Any]:
        return to_json(self._details.message.architecture)

    @property
    def plan(self) -> Mapping[str, Any]:
        return to_json(self._details.message.plan)

    @property
    def labels(self) -> tuple[Label, ...] | None:
        """Classes in the order of the outputs; None for a regression."""
        return self._details.labels

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the table that it takes, in their order; empty if it takes rows of numbers."""
        return self._details.columns

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the `columns`: a smaller answer of the service where they have many categories."""
        return self._details.column_names

    def categories(self, column: str) -> tuple[str, ...]:
        """Return all categories of the column of this name; `Column.categories` has the first 256."""
        return self._details.categories(column)


class _Versions:
    """Versions of a model, fetched once, when they are first read."""

    def __init__(self, connection: Connection, model: str) -> None:
        self.connection = connection
        self._model = model

    def __deepcopy__(self, _memo: object) -> _Versions:
        return self

    @cached_property
    def all(self) -> tuple[Version, ...]:
        found = versions_of(self.connection, self._model)
        return tuple(_version_of(each, _Details(self.connection, each.model, each.version)) for each in found)


@dataclass(frozen=True, slots=True)
class Model:
    """A model: the number of its newest version, its aliases, and its versions, fetched when they are first read."""

    name: str
    latest: int
    aliases: Mapping[str, int]
    _versions: _Versions = field(repr=False, compare=False)

    @property
    def versions(self) -> tuple[Version, ...]:
        """Versions of the model, newest first."""
        return self._versions.all

    def at(self, version: int | str | None) -> Version:
        """Return the version of this number or alias, None for the newest. Raises `NotFound`."""
        alias = version_text(version) or "latest"
        number = int(alias) if alias.isdecimal() else {**self.aliases, "latest": self.latest}.get(alias)
        if number is None:
            detail = f"version: {self.name} has no version or alias {alias!r}"
            raise NotFound(detail, reason="VERSION_NOT_FOUND", pointer="version")
        details = _Details(self._versions.connection, self.name, number)
        return _version_of(details.message, details)


def version_text(version: object) -> str:
    """Return the number or alias as text, "" for the newest version. Raises `InvalidRequest` for anything else."""
    if version is None:
        return ""
    if not isinstance(version, int | str) or isinstance(version, bool) or version == "":
        raise InvalidRequest(f"version: expected a number or an alias, got {version!r}", pointer="version")
    return str(version) if isinstance(version, int) else text(version, "version")


def model_of(connection: Connection, message: models_pb2.Model) -> Model:
    return Model(
        name=message.name,
        latest=message.latest,
        aliases=dict(message.aliases),
        _versions=_Versions(connection, message.name),
    )


def _version_of(message: models_pb2.ModelVersion, details: _Details) -> Version:
    return Version(
        model=message.model,
        version=message.version,
        job_id=message.job_id,
        created=time_of(message.create_time),
        sha256=message.sha256,
        size_bytes=message.size_bytes,
        metrics=dict(message.metrics),
        parameters=message.parameters,
        dataset=message.dataset,
        _details=details,
    )
