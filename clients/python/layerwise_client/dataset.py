"""Datasets: files and tables that were sent to the service, which has read their columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING

from layerwise_client._data.arguments import text, whole
from layerwise_client._data.task import task_number
from layerwise_client._transport.messages import doubt_of, time_of
from layerwise_client.dataset_column import DatasetColumn, column_of
from layerwise_client.profile import Profile, profile_of
from layerwise_client.source import Doubt
from layerwise_proto.v1 import datasets_pb2, profiles_pb2, tables_pb2

if TYPE_CHECKING:
    from layerwise_client._transport.connection import Connection

Cell = float | bool | str | None


class _Details:
    """Columns and doubts of a dataset, fetched once, when they are first read."""

    def __init__(self, connection: Connection, dataset: str, message: datasets_pb2.Dataset | None = None) -> None:
        self.connection = connection
        self._id = dataset
        if message is not None:
            self.message = message

    def __deepcopy__(self, _memo: object) -> _Details:
        return self

    @cached_property
    def message(self) -> datasets_pb2.Dataset:
        return self.connection.call(self.connection.datasets.GetDataset, datasets_pb2.GetDatasetRequest(id=self._id))

    @cached_property
    def columns(self) -> tuple[DatasetColumn, ...]:
        return tuple(map(column_of, self.message.columns))


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table in the service. `Client.upload_dataset`, `Client.dataset` and `Client.datasets` return it.

    Of a dataset from a list, `columns` and `doubts` are fetched when they are first read. Every call may raise
    `NotFound`, `Unavailable` or `DeadlineExceeded`.

    Attributes
    ----------
    id : str
        SHA-256 of its columns: the same content has the same id.
    name : str
        Name that it was sent with, such as that of the file; "" if none was given.
    rows : int
        Number of rows.
    column_count : int
        Number of columns.
    size_bytes : int
        Size of the stored columns in bytes.
    file_sha256 : str
        SHA-256 of the file; "" if a table in memory was sent.
    created : datetime
        Time at which it was stored.
    transient : bool
        Whether it is not listed, and is removed after a day.

    Examples
    --------
    >>> dataset = client.upload_dataset("shirts.csv")
    >>> [(column.name, column.kind, column.reading) for column in dataset.columns]
    [('size', 'number', 'decimal comma'), ('colour', 'category', ''), ('sold', 'boolean', 'yes, no')]
    >>> dataset.preview(limit=2)
    {'size': [1.5, 2.0], 'colour': ['red', None], 'sold': [True, False]}
    """

    id: str
    name: str
    rows: int
    column_count: int
    size_bytes: int
    file_sha256: str
    created: datetime
    transient: bool
    _details: _Details = field(repr=False, compare=False)

    @property
    def columns(self) -> tuple[DatasetColumn, ...]:
        """Columns in the order in which they were sent, and how each was read."""
        return self._details.columns

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What is doubtful about the table as a whole, such as the names of its columns."""
        return tuple(map(doubt_of, self._details.message.doubts))

    def preview(self, *, offset: int = 0, limit: int = 20) -> dict[str, list[Cell]]:
        """Return some rows.

        Parameters
        ----------
        offset : int
            The first row.
        limit : int
            Number of rows at most, up to 1,000; fewer are returned if they are large.

        Returns
        -------
        dict of str to list
            Values by column: numbers, booleans, and texts; dates are in ISO 8601. None is a missing value.

        Raises
        ------
        InvalidRequest
            If there are no such rows.
        """
        request = datasets_pb2.PreviewDatasetRequest(
            id=self.id, offset=whole(offset, "offset"), limit=whole(limit, "limit")
        )
        connection = self._details.connection
        found = connection.call(connection.datasets.PreviewDataset, request)
        kinds = {column.name: column.kind for column in self.columns}
        return {column.name: cells_of(column, kinds[column.name]) for column in found.table.columns}

    def profile(
        self,
        target: str | None = None,
        *,
        task: str | None = None,
        validation: Dataset | str | None = None,
        ignore: Iterable[str] = (),
        quick: bool = False,
    ) -> Profile:
        """Return what the columns hold, and what to know before training on them.

        Parameters
        ----------
        target : str, optional
            The column to predict; without one, nothing is found about it.
        task : {"classification", "regression"}, optional
            What the target is to be taken for; by default decided from its values.
        validation : Dataset or str, optional
            Dataset, or its id, with rows for validation: are they among these rows, too?
        ignore : iterable of str
            Columns to leave out: nothing is found about them.
        quick : bool
            Look at few rows, for an answer in about a tenth of a second.

        Returns
        -------
        Profile
            From all rows, or from a sample of a large dataset.

        Raises
        ------
        InvalidRequest
            If there is no such column, or it cannot be a target.

        Examples
        --------
        >>> profile = client.upload_dataset("shirts.csv").profile()
        >>> profile.columns[0].numbers.maximum
        2.5
        >>> [finding.reason for finding in profile.findings]
        []
        """
        request = profiles_pb2.GetProfileRequest(
            id=self.id,
            target=text(target or "", "target"),
            task=task_number(task),
            validation=validation.id if isinstance(validation, Dataset) else text(validation or "", "validation"),
            ignore=[text(name, "ignore") for name in ignore],
            quick=quick,
        )
        connection = self._details.connection
        return profile_of(connection.call(connection.datasets.GetProfile, request))

    def delete(self) -> None:
        """Delete the dataset. Jobs and versions that were trained on it stay.

        Raises
        ------
        Conflict
            If a job that has not ended needs it.
        NotFound
            If it has been deleted already.
        """
        connection = self._details.connection
        connection.call(connection.datasets.DeleteDataset, datasets_pb2.DeleteDatasetRequest(id=self.id))


def dataset_of(connection: Connection, message: datasets_pb2.Dataset) -> Dataset:
    """Return the dataset of a message, with its columns if the message has them."""
    return Dataset(
        id=message.id,
        name=message.name,
        rows=message.rows,
        column_count=message.column_count,
        size_bytes=message.size_bytes,
        file_sha256=message.file_sha256,
        created=time_of(message.create_time),
        transient=message.transient,
        _details=_Details(connection, message.id, message if message.columns else None),
    )


def cells_of(column: tables_pb2.Column, kind: str = "") -> list[Cell]:
    """Return the values in a message, None where one is missing; `kind` is that of the column, if it is known."""
    if column.WhichOneof("values") == "numbers":
        return [None if isnan(number) else number for number in column.numbers.values]
    if kind == "boolean":
        return [None if not text else text == "true" for text in column.texts.values]
    return [text or None for text in column.texts.values]
