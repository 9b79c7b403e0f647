"""Model versions in the database. For moving aliases see alias_store.py."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise.wording import did_you_mean
from layerwise_service.domain.columns import ColumnCounts, column_counts
from layerwise_service.domain.datasets import Label
from layerwise_service.domain.jobs import Job, JSONObject
from layerwise_service.domain.models import ImportedVersion, Model, ServedModel, Version, VersionSummary
from layerwise_service.domain.names import LATEST, new_id
from layerwise_service.errors import NotFound
from layerwise_service.stores.changed_models import count_change, read_served
from layerwise_service.stores.database import Database, now
from layerwise_service.stores.deleted_versions import check_unused, deleted_numbers, keep_number
from layerwise_service.stores.encoder_store import delete_encoder, keep_encoder
from layerwise_service.stores.pending import Artifact, release_artifact, use_artifact
from layerwise_service.stores.schema import aliases, jobs, registry, unloaded_models, versions

_FEW = 5  # names that an error lists


class ModelNotFound(NotFound):
    """No model has this name."""

    reason = "MODEL_NOT_FOUND"

    def __init__(self, name: str, known: Collection[str]) -> None:
        listed = f"; the models are {', '.join(sorted(known))}" if 0 < len(known) <= _FEW else ""
        super().__init__(f"there is no model {name[:64]!r}{listed}{did_you_mean(name, known)}", pointer="model")


class VersionNotFound(NotFound):
    """The model has no such version or alias."""

    reason = "VERSION_NOT_FOUND"

    def __init__(self, model: Model | ServedModel, version: str | int, *, deleted: Collection[int] = ()) -> None:
        self.model = model.name
        known = f"; the newest version is {model.latest}"
        if 0 < len(model.aliases) <= _FEW:
            known += f", the aliases are {', '.join(model.aliases)}"
        if str(version) in map(str, deleted):
            detail = f"version {version} of {model.name} was deleted"
        else:
            detail = f"{model.name} has no version or alias {str(version)[:64]!r}"
        super().__init__(f"{detail}{known}{did_you_mean(version, model.aliases)}", pointer="version")


class ModelUnloaded(NotFound):
    """The model was unloaded."""

    reason = "MODEL_UNLOADED"

    def __init__(self, name: str) -> None:
        self.model = name
        detail = f"{name} was unloaded: load it by RepositoryModelLoad, or POST /v2/repository/models/{name}/load"
        super().__init__(detail, pointer="model")


class VersionStore:
    """Versions, and the aliases that point at them. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def revision(self) -> int:
        """Return a number that grows with every change."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(registry.c.revision)) or 0

    def served(self, *, since: int | None = None) -> tuple[int, dict[str, ServedModel | None]]:
        """Return the revision, and what `read_served` returns."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(registry.c.revision)) or 0, read_served(connection, since=since)

    def page(self, *, limit: int, after: str) -> list[Model]:
        """Return at most `limit` models, sorted by name, that come after the name `after`."""
        latest = sa.func.max(versions.c.number).label("latest")
        query = sa.select(versions.c.model, latest).where(versions.c.model > after).group_by(versions.c.model)
        with self._database.read() as connection:
            found = connection.execute(query.order_by(versions.c.model).limit(limit)).all()
            pointing = _aliases(connection, [row.model for row in found])
        return [Model(row.model, row.latest, pointing.get(row.model, {})) for row in found]

    def get(self, name: str) -> Model:
        """Return the model. Raises `ModelNotFound`."""
        with self._database.read() as connection:
            return read_model(connection, name)

    def versions(self, model: str, *, limit: int, before: int) -> list[VersionSummary]:
        """Return at most `limit` versions, newest first, with numbers below `before`; 0: from the newest."""
        query = sa.select(*_SUMMARY).where(versions.c.model == model).order_by(versions.c.number.desc()).limit(limit)
        if before:
            query = query.where(versions.c.number < before)
        with self._database.read() as connection:
            return [_version_summary(row) for row in connection.execute(query)]

    def find(self, model: str, version: str) -> Version:
        """Return a version by its number, an alias, "" or "latest". Raises `ModelNotFound`, `VersionNotFound`."""
        with self._database.read() as connection:
            return _read_version(connection, model, _number(connection, model, version))

    def job_of(self, model: str, version: str) -> str | None:
        """Return the job that made a version, named as in `find`; None if it was imported. Raises as `find`."""
        return self._id_of(model, version, versions.c.job)

    def encoder_of(self, model: str, version: str) -> str | None:
        """Return the id of the encoder of a version, named as in `find`; None if it has none. Raises as `find`."""
        return self._id_of(model, version, versions.c.encoder)

    def add_imported(self, model: str, new: ImportedVersion) -> tuple[Version, bool]:
        """Publish an artefact that no job made as the model's next version, and return it.

        If the newest version has the same artefact, return that one, and False.
        """
        with self._database.write() as connection:
            count_change(connection, model)  # first, as in `insert_version`
            newest = connection.scalar(sa.select(sa.func.max(versions.c.number)).where(versions.c.model == model))
            if newest is not None and (found := _read_version(connection, model, newest)).sha256 == new.sha256:
                use_artifact(connection, Artifact.MODEL, new.sha256)
                return found, False
            encoder = None
            if (form := new.preprocessing) is not None:
                encoder = new_id()
                keep_encoder(connection, encoder, form)
            values = {field: value for field, value in asdict(new).items() if field != "preprocessing"}
            values["columns"] = None if form is None else asdict(column_counts(form))
            return _insert(connection, model, **values, encoder=encoder), True

    def set_loaded(self, model: str, *, loaded: bool) -> None:
        """Set whether serving processes may use the model. Raises `ModelNotFound`."""
        self.get(model)  # a read, so that a name that the database cannot store is refused
        with self._database.write() as connection:
            count_change(connection, model)
            read_model(connection, model)
            connection.execute(sa.delete(unloaded_models).where(unloaded_models.c.model == model))
            if not loaded:
                connection.execute(sa.insert(unloaded_models).values(model=model))

    def delete(self, model: str, number: int) -> None:
        """Delete a version. A later sweep removes its file, unless another version has the same.

        Raises `ModelNotFound`, `VersionNotFound`, and `Conflict` while an alias points at it or an open job needs it.
        """
        with self._database.write() as connection:
            count_change(connection, model)
            found = _read_version(connection, model, number)
            check_unused(connection, model, number)
            this = (versions.c.model == model) & (versions.c.number == number)
            encoder = connection.scalar(sa.select(versions.c.encoder).where(this))
            connection.execute(sa.delete(versions).where(this))
            owned = (
                sa.select(jobs.c.id)
                .where(jobs.c.id == encoder)
                .union(sa.select(versions.c.encoder).where(versions.c.encoder == encoder))
            )
            if encoder is not None and connection.scalar(owned) is None:  # no job and no other version has it
                delete_encoder(connection, encoder)
            keep_number(connection, model, number)
            release_artifact(connection, Artifact.MODEL, found.sha256)

    def _id_of(self, model: str, version: str, column: sa.Column[Any]) -> str | None:
        with self._database.read() as connection:
            number = _number(connection, model, version)
            query = sa.select(column).where(versions.c.model == model, versions.c.number == number)
            row = connection.execute(query).one_or_none()
            if row is None:
                raise _version_not_found(connection, model, version)
            found: str | None = row[0]
        return found


