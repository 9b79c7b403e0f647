"""Arrays of NumPy, .npy and .npz, as CSV: an array of one dimension is a column, one of two is several columns."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.errors import Place
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.reading.schema import too_many_columns
from layerwise_service.reading.text_file import replace_file

_BLOCK_CELLS = 2**18
_KINDS = "biufMUS"
"""Booleans, numbers, dates and texts."""


_TYPES = {"b": "boolean", "i": "whole", "u": "whole", "f": "number"}


def make_csv(
    path: Path, *, is_npz: bool, max_bytes: int, max_columns: int | None, max_rows: int | None = None
) -> tuple[str, ...]:
    """Replace the arrays at `path` by a CSV file of at most `max_bytes`, and of no more than `max_rows` + 1 rows.

    The column of an array `a` of one dimension is called a, those of one of two dimensions a0, a1, …; the array of an
    .npy file is called x. Return the type of each column: "whole", "number", "boolean", or "" for dates and texts.
    Raises `InvalidRequest`, and `TooLarge`.
    """
    try:
        arrays = _unpacked(path, max_bytes) if is_npz else {"x": _opened(path, "x")}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        detail = f"expected a whole .npz file without a password, it cannot be unpacked: {error}"
        raise InvalidRequest(detail, reason="DAMAGED_FILE") from error
    columns: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if array.ndim == 2:
            columns |= {f"{name}{j}": array[:, j] for j in range(array.shape[1])}
        elif array.ndim == 1 and array.dtype.names:
            columns |= {field: array[field] for field in array.dtype.names}
        elif array.ndim == 1:
            columns[name] = array
        else:
            detail = f"expected an array of one or two dimensions, got the shape {array.shape}"
            raise InvalidRequest(f"{detail}: make one row of each example", pointer=Place(name), reason="NOT_A_TABLE")
        if max_columns is not None and len(columns) > max_columns:
            raise too_many_columns(max_columns, "more")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length:,}" for name, length in lengths.items())
        raise InvalidRequest(f"expected arrays of as many rows, {listed[:400]}", reason="NOT_A_TABLE")
    for name, values in columns.items():
        if values.dtype.kind not in _KINDS or values.ndim > 1:
            detail = f"expected numbers, booleans, dates or texts, got {values.dtype}"
            raise InvalidRequest(detail, pointer=Place("columns", name), reason="NESTED_COLUMN")
    stop = None if max_rows is None else max_rows + 1
    replace_file(path, _lines({name: values[:stop] for name, values in columns.items()}, max_bytes))
    return tuple(_TYPES.get(values.dtype.kind, "") for values in columns.values())


def _unpacked(path: Path, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file, whose parts are unpacked next to it."""
    arrays: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if sum(part.file_size for part in parts) > max_bytes:
            detail = f"expected at most {max_bytes} bytes when unpacked, the file has more"
            raise TooLarge(detail, reason="DATASET_TOO_LARGE")
        for i, part in enumerate(parts):
            name = part.filename.removesuffix(".npy")
            unpacked = path.with_name(f"array{i}.npy")
            with archive.open(part) as source, unpacked.open("wb") as target:
                shutil.copyfileobj(source, target)
            arrays[name] = _opened(unpacked, name)
    return arrays


def _opened(path: Path, name: str) -> NDArray[Any]:
    """Return the array in a file, without reading its values. Objects, which are pickles, are refused."""
    try:
        return cast("NDArray[Any]", np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        with path.open("rb") as file:
            start = file.read(1_000)
        if b"'|O'" in start or b"'O'" in start:
            detail = "the array has Python objects (pickles): save it with a type of numbers, or as texts"
            raise InvalidRequest(
                f"expected numbers or texts, {detail}", pointer=Place(name), reason="NOT_A_TABLE"
            ) from error
        detail = f"expected a whole array of NumPy, it is damaged or cut off: {error}"
        raise InvalidRequest(detail, pointer=Place(name), reason="DAMAGED_FILE") from error


def _lines(columns: Mapping[str, NDArray[Any]], max_bytes: int) -> Iterator[bytes]:
    """Yield the columns as CSV; texts are quoted."""
    written, text = 0, io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(columns)
    rows = len(next(iter(columns.values()), ()))
    count = max(1, _BLOCK_CELLS // max(1, len(columns)))
    for start in range(0, rows, count):
        writer.writerows(zip(*(_cells(values[start : start + count]) for values in columns.values()), strict=True))
        block = text.getvalue().encode()
        written += len(block)
        if written > max_bytes:
            raise TooLarge(f"expected at most {max_bytes} bytes as CSV, the file has more", reason="DATASET_TOO_LARGE")
        yield block
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()  # of a table without rows


def _cells(values: NDArray[Any]) -> list[Any]:
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values)
    if values.dtype.kind == "S":
        return [text.decode(errors="replace") for text in values.tolist()]
    if values.dtype.kind == "f" and values.dtype.itemsize < 8:  # with the digits of its own precision: 0.1
        return [float(text) for text in values.astype(str).tolist()]
    return cast("list[Any]", values.tolist())
