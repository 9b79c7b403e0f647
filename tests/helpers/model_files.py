"""Model files of any contents: the members of an archive, taken apart, forged and put together again."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def archived(parts: Mapping[str, bytes] | Iterable[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in parts.items() if isinstance(parts, Mapping) else parts:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return out.getvalue()


def array(values: Any, **arguments: Any) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(values), **arguments)
    return out.getvalue()


def header(descr: str = "<f4", shape: object = (8, 16), order: object = False, version: int = 1) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text


def manifest(data: bytes, **changes: object) -> bytes:
    document = json.loads(np.load(io.BytesIO(members(data)["manifest.npy"])).tobytes()) | changes
    return array(np.frombuffer(json.dumps(document).encode(), np.uint8))


def text_manifest(text: bytes) -> bytes:
    return array(np.frombuffer(text, np.uint8))
