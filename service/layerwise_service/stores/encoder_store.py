"""The fitted encoders of jobs and of their versions, and of imported versions, in the database.

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
from layerwise_service.stores.schema import encoder_categories, encoder_columns, encoders, versions

CHUNK = MOST_CATEGORIES
"""Categories in one row."""


class EncoderStore:
    """The encoders by their ids; that of a job has the job's id. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, encoder: str) -> JSONObject | None:
        """Return the whole encoder in its JSON form; None if there is none with this id."""
        with self._database.read() as connection:
            chosen: JSONObject | None = connection.scalar(sa.select(encoders.c.chosen).where(encoders.c.id == encoder))
            if chosen is None:
                return None
            chunks: dict[int, list[str]] = {}
            query = sa.select(encoder_categories).where(encoder_categories.c.encoder == encoder)
            for row in connection.execute(query.order_by(encoder_categories.c.position, encoder_categories.c.chunk)):
                chunks.setdefault(row.position, []).extend(row.texts)
            query = sa.select(encoder_columns).where(encoder_columns.c.encoder == encoder)
            rows = connection.execute(query.order_by(encoder_columns.c.position)).all()
        return chosen | {"fitted": [_item(row, chunks.get(row.position)) for row in rows]}

    def of_version(self, model: str, number: int) -> JSONObject | None:
        """Return the whole encoder of a version in its JSON form; None if it takes rows of numbers."""
        query = sa.select(versions.c.encoder).where(versions.c.model == model, versions.c.number == number)
        with self._database.read() as connection:
            encoder: str | None = connection.scalar(query)
        return None if encoder is None else self.load(encoder)

    def columns(self, encoder: str, *, limit: int, start: int, with_categories: bool) -> Page[ColumnInfo]:
        """Return a page of columns from index `start`, with their first categories if `with_categories`."""
        table = encoder_columns.c
        size = table.info_bytes + table.first_bytes if with_categories else table.info_bytes
        sizes = sa.select(size).where(table.encoder == encoder, table.position >= start).order_by(table.position)
        with self._database.read() as connection:
            found = list(connection.scalars(sizes.limit(limit + 1)))
            stop = start + fitting(found, limit=limit)
            within = sa.and_(table.encoder == encoder, table.position >= start, table.position < stop)
            info = (table.position, table.name, table.kind, table.encoding, table.category_count, table.allows_missing)
            rows = connection.execute(sa.select(*info).where(within).order_by(table.position)).all()
            first = _first_categories(connection, encoder, start, stop) if with_categories else {}
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

    def categories(self, encoder: str, column: str, *, limit: int, start: int) -> Page[str]:
        """Return a page of the categories of a column from index `start`. Raises `NotFound`."""
        query = sa.select(encoder_columns.c.position, encoder_columns.c.category_count)
        query = query.where(encoder_columns.c.encoder == encoder, encoder_columns.c.name == column)
        chunks = sa.select(encoder_categories.c.texts).where(
            encoder_categories.c.encoder == encoder,
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


def keep_encoder(connection: Connection, encoder: str, form: Mapping[str, Any]) -> None:
    """Store a fitted encoder, given in its JSON form, under the id `encoder`, in the caller's transaction."""
    chosen = {name: value for name, value in form.items() if name != "fitted"}
    connection.execute(sa.insert(encoders).values(id=encoder, chosen=chosen))
    rows, chunks = _rows(form["fitted"])
    connection.execute(sa.insert(encoder_columns), [{"encoder": encoder, **row} for row in rows])
    if chunks:
        connection.execute(sa.insert(encoder_categories), [{"encoder": encoder, **chunk} for chunk in chunks])


def delete_encoder(connection: Connection, encoder: str) -> None:
    """Delete an encoder that nothing refers to any more, in the caller's transaction."""
    for table, column in (
        (encoder_categories, encoder_categories.c.encoder),
        (encoder_columns, encoder_columns.c.encoder),
        (encoders, encoders.c.id),
    ):
        connection.execute(sa.delete(table).where(column == encoder))


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


def _first_categories(connection: Connection, encoder: str, start: int, stop: int) -> dict[int, list[str]]:
    """Return the first categories of the columns from `start` to `stop`, by column index."""
    table = encoder_categories.c
    query = sa.select(table.position, table.texts).where(
        table.encoder == encoder, table.chunk == 0, table.position >= start, table.position < stop
    )
    return {row.position: row.texts for row in connection.execute(query)}
