"""The files of datasets and models, in a folder. Names are made from our own hashes, never from what a caller sent.

artifacts/datasets/<sha256>/{rows,column<i>,targets,weights}.npy    artifacts/models/<sha256>.npz    artifacts/incoming/
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from layerwise import MLP, CorruptModel
from layerwise_service.datasets import Dataset, Digests, Label, Shape, canonical_sha256
from layerwise_service.errors import DataLoss
from layerwise_service.stores.dataset_writer import DatasetWriter
from layerwise_service.stores.files import sha256_of, sync_folder, told_when_full
from layerwise_service.stores.npy_file import HEADER_BYTES
from layerwise_service.stores.table_reader import StoredTable

_SHA256 = re.compile(r"[0-9a-f]{64}")
_STALE_SECONDS = 86_400  # an upload to which nothing was added for a day has no sender any more


class ArtifactStore:
    """Datasets and models as files below `root`, which is made if it is missing."""

    def __init__(self, root: Path) -> None:
        self._datasets = root / "datasets"
        self._models = root / "models"
        self._incoming = root / "incoming"
        with told_when_full():
            for folder in (self._datasets, self._models, self._incoming):
                folder.mkdir(parents=True, exist_ok=True)
            sync_folder(root)
            sync_folder(root.parent)

    def new_dataset(self, *, classes: Sequence[Label] | None, **limits: int) -> DatasetWriter:
        """A writer for a dataset; `keep` gives what it finished its place."""
        return DatasetWriter(self._incoming / uuid.uuid4().hex, classes=classes, **limits)

    def keep(self, writer: DatasetWriter, dataset: Dataset) -> None:
        """Gives a finished dataset its place. One that is there already stays, if it is whole."""
        place = self._datasets / dataset.sha256
        with told_when_full():
            try:
                writer.folder.rename(place)
            except OSError:
                if not place.is_dir():
                    raise
                if self._is_whole(dataset):
                    os.utime(place)  # nobody sweeps it now, as the leftover of a job that never was
                    writer.discard()
                else:
                    place.rename(self._incoming / uuid.uuid4().hex)  # out of the way, until it is swept
                    writer.folder.rename(place)
            sync_folder(self._datasets)

    def open_dataset(
        self, sha256: str, shape: Shape
    ) -> tuple[NDArray[np.float32] | StoredTable, NDArray[Any], NDArray[np.float32] | None]:
        """Rows (n, features) or a table, targets, and weights (n,) if there are any, verified against the hash.

        The arrays are memory maps. Raises `DataLoss`.
        """
        folder = self._datasets / _checked(sha256)
        weights = folder / "weights.npy"
        try:
            weighted = weights.exists()
            table = None if shape.columns is None else StoredTable(folder, shape)
            digests = Digests(
                sha256_of(folder / "rows.npy", skip=HEADER_BYTES) if table is None else table.digests(),
                sha256_of(folder / "targets.npy", skip=HEADER_BYTES),
                sha256_of(weights, skip=HEADER_BYTES) if weighted else None,
            )
            found = canonical_sha256(shape, digests)
            if found != sha256:
                raise DataLoss(f"dataset {sha256} is damaged: its bytes hash to {found}", reason="DATASET_DAMAGED")
            # Type and shape are the database's: the header of the files is not covered by the hash.
            kind, outputs = ("<f4", (shape.outputs,)) if shape.labels is None else ("<i4", ())
            rows = table or _map(folder / "rows.npy", "<f4", (shape.rows, shape.features))
            targets = _map(folder / "targets.npy", kind, (shape.rows, *outputs))
            return rows, targets, _map(weights, "<f4", (shape.rows,)) if weighted else None
        except FileNotFoundError as error:
            raise DataLoss(f"dataset {sha256} is missing", reason="DATASET_MISSING") from error

    def nameless_file(self) -> BinaryIO:
        """A new file beside the others that ends with its last user, however that ends."""
        return cast(BinaryIO, tempfile.TemporaryFile(dir=self._incoming))

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

    def sweep(self, *, datasets: Collection[str], models: Collection[str]) -> None:
        """Removes what a day ago ended without a word: uploads, and datasets and models that are not the named ones."""
        kept = {self._datasets / name for name in datasets} | {self._models / f"{name}.npz" for name in models}
        for path in (*self._incoming.iterdir(), *self._datasets.iterdir(), *self._models.iterdir()):
            try:
                if path not in kept and _touched(path) < time.time() - _STALE_SECONDS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            except FileNotFoundError:
                continue  # its own process was quicker

    def _is_whole(self, dataset: Dataset) -> bool:
        try:
            self.open_dataset(dataset.sha256, dataset.shape)
        except DataLoss:
            return False
        return True

    def writable(self) -> bool:
        """Whether files can be made."""
        return os.access(self._incoming, os.W_OK)


def _touched(path: Path) -> float:
    """When the file, or the newest file in the folder, was last written to."""
    times: list[float] = [entry.stat().st_mtime for entry in (path, *(path.iterdir() if path.is_dir() else ()))]
    return max(times)


def _map(path: Path, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.memmap(path, dtype=kind, mode="r", offset=HEADER_BYTES, shape=shape)


def _checked(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"not a SHA-256: {sha256!r}")
    return sha256
