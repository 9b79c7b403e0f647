"""Takes a dataset in, batch by batch: checks it, hashes it and writes it to disk as it comes, in bounded memory.

On disk a dataset is a folder named by its hash: `rows.npy` (rows, features) float32, and `targets.npy`, (rows,) int32
codes of the sorted labels or (rows, outputs) float32 values; and `weights.npy`, (rows,) float32, if rows have weights.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from layerwise_service.datasets import Batch, Dataset, Label, Shape, canonical_sha256
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.stores.files import sync_folder, told_when_full

_CHUNK = 2**18  # targets renumbered at a time


class DatasetWriter:
    """A dataset that is being written into `folder`; ends with `finish()` or `discard()`.

    `classes`, if given, are all the labels there may be. Errors are `InvalidRequest` with the batch and row in their
    pointers, and leave what was written before untouched.
    """

    def __init__(
        self,
        folder: Path,
        *,
        classes: Sequence[Label] | None = None,
        max_features: int,
        max_outputs: int,
        max_label_bytes: int,
    ) -> None:
        self.folder = folder
        self._max_features = max_features
        self._max_outputs = max_outputs
        self._max_label_bytes = max_label_bytes
        self._declared = classes is not None
        self._codes: dict[Label, int] = {label: code for code, label in enumerate(classes or ())}
        self._kind = _kind_of(classes[0]) if classes else ""
        self.batches = 0
        self.rows = 0
        self.features = 0
        self._outputs = 0  # of a regression; 0: labels
        self._weights_file: _NpyFile | None = None
        with told_when_full(), ExitStack() as undo:
            folder.mkdir(parents=True)
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            self._rows_file = _NpyFile(folder / "rows.npy")
            undo.callback(self._rows_file.abandon)
            self._targets_file = (folder / "targets.raw").open("w+b")
            undo.pop_all()

    def add(self, batch: Batch) -> None:
        """Adds the batch."""
        rows, expected = batch.rows, batch.expected
        at = f"batches[{self.batches}]"
        self._check_rows(rows, at)
        if len(expected) != len(rows):
            where = f"{at}.{'targets' if isinstance(expected, np.ndarray) else 'labels'}"
            raise InvalidRequest(f"expected {len(rows)}, one a row, got {len(expected)}", pointer=where)
        targets: NDArray[Any]
        if isinstance(expected, np.ndarray):
            targets = self._check_targets(expected, at)
        else:
            targets = self._check_labels(expected, at)
        self._check_weights(batch.weights, len(rows), at)
        with told_when_full():
            if batch.weights is not None:
                self._weights().append(batch.weights)
            self._rows_file.append(rows)
            self._targets_file.write(targets.tobytes())
        self.batches += 1
        self.rows += len(rows)

    def finish(self) -> Dataset:
        """Makes what was written durable and gives its identity; the folder is complete then."""
        if self.rows == 0:
            raise InvalidRequest("expected at least one batch of rows before the end of the stream", pointer="batches")
        labels = None if self._outputs else tuple(sorted(self._codes))
        if labels is not None and len(labels) < 2:
            got = f"only {labels[0]!r}" if labels else "none"
            raise InvalidRequest(f"expected at least 2 classes, got {got}", pointer="labels")
        shape = Shape(self.rows, self.features, self._outputs or len(labels or ()), labels)
        with told_when_full():
            rows_sha256 = self._rows_file.close((self.rows, self.features), np.dtype("<f4"))
            targets_sha256 = self._write_targets(labels)
            weights_sha256 = None
            if self._weights_file is not None:
                weights_sha256 = self._weights_file.close((self.rows,), np.dtype("<f4"))
            sync_folder(self.folder)
        size = sum(path.stat().st_size for path in self.folder.iterdir())
        sha256 = canonical_sha256(
            shape, rows_sha256=rows_sha256, targets_sha256=targets_sha256, weights_sha256=weights_sha256
        )
        return Dataset(sha256, shape, size_bytes=size)

    def discard(self) -> None:
        """Removes what was written."""
        self._rows_file.abandon()
        if self._weights_file is not None:
            self._weights_file.abandon()
        with suppress(OSError):  # closing writes what is left, which a full disk refuses again
            self._targets_file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _check_rows(self, rows: NDArray[np.float32], at: str) -> None:
        if rows.ndim != 2 or rows.shape[0] == 0 or rows.shape[1] == 0:
            raise InvalidRequest(
                f"expected (rows, features), both at least 1, got shape {rows.shape}", pointer=f"{at}.rows"
            )
        if self.features and rows.shape[1] != self.features:
            detail = f"expected {self.features} features as in the batches before, got {rows.shape[1]}"
            raise InvalidRequest(detail, pointer=f"{at}.rows")
        if rows.shape[1] > self._max_features:
            detail = f"expected at most {self._max_features} features, got {rows.shape[1]}"
            raise TooLarge(detail, pointer=f"{at}.rows")
        _check_finite(rows, f"{at}.rows")
        self.features = rows.shape[1]

    def _check_weights(self, weights: NDArray[np.float32] | None, rows: int, at: str) -> None:
        if self.batches and (weights is None) is not (self._weights_file is None):
            wanted, got = ("no weights", "some") if weights is not None else ("weights", "none")
            raise InvalidRequest(f"expected {wanted} as in the batches before, got {got}", pointer=f"{at}.weights")
        if weights is None:
            return
        if weights.shape != (rows,):
            detail = f"expected {rows}, one a row, got shape {weights.shape}"
            raise InvalidRequest(detail, pointer=f"{at}.weights")
        _check_finite(weights, f"{at}.weights")
        if (weights < 0).any():
            row = int(np.argmax(weights < 0))
            detail = f"expected a weight of at least 0, got {weights[row]}"
            raise InvalidRequest(detail, pointer=f"{at}.weights[{row}]")

    def _weights(self) -> _NpyFile:
        if self._weights_file is None:
            self._weights_file = _NpyFile(self.folder / "weights.npy")
        return self._weights_file

    def _check_labels(self, labels: Sequence[Any], at: str) -> NDArray[np.int32]:
        if self._outputs:
            raise InvalidRequest("expected targets as in the batches before, got labels", pointer=f"{at}.labels")
        kind = _kind_of(labels[0])
        if self._kind not in ("", kind):
            detail = f"expected {self._kind} labels, got {kind} labels"
            raise InvalidRequest(detail, pointer=f"{at}.labels")
        self._kind = kind
        codes = self._codes
        if self._declared:
            for row, label in enumerate(labels):
                if label not in codes:
                    detail = f"expected one of the {len(codes)} declared classes, got {label!r}"
                    raise InvalidRequest(detail, pointer=f"{at}.labels[{row}]", reason="LABEL_OUT_OF_RANGE")
        else:
            for row, label in enumerate(labels):
                if label not in codes:
                    check_label(label, self._max_label_bytes, f"{at}.labels[{row}]")
                    codes[label] = len(codes)
            if len(codes) > self._max_outputs:
                raise TooLarge(f"expected at most {self._max_outputs} classes", pointer=f"{at}.labels")
        return np.fromiter((codes[label] for label in labels), dtype="<i4", count=len(labels))

    def _check_targets(self, targets: NDArray[np.float32], at: str) -> NDArray[np.float32]:
        if self._codes:
            raise InvalidRequest("expected labels as in the batches before, got targets", pointer=f"{at}.targets")
        if targets.ndim not in (1, 2) or targets.size == 0:
            detail = f"expected (rows,) or (rows, outputs), got shape {targets.shape}"
            raise InvalidRequest(detail, pointer=f"{at}.targets")
        outputs = 1 if targets.ndim == 1 else targets.shape[1]
        if self._outputs and outputs != self._outputs:
            detail = f"expected {self._outputs} outputs as in the batches before, got {outputs}"
            raise InvalidRequest(detail, pointer=f"{at}.targets")
        if outputs > self._max_outputs:
            raise TooLarge(f"expected at most {self._max_outputs} outputs, got {outputs}", pointer=f"{at}.targets")
        _check_finite(targets, f"{at}.targets")
        self._outputs = outputs
        return np.ascontiguousarray(targets, dtype="<f4")

    def _write_targets(self, labels: tuple[Label, ...] | None) -> str:
        """Writes targets.npy, with the codes of the labels in sorted order; gives the digest of its values."""
        raw = self._targets_file
        raw.seek(0)
        out = _NpyFile(self.folder / "targets.npy")
        if labels is None:
            dtype: np.dtype[Any] = np.dtype("<f4")
            renumber = None
            shape: tuple[int, ...] = (self.rows, self._outputs)
        else:
            rank = {label: code for code, label in enumerate(labels)}
            dtype, shape = np.dtype("<i4"), (self.rows,)
            renumber = np.array([rank[label] for label in self._codes], dtype=dtype)
        while block := raw.read(_CHUNK * dtype.itemsize):
            values = np.frombuffer(block, dtype=dtype)
            out.append(values if renumber is None else renumber[values])
        raw.close()
        (self.folder / "targets.raw").unlink()
        return out.close(shape, dtype)


class _NpyFile:
    """An .npy file that grows at its end and gets its header when its length is known."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._file.write(bytes(HEADER_BYTES))
        self._digest = hashlib.sha256()

    def append(self, values: NDArray[Any]) -> None:
        block = np.ascontiguousarray(values).data.cast("B")
        self._file.write(block)
        self._digest.update(block)

    def close(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
        """Writes the header, makes the file durable, and gives the digest of its values."""
        self._file.seek(0)
        header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self._file, header)
        if self._file.tell() != HEADER_BYTES:
            raise AssertionError("NumPy's header has another length than was kept free for it")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._digest.hexdigest()

    def abandon(self) -> None:
        with suppress(OSError):
            self._file.close()


# NumPy pads headers so that the length of the first axis may grow in its place.
HEADER_BYTES = 128


def _kind_of(label: Label) -> str:
    return {int: "integer", str: "string", bool: "boolean"}[type(label)]


def check_label(label: Label, most: int, at: str) -> None:
    """Raises `TooLarge` for a string of more than `most` bytes in UTF-8."""
    if isinstance(label, str) and (size := len(label.encode())) > most:
        raise TooLarge(f"expected a label of at most {most} bytes, got {size}", pointer=at)


def _check_finite(values: NDArray[np.float32], at: str) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        where = np.unravel_index(int(np.argmin(finite)), values.shape)
        place = "".join(f"[{index}]" for index in where)
        got = values[where]
        raise InvalidRequest(f"expected a finite number, got {got}", pointer=f"{at}{place}", reason="NOT_FINITE")
