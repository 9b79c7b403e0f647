"""A store of artefacts for a test that needs no jobs."""

from __future__ import annotations

from pathlib import Path

from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.database import Database
from layerwise_service.stores.migrations import migrate
from layerwise_service.stores.pending import PendingArtifacts


def new_artifact_store(root: Path) -> ArtifactStore:
    """A store in `root`, with a database of its own beside it."""
    database = Database(f"sqlite:///{root.parent / 'test.db'}", create=True)
    migrate(database)
    return ArtifactStore(root, PendingArtifacts(database))
