"""Writer of datasets: checks, hashes and writes each batch to disk as it arrives, in bounded memory.

On disk a dataset is a folder named by its hash: `rows.npy` (rows, features) float32, or the columns of a table as
table_writer.py has them; `targets.npy`, (rows,) int32 codes of the sorted labels or (rows, outputs) float32 values; and
`weights.npy`, (rows,) float32, if rows have weights.
"""

from __future__ import annotations

import shutil
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import counted, shown
from layerwise.data.labels import unfit_text
from layerwise.errors import Place
from layerwise_service.domain.datasets import Batch, Dataset, Digests, Label, Shape, canonical_sha256
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.stores.files import storage_errors, sync_folder
from layerwise_service.stores.npy_file import NpyFile
from layerwise_service.stores.table_writer import TableWriter

_LISTED = 20  # classes that an error names
_CHUNK = 2**18  # targets renumbered at a time


class DatasetWriter:
    """Dataset that is being written into `folder`; ends with `finish()` or `discard()`.

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
        max_columns: int,
        max_text_bytes: int,
        max_bytes: int,
    ) -> None:
        self.folder = folder
        self._max_features = max_features
        self._max_outputs = max_outputs
        self._max_label_bytes = max_label_bytes
        self._declared = classes is not None
        self._codes: dict[Label, int] = {label: code for code, label in enumerate(classes or ())}
        self._kind = _kind_of(classes[0]) if classes else ""
        self._max_bytes = max_bytes
        self._ends = array("q")  # rows up to the end of each batch
        self._features = 0
        self._outputs = 0  # number of targets in a row; 0 for labels
        self._rows_file: NpyFile | None = None
        self._weights_file: NpyFile | None = None
        self._table = TableWriter(
            folder, max_columns=max_columns, max_name_bytes=max_label_bytes, max_text_bytes=max_text_bytes
        )
        with storage_errors(), ExitStack() as undo:
            folder.mkdir(mode=0o700)
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            self._targets_file = (folder / "targets.raw").open("w+b")
            undo.pop_all()

    @property
    def batches(self) -> int:
        return len(self._ends)

    @property
    def rows(self) -> int:
        return self._ends[-1] if self._ends else 0

    def place_of(self, row: int) -> tuple[int, int]:
        """Return the index of the batch that holds a row, and the row's index in it."""
        batch = bisect_right(self._ends, row)
        return batch, row - (self._ends[batch - 1] if batch else 0)

    def add(self, batch: Batch) -> None:
        """Add the batch."""
        y, count = batch.y, len(batch)
        at = Place("batches", self.batches)
        write_rows = self._check_data(batch, at)
        if len(y) != count:
            noun = "target" if isinstance(y, np.ndarray) else "label"
            detail = f"expected {counted(count, noun)}, one for each row, got {len(y):,}"
            raise InvalidRequest(detail, pointer=Place(at, f"{noun}s"))
        targets = self._check_targets(y, at) if isinstance(y, np.ndarray) else self._check_labels(y, at)
        self._check_weights(batch.weights, count, at)
        with storage_errors():
            if batch.weights is not None:
                self._weights_file = self._weights_file or NpyFile(self.folder / "weights.npy")
                self._weights_file.append(batch.weights)
            write_rows()
            self._targets_file.write(targets.tobytes())
        self._ends.append(self.rows + count)

    def finish(self) -> Dataset:
        """Flush everything to disk and return the dataset; the folder is then complete."""
        if self.rows == 0:
            raise InvalidRequest("expected at least one batch of rows before the end of the stream", pointer="batches")
        labels = None if self._outputs else tuple(sorted(self._codes))
        if labels is not None and len(labels) < 2:
            got = f"only {labels[0]!r}" if labels else "none"
            raise InvalidRequest(f"expected at least 2 classes, got {got}", pointer="labels")
        columns = self._table.columns or None
        features = self._features if columns is None else len(columns)
        shape = Shape(self.rows, features, self._outputs or len(labels or ()), labels, columns)
        float32 = np.dtype("<f4")
        with storage_errors():
            file, weights = self._rows_file, self._weights_file
            digests = Digests(
                self._table.close() if file is None else file.close((self.rows, features), float32),
                self._write_targets(labels),
                None if weights is None else weights.close((self.rows,), float32),
            )
            sync_folder(self.folder)
        size = sum(path.stat().st_size for path in self.folder.iterdir())
        return Dataset(canonical_sha256(shape, digests), shape, size_bytes=size)

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):  # closing writes the rest of the buffer, which fails again on a full disk
            self._targets_file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _check_data(self, batch: Batch, at: Place) -> Callable[[], None]:
        """Return the writer of a batch's rows after checking that they are of the same kind as earlier batches.

        Raises `InvalidRequest`.
        """
        if isinstance(batch.rows, np.ndarray):
            if self._table.columns:
                detail = "expected a table as in the batches before, got rows of numbers"
                raise InvalidRequest(detail, pointer=Place(at, "rows"))
            self._check_rows(batch.rows, at)
            return partial(self._write_rows, batch.rows)
        if self._rows_file is not None:
            detail = "expected rows of numbers as in the batches before, got a table"
            raise InvalidRequest(detail, pointer=Place(at, "table"))
        write = self._table.checked(batch.rows, Place(at, "table"))
        if self._table.size_bytes > self._max_bytes:
            detail = f"a dataset may have {self._max_bytes} bytes, the columns have more by now"
            raise TooLarge(detail, pointer=Place(at, "table"), reason="DATASET_TOO_LARGE")
        return write

    def _write_rows(self, rows: NDArray[np.float32]) -> None:
        self._rows_file = self._rows_file or NpyFile(self.folder / "rows.npy")
        self._rows_file.append(rows)

    def _check_rows(self, rows: NDArray[np.float32], at: Place) -> None:
        if rows.ndim != 2 or rows.shape[0] == 0 or rows.shape[1] == 0:
            raise InvalidRequest(
                f"expected (rows, features), both at least 1, got shape {rows.shape}", pointer=Place(at, "rows")
            )
        if self._features and rows.shape[1] != self._features:
            detail = f"expected {counted(self._features, 'feature')}, as in the batches before, got {rows.shape[1]}"
            raise InvalidRequest(detail, pointer=Place(at, "rows"))
        if rows.shape[1] > self._max_features:
            detail = f"expected at most {self._max_features} features, got {rows.shape[1]}"
            raise TooLarge(detail, pointer=Place(at, "rows"))
        _check_finite(rows, Place(at, "rows"))
        self._features = rows.shape[1]

    def _check_weights(self, weights: NDArray[np.float32] | None, rows: int, at: Place) -> None:
        if self.batches and (weights is None) is not (self._weights_file is None):
            wanted, got = ("no weights", "some") if weights is not None else ("weights", "none")
            raise InvalidRequest(f"expected {wanted} as in the batches before, got {got}", pointer=Place(at, "weights"))
        if weights is None:
            return
        if weights.shape != (rows,):
            detail = f"expected {counted(rows, 'weight')}, one for each row, got shape {weights.shape}"
            raise InvalidRequest(detail, pointer=Place(at, "weights"))
        _check_finite(weights, Place(at, "weights"))
        if (weights < 0).any():
            row = int(np.argmax(weights < 0))
            detail = f"expected a weight of at least 0, got {weights[row]}"
            raise InvalidRequest(detail, pointer=Place(at, "weights", row))

    def _check_labels(self, labels: Sequence[Any], at: Place) -> NDArray[np.int32]:
        if self._outputs:
            raise InvalidRequest("expected targets as in the batches before, got labels", pointer=Place(at, "labels"))
        labels, kind = stripped(labels), _kind_of(labels[0])
        if self._kind not in ("", kind):
            if self._declared:
                raise self._undeclared(labels[0], Place(at, "labels", 0))
            detail = f"expected {self._kind} labels, got {kind} labels"
            raise InvalidRequest(detail, pointer=Place(at, "labels"))
        self._kind = kind
        codes = self._codes
        if self._declared:
            for row, label in enumerate(labels):
                if label not in codes:
                    raise self._undeclared(label, Place(at, "labels", row))
        else:
            for row, label in enumerate(labels):
                if label not in codes:
                    check_label(label, self._max_label_bytes, Place(at, "labels", row))
                    codes[label] = len(codes)
            if len(codes) > self._max_outputs:
                detail = f"expected at most {self._max_outputs} classes, got more"
                raise TooLarge(detail, pointer=Place(at, "labels"))
        return np.fromiter((codes[label] for label in labels), dtype="<i4", count=len(labels))

    def _undeclared(self, label: Label, at: Place) -> InvalidRequest:
        known = ", ".join(repr(each) for each in list(self._codes)[:_LISTED])
        more = f" and {len(self._codes) - _LISTED} more" if len(self._codes) > _LISTED else ""
        detail = f"expected one of the classes {known}{more}, got {label!r}"
        return InvalidRequest(detail, pointer=at, reason="LABEL_OUT_OF_RANGE")

    def _check_targets(self, targets: NDArray[np.float32], at: Place) -> NDArray[np.float32]:
        if self._codes:
            raise InvalidRequest("expected labels as in the batches before, got targets", pointer=Place(at, "targets"))
        if targets.ndim not in (1, 2) or targets.size == 0:
            detail = f"expected (rows,) or (rows, outputs), got shape {targets.shape}"
            raise InvalidRequest(detail, pointer=Place(at, "targets"))
        outputs = 1 if targets.ndim == 1 else targets.shape[1]
        if self._outputs and outputs != self._outputs:
            detail = f"expected {counted(self._outputs, 'output')}, as in the batches before, got {outputs}"
            raise InvalidRequest(detail, pointer=Place(at, "targets"))
        if outputs > self._max_outputs:
            detail = f"expected at most {self._max_outputs} outputs, got {outputs}"
            raise TooLarge(detail, pointer=Place(at, "targets"))
        _check_finite(targets, Place(at, "targets"))
        self._outputs = outputs
        return np.ascontiguousarray(targets, dtype="<f4")

    def _write_targets(self, labels: tuple[Label, ...] | None) -> str:
        """Write targets.npy, labels as indices into their sorted order; return the digest of its values."""
        raw = self._targets_file
        raw.seek(0)
        out = NpyFile(self.folder / "targets.npy")
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


def _kind_of(label: Label) -> str:
    return {int: "integer", str: "string", bool: "boolean"}[type(label)]


def stripped(labels: Sequence[Any]) -> Sequence[Any]:
    """Return labels, texts without blanks before and after them, as in the columns of a file."""
    return [label.strip() for label in labels] if isinstance(labels[0], str) else labels


def check_label(label: Label, most: int, at: Place) -> None:
    """Raise `TooLarge` for a text of more than `most` bytes in UTF-8, `InvalidRequest` for one that is no label."""
    if not isinstance(label, str):
        return
    if (size := len(label.encode())) > most:
        raise TooLarge(f"expected a label of at most {most} bytes, got {size}", pointer=at)
    if wanted := unfit_text(label):
        raise InvalidRequest(f"{wanted}, got {shown(label)}", pointer=at)


def _check_finite(values: NDArray[np.float32], at: Place) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        where = np.unravel_index(int(np.argmin(finite)), values.shape)
        got = values[where]
        raise InvalidRequest(
            f"expected a finite number, got {got}", pointer=Place(at, *map(int, where)), reason="NOT_FINITE"
        )
