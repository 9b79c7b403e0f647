"""The fitted encoders of jobs, and so of their versions, in the database.

An encoder may have megabytes of categories. It is stored column by column, the categories in chunks, so that a list of
jobs or a page of columns reads no more of it than it shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise_service.domain.columns import MOST_CATEGORIES, ColumnInfo, allows_missing, column_kind
from layerwise_service.domain.jobs import JSONObject
from layerwise_service.domain.pages import Page, fitting
from layerwise_service.errors import NotFound
from layerwise_service.stores.database import Database
from layerwise_service.stores.schema import encoder_categories, encoder_columns, encoders

CHUNK = MOST_CATEGORIES
"""Categories in one row."""


class EncoderStore:
    """The encoders, each by the id of its job. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, job: str) -> JSONObject | None:
        """Return the whole encoder in its JSON form; None for a job on rows of numbers."""
        with self._database.read() as connection:
            chosen: JSONObject | None = connection.scalar(sa.select(encoders.c.chosen).where(encoders.c.job == job))
            if chosen is None:
                return None
            chunks: dict[int, list[str]] = {}
            query = sa.select(encoder_categories).where(encoder_categories.c.job == job)
            for row in connection.execute(query.order_by(encoder_categories.c.position, encoder_categories.c.chunk)):
                chunks.setdefault(row.position, []).extend(row.texts)
            query = sa.select(encoder_columns).where(encoder_columns.c.job == job)
            rows = connection.execute(query.order_by(encoder_columns.c.position)).all()
        return chosen | {"fitted": [_item(row, chunks.get(row.position)) for row in rows]}

    def columns(self, job: str, *, limit: int, start: int, with_categories: bool) -> Page[ColumnInfo]:
        """Return a page of columns from index `start`, with their first categories if `with_categories`."""
        table = encoder_columns.c
        size = table.info_bytes + table.first_bytes if with_categories else table.info_bytes
        sizes = sa.select(size).where(table.job == job, table.position >= start).order_by(table.position)
        with self._database.read() as connection:
            found = list(connection.scalars(sizes.limit(limit + 1)))
            stop = start + fitting(found, limit=limit)
            within = sa.and_(table.job == job, table.position >= start, table.position < stop)
            info = (table.position, table.name, table.kind, table.encoding, table.category_count, table.allows_missing)
            rows = connection.execute(sa.select(*info).where(within).order_by(table.position)).all()
            first = _first_categories(connection, job, start, stop) if with_categories else {}
        columns = [
            ColumnInfo(
                row.name,
                row.kind,
                row.encoding,
                tuple(first.get(row.position, ())),
                row.category_count,
                row.allows_missing,
            )
            for row in rows
        ]
        return Page(columns, str(stop) if stop - start < len(found) else "")

    def categories(self, job: str, column: str, *, limit: int, start: int) -> Page[str]:
        """Return a page of the categories of a column from index `start`. Raises `NotFound`."""
        query = sa.select(encoder_columns.c.position, encoder_columns.c.category_count)
        query = query.where(encoder_columns.c.job == job, encoder_columns.c.name == column)
        chunks = sa.select(encoder_categories.c.texts).where(
            encoder_categories.c.job == job,
            encoder_categories.c.chunk >= start // CHUNK,
            encoder_categories.c.chunk <= (start + limit) // CHUNK,
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                detail = f"there is no column {column[:64]!r}"
                raise NotFound(detail, pointer="column", reason="COLUMN_NOT_FOUND")
            chunks = chunks.where(encoder_categories.c.position == row.position)
            found: list[str] = []
            for texts in connection.scalars(chunks.order_by(encoder_categories.c.chunk)):
                found += texts
        texts = found[start % CHUNK :]
        count = fitting([len(text.encode()) for text in texts], limit=limit)
        stop = start + count
        return Page(texts[:count], str(stop) if stop < row.category_count else "")


def keep_encoder(connection: Connection, job: str, form: Mapping[str, Any]) -> None:
    """Store the fitted encoder of a new job, given in its JSON form, in the caller's transaction."""
    chosen = {name: value for name, value in form.items() if name != "fitted"}
    connection.execute(sa.insert(encoders).values(job=job, chosen=chosen))
    rows, chunks = _rows(form["fitted"])
    connection.execute(sa.insert(encoder_columns), [{"job": job, **row} for row in rows])
    if chunks:
        connection.execute(sa.insert(encoder_categories), [{"job": job, **chunk} for chunk in chunks])


def _rows(fitted: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of `encoder_columns` and `encoder_categories` for the fitted columns."""
    columns: list[dict[str, Any]] = []
    chunks: list[dict[str, Any]] = []
    for position, item in enumerate(fitted):
        rest = dict(item)
        name, encoding, categories = rest.pop("name"), rest.pop("encoding"), rest.pop("categories", None)
        is_long = len(encoding.get("order", ())) > MOST_CATEGORIES  # then `categories` has the same values
        shown = {key: value for key, value in encoding.items() if key != "order"} if is_long else encoding
        columns.append(
            {
                "position": position,
                "name": name,
                "kind": column_kind(item),
                "encoding": shown,
                "order_left_out": is_long,
                "rest": rest,
                "has_categories": categories is not None,
                "category_count": len(categories or ()),
                "allows_missing": allows_missing(item),
                "info_bytes": _bytes(name) + _bytes(shown),
                "first_bytes": _bytes(categories[:CHUNK]) if categories else 0,
            }
        )
        for start in range(0, len(categories or ()), CHUNK):
            texts = (categories or ())[start : start + CHUNK]
            chunks.append({"position": position, "chunk": start // CHUNK, "texts": texts})
    return columns, chunks


def _bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _item(row: Any, categories: list[str] | None) -> JSONObject:
    """Return a fitted column in its JSON form, from its row and its categories."""
    encoding = row.encoding | ({"order": categories} if row.order_left_out else {})
    found: JSONObject = {"name": row.name, "encoding": encoding, **row.rest}
    return found | ({"categories": categories or []} if row.has_categories else {})


def _first_categories(connection: Connection, job: str, start: int, stop: int) -> dict[int, list[str]]:
    """Return the first categories of the columns from `start` to `stop`, by column index."""
    table = encoder_categories.c
    query = sa.select(table.position, table.texts).where(
        table.job == job, table.chunk == 0, table.position >= start, table.position < stop
    )
    return {row.position: row.texts for row in connection.execute(query)}
