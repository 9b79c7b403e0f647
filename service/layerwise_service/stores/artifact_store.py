"""The files of datasets and models, in a folder. Names are made from our own hashes, never from what a caller sent.

artifacts/datasets/<sha256>/{rows,targets}.npy     artifacts/models/<sha256>.npz     artifacts/incoming/…
"""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import MLP, CorruptModel
from layerwise_service.datasets import Dataset, Label, Shape, canonical_sha256
from layerwise_service.errors import DataLoss
from layerwise_service.stores.dataset_writer import HEADER_BYTES, DatasetWriter
from layerwise_service.stores.files import sha256_of, sync_folder, told_when_full

_SHA256 = re.compile(r"[0-9a-f]{64}")
_STALE_SECONDS = 86_400  # an upload that began a day ago has no sender any more


class ArtifactStore:
    """Datasets and models as files below `root`, which is made if it is missing."""

    def __init__(self, root: Path) -> None:
        self._datasets = root / "datasets"
        self._models = root / "models"
        self._incoming = root / "incoming"
        with told_when_full():
            for folder in (self._datasets, self._models, self._incoming):
                folder.mkdir(parents=True, exist_ok=True)

    def new_dataset(self, *, classes: Sequence[Label] | None, **limits: int) -> DatasetWriter:
        """A writer for a dataset; `keep` takes what it finished."""
        return DatasetWriter(self._incoming / uuid.uuid4().hex, classes=classes, **limits)

    def keep(self, writer: DatasetWriter) -> Dataset:
        """Finishes the dataset and gives it its place; one that is there already stays."""
        dataset = writer.finish()
        with told_when_full():
            place = self._datasets / dataset.sha256
            try:
                writer.folder.rename(place)
            except OSError:
                if not place.is_dir():
                    raise
                writer.discard()
            sync_folder(self._datasets)
        return dataset

    def open_dataset(self, sha256: str, shape: Shape) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Rows (n, features) and targets as memory maps, verified against the hash. Raises `DataLoss`."""
        folder = self._datasets / _checked(sha256)
        try:
            found = canonical_sha256(
                shape,
                rows_sha256=sha256_of(folder / "rows.npy", skip=HEADER_BYTES),
                targets_sha256=sha256_of(folder / "targets.npy", skip=HEADER_BYTES),
            )
            if found != sha256:
                raise DataLoss(f"dataset {sha256} is damaged: its bytes hash to {found}", reason="DATASET_DAMAGED")
            rows = np.load(folder / "rows.npy", mmap_mode="r", allow_pickle=False)
            return rows, np.load(folder / "targets.npy", mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise DataLoss(f"dataset {sha256} is missing", reason="DATASET_MISSING") from error

    def keep_model(self, model: MLP) -> tuple[str, int]:
        """Writes the model, reads it back strictly, and gives its SHA-256 and size."""
        with told_when_full():
            draft = self._incoming / f"{uuid.uuid4().hex}.npz"
            try:
                sha256 = model.save(draft)
                MLP.load(draft, sha256=sha256)
                size = draft.stat().st_size
                draft.replace(self._models / f"{sha256}.npz")
            finally:
                draft.unlink(missing_ok=True)
            sync_folder(self._models)
        return sha256, size

    def load_model(self, sha256: str) -> MLP:
        """The model, verified against the hash. Raises `DataLoss`."""
        try:
            return MLP.load(self._models / f"{_checked(sha256)}.npz", sha256=sha256)
        except FileNotFoundError as error:
            raise DataLoss(f"the file of model {sha256} is missing", reason="MODEL_MISSING") from error
        except CorruptModel as error:
            raise DataLoss(f"the file of model {sha256} is damaged: {error}", reason="MODEL_DAMAGED") from error

    def sweep(self) -> None:
        """Removes what was left of uploads that ended without a word."""
        for path in self._incoming.iterdir():
            try:
                if path.stat().st_mtime < time.time() - _STALE_SECONDS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            except FileNotFoundError:
                continue  # its own process was quicker

    def writable(self) -> bool:
        """Whether files can be made."""
        return os.access(self._incoming, os.W_OK)


def _checked(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"not a SHA-256: {sha256!r}")
    return sha256
