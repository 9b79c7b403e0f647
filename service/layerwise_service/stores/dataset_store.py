"""Datasets made of files and tables, in the database. Rows that `Train` streams belong to their jobs alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from layerwise_service.domain.job_states import UNFINISHED
from layerwise_service.domain.table_datasets import (
    ReadTable,
    TableDataset,
    TableDatasetSummary,
    read_schema,
    schema_json,
    stored_columns,
)
from layerwise_service.errors import Conflict, InvalidRequest, NotFound
from layerwise_service.stores.database import Database, now
from layerwise_service.stores.pending import Artifact, release_artifact, use_artifact
from layerwise_service.stores.schema import datasets, jobs

_SUMMARY = (
    datasets.c.sha256.label("id"),
    datasets.c.name,
    datasets.c.rows,
    datasets.c.features.label("column_count"),
    datasets.c.size_bytes,
    datasets.c.file_sha256,
    datasets.c.created,
    datasets.c.transient,
)
_IS_TABLE = datasets.c.schema.is_not(None)
_LEAST_OF_ID = 4  # characters that tell which dataset is meant


class DatasetNotFound(NotFound):
    """No dataset has this id. `near` is the id of one that has the text as its name, or as the beginning of its id."""

    reason = "DATASET_NOT_FOUND"

    def __init__(self, dataset: str, *, near: str = "", pointer: str = "id") -> None:
        hint = f"; did you mean {near}?" if near else ""
        super().__init__(f"there is no dataset {dataset[:64]!r}{hint}", pointer=pointer)


class DatasetStore:
    """The datasets. Every method is one transaction."""

    def __init__(self, database: Database, *, transient_seconds: float) -> None:
        self._database = database
        self._transient_seconds = transient_seconds

    def add(self, table: ReadTable, *, name: str, file_sha256: str, transient: bool = False) -> TableDataset:
        """Store a dataset whose files are in their place.

        If it is there already, it gets the new doubts and, if any, the new name, and one that is not listed begins its
        time anew. But a listed one stays as it is if this is `transient`. `file_sha256` is "" if a table was sent: then
        the hash of an earlier file with the same content is kept. What is returned has the given one in any case.
        """
        with self._database.write() as connection:
            use_artifact(connection, Artifact.DATASET, table.id)
            is_this = datasets.c.sha256 == table.id
            known = sa.update(datasets).where(is_this, datasets.c.transient | sa.literal(not transient))
            changes: dict[str, Any] = {"file_sha256": file_sha256} if file_sha256 else {}
            changes |= {"name": name} if name else {}
            changes["schema"] = schema_json(table.columns, table.doubts)
            changes["created"] = sa.case((datasets.c.transient, now()), else_=datasets.c.created)
            changes["transient"] = transient
            there = connection.execute(known.values(**changes)).rowcount
            if not there and connection.scalar(sa.select(datasets.c.sha256).where(is_this)) is None:
                columns = stored_columns(table.columns)
                connection.execute(
                    sa.insert(datasets).values(
                        sha256=table.id,
                        rows=table.rows,
                        features=len(columns),
                        outputs=0,
                        columns=[{"name": column.name, "kind": column.kind} for column in columns],
                        size_bytes=table.size_bytes,
                        created=now(),
                        name=name,
                        file_sha256=file_sha256,
                        schema=changes["schema"],
                        transient=transient,
                    )
                )
        return replace(self.get(table.id), file_sha256=file_sha256)

    def get(self, dataset: str, *, pointer: str = "id") -> TableDataset:
        """Return the dataset, which `pointer` of the request names. Raises `DatasetNotFound`."""
        query = sa.select(*_SUMMARY, datasets.c.schema).where(_IS_TABLE, datasets.c.sha256 == dataset)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                raise DatasetNotFound(dataset, near=_near(connection, dataset), pointer=pointer)
        given: dict[str, Any] = dict(row)
        columns, doubts = read_schema(given.pop("schema"))
        return TableDataset(**given, columns=columns, doubts=doubts)

    def find(self, given: str, *, pointer: str) -> TableDataset:
        """Return a dataset by its id, the beginning of it, or its name: the newest one. Raises `DatasetNotFound`."""
        try:
            return self.get(given, pointer=pointer)
        except DatasetNotFound:
            with self._database.read() as connection:
                near = _near(connection, given)
            if not near:
                raise
        return self.get(near, pointer=pointer)

    def page(self, *, limit: int, before: str) -> list[TableDatasetSummary]:
        """Return at most `limit` listed datasets, newest first, older than the dataset `before` (if not empty).

        Raises `InvalidRequest` if `before` is no token of `token_of`.
        """
        query = sa.select(*_SUMMARY).where(_IS_TABLE, ~datasets.c.transient)
        if before:
            created, sha256 = _read_token(before)
            older = datasets.c.created < created
            query = query.where(older | ((datasets.c.created == created) & (datasets.c.sha256 < sha256)))
        query = query.order_by(datasets.c.created.desc(), datasets.c.sha256.desc()).limit(limit)
        with self._database.read() as connection:
            return [TableDatasetSummary(**row) for row in connection.execute(query).mappings()]

    def delete(self, dataset: str) -> None:
        """Delete the dataset. Its files are removed by a later sweep, unless it is sent again before.

        Raises `DatasetNotFound`, and `Conflict` while a job that has not ended needs it.
        """
        self.get(dataset)  # a read, so that an id that the database cannot store is refused
        user = sa.select(jobs.c.id).where(jobs.c.source == dataset, jobs.c.state.in_(UNFINISHED)).limit(1)
        with self._database.write() as connection:
            if (job := connection.scalar(user)) is not None:
                detail = f"the job {job} has not ended and needs this dataset: cancel it, or wait for its end"
                raise Conflict(detail, pointer="id", reason="DATASET_IN_USE")
            deleted = connection.execute(sa.delete(datasets).where(_IS_TABLE, datasets.c.sha256 == dataset)).rowcount
            if not deleted:
                raise DatasetNotFound(dataset)
            release_artifact(connection, Artifact.DATASET, dataset)

    def sweep(self) -> None:
        """Delete the transient datasets whose time is over, unless a job that has not ended needs them."""
        needed = (
            sa.select(jobs.c.source).where(jobs.c.source == datasets.c.sha256, jobs.c.state.in_(UNFINISHED)).exists()
        )
        over = datasets.c.transient & (datasets.c.created < now() - self._transient_seconds) & ~needed
        query = sa.select(datasets.c.sha256).where(over)
        with self._database.read() as connection:
            if connection.scalar(query.limit(1)) is None:
                return
        with self._database.write() as connection:
            for dataset in connection.scalars(query).all():
                connection.execute(sa.delete(datasets).where(datasets.c.sha256 == dataset))
                release_artifact(connection, Artifact.DATASET, dataset)


def token_of(dataset: TableDatasetSummary) -> str:
    """Return the token of the page that begins after `dataset`."""
    return json.dumps([dataset.created, dataset.id])


def _read_token(token: str) -> tuple[float, str]:
    try:
        found: Any = json.loads(token)
        created, sha256 = found
        return float(created), str(sha256)
    except (ValueError, TypeError) as error:
        detail = "expected the next_page_token of the page before"
        raise InvalidRequest(detail, pointer="page_token") from error


def _near(connection: sa.Connection, dataset: str) -> str:
    """Return the id of the newest listed dataset with this name, or whose id begins with this text; "" if none does."""
    is_near = datasets.c.name == dataset
    if len(dataset) >= _LEAST_OF_ID:
        is_near |= sa.func.substr(datasets.c.sha256, 1, len(dataset)) == dataset
    query = sa.select(datasets.c.sha256).where(_IS_TABLE, ~datasets.c.transient, is_near)
    return connection.scalar(query.order_by(datasets.c.created.desc()).limit(1)) or ""
