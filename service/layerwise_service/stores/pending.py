"""Pending artefacts, which the database knows and nothing uses yet: only these may ever be removed.

A file is registered here before it is moved to its place, and leaves the table in the transaction that begins to use
it. So a file that a crash leaves unused is in this table. A file in no table is kept: it belongs to another database, a
backup, or a newer state than the one restored.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from layerwise_service.errors import Unavailable
from layerwise_service.stores.database import Database, now
from layerwise_service.stores.schema import datasets, pending_artifacts, versions

_GRACE_SECONDS = 86_400  # usually a file is used seconds after it was stored


class Artifact(StrEnum):
    """A kind of artefact."""

    DATASET = "dataset"
    MODEL = "model"


class ArtifactExpired(Unavailable):
    """The artefact was removed before anything used it."""

    reason = "ARTIFACT_EXPIRED"


_USERS = {Artifact.DATASET: datasets.c.sha256, Artifact.MODEL: versions.c.sha256}


class PendingArtifacts:
    """The table. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, kind: Artifact, sha256: str) -> None:
        """Register an artefact that is about to be moved to its place."""
        try:
            self._register(kind, sha256)
        except IntegrityError:  # another process was quicker
            self._register(kind, sha256)

    def expired(self) -> list[tuple[Artifact, str]]:
        """Return the artefacts that were registered so long ago that nothing will use them."""
        query = sa.select(pending_artifacts.c.kind, pending_artifacts.c.sha256).where(_expired())
        with self._database.read() as connection:
            return [(Artifact(row.kind), row.sha256) for row in connection.execute(query)]

    def expire(self, kind: Artifact, sha256: str, *, remove: Callable[[], None]) -> None:
        """Delete an expired artefact from the table, and call `remove` if nothing uses it.

        `remove` runs inside the transaction: registering the same artefact waits for its end.
        """
        with self._database.write() as connection:
            query = sa.select(pending_artifacts.c.sha256).where(_is(kind, sha256), _expired())
            if connection.scalar(query.with_for_update()) is None:
                return  # registered again meanwhile
            if not _is_used(connection, kind, sha256):
                remove()
            connection.execute(sa.delete(pending_artifacts).where(_is(kind, sha256)))

    def _register(self, kind: Artifact, sha256: str) -> None:
        with self._database.write() as connection:
            known = sa.update(pending_artifacts).where(_is(kind, sha256)).values(registered=now())
            if connection.execute(known).rowcount == 0:
                connection.execute(sa.insert(pending_artifacts).values(kind=kind, sha256=sha256, registered=now()))


def use_artifact(connection: Connection, kind: Artifact, sha256: str) -> None:
    """Delete an artefact from the table, in the transaction that begins to use it.

    Raises `ArtifactExpired` if it was removed meanwhile.
    """
    found = connection.execute(sa.delete(pending_artifacts).where(_is(kind, sha256))).rowcount
    if not found and not _is_used(connection, kind, sha256):
        raise ArtifactExpired(f"the {kind} was removed before anything used it; send it again")


def release_artifact(connection: Connection, kind: Artifact, sha256: str) -> None:
    """Put an artefact into the table, in the transaction that ends its use: it is removed after the grace."""
    connection.execute(sa.delete(pending_artifacts).where(_is(kind, sha256)))
    connection.execute(sa.insert(pending_artifacts).values(kind=kind, sha256=sha256, registered=now()))


def _is_used(connection: Connection, kind: Artifact, sha256: str) -> bool:
    column = _USERS[kind]
    return connection.scalar(sa.select(column).where(column == sha256).limit(1)) is not None


def _is(kind: Artifact, sha256: str) -> sa.ColumnElement[bool]:
    return (pending_artifacts.c.kind == kind) & (pending_artifacts.c.sha256 == sha256)


def _expired() -> sa.ColumnElement[bool]:
    return pending_artifacts.c.registered < now() - _GRACE_SECONDS
