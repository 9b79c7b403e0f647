"""Use-cases of model files: a file becomes a version of a model, and a version becomes a file again."""

from __future__ import annotations

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path

from layerwise import MLP, CorruptModel
from layerwise.files import model_file
from layerwise.files.manifest import ModelContents
from layerwise_service.domain.model_limits import check_limits, check_manifest_text
from layerwise_service.domain.models import ImportedVersion, Version
from layerwise_service.domain.names import check_name
from layerwise_service.errors import Exhausted, InvalidRequest, TooLarge
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.files import open_stored, storage_errors
from layerwise_service.stores.uploads import Uploads
from layerwise_service.stores.version_store import VersionStore
from layerwise_service.usecases.dataset_headers import check_sha256, check_size, check_upload_id
from layerwise_service.usecases.file_upload import FileUpload

_WAIT_SECONDS = 60.0
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFileHeader:
    """What is said of a model file before it is sent: the model that it shall be a version of.

    `size`, `upload_id` and `sha256` are as in the header of a dataset's file.
    """

    model: str
    size: int | None
    upload_id: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """The version that a file became; `created` is false if the newest version had the same file already."""

    version: Version
    created: bool


class ModelFiles:
    """Brings model files in and out."""

    def __init__(self, versions: VersionStore, uploads: Uploads, artifacts: ArtifactStore, settings: Settings) -> None:
        self._versions = versions
        self._uploads = uploads
        self._artifacts = artifacts
        self._settings = settings
        self._reading = threading.BoundedSemaphore()  # a model has gigabytes at most: one at a time

    def upload(self, header: ModelFileHeader) -> FileUpload[Imported]:
        """Begin to receive a model file, or go on with it.

        Raises `InvalidRequest`, and `Unavailable` while another stream sends the same upload.
        """
        check_name(header.model, pointer="model")
        check_size(header.size)
        check_sha256(header.sha256)
        if header.upload_id:
            check_upload_id(header.upload_id)
        most = self._settings.max_model_bytes
        if header.size is not None and header.size > most:
            raise _too_large(f"{header.size:,}", most)
        self._artifacts.check()
        file = self._uploads.open(header.upload_id)
        return FileUpload(header, file, partial(self._publish, header.model), max_bytes=most, too_large=_too_large)

    def open(self, model: str, version: str) -> tuple[Version, BufferedReader]:
        """Return a version, and its file, verified against its hash.

        `version` is a number, an alias, or "" for the latest. Raises `ModelNotFound`, `VersionNotFound`, `DataLoss`.
        """
        found = self._versions.find(model, version)
        return found, self._artifacts.open_model(found.sha256)

    def _publish(self, name: str, path: Path, sha256: str, _stopping: threading.Event) -> Imported:
        with self._place_to_read(), storage_errors(), open_stored(path) as file:
            try:
                contents = model_file.describe(file, check=check_manifest_text)
                check_limits(contents, self._settings)
                model = MLP.load(file)
            except CorruptModel as error:
                raise InvalidRequest(str(error), pointer="file", reason="INVALID_MODEL_FILE") from error
            size = file.seek(0, 2)
            self._artifacts.keep_model_file(path, sha256, model)
        version, created = self._versions.add_imported(name, _new_version(contents, sha256, size))
        return Imported(version, created)

    @contextmanager
    def _place_to_read(self) -> Generator[None]:
        if not self._reading.acquire(timeout=_WAIT_SECONDS):
            raise Exhausted("other model files are being read; try again", retry_after=5)
        try:
            yield
        finally:
            self._reading.release()


def _new_version(contents: ModelContents, sha256: str, size: int) -> ImportedVersion:
    dataset = contents.lineage.get("dataset")
    known = isinstance(dataset, str) and _SHA256.fullmatch(dataset)
    return ImportedVersion(
        sha256=sha256,
        size_bytes=size,
        metrics=contents.metrics,
        architecture=dict(contents.architecture.to_json()),
        plan=None if contents.plan is None else dict(contents.plan.to_json()),
        parameters=contents.architecture.parameters,
        dataset=dataset if known else None,
        labels=contents.labels,
        preprocessing=None if contents.encoder is None else dict(contents.encoder.to_json()),
    )


def _too_large(size: str, most: int) -> TooLarge:
    detail = f"expected a model file of at most {most:,} bytes (max_model_bytes), got {size}"
    return TooLarge(detail, pointer="size", reason="MODEL_TOO_LARGE")
