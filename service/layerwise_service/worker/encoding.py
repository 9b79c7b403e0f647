"""The encoded rows of a table, as a job trains on them."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from layerwise import TableEncoder
from layerwise.errors import Place
from layerwise_service.domain.tables import encoded
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.files import storage_errors
from layerwise_service.stores.table_reader import StoredTable

LARGE = 2**28
"""Bytes. An array of this size or more is kept in a file, and trained on block by block."""


def encoded_rows(
    table: StoredTable, encoder: TableEncoder, artifacts: ArtifactStore, *, check: Callable[[], None]
) -> NDArray[np.float32]:
    """Return the rows of `table` as `encoder` encodes them, (n, width). `check` is called for each block.

    A large array is memory-mapped from an unnamed file, which the system removes when it is closed.
    """
    shape = table.rows, encoder.width
    blocks = encoded(encoder, table.blocks(), lambda row: Place("rows", row), table="table")
    if table.rows * encoder.width * 4 < LARGE:
        rows, start = np.empty(shape, np.float32), 0
        for block in blocks:
            check()
            rows[start : start + len(block)] = block
            start += len(block)
        return rows
    with storage_errors(), artifacts.nameless_file() as file:
        if sys.platform == "linux":  # fail now if the disk has too little room, rather than after filling it
            _reserve(file.fileno(), table.rows * encoder.width * 4)
        for block in blocks:
            check()
            file.write(block.data)  # not through a memory map: there, a full disk would kill the process
        file.flush()
        return np.memmap(file, np.float32, "r", shape=shape)


def _reserve(descriptor: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        unsupported = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV)  # this file system cannot reserve space
        if error.errno not in unsupported:
            raise
