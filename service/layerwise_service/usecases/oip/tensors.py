"""Tensors of the Open Inference Protocol: their datatypes, and their values as bytes and as numbers."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import counted
from layerwise.errors import Place
from layerwise_service.errors import InvalidRequest
from layerwise_service.process.overflow import overflowing

BYTES = "BYTES"
BF16 = "BF16"
DTYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""The dtype of each datatype; `BYTES` and `BF16` have none."""
BYTES_ONLY = ("FP16", BF16)
"""Datatypes whose values are sent as raw bytes alone."""

_HALVES = np.dtype("<u2")
_LENGTH = struct.Struct("<I")
Values = NDArray[Any] | list[str]
"""Values of a tensor: an array, of float32 for BF16, or texts for `BYTES`."""


@dataclass(frozen=True, slots=True)
class InputTensor:
    """A tensor as it was sent: `raw` has its little-endian bytes, else `given` its values in row-major order."""

    name: str
    datatype: str
    shape: Sequence[int]
    raw: bytes | memoryview | None = None
    given: Sequence[Any] | NDArray[Any] = ()

    def values(self) -> Values:
        """Return the values in the tensor's shape; texts as a flat list. Raises `InvalidRequest`."""
        if self.shape and min(self.shape) < 0:
            raise self.error(f"expected a shape of sizes that are 0 or more, got {shown_shape(self.shape)}")
        count = math.prod(self.shape)
        if self.raw is None and len(self.given) != count:
            raise self.error(f"{self._wanted(count, 'value')}, got {len(self.given):,}")
        if self.datatype == BYTES:
            return self._texts(self.given if self.raw is None else self._split(memoryview(self.raw), count))
        array = self._from_values() if self.raw is None else self._from_bytes(self.raw, count)
        return array.reshape(self.shape)

    def error(self, detail: str, *more: int) -> InvalidRequest:
        """Return an error about this tensor, or about one of its values."""
        return InvalidRequest(detail, pointer=Place("inputs", self.name, *more))

    def _from_bytes(self, raw: Any, count: int) -> NDArray[Any]:
        dtype = _HALVES if self.datatype == BF16 else self._dtype()
        if len(raw) != count * dtype.itemsize:
            wanted = self._wanted(count * dtype.itemsize, "byte")
            raise self.error(f"{wanted} for {self.datatype}, got {len(raw):,}")
        if self.datatype == BF16:
            return (np.frombuffer(raw, dtype).astype(np.uint32) << 16).view(np.float32)
        if self.datatype == "BOOL":
            return np.frombuffer(raw, np.uint8).astype(np.bool_)
        return np.frombuffer(raw, dtype)

    def _from_values(self) -> NDArray[Any]:
        if self.datatype in BYTES_ONLY:
            raise self.error(f"expected raw bytes, since {self.datatype} has no other form, got numbers")
        dtype = self._dtype()
        if dtype.kind == "f":
            try:
                # numbers beyond float32 become infinite, and are refused with their row
                return overflowing(np.array(self.given, np.float64).astype, dtype)
            except OverflowError as error:  # a whole number of hundreds of digits
                index = next(index for index, value in enumerate(self.given) if abs(value) > sys.float_info.max)
                raise self.error("expected a finite number, got one beyond every float", index) from error
        if dtype.kind != "b":
            limits = np.iinfo(dtype)
            for index, value in enumerate(self.given):
                if not limits.min <= value <= limits.max:
                    raise self.error(f"expected a number that {self.datatype} holds, got {value}", index)
        return np.array(self.given, dtype)

    def _texts(self, parts: Iterable[Any]) -> list[str]:
        found: list[str] = []
        for index, part in enumerate(parts):
            try:
                found.append(part if isinstance(part, str) else str(part, "utf-8"))
            except UnicodeDecodeError:
                raise self.error("expected text in UTF-8, got other bytes", index) from None
        return found

    def _split(self, data: memoryview, count: int) -> list[memoryview]:
        """Return the elements, each of which follows its length in four bytes."""
        at, found = 0, list[memoryview]()
        for index in range(count):
            start = at + _LENGTH.size
            at = start + _LENGTH.unpack_from(data, at)[0] if start <= len(data) else len(data) + 1
            if at > len(data):
                wanted = self._wanted(count, "element")
                raise self.error(f"{wanted}; the {counted(len(data), 'byte')} end within element {index}")
            found.append(data[start:at])
        if at != len(data):
            raise self.error(f"{self._wanted(at, 'byte')} for these elements, got {len(data):,}")
        return found

    def _wanted(self, count: int, what: str) -> str:
        return f"expected {counted(count, what)}, as shape {shown_shape(self.shape)} says"

    def _dtype(self) -> np.dtype[Any]:
        if (dtype := DTYPES.get(self.datatype)) is None:
            known = ", ".join((*DTYPES, BF16, BYTES))
            raise self.error(f"there is no datatype {self.datatype[:32]!r}; the datatypes are {known}")
        return dtype


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """A tensor of an answer; `values` has its shape, and the dtype of its datatype, or holds bytes for `BYTES`."""

    name: str
    datatype: str
    values: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def to_bytes(self) -> bytes:
        """Return the values as little-endian bytes in row-major order."""
        if self.datatype != BYTES:
            return self.values.tobytes()
        return b"".join(_LENGTH.pack(len(value)) + value for value in self.values.ravel().tolist())


def shown_shape(shape: Sequence[int]) -> str:
    """Return a shape as errors show it: [-1,30]."""
    return f"[{','.join(map(str, shape[:8]))}{',…' if len(shape) > 8 else ''}]"
