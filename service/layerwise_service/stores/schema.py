"""The tables. A change here needs a migration in migrations/versions; a test holds the two equal.

Times are seconds since 1970, UTC, by the database's clock.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("features", sa.Integer, nullable=False),
    sa.Column("outputs", sa.Integer, nullable=False),
    sa.Column("labels", sa.JSON(none_as_null=True)),
    # Names and kinds of a table's columns.
    sa.Column("columns", sa.JSON(none_as_null=True)),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    # Of a dataset made of a file or a table: the name that it was sent with, the SHA-256 of the file, and its columns'
    # formats and doubts. Null for the datasets of `Train`.
    sa.Column("name", sa.String(255)),
    sa.Column("file_sha256", sa.String(64)),
    sa.Column("schema", sa.JSON(none_as_null=True)),
    # Whether it is not listed, and is removed after a while.
    sa.Column("transient", sa.Boolean, nullable=False, server_default=sa.false()),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    # The order in which jobs are listed: `registry.newest_job` at submission.
    sa.Column("number", sa.BigInteger, nullable=False, server_default="0", index=True, unique=True),
    sa.Column("model", sa.String(63), nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("architecture", sa.JSON, nullable=False),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("dataset", sa.String(64), sa.ForeignKey("datasets.sha256"), nullable=False),
    # The dataset of a file or a table from whose rows `dataset` was made, which may have been deleted since; and how.
    sa.Column("source", sa.String(64)),
    sa.Column("source_choices", sa.JSON(none_as_null=True)),
    # How many rows, the last ones, are held out; 0: the plan says which.
    sa.Column("held_out", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("start", sa.JSON(none_as_null=True)),
    # Of a table: how many columns of each kind. Its encoder stands in `encoders`.
    sa.Column("columns", sa.JSON(none_as_null=True)),
    sa.Column("metric", sa.String(32), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("request_id", sa.String(128), unique=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    # What callers say of it.
    sa.Column("labels", sa.JSON(none_as_null=True)),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    # Queued jobs are claimed in the order of `turn`, which follows from their number and priority, but not earlier than
    # `not_before`.
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("not_before", sa.Float),
    # A `Wish` that its worker has not fulfilled yet.
    sa.Column("wish", sa.String(16)),
    # The lease. `attempt` counts the claims and is the fencing token; `losses` counts the claims whose worker died;
    # the worker raises `beats` while it holds the job.
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("losses", sa.Integer, nullable=False, server_default="0"),
    sa.Column("worker", sa.String(64)),
    sa.Column("beats", sa.BigInteger, nullable=False, server_default="0"),
    # The newest checkpoints of its training, newest first.
    sa.Column("checkpoints", sa.JSON(none_as_null=True)),
    # The outcome.
    sa.Column("progress", sa.Float, nullable=False, server_default="0"),
    sa.Column("findings", sa.JSON(none_as_null=True)),
    sa.Column("version", sa.Integer),
    # The record of the epoch whose weights the version has.
    sa.Column("kept", sa.JSON(none_as_null=True)),
    sa.Column("failure_reason", sa.String(64)),
    sa.Column("failure_message", sa.Text),
    sa.Column("metric_value", sa.Float),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    # How long workers have held it, before the one that holds it since `held_since`.
    sa.Column("seconds", sa.Float, nullable=False, server_default="0"),
    sa.Column("held_since", sa.Float),
    # Number of the newest event, by which watchers see whether there are new ones.
    sa.Column("last_event", sa.Integer, nullable=False, server_default="0"),
    sa.Index("ix_jobs_state_turn", "state", "turn"),
    # Of ended jobs: those whose training can go on.
    sa.Index(
        "ix_jobs_resumable",
        "finished",
        sqlite_where=sa.text("checkpoints IS NOT NULL AND finished IS NOT NULL"),
        postgresql_where=sa.text("checkpoints IS NOT NULL AND finished IS NOT NULL"),
    ),
)

# The fitted encoder of a job on a table, or of an imported version: its options, its columns, and their categories in
# chunks. They may have megabytes, so they are read only where they are needed. A job's encoder has the `id` of the job.
encoders = sa.Table(
    "encoders",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("chosen", sa.JSON, nullable=False),
)

encoder_columns = sa.Table(
    "encoder_columns",
    metadata,
    sa.Column("encoder", sa.String(26), sa.ForeignKey("encoders.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    # Without `order` if it is too long; the categories have the same values.
    sa.Column("encoding", sa.JSON, nullable=False),
    sa.Column("order_left_out", sa.Boolean, nullable=False),
    # All other fitted values, of numbers and dates.
    sa.Column("rest", sa.JSON, nullable=False),
    sa.Column("has_categories", sa.Boolean, nullable=False),
    sa.Column("category_count", sa.Integer, nullable=False),
    sa.Column("allows_missing", sa.Boolean, nullable=False),
    # Bytes of the name and the encoding, and of the first chunk of categories.
    sa.Column("info_bytes", sa.Integer, nullable=False),
    sa.Column("first_bytes", sa.Integer, nullable=False),
)

encoder_categories = sa.Table(
    "encoder_categories",
    metadata,
    sa.Column("encoder", sa.String(26), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("chunk", sa.Integer, primary_key=True),
    sa.Column("texts", sa.JSON, nullable=False),
    sa.ForeignKeyConstraint(["encoder", "position"], ["encoder_columns.encoder", "encoder_columns.position"]),
)

events = sa.Table(
    "job_events",
    metadata,
    sa.Column("job", sa.String(26), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    # A transition has a state and a reason, a record has a step and its numbers.
    sa.Column("state", sa.String(16)),
    sa.Column("reason", sa.String(64)),
    sa.Column("step", sa.BigInteger),
    sa.Column("record", sa.JSON(none_as_null=True)),
    sa.UniqueConstraint("job", "step"),
)

versions = sa.Table(
    "model_versions",
    metadata,
    sa.Column("model", sa.String(63), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    # The job that made it, which may have been deleted since. Null for a version that was imported.
    sa.Column("job", sa.String(26)),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    sa.Column("architecture", sa.JSON, nullable=False),
    # JSON's null for a network that was imported without a plan.
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("parameters", sa.BigInteger, nullable=False),
    # Null if an imported file does not say it.
    sa.Column("dataset", sa.String(64)),
    sa.Column("labels", sa.JSON(none_as_null=True)),
    # Of a table: how many columns of each kind, and its encoder.
    sa.Column("columns", sa.JSON(none_as_null=True)),
    # The JSON form of layerwise.Evaluation, on the rows that training held out. Null for versions of older releases.
    sa.Column("evaluation", sa.JSON(none_as_null=True)),
    sa.Column("encoder", sa.String(26), sa.ForeignKey("encoders.id")),
)

aliases = sa.Table(
    "model_aliases",
    metadata,
    sa.Column("model", sa.String(63), primary_key=True),
    sa.Column("alias", sa.String(63), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.ForeignKeyConstraint(["model", "number"], ["model_versions.model", "model_versions.number"]),
)

alias_moves = sa.Table(
    "alias_moves",
    metadata,
    sa.Column("model", sa.String(63), primary_key=True),
    sa.Column("alias", sa.String(63), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
    # Numbers of versions, which may have been deleted since; null where there was no such alias.
    sa.Column("before", sa.Integer),
    sa.Column("after", sa.Integer),
    sa.Column("rollback", sa.Boolean, nullable=False),
    sa.Column("request_id", sa.String(128), unique=True),
)

# Versions that were deleted: their numbers are not given again.
deleted_versions = sa.Table(
    "deleted_versions",
    metadata,
    sa.Column("model", sa.String(63), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
)

# Models that serving processes do not use until they are loaded again.
unloaded_models = sa.Table("unloaded_models", metadata, sa.Column("model", sa.String(63), primary_key=True))

# The revision of `registry` at which the versions or aliases of a model last changed: serving processes read only what
# is newer than what they know.
changed_models = sa.Table(
    "changed_models",
    metadata,
    sa.Column("model", sa.String(63), primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False, index=True),
)

# One row. `revision` counts the changes to versions and aliases; `newest_job` counts the jobs.
registry = sa.Table(
    "registry",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("newest_job", sa.BigInteger, nullable=False, server_default="0"),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
    # Milliseconds of the worker's monotonic clock, and the boot of its machine: others see whether they change.
    sa.Column("boot", sa.String(64), nullable=False, server_default=""),
    sa.Column("beat", sa.BigInteger, nullable=False, server_default="0"),
)

# Files that are in their place, or about to be moved there, and that nothing uses yet: see pending.py.
pending_artifacts = sa.Table(
    "pending_artifacts",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("registered", sa.Float, nullable=False),
)

# One row: the id that the folder of the artefacts must have as well, see identity.py.
store = sa.Table("store", metadata, sa.Column("id", sa.String(32), primary_key=True))
