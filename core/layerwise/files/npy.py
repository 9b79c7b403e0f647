"""The header of an .npy member: written by hand, and read without eval. NEP 1."""

import re

import numpy as np

from layerwise.errors import CorruptModel

MAGIC = b"\x93NUMPY"
MOST_HEADER = 1024
"""Bytes; that of a matrix is 128."""

_DICT = re.compile(
    r"\{'descr': ?'(?P<descr>[<>|=][a-zA-Z]\d{1,4})', ?'fortran_order': ?(?P<fortran>True|False), ?"
    r"'shape': ?\((?P<shape>(?:\d{1,19}, ?)*(?:\d{1,19})?)\),? ?\} *\n?"
)


def header(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> bytes:
    """The header, version 1.0, of a C-ordered array, padded to a multiple of 64 bytes."""
    text = f"{{'descr': '{dtype.newbyteorder('<').str}', 'fortran_order': False, 'shape': {shape!r}, }}"
    padding = -(len(MAGIC) + 4 + len(text) + 1) % 64
    body = (text + " " * padding + "\n").encode("ascii")
    return MAGIC + b"\x01\x00" + len(body).to_bytes(2, "little") + body


def parse_header(start: bytes, where: str) -> tuple[str, tuple[int, ...], int]:
    """The dtype, shape and length in bytes of the header that `start`, a member's first bytes, begins with.

    Raises CorruptModel.
    """
    if start[:6] != MAGIC or start[6:8] not in (b"\x01\x00", b"\x02\x00"):
        raise CorruptModel(f"{where}: expected an .npy array of version 1 or 2")
    width = 2 if start[6] == 1 else 4
    end = 8 + width + int.from_bytes(start[8 : 8 + width], "little")
    if end > min(MOST_HEADER, len(start)):
        raise CorruptModel(f"{where}: expected an array header of at most {MOST_HEADER} bytes, it claims {end}")
    try:
        match = _DICT.fullmatch(start[8 + width : end].decode("ascii"))
    except UnicodeDecodeError:
        match = None
    if match is None:
        raise CorruptModel(f"{where}: the array header cannot be read")
    if match["fortran"] == "True":
        raise CorruptModel(f"{where}: expected an array in C order, file has Fortran order")
    shape = tuple(int(size) for size in match["shape"].replace(" ", "").split(",") if size)
    return match["descr"], shape, end
