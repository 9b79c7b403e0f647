"""Checkpoints: the states of trainings as files, from which a job goes on if its worker ends.

artifacts/checkpoints/<job>-<attempt>-<step>.npz
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import structlog
from numpy.typing import NDArray

from layerwise_service.domain.jobs import Checkpoint, Claim
from layerwise_service.errors import DataLoss
from layerwise_service.stores.files import open_stored, reading_stored, sha256_of, storage_errors, sync_folder
from layerwise_service.stores.incoming import Incoming

log = structlog.get_logger()

Arrays = Mapping[str, NDArray[Any]]
_ENDING = ".npz"
_NAME = re.compile(r"[0-9A-Za-z]{1,32}-[0-9]{1,12}-[0-9]{1,20}")
_GRACE_SECONDS = 3_600.0  # for a file that a worker has moved to its place and not noted yet


class CheckpointStore:
    """The files in the folder `root`; drafts are in `incoming`."""

    def __init__(self, root: Path, incoming: Incoming) -> None:
        self._root = root
        self._incoming = incoming

    def write(self, claim: Claim, step: int, arrays: Arrays) -> Checkpoint:
        """Write the state after `step`. Raises `ServiceError`, such as `NoSpace`."""
        name = f"{claim.job.id}-{claim.token}-{step}"
        with storage_errors():
            draft = self._incoming.new_path(_ENDING)
            try:
                with draft.open("xb") as file:
                    np.savez(file, **cast(Any, arrays))
                    file.flush()
                    os.fsync(file.fileno())
                sha256 = sha256_of(draft)
                draft.replace(self._root / f"{name}{_ENDING}")
            finally:
                draft.unlink(missing_ok=True)
            sync_folder(self._root)
        return Checkpoint(name, step, sha256)

    def read(self, checkpoint: Checkpoint) -> dict[str, NDArray[Any]]:
        """Return what was written, verified against the hash. Raises `DataLoss`, or `Unavailable`."""
        path = self._place(checkpoint.name)
        with reading_stored("the checkpoint", checkpoint.name, "CHECKPOINT"):
            if (found := sha256_of(path)) != checkpoint.sha256:
                raise DataLoss(f"the checkpoint {checkpoint.name} is damaged: its SHA-256 is {found}")
            with open_stored(path) as file, np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)

    def remove(self, names: Iterable[str]) -> None:
        """Remove the files with these names. What cannot be removed now is left to `sweep`."""
        for name in names:
            with suppress(OSError, DataLoss):
                self._place(name).unlink(missing_ok=True)

    def remove_earlier(self, claim: Claim, *, keep: Collection[str]) -> None:
        """Remove the files of a job but those named in `keep`, and those of later attempts than this claim's."""
        names = [path.stem for path in self._root.glob(f"{claim.job.id}-*{_ENDING}")]
        self.remove(name for name in names if name not in keep and int(name.split("-")[1]) <= claim.token)

    def sweep(self, wanted: Callable[[str], Collection[str] | None]) -> None:
        """Remove the files of workers that could not do so.

        `wanted` returns the names that a job still needs, None for a job that is not known.
        """
        before = time.time() - _GRACE_SECONDS
        with storage_errors():
            names = [
                path.stem for path in self._root.iterdir() if _NAME.fullmatch(path.stem) and _touched(path) < before
            ]
        for job in {name.partition("-")[0] for name in names}:
            if (keep := wanted(job)) is None:
                continue  # of another database, or of a newer state than the one that was restored
            for name in names:
                if name.startswith(f"{job}-") and name not in keep:
                    self._place(name).unlink(missing_ok=True)
                    log.info("checkpoint_removed", name=name)

    def _place(self, name: str) -> Path:
        """Return the path of a checkpoint, whose name may come from a backup."""
        return self._root / f"{checked_name(name)}{_ENDING}"


def checked_name(name: str) -> str:
    """Return the name of a checkpoint. Raises `DataLoss` for one that none has."""
    if not _NAME.fullmatch(name):
        raise DataLoss(f"no checkpoint is called {name[:64]!r}")
    return name


def _touched(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return time.time()
