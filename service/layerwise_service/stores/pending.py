"""Artefacts that the database knows of and that nothing uses yet: the only ones that may ever be removed.

A file is registered here before it gets its place, and leaves the table in the transaction that begins to use it. So
every file that a crash leaves without a user is in the table, and a file that is in no table is somebody else's: of
another database, of a backup, of a newer state than the one restored. It is left alone.
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

_GRACE_SECONDS = 86_400  # between a file's getting its place and its first user lie seconds


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
        """Announce an artefact that is about to get its place."""
        try:
            self._register(kind, sha256)
        except IntegrityError:  # another process was quicker
            self._register(kind, sha256)

    def expired(self) -> list[tuple[Artifact, str]]:
        """Return the artefacts that were registered so long ago that nobody will use them."""
        query = sa.select(pending_artifacts.c.kind, pending_artifacts.c.sha256).where(_expired())
        with self._database.read() as connection:
            return [(Artifact(row.kind), row.sha256) for row in connection.execute(query)]

    def expire(self, kind: Artifact, sha256: str, *, remove: Callable[[], None]) -> None:
        """Take an expired artefact off the table, and call `remove` if nothing uses it.

        `remove` runs inside the transaction: who registers the same artefact meanwhile waits for its end.
        """
        with self._database.write() as connection:
            query = sa.select(pending_artifacts.c.sha256).where(_is(kind, sha256), _expired())
            if connection.scalar(query.with_for_update()) is None:
                return  # registered anew
            if not _is_used(connection, kind, sha256):
                remove()
            connection.execute(sa.delete(pending_artifacts).where(_is(kind, sha256)))

    def _register(self, kind: Artifact, sha256: str) -> None:
        with self._database.write() as connection:
            known = sa.update(pending_artifacts).where(_is(kind, sha256)).values(registered=now())
            if connection.execute(known).rowcount == 0:
                connection.execute(sa.insert(pending_artifacts).values(kind=kind, sha256=sha256, registered=now()))


def use_artifact(connection: Connection, kind: Artifact, sha256: str) -> None:
    """Take an artefact off the table, in the transaction that begins to use it.

    Raises `ArtifactExpired` if it was removed meanwhile.
    """
    found = connection.execute(sa.delete(pending_artifacts).where(_is(kind, sha256))).rowcount
    if not found and not _is_used(connection, kind, sha256):
        raise ArtifactExpired(f"the {kind} was removed before anything used it; send it again")


def _is_used(connection: Connection, kind: Artifact, sha256: str) -> bool:
    column = _USERS[kind]
    return connection.scalar(sa.select(column).where(column == sha256).limit(1)) is not None


def _is(kind: Artifact, sha256: str) -> sa.ColumnElement[bool]:
    return (pending_artifacts.c.kind == kind) & (pending_artifacts.c.sha256 == sha256)


def _expired() -> sa.ColumnElement[bool]:
    return pending_artifacts.c.registered < now() - _GRACE_SECONDS
