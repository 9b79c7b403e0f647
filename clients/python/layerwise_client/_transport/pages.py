"""Lists of the service, fetched by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from layerwise_client._data.targets import labels_of
from layerwise_client.column import Column, column_of
from layerwise_proto.v1 import datasets_pb2, models_pb2, training_pb2

if TYPE_CHECKING:
    from layerwise_client._data.targets import Label
    from layerwise_client._transport.connection import Connection

_PAGE = 100  # jobs, datasets or models of a page
_MOST = 1_000
"""Most items of any other page; the service ends a page earlier where its items are large."""


@dataclass(frozen=True, slots=True)
class VersionOrJob:
    """A version of a model, by a number or an alias ("" for the newest), or the job that trains a version."""

    model: str = ""
    version: str = ""
    job_id: str = ""


def columns_of(connection: Connection, of: VersionOrJob, *, with_categories: bool) -> tuple[Column, ...]:
    """Return the columns that a version takes, in their order; empty if it takes rows of numbers."""
    request = models_pb2.ListColumnsRequest(
        model=of.model,
        version=of.version,
        job_id=of.job_id,
        page_size=_MOST,
        with_categories=with_categories,
    )
    pages = _pages(connection, connection.models.ListColumns, request)
    return tuple(column_of(each) for page in pages for each in page.columns)


def categories_of(connection: Connection, of: VersionOrJob, column: str) -> tuple[str, ...]:
    """Return all categories of a column that have an input or a rank of their own."""
    request = models_pb2.ListCategoriesRequest(
        model=of.model, version=of.version, job_id=of.job_id, column=column, page_size=_MOST
    )
    pages = _pages(connection, connection.models.ListCategories, request)
    return tuple(text for page in pages for text in page.categories)


def classes_of(connection: Connection, model: str, version: int) -> tuple[Label, ...]:
    """Return all classes of a version, in the order of the outputs."""
    request = models_pb2.ListClassesRequest(model=model, version=str(version), page_size=_MOST)
    pages = _pages(connection, connection.models.ListClasses, request)
    return tuple(label for page in pages if page.HasField("classes") for label in labels_of(page.classes))


def jobs_of(
    connection: Connection, request: training_pb2.ListJobsRequest, limit: int | None
) -> Iterator[training_pb2.Job]:
    """Yield the summaries of the jobs that `request` asks for, newest first, at most `limit`."""
    request.page_size = _PAGE if limit is None else min(limit, _PAGE)
    pages = _pages(connection, connection.training.ListJobs, request)
    yield from islice((job for page in pages for job in page.jobs), None if limit is None else max(limit, 0))


def datasets_of(connection: Connection, limit: int | None) -> Iterator[datasets_pb2.Dataset]:
    """Yield the summaries of datasets, newest first, at most `limit`."""
    request = datasets_pb2.ListDatasetsRequest(page_size=_PAGE if limit is None else min(limit, _PAGE))
    pages = _pages(connection, connection.datasets.ListDatasets, request)
    yield from islice((each for page in pages for each in page.datasets), None if limit is None else max(limit, 0))


def models_of(connection: Connection) -> Iterator[models_pb2.Model]:
    """Yield all models, sorted by name."""
    request = models_pb2.ListModelsRequest(page_size=_PAGE)
    for page in _pages(connection, connection.models.ListModels, request):
        yield from page.models


def versions_of(connection: Connection, model: str) -> Iterator[models_pb2.ModelVersion]:
    """Yield the versions of a model, without their large parts, newest first."""
    request = models_pb2.ListVersionsRequest(model=model, page_size=_MOST)
    for page in _pages(connection, connection.models.ListVersions, request):
        yield from page.versions


def _pages(connection: Connection, method: Any, request: Any) -> Iterator[Any]:
    while True:
        page = connection.call(method, request)
        yield page
        request.page_token = page.next_page_token
        if not request.page_token:
            return
