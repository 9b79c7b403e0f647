"""The files of datasets and models, in a folder. They are named by their hashes, never by what a caller sent.

artifacts/datasets/<sha256>/{rows,column<i>,targets,weights}.npy
artifacts/models/<sha256>.npz    artifacts/models/<sha256>.probes.json, see probes.py of the domain
artifacts/checkpoints/…          see checkpoint_store.py
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from layerwise import MLP, CorruptModel
from layerwise_service.domain.datasets import Dataset, Label, Shape
from layerwise_service.domain.table_datasets import ReadTable, TableDataset, stored_columns, table_sha256
from layerwise_service.errors import DataLoss
from layerwise_service.stores.checkpoint_store import CheckpointStore
from layerwise_service.stores.dataset_writer import DatasetWriter
from layerwise_service.stores.files import (
    check_writable,
    make_private_folder,
    open_stored,
    reading_stored,
    storage_errors,
    sync_folder,
)
from layerwise_service.stores.incoming import Incoming, remove
from layerwise_service.stores.npy_file import HEADER_BYTES
from layerwise_service.stores.pending import Artifact, PendingArtifacts
from layerwise_service.stores.probe_file import check_probes, write_probes
from layerwise_service.stores.table_reader import StoredTable
from layerwise_service.stores.whole_datasets import rows_sha256

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ArtifactStore:
    """Datasets and models as files below `root`, which is created if it is missing.

    A file is registered in `pending` before it is moved to its place. `check` raises `ServiceError` if the files do not
    belong to this database, `check_models` if the folder of the models does not.
    """

    def __init__(
        self,
        root: Path,
        pending: PendingArtifacts,
        *,
        check: Callable[[], None] = lambda: None,
        check_models: Callable[[], None] = lambda: None,
    ) -> None:
        self._datasets = root / "datasets"
        self._models = root / "models"
        self._incoming = Incoming(root / "incoming")
        self.checkpoints = CheckpointStore(root / "checkpoints", self._incoming)
        self._pending = pending
        self._check = check
        self._check_models = check_models
        with storage_errors():
            for folder in (self._datasets, self._models, self._incoming.root, root / "checkpoints"):
                make_private_folder(folder)

    def new_dataset(self, *, classes: Sequence[Label] | None, **limits: int) -> DatasetWriter:
        """Return a writer for a dataset; `keep` moves the finished dataset to its place."""
        with storage_errors():
            folder = self._incoming.new_path()
        return DatasetWriter(folder, classes=classes, **limits)

    def keep(self, writer: DatasetWriter, dataset: Dataset) -> None:
        """Move a finished dataset to its place, unless the same dataset is there already, undamaged."""
        if not self._keep(writer.folder, dataset.sha256, partial(self.open_dataset, dataset.sha256, dataset.shape)):
            writer.discard()

    @contextmanager
    def new_folder(self) -> Generator[Path]:
        """Yield a new folder, which is removed at the end with what is left in it."""
        with storage_errors():
            folder = self._incoming.new_path()
            folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep_table(self, folder: Path, table: ReadTable) -> None:
        """Move the columns in `folder` to their place, unless the same ones are there already, undamaged."""
        self._keep(folder, table.id, lambda: self.open_table(table).digests())

    def open_table(self, table: ReadTable | TableDataset) -> StoredTable:
        """Return the columns of a dataset, verified against the hash. Raises `DataLoss`."""
        stored = self.table(table)
        with reading_stored("dataset", table.id, "DATASET"):
            found = table_sha256(table.rows, table.columns, stored.digests())
        if found != table.id:
            raise DataLoss(f"dataset {table.id} is damaged: its SHA-256 is {found}", reason="DATASET_DAMAGED")
        return stored

    def table(self, table: ReadTable | TableDataset) -> StoredTable:
        """Return the columns of a dataset as they are on the disk."""
        return stored_table(self._datasets / _checked(table.id), table)

    def table_rows(
        self, table: ReadTable | TableDataset, start: int, most: int
    ) -> dict[str, NDArray[np.float64] | list[str]]:
        """Return at most `most` stored rows from `start` on, fewer if they are large. Raises `DataLoss`."""
        with reading_stored("dataset", table.id, "DATASET"):
            return self.table(table).block(start, most_rows=most)

    def open_dataset(
        self, sha256: str, shape: Shape
    ) -> tuple[NDArray[np.float32] | StoredTable, NDArray[Any], NDArray[np.float32] | None]:
        """Return rows (n, features) or a table, targets, and weights (n,) or None, verified against the hash.

        The arrays are memory maps. Raises `DataLoss`.
        """
        folder = self._datasets / _checked(sha256)
        weights = folder / "weights.npy"
        with reading_stored("dataset", sha256, "DATASET"):
            weighted = weights.exists()
            table = None if shape.columns is None else StoredTable(folder, shape)
            found = rows_sha256(folder, shape)
            if found != sha256:
                raise DataLoss(f"dataset {sha256} is damaged: its SHA-256 is {found}", reason="DATASET_DAMAGED")
            # Type and shape come from the database: the hash does not cover the headers of the files.
            kind, outputs = ("<f4", (shape.outputs,)) if shape.labels is None else ("<i4", ())
            rows = table or _map(folder / "rows.npy", "<f4", (shape.rows, shape.features))
            targets = _map(folder / "targets.npy", kind, (shape.rows, *outputs))
            return rows, targets, _map(weights, "<f4", (shape.rows,)) if weighted else None

    def nameless_file(self) -> BinaryIO:
        """Return a new file without a name, which the system removes when its last user ends, however that ends."""
        with storage_errors():
            return cast(BinaryIO, tempfile.TemporaryFile(dir=self._incoming.root))

    def keep_model(self, model: MLP) -> tuple[str, int]:
        """Write the model, verify the file by reading it, and return its SHA-256 and size in bytes."""
        self._check()
        with storage_errors():
            draft = self._incoming.new_path(".npz")
            try:
                sha256 = model.save(draft)
                size = draft.stat().st_size
                self._keep_model_file(draft, sha256, MLP.load(draft, sha256=sha256))
            finally:
                draft.unlink(missing_ok=True)
        return sha256, size

    def keep_model_file(self, path: Path, sha256: str, model: MLP) -> None:
        """Move a file that was received, of which `model` was read, to its place."""
        self._check()
        with storage_errors():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            self._keep_model_file(path, sha256, model)

    def load_model(self, sha256: str) -> MLP:
        """Return the model, verified against the hash, and by its probes.

        Raises `DataLoss`, or `Unavailable` if it cannot be read now.
        """
        try:
            with reading_stored("the file of model", sha256, "MODEL"):
                with open_stored(self._place(Artifact.MODEL, sha256)) as file:
                    model = MLP.load(file, sha256=sha256)
                check_probes(self._probes(sha256), sha256, model)
        except CorruptModel as error:
            raise DataLoss(f"the file of model {sha256} is damaged: {error}", reason="MODEL_DAMAGED") from error
        return model

    def open_model(self, sha256: str) -> BufferedReader:
        """Return the file of a model, verified against the hash. Raises as `load_model`."""
        with reading_stored("the file of model", sha256, "MODEL"):
            file = open_stored(self._place(Artifact.MODEL, sha256))
            try:
                found = hashlib.file_digest(file, "sha256").hexdigest()
                if found != sha256:
                    detail = f"the file of model {sha256} is damaged: its SHA-256 is {found}"
                    raise DataLoss(detail, reason="MODEL_DAMAGED")
                file.seek(0)
            except BaseException:
                file.close()
                raise
            return file

    def sweep(self) -> None:
        """Remove leftovers: uploads of processes that have ended, and artefacts registered long ago but never used."""
        self._check()
        with storage_errors():
            self._incoming.remove_leftovers()
            for kind, sha256 in self._pending.expired():
                places = [self._place(kind, sha256)] + ([self._probes(sha256)] if kind is Artifact.MODEL else [])
                doomed = {place: self._incoming.new_path() for place in places}
                self._pending.expire(kind, sha256, remove=partial(_move, doomed))
                for path in doomed.values():
                    remove(path)

    def check(self) -> None:
        """Raise `ServiceError` unless files can be stored now."""
        self._check()
        with storage_errors():
            check_writable(self._incoming.root)

    def check_models(self) -> None:
        """Raise `StorageUnavailable` unless models can be read now."""
        self._check_models()
        with storage_errors(), os.scandir(self._models) as entries:
            next(entries, None)

    def close(self) -> None:
        """Release this process's lock: its unfinished files may be removed."""
        self._incoming.close()

    def _keep(self, folder: Path, sha256: str, verify: Callable[[], object]) -> bool:
        """Move a finished dataset to its place, and return True; False if the same is there already, undamaged.

        `verify` raises `DataLoss` if what is there is damaged.
        """
        self._pending.register(Artifact.DATASET, sha256)
        place, moved = self._datasets / sha256, True
        with storage_errors():
            try:
                folder.rename(place)
            except OSError:
                if not place.is_dir():
                    raise
                try:
                    verify()
                    moved = False
                except DataLoss:
                    damaged = self._incoming.new_path()
                    place.rename(damaged)
                    folder.rename(place)
                    shutil.rmtree(damaged, ignore_errors=True)
            sync_folder(self._datasets)
        return moved

    def _keep_model_file(self, draft: Path, sha256: str, model: MLP) -> None:
        self._pending.register(Artifact.MODEL, sha256)
        probes = self._incoming.new_path(".json")
        try:
            write_probes(probes, model)
            probes.replace(self._probes(sha256))  # before the model, which is never without them
            draft.replace(self._models / f"{sha256}.npz")
        finally:
            probes.unlink(missing_ok=True)
        sync_folder(self._models)

    def _probes(self, sha256: str) -> Path:
        return self._models / f"{_checked(sha256)}.probes.json"

    def _place(self, kind: Artifact, sha256: str) -> Path:
        if kind is Artifact.DATASET:
            return self._datasets / _checked(sha256)
        return self._models / f"{_checked(sha256)}.npz"


def stored_table(folder: Path, table: ReadTable | TableDataset) -> StoredTable:
    """Return the columns of `table` in this folder."""
    columns = stored_columns(table.columns)
    return StoredTable(folder, Shape(table.rows, len(columns), 0, None, columns))


def _move(doomed: Mapping[Path, Path]) -> None:
    for place, path in doomed.items():
        if place.exists():
            place.rename(path)
            sync_folder(place.parent)


def _map(path: Path, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    with open_stored(path) as file:
        return np.memmap(file, dtype=kind, mode="r", offset=HEADER_BYTES, shape=shape)


def _checked(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"not a SHA-256: {sha256!r}")
    return sha256
