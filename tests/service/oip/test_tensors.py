"""Tensors of the Open Inference Protocol: values from bytes and numbers, and what is refused."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from layerwise_service.errors import InvalidRequest
from layerwise_service.usecases.oip.tensors import InputTensor, OutputTensor


@pytest.mark.parametrize(
    ("datatype", "dtype"),
    [
        ("BOOL", "?"),
        ("UINT8", "<u1"),
        ("UINT16", "<u2"),
        ("UINT32", "<u4"),
        ("UINT64", "<u8"),
        ("INT8", "<i1"),
        ("INT16", "<i2"),
        ("INT32", "<i4"),
        ("INT64", "<i8"),
        ("FP16", "<f2"),
        ("FP32", "<f4"),
        ("FP64", "<f8"),
    ],
)
def test_raw_bytes_are_little_endian_and_row_major(datatype: str, dtype: str) -> None:
    wanted = np.array([[0, 1, 1], [1, 0, 1]], dtype)

    found = InputTensor("x", datatype, (2, 3), raw=wanted.tobytes()).values()

    np.testing.assert_array_equal(found, wanted, strict=True)
    assert OutputTensor("x", datatype, wanted).to_bytes() == wanted.tobytes()


def test_bf16_is_the_upper_half_of_a_float32() -> None:
    raw = b"".join(struct.pack("<f", number)[2:] for number in (1.5, -2.0))

    assert InputTensor("x", "BF16", (2,), raw=raw).values().tolist() == [1.5, -2.0]  # type: ignore[union-attr]


def test_texts_follow_their_lengths() -> None:
    raw = b"\x02\0\0\0ab" + b"\0\0\0\0" + b"\x03\0\0\0\xe2\x82\xac"

    assert InputTensor("x", "BYTES", (3, 1), raw=raw).values() == ["ab", "", "€"]
    texts = np.array([b"ab", b"", "€".encode()], object)
    assert OutputTensor("x", "BYTES", texts).to_bytes() == raw


@pytest.mark.parametrize(
    ("datatype", "given"),
    [("BOOL", [True, False]), ("INT8", [-128, 127]), ("UINT64", [0, 2**64 - 1]), ("FP64", [0.1, 2.0])],
)
def test_values_are_numbers_in_order(datatype: str, given: list[Any]) -> None:
    assert InputTensor("x", datatype, (2, 1), given=given).values().tolist() == [[given[0]], [given[1]]]  # type: ignore[union-attr]


LIES: list[tuple[str, tuple[int, ...], dict[str, Any], str]] = [
    ("FP32", (1, 3), {"raw": b"\0" * 8}, r"expected 12 bytes, as shape \[1,3\] says for FP32, got 8"),
    ("FP32", (10**9, 10**9), {"raw": b"\0" * 8}, "got 8"),
    ("FP32", (-1, 2), {"raw": b"\0" * 8}, r"got \[-1,2\]"),
    ("FP32", (2,), {"given": [1.0]}, r"expected 2 values, as shape \[2\] says, got 1"),
    ("INT8", (1,), {"given": [128]}, r"\[0\]: expected a number that INT8 holds, got 128"),
    ("FP16", (1,), {"given": [1.0]}, "expected raw bytes"),
    ("FP99", (1,), {"raw": b"\0"}, "there is no datatype 'FP99'; the datatypes are BOOL"),
    ("BYTES", (2,), {"raw": b"\x01\0\0\0a"}, "the 5 bytes end within element 1"),
    ("BYTES", (1,), {"raw": b"\xff\xff\xff\xffa"}, "end within element 0"),
    ("BYTES", (10**12,), {"raw": b""}, "end within element 0"),
    ("BYTES", (1,), {"raw": b"\x01\0\0\0ab"}, "expected 5 bytes"),
    ("BYTES", (1,), {"raw": b"\x01\0\0\0\xff"}, r"\[0\]: expected text in UTF-8"),
]


@pytest.mark.parametrize(("datatype", "shape", "data", "error"), LIES)
def test_a_tensor_whose_size_lies_is_refused_by_name(
    datatype: str, shape: tuple[int, ...], data: dict[str, Any], error: str
) -> None:
    with pytest.raises(InvalidRequest, match=error) as caught:
        InputTensor("pixels", datatype, shape, **data).values()

    assert caught.value.pointer.startswith("inputs.pixels")
