"""The header of an .npy file, read without `eval`. NEP 1."""

import re

import numpy as np

from layerwise.errors import CorruptModel

MAGIC = b"\x93NUMPY"
MOST_HEADER = 1024
"""Bytes; the header of a matrix has 128."""

_DICT = re.compile(
    r"\{'descr': ?'(?P<descr>[<>|=][a-zA-Z]\d{1,4})', ?'fortran_order': ?(?P<fortran>True|False), ?"
    r"'shape': ?\((?P<shape>(?:\d{1,19}, ?)*(?:\d{1,19})?)\),? ?\} *\n?"
)


def header(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> bytes:
    """Return the header, version 1.0, of an array in C order, padded to a multiple of 64 bytes."""
    text = f"{{'descr': '{dtype.newbyteorder('<').str}', 'fortran_order': False, 'shape': {shape!r}, }}"
    padding = -(len(MAGIC) + 4 + len(text) + 1) % 64
    body = (text + " " * padding + "\n").encode("ascii")
    return MAGIC + b"\x01\x00" + len(body).to_bytes(2, "little") + body


def parse_header(start: bytes, where: str) -> tuple[str, tuple[int, ...], int]:
    """Return dtype, shape and length in bytes of the header at the `start` of a file. Raises CorruptModel."""
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
        raise CorruptModel(f"{where}: invalid array header")
    if match["fortran"] == "True":
        raise CorruptModel(f"{where}: expected an array in C order, file has Fortran order")
    shape = tuple(int(size) for size in match["shape"].replace(" ", "").split(",") if size)
    return match["descr"], shape, end