def insert_version(
    connection: Connection,
    job: Job,
    *,
    sha256: str,
    size_bytes: int,
    metrics: dict[str, float],
    parameters: int,
    labels: tuple[Label, ...] | None,
    evaluation: JSONObject | None,
) -> Version:
    """Insert the model's next version, made by `job`, in the caller's transaction."""
    count_change(
        connection, job.model
    )  # first, since it locks the one row: two versions of a model get different numbers
    return _insert(
        connection,
        job.model,
        job=job.id,
        sha256=sha256,
        size_bytes=size_bytes,
        metrics=metrics,
        architecture=job.architecture,
        plan=job.plan,
        parameters=parameters,
        dataset=job.dataset,
        labels=labels,
        columns=None if job.columns is None else asdict(job.columns),
        evaluation=evaluation,
        encoder=None if job.columns is None else job.id,
    )


def _insert(
    connection: Connection, model: str, *, sha256: str, labels: Sequence[Label] | None, **values: Any
) -> Version:
    use_artifact(connection, Artifact.MODEL, sha256)
    number = _next_number(connection, model)
    classes = None if labels is None else list(labels)
    row = {"model": model, "number": number, "created": now(), "sha256": sha256, "labels": classes, **values}
    connection.execute(sa.insert(versions).values(row))
    return _read_version(connection, model, number)


def _aliases(connection: Connection, models: Collection[str]) -> dict[str, dict[str, int]]:
    query = sa.select(aliases).where(aliases.c.model.in_(models)).order_by(aliases.c.model, aliases.c.alias)
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.model, {})[row.alias] = row.number
    return found


def read_model(connection: Connection, name: str) -> Model:
    """Return the model. Raises `ModelNotFound`."""
    latest = connection.scalar(sa.select(sa.func.max(versions.c.number)).where(versions.c.model == name))
    if latest is None:
        query = sa.select(versions.c.model).distinct().order_by(versions.c.model)
        raise ModelNotFound(name, connection.scalars(query).all())
    return Model(name, latest, _aliases(connection, [name]).get(name, {}))


def _number(connection: Connection, model: str, version: str) -> int:
    """Return the number that `version` names; there may be no such version. Raises as `VersionStore.find` does."""
    found = read_model(connection, model)
    if version in ("", LATEST):
        return found.latest
    if version in found.aliases:
        return found.aliases[version]
    if not (version.isascii() and version.isdecimal() and len(version) < 10):
        raise VersionNotFound(found, version)
    return int(version)


def check_version(connection: Connection, model: str, number: int) -> None:
    """Raise `ModelNotFound` or `VersionNotFound` if there is no such version."""
    query = sa.select(versions.c.number).where(versions.c.model == model, versions.c.number == number)
    if connection.scalar(query) is None:
        raise _version_not_found(connection, model, number)


def _next_number(connection: Connection, model: str) -> int:
    """Return the number of the model's next version: higher than that of any, also of those that were deleted."""
    newest = sa.select(sa.func.max(versions.c.number)).where(versions.c.model == model)
    return max(connection.scalar(newest) or 0, *deleted_numbers(connection, model), 0) + 1


def _version_not_found(connection: Connection, model: str, version: str | int) -> VersionNotFound:
    return VersionNotFound(read_model(connection, model), version, deleted=deleted_numbers(connection, model))


def _read_version(connection: Connection, model: str, number: int) -> Version:
    query = sa.select(versions).where(versions.c.model == model, versions.c.number == number)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise _version_not_found(connection, model, number)
    return _version(row)


def _version(row: Any) -> Version:
    values = dict(row._mapping)
    labels, columns = values.pop("labels"), values.pop("columns")
    del values["encoder"]  # large: see EncoderStore
    return Version(
        **values,
        labels=None if labels is None else tuple(labels),
        columns=None if columns is None else ColumnCounts(**columns),
    )


def _version_summary(row: Any) -> VersionSummary:
    return VersionSummary(**row._mapping)


_SUMMARY = tuple(versions.c[name] for name in VersionSummary.__dataclass_fields__)
"""The columns of a summary, all of them small."""
