"""Long lists of the service, fetched page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layerwise_client._data.targets import labels_of
from layerwise_client.column import Column, column_of
from layerwise_proto.v1 import models_pb2

if TYPE_CHECKING:
    from layerwise_client._data.targets import Label
    from layerwise_client._transport.connection import Connection

MOST = 1_000
"""Items of a page, at most: the service ends it earlier where they are large."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose columns are meant: those of a version, a number or an alias ("": the newest), or those of a job."""

    model: str = ""
    version: str = ""
    job_id: str = ""


def columns_of(connection: Connection, source: Source, *, with_categories: bool) -> tuple[Column, ...]:
    """The columns that a version takes, in their order; none if it takes rows of numbers."""
    request = models_pb2.ListColumnsRequest(
        model=source.model,
        version=source.version,
        job_id=source.job_id,
        page_size=MOST,
        with_categories=with_categories,
    )
    pages = _pages(connection, connection.models.ListColumns, request)
    return tuple(column_of(each) for page in pages for each in page.columns)


def categories_of(connection: Connection, source: Source, column: str) -> tuple[str, ...]:
    """All categories of a column that have an input or a place of their own."""
    request = models_pb2.ListCategoriesRequest(
        model=source.model, version=source.version, job_id=source.job_id, column=column, page_size=MOST
    )
    pages = _pages(connection, connection.models.ListCategories, request)
    return tuple(text for page in pages for text in page.categories)


def classes_of(connection: Connection, model: str, version: int) -> tuple[Label, ...]:
    """All classes of a version, in the order of the outputs."""
    request = models_pb2.ListClassesRequest(model=model, version=str(version), page_size=MOST)
    pages = _pages(connection, connection.models.ListClasses, request)
    return tuple(label for page in pages if page.HasField("classes") for label in labels_of(page.classes))


def versions_of(connection: Connection, model: str) -> Iterator[models_pb2.ModelVersion]:
    """The versions of a model in short, newest first."""
    request = models_pb2.ListVersionsRequest(model=model, page_size=MOST)
    for page in _pages(connection, connection.models.ListVersions, request):
        yield from page.versions


def _pages(connection: Connection, method: Any, request: Any) -> Iterator[Any]:
    while True:
        page = connection.call(method, request)
        yield page
        request.page_token = page.next_page_token
        if not request.page_token:
            return
