"""A version of a model; its large parts are fetched when they are first read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from layerwise_client._data.targets import labels_of
from layerwise_client._transport.messages import json_of, snapshot_of, time_of
from layerwise_client._transport.pages import VersionOrJob, categories_of, classes_of, columns_of
from layerwise_client.column import Column
from layerwise_client.errors import NotFound
from layerwise_proto.json_form import to_json
from layerwise_proto.v1 import models_pb2, training_pb2

if TYPE_CHECKING:
    from layerwise import Evaluation
    from layerwise_client._data.targets import Label
    from layerwise_client._transport.connection import Connection
    from layerwise_client.source import Source


class _Details:
    """Large parts of a version, each fetched once, when it is first read."""

    def __init__(
        self, connection: Connection, model: str, version: int, message: models_pb2.ModelVersion | None
    ) -> None:
        self.connection = connection
        self._model = model
        self._version = version
        self.source = VersionOrJob(model, str(version))
        if message is not None:
            self.message = message

    def __deepcopy__(self, _memo: object) -> _Details:
        return self

    @cached_property
    def message(self) -> models_pb2.ModelVersion:
        request = models_pb2.GetVersionRequest(model=self._model, version=str(self._version))
        return self.connection.call(self.connection.models.GetVersion, request)

    @cached_property
    def labels(self) -> tuple[Label, ...] | None:
        message = self.message
        if not message.HasField("labels"):
            return None
        first = tuple(labels_of(message.labels))
        if len(first) >= message.class_count:
            return first
        return classes_of(self.connection, self._model, self._version)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        return columns_of(self.connection, self.source, with_categories=True)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        found = columns_of(self.connection, self.source, with_categories=False)
        return tuple(column.name for column in found)

    def categories(self, column: str) -> tuple[str, ...]:
        return categories_of(self.connection, self.source, column)

    @cached_property
    def trained_on(self) -> Source | None:
        if not (job := self.message.job_id):
            return None
        request = training_pb2.GetJobRequest(job_id=job)
        try:
            return snapshot_of(self.connection.call(self.connection.training.GetJob, request)).source
        except NotFound:  # the job was deleted
            return None


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
    job_id : str or None
        Id of the job that trained it; None if it was imported.
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
    dataset : str or None
        SHA-256 of the rows that it was trained on; None if the file that was imported does not say it.
    """

    model: str
    version: int
    job_id: str | None
    created: datetime
    sha256: str
    size_bytes: int
    metrics: Mapping[str, float]
    parameters: int
    dataset: str | None
    _details: _Details = field(repr=False, compare=False)

    @property
    def architecture(self) -> Mapping[str, Any]:
        """Architecture of the network in JSON form."""
        return to_json(self._details.message.architecture)

    @property
    def plan(self) -> Mapping[str, Any] | None:
        """Plan of the training in JSON form; None for a network that was imported without one."""
        message = self._details.message
        return to_json(message.plan) if message.HasField("plan") else None

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

        None for a version that was imported, or of an older release.
        """
        from layerwise import Evaluation

        message = self._details.message
        return Evaluation.from_json(json_of(message.evaluation)) if message.HasField("evaluation") else None

    @property
    def source(self) -> Source | None:
        """The dataset that it was trained on, what its target was taken for, doubts and findings: that of its job.

        None if the rows were sent with the job, the job was deleted, or the version was imported.
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

    def delete(self) -> None:
        """Delete the version. Its number is not given again; the job that trained it stays.

        Raises
        ------
        Conflict
            If an alias points at it, or a job that has not ended starts from it.
        NotFound
            If it has been deleted already.
        """
        connection = self._details.connection
        request = models_pb2.DeleteVersionRequest(model=self.model, version=self.version)
        connection.call(connection.models.DeleteVersion, request)


def version_of(connection: Connection, message: models_pb2.ModelVersion, *, whole: bool) -> Version:
    """Return the version of a message, which is `whole` or a summary."""
    details = _Details(connection, message.model, message.version, message if whole else None)
    return Version(
        model=message.model,
        version=message.version,
        job_id=message.job_id or None,
        created=time_of(message.create_time),
        sha256=message.sha256,
        size_bytes=message.size_bytes,
        metrics=dict(message.metrics),
        parameters=message.parameters,
        dataset=message.dataset or None,
        _details=details,
    )
