"""Encoders in tables of their own, column by column, so that lists of jobs and versions do not read them."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

CHUNK = 256
CATEGORIES = ("one_hot", "ordinal", "hashing")


def upgrade() -> None:
    encoders = op.create_table(
        "encoders",
        sa.Column("job", sa.String(length=26), nullable=False),
        sa.Column("chosen", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name=op.f("fk_encoders_job")),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_encoders")),
    )
    columns = op.create_table(
        "encoder_columns",
        sa.Column("job", sa.String(length=26), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("encoding", sa.JSON(), nullable=False),
        sa.Column("order_left_out", sa.Boolean(), nullable=False),
        sa.Column("rest", sa.JSON(), nullable=False),
        sa.Column("has_categories", sa.Boolean(), nullable=False),
        sa.Column("category_count", sa.Integer(), nullable=False),
        sa.Column("allows_missing", sa.Boolean(), nullable=False),
        sa.Column("info_bytes", sa.Integer(), nullable=False),
        sa.Column("first_bytes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["encoders.job"], name=op.f("fk_encoder_columns_job")),
        sa.PrimaryKeyConstraint("job", "position", name=op.f("pk_encoder_columns")),
    )
    categories = op.create_table(
        "encoder_categories",
        sa.Column("job", sa.String(length=26), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job", "position"],
            ["encoder_columns.job", "encoder_columns.position"],
            name=op.f("fk_encoder_categories_job"),
        ),
        sa.PrimaryKeyConstraint("job", "position", "chunk", name=op.f("pk_encoder_categories")),
    )
    op.add_column("jobs", sa.Column("columns", sa.JSON(none_as_null=True)))
    op.add_column("model_versions", sa.Column("columns", sa.JSON(none_as_null=True)))
    _move(encoders, columns, categories)
    op.drop_column("jobs", "preprocessing")
    op.drop_column("model_versions", "preprocessing")


def _move(encoders: sa.Table, columns: sa.Table, categories: sa.Table) -> None:
    connection = op.get_bind()
    json_type = sa.JSON(none_as_null=True)
    jobs = sa.table("jobs", sa.column("id"), sa.column("preprocessing", json_type), sa.column("columns", json_type))
    versions = sa.table("model_versions", sa.column("job"), sa.column("columns", json_type))
    with_encoder = sa.select(jobs.c.id).where(jobs.c.preprocessing.is_not(None))
    for job in list(connection.scalars(with_encoder)):  # one at a time: together they may be gigabytes
        form: Any = connection.scalar(sa.select(jobs.c.preprocessing).where(jobs.c.id == job))
        chosen = {name: value for name, value in form.items() if name != "fitted"}
        connection.execute(sa.insert(encoders).values(job=job, chosen=chosen))
        rows = [_column(position, item) for position, item in enumerate(form["fitted"])]
        connection.execute(sa.insert(columns), [{"job": job, **row} for row in rows])
        chunks = [
            {"job": job, "position": position, "chunk": start // CHUNK, "texts": item["categories"][start:][:CHUNK]}
            for position, item in enumerate(form["fitted"])
            for start in range(0, len(item.get("categories", ())), CHUNK)
        ]
        if chunks:
            connection.execute(sa.insert(categories), chunks)
        kinds = [row["kind"] for row in rows]
        counts = {
            "numbers": kinds.count("number"),
            "categories": kinds.count("category"),
            "dates": kinds.count("date"),
            "with_gaps": sum(row["allows_missing"] for row in rows),
        }
        connection.execute(sa.update(jobs).where(jobs.c.id == job).values(columns=counts))
        connection.execute(sa.update(versions).where(versions.c.job == job).values(columns=counts))


def _column(position: int, item: dict[str, Any]) -> dict[str, Any]:
    rest = dict(item)
    name, encoding, categories = rest.pop("name"), rest.pop("encoding"), rest.pop("categories", None)
    is_long = len(encoding.get("order", ())) > CHUNK
    shown = {key: value for key, value in encoding.items() if key != "order"} if is_long else encoding
    kind = encoding["kind"]
    return {
        "position": position,
        "name": name,
        "kind": "category" if kind in CATEGORIES else "date" if kind == "date_parts" else "number",
        "encoding": shown,
        "order_left_out": is_long,
        "rest": rest,
        "has_categories": categories is not None,
        "category_count": len(categories or ()),
        "allows_missing": encoding["missing"] != "error",
        "info_bytes": _bytes(name) + _bytes(shown),
        "first_bytes": _bytes(categories[:CHUNK]) if categories else 0,
    }


def _bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
