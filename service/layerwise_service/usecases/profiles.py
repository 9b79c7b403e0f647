"""Use-case: the profile of a dataset."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from layerwise_service.domain.jobs import Task
from layerwise_service.domain.profiles import Profile
from layerwise_service.errors import Unavailable
from layerwise_service.profiling.process import make_profile
from layerwise_service.profiling.profile import ProfileRequest, StoredDataset
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.dataset_store import DatasetStore
from layerwise_service.usecases.table_prediction import check_column

PROFILES_AT_ONCE = 2
"""The most profiles that a process makes at the same time: each may take a core."""
_WAIT_SECONDS = 30.0


class Profiles:
    """Makes profiles of datasets when they are asked for."""

    def __init__(self, datasets: DatasetStore, artifacts: ArtifactStore, settings: Settings) -> None:
        self._datasets = datasets
        self._artifacts = artifacts
        self._seconds = settings.reading_seconds
        self._places = threading.BoundedSemaphore(PROFILES_AT_ONCE)

    def get(
        self,
        dataset: str,
        *,
        target: str = "",
        validation: str = "",
        task: Task | None = None,
        ignore: Sequence[str] = (),
        quick: bool = False,
    ) -> Profile:
        """Return the profile of a dataset, with findings about its column `target` and the dataset `validation`.

        `task` is what the target is used for, None: decided as for a job. The columns to
        `ignore` have no findings. `quick` looks at few rows.
        Raises `DatasetNotFound`, `InvalidRequest`, `DataLoss`, and `Unavailable` if others are being made.
        """
        stored = self._stored(dataset, "id")
        names = dict.fromkeys(column.name for column in stored.dataset.columns)
        for pointer, name in (("target", target), *(("ignore", each) for each in ignore)):
            if name:
                check_column(name, names, pointer)
        held_out = self._stored(validation, "validation") if validation else None
        request = ProfileRequest(stored, target, task, held_out, tuple(ignore), quick)
        if not self._places.acquire(timeout=_WAIT_SECONDS):
            raise Unavailable("other profiles are being made; ask again", retry_after=10)
        try:
            return make_profile(request, seconds=self._seconds)
        finally:
            self._places.release()

    def _stored(self, dataset: str, pointer: str) -> StoredDataset:
        found = self._datasets.get(dataset, pointer=pointer)
        return StoredDataset(found, str(self._artifacts.table(found).folder))
