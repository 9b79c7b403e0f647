"""What a job on a table trains on: its columns, encoded into an array."""

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
"""Bytes. From here on the array stands in a file, and is trained on block by block."""


def encoded_rows(
    table: StoredTable, encoder: TableEncoder, artifacts: ArtifactStore, *, goes_on: Callable[[], bool]
) -> NDArray[np.float32] | None:
    """The rows (n, width) that `encoder` makes of `table`; None as soon as `goes_on` says no.

    A large array is a map of a file without a name, which the system removes with the last process that has it open.
    """
    shape = table.rows, encoder.width
    blocks = encoded(encoder, table.blocks(), lambda row: Place("rows", row), table="table")
    if table.rows * encoder.width * 4 < LARGE:
        rows, start = np.empty(shape, np.float32), 0
        for block in blocks:
            if not goes_on():
                return None
            rows[start : start + len(block)] = block
            start += len(block)
        return rows
    with storage_errors(), artifacts.nameless_file() as file:
        if sys.platform == "linux":  # a disk that has not enough room says so now, and is not filled up first
            _reserve(file.fileno(), table.rows * encoder.width * 4)
        for block in blocks:
            if not goes_on():
                return None
            file.write(block.data)  # not through a map: a full disk is an error then, not the end of the process
        file.flush()
        return np.memmap(file, np.float32, "r", shape=shape)


def _reserve(descriptor: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        cannot = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV)  # such a file system is full later, if at all
        if error.errno not in cannot:
            raise
