"""Use-case of datasets and model files: receive a file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from layerwise.checks import counted
from layerwise_service.errors import InvalidRequest, TooLarge, Unavailable
from layerwise_service.stores.files import storage_errors
from layerwise_service.stores.uploads import PartialUpload

T = TypeVar("T")


class SentFile(Protocol):
    """What is said of a file that is sent, as in `FileHeader`."""

    @property
    def size(self) -> int | None: ...
    @property
    def upload_id(self) -> str: ...
    @property
    def sha256(self) -> str: ...


class FileUpload(Generic[T]):
    """A file while it is received. Ends with `submit()` or `close()`, or both.

    `read` makes a dataset or a version of the file, given its path, its SHA-256, and an event that asks it to end soon.
    `too_large` is the error for a file of more than `max_bytes`, given its size in words.
    """

    def __init__(
        self,
        header: SentFile,
        file: PartialUpload,
        read: Callable[[Path, str, threading.Event], T],
        *,
        max_bytes: int,
        too_large: Callable[[str, int], TooLarge],
    ) -> None:
        self._header = header
        self._most = max_bytes
        self._too_large = too_large
        self._file = file
        self._read = read
        self._stopping = threading.Event()

    @property
    def offset(self) -> int:
        """The number of bytes that have arrived."""
        return self._file.offset

    def add(self, data: bytes, *, offset: int) -> None:
        """Add the bytes that begin at `offset` of the file. Raises `InvalidRequest`."""
        if offset != self._file.offset:
            detail = f"expected the bytes from {self._file.offset} on, got those from {offset} on"
            raise InvalidRequest(f"{detail}; GetUpload says where to go on", pointer="offset", reason="WRONG_OFFSET")
        end, size = offset + len(data), self._header.size
        if size is None and end > self._most:
            raise self._too_large(f"{end:,} or more", self._most)
        if size is not None and end > size:
            detail = f"expected {counted(size, 'byte')}, as announced, got {end:,} or more"
            raise InvalidRequest(detail, pointer="size", reason="TOO_MANY_BYTES")
        self._file.add(data)

    def submit(self) -> T:
        """Read the file, and return what it becomes, which is durable from then on; the file is removed.

        After an error of the file itself it is removed, too. Otherwise, the upload may go on: it then needs no more
        than its header.
        """
        size = self._header.size
        if size is not None and self._file.offset != size:
            detail = f"expected {counted(size, 'byte')}, as announced, got {self._file.offset:,}"
            raise InvalidRequest(detail, pointer="size", reason="UPLOAD_INCOMPLETE")
        try:
            with storage_errors():
                sha256 = self._file.sha256()
            if self._header.sha256 and self._header.sha256 != sha256:
                detail = f"expected a file of this SHA-256, got one of {sha256}: send it again from its start"
                raise InvalidRequest(detail, pointer="sha256", reason="UPLOAD_DAMAGED")
            made = self._read(self._file.path, sha256, self._stopping)
        except InvalidRequest:
            self._file.remove()
            raise
        except Unavailable as error:
            if not self._header.upload_id:
                raise
            detail = f"{error.detail}; the upload goes on where it was"
            raise Unavailable(detail, reason=error.reason, retry_after=error.retry_after) from error
        self._file.remove()
        return made

    def stop(self) -> None:
        """Make `submit`, in another thread, end soon."""
        self._stopping.set()

    def close(self) -> None:
        """End the upload for now: what has arrived is kept, if it can go on."""
        self._file.close()
