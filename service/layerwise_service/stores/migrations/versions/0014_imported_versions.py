"""Versions that no job trained, and encoders that belong to no job: those of model files that were imported."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    with op.batch_alter_table("encoder_categories") as table:
        table.drop_constraint("fk_encoder_categories_job", type_="foreignkey")
        table.alter_column("job", new_column_name="encoder")
    with op.batch_alter_table("encoder_columns") as table:
        table.drop_constraint("fk_encoder_columns_job", type_="foreignkey")
        table.alter_column("job", new_column_name="encoder")
    with op.batch_alter_table("encoders") as table:
        table.drop_constraint("fk_encoders_job", type_="foreignkey")
        table.alter_column("job", new_column_name="id")
    with op.batch_alter_table("encoder_columns") as table:
        table.create_foreign_key("fk_encoder_columns_encoder", "encoders", ["encoder"], ["id"])
    with op.batch_alter_table("encoder_categories") as table:
        names = ["encoder", "position"]
        table.create_foreign_key("fk_encoder_categories_encoder", "encoder_columns", names, names)
    connection = op.get_bind()
    aliases = sa.table("model_aliases", sa.column("model"), sa.column("alias"), sa.column("number"))
    pointing = [dict(row) for row in connection.execute(sa.select(aliases)).mappings()]
    op.execute(sa.delete(aliases))  # SQLite replaces the table of versions by a new one, and aliases refer to it
    with op.batch_alter_table("model_versions") as table:
        table.alter_column("job", existing_type=sa.String(length=26), nullable=True)
        table.alter_column("dataset", existing_type=sa.String(length=64), nullable=True)
        table.add_column(sa.Column("encoder", sa.String(length=26)))
        table.create_foreign_key("fk_model_versions_encoder", "encoders", ["encoder"], ["id"])
    versions = sa.table("model_versions", sa.column("job"), sa.column("encoder"))
    with_encoder = versions.c.job.in_(sa.select(sa.table("encoders", sa.column("id")).c.id))
    op.execute(sa.update(versions).where(with_encoder).values(encoder=versions.c.job))
    if pointing:
        connection.execute(sa.insert(aliases), pointing)
