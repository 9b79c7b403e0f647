"""Models and their versions; large parts are fetched when they are first read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from layerwise_client._data.arguments import text
from layerwise_client._data.targets import labels_of
from layerwise_client._transport.messages import json_of, snapshot_of, time_of
from layerwise_client._transport.pages import VersionOrJob, categories_of, classes_of, columns_of, versions_of
from layerwise_client.column import Column
from layerwise_client.errors import InvalidRequest, NotFound
from layerwise_proto.json_form import to_json
from layerwise_proto.v1 import models_pb2, training_pb2

if TYPE_CHECKING:
    from layerwise import Evaluation
    from layerwise_client._data.targets import Label
    from layerwise_client._transport.connection import Connection
    from layerwise_client.source import Source


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

    @cached_property
    def trained_on(self) -> Source | None:
        if not (job := self.message.job_id):
            return None
        request = training_pb2.GetJobRequest(job_id=job)
        return snapshot_of(self._connection.call(self._connection.training.GetJob, request)).source


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable version of a model.

    `architecture`, `plan`, `labels`, `columns`, `evaluation` and `source` are fetched when they are first read, which
    may raise `NotFound`, `Unavailable` or `DeadlineExceeded`.

    Attributes
    ----------
    model : str
        Name of the model.
    version : int
        Number of the version, from 1.
    job_id : str
        Id of the job that trained it.
    created : datetime
        Time at which it was published.
    sha256 : str
        SHA-256 of its .npz file.
    size_bytes : int
        Size of its .npz file in bytes.
    metrics : mapping of str to float
        Metrics of its weights by name.
    parameters : int
        Number of its parameters.
    dataset : str
        SHA-256 of the rows that it was trained on.
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
        """Architecture of the network in JSON form."""
        return to_json(self._details.message.architecture)

    @property
    def plan(self) -> Mapping[str, Any]:
        """Plan of the training in JSON form."""
        return to_json(self._details.message.plan)

    @property
    def labels(self) -> tuple[Label, ...] | None:
        """Classes in the order of the outputs; None for a regression."""
        return self._details.labels

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the table that the version takes, in their order; empty if it takes rows of numbers."""
        return self._details.columns

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the `columns`, fetched without their categories."""
        return self._details.column_names

    @property
    def evaluation(self) -> Evaluation | None:
        """How well it predicts the rows that were held out, or those trained on if none were; `print` shows a report.

        None for a version of an older release.
        """
        from layerwise import Evaluation

        message = self._details.message
        return Evaluation.from_json(json_of(message.evaluation)) if message.HasField("evaluation") else None

    @property
    def source(self) -> Source | None:
        """The dataset that it was trained on, what its target was taken for, doubts and findings: that of its job.

        None if the rows were sent with the job.
        """
        return self._details.trained_on

    def categories(self, column: str) -> tuple[str, ...]:
        """Return all categories of a column; `Column.categories` has the first 256.

        Parameters
        ----------
        column : str
            Name of the column.

        Returns
        -------
        tuple of str
            The categories that have an input or a rank of their own.

        Raises
        ------
        NotFound
            If the version has no such column.
        """
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
    """A model and its versions, which are fetched when they are first read.

    Attributes
    ----------
    name : str
        Name of the model.
    latest : int
        Number of its newest version.
    aliases : mapping of str to int
        Numbers of versions by alias.

    Examples
    --------
    >>> model = client.model("iris")
    >>> model.latest
    1
    >>> model.at("latest").labels
    ('setosa', 'versicolor', 'virginica')
    """

    name: str
    latest: int
    aliases: Mapping[str, int]
    _versions: _Versions = field(repr=False, compare=False)

    @property
    def versions(self) -> tuple[Version, ...]:
        """Versions of the model, newest first."""
        return self._versions.all

    def at(self, version: int | str | None) -> Version:
        """Return one version.

        Parameters
        ----------
        version : int, str or None
            Number or alias; None for the newest.

        Returns
        -------
        Version
            The version.

        Raises
        ------
        InvalidRequest
            If `version` is neither a number nor an alias.
        NotFound
            If there is no such version.
        """
        alias = version_text(version) or "latest"
        number = int(alias) if alias.isdecimal() else {**self.aliases, "latest": self.latest}.get(alias)
        if number is None:
            from layerwise.wording import did_you_mean

            newest = f"the newest version is {self.latest}"
            near = did_you_mean(alias, self.aliases)
            detail = f"version: {self.name} has no version or alias {alias!r}; {newest}{near}"
            raise NotFound(detail, reason="VERSION_NOT_FOUND", pointer="version")
        details = _Details(self._versions.connection, self.name, number)
        return _version_of(details.message, details)


def version_text(version: object) -> str:
    """Return the number or alias as text, "" for None. Raises `InvalidRequest` for anything else."""
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
