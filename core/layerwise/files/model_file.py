"""Model files: .npz archives, written deterministically and read with every value checked. See docs/format.md."""

import dataclasses
import io
import math
import os
import zipfile
import zlib
from collections.abc import Callable
from os import SEEK_END, PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import shown
from layerwise.errors import CorruptModel, InvalidInput
from layerwise.files import atomic, manifest, npy, zip_index
from layerwise.files.manifest import ModelContents
from layerwise.network.parameters import member_shapes
from layerwise.optimizers.saved_state import PREFIX

MOST_BYTES = 2**34 + 2**25
"""Enough for the largest network in float64 and its manifest."""
MOST_MANIFEST = 2**24
"""Bytes: enough for the labels of a million classes."""
READ_BYTES = 2**20


def save(path: str | PathLike[str], contents: ModelContents) -> str:
    """Write `contents` to `path` atomically, and return the file's SHA-256 in hexadecimal.

    Raises InvalidInput if a number is not finite, or the manifest is not JSON or too long.
    """
    for name, array in contents.members.items():
        if not np.isfinite(array).all():
            raise InvalidInput(_member_title(name), "expected finite numbers, got NaN or infinity")
    text = np.frombuffer(manifest.encode(contents), np.uint8)
    if len(text) > MOST_MANIFEST - npy.MOST_HEADER:
        raise InvalidInput("manifest", f"expected at most {MOST_MANIFEST - npy.MOST_HEADER:,} bytes, got {len(text):,}")

    def fill(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in {"manifest": text, **contents.members}.items():
                _write(archive, name, array)

    return atomic.write(Path(path), fill)


def load(file: str | PathLike[str] | BinaryIO, *, sha256: str | None = None) -> ModelContents:
    """Read the contents of `file`, a path or a seekable binary file.

    Raises CorruptModel, OSError if the file cannot be read, or InvalidInput if `file` is neither.
    """
    if isinstance(file, io.TextIOBase) or not (isinstance(file, str | PathLike) or hasattr(file, "seek")):
        raise InvalidInput("file", f"expected a path or an open binary file, got {shown(file)}")
    if not isinstance(file, str | PathLike):
        return _read(file, sha256)
    with Path(file).open("rb") as opened:
        try:
            return _read(opened, sha256)
        except CorruptModel as error:
            raise CorruptModel(f"{os.fspath(file)}: {error}") from error


def describe(file: BinaryIO, *, check: Callable[[bytes], None]) -> ModelContents:
    """Read what `file` says of its model, without the arrays; their names, dtypes and shapes are checked.

    `check` is called with the text of the manifest before it is parsed, which takes much more memory than the text.
    Raises CorruptModel, OSError if the file cannot be read, or what `check` raises.
    """
    return _described(file, check)[0]


def _read(file: BinaryIO, sha256: str | None) -> ModelContents:
    if sha256 is not None and (found := atomic.sha256(file)) != sha256:
        raise CorruptModel(f"expected a file with SHA-256 {sha256}, it has {found}")
    contents, members, starts = _described(file)
    arrays: dict[str, NDArray[Any]] = {}
    for name, (start, shape) in starts.items():
        array = np.empty(shape, contents.dtype.newbyteorder("<"))
        _read_into(file, members[f"{name}.npy"], start, array, _member_title(name))
        if not np.isfinite(array).all():
            raise CorruptModel(f"{_member_title(name)}: expected finite numbers, file has NaN or infinity")
        if name.endswith("/variance") and (array < 0).any():
            raise CorruptModel(f"{_member_title(name)}: expected variances of at least 0, file has {array.min():g}")
        arrays[name] = array
    if (optimizer := contents.optimizer) is not None:
        vectors = {name: arrays.pop(PREFIX + name) for name in optimizer.vectors}
        optimizer = dataclasses.replace(optimizer, vectors=vectors)
    return dataclasses.replace(contents, arrays=arrays, optimizer=optimizer)


def _described(
    file: BinaryIO, check: Callable[[bytes], None] = lambda _: None
) -> tuple[ModelContents, dict[str, zip_index.Member], dict[str, tuple[int, tuple[int, ...]]]]:
    """Return the contents without arrays, the members, and where within its member each array starts, with its shape.

    Every size is compared with the file's, so that the arrays can be allocated.
    """
    size = file.seek(0, SEEK_END)
    if size > MOST_BYTES:
        raise CorruptModel(f"expected a file of at most {MOST_BYTES:,} bytes, got {size:,}")
    members = zip_index.read_directory(file, size)
    text = _read_manifest(file, members)
    check(text)
    contents = manifest.decode(text)
    shapes = member_shapes(contents.architecture)
    if contents.optimizer is not None:
        shapes |= {PREFIX + name: (contents.architecture.parameters,) for name in contents.optimizer.vectors}
    _check_names(members, shapes)
    starts = {
        name: (_check_array(file, members[f"{name}.npy"], _member_title(name), contents.dtype, shape), shape)
        for name, shape in shapes.items()
    }
    return contents, members, starts


def _write(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    head = npy.header(little.dtype, little.shape)
    # fixed date and platform: the bytes depend on the model alone
    info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = 0o644 << 16
    info.file_size = len(head) + little.nbytes
    with archive.open(info, "w") as member:
        member.write(head)
        member.write(little.reshape(-1).view(np.uint8).data)


def _read_manifest(file: BinaryIO, members: dict[str, zip_index.Member]) -> bytes:
    member = members.get("manifest.npy")
    if member is None:
        raise CorruptModel("expected a model file, but the file has no manifest")
    if member.size > MOST_MANIFEST:
        raise CorruptModel(f"manifest: expected at most {MOST_MANIFEST:,} bytes, got {member.size:,}")
    dtype, shape, start = npy.parse_header(_head(file, member), "manifest")
    if dtype != "|u1" or shape != (member.size - start,):
        raise CorruptModel(f"manifest: expected {member.size - start} bytes, file has {dtype} in shape {shape}")
    text = np.empty(shape, np.uint8)
    _read_into(file, member, start, text, "manifest")
    return text.tobytes()


def _check_names(members: dict[str, zip_index.Member], shapes: dict[str, tuple[int, ...]]) -> None:
    expected = ["manifest.npy", *(f"{name}.npy" for name in shapes)]
    for name in expected:
        if name not in members:
            raise CorruptModel(f"{name!r}: missing from the file, but the architecture needs it")
    for name in members:
        if name not in expected:
            raise CorruptModel(f"{name!r}: unexpected array, not part of the architecture")


def _check_array(
    file: BinaryIO, member: zip_index.Member, where: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> int:
    """Check dtype, shape and size of an array, and return where its numbers start within `member`."""
    found_dtype, found_shape, start = npy.parse_header(_head(file, member), where)
    wanted = dtype.newbyteorder("<").str
    if found_dtype != wanted:
        raise CorruptModel(f"{where}: expected {wanted} ({dtype}), file has {found_dtype}")
    if found_shape != shape:
        raise CorruptModel(f"{where}: expected shape {shape}, file has {found_shape}")
    size = start + math.prod(shape) * dtype.itemsize
    if member.size != size:
        raise CorruptModel(f"{where}: expected {size:,} bytes, file has {member.size:,}")
    return start


def _head(file: BinaryIO, member: zip_index.Member) -> bytes:
    file.seek(member.start)
    return file.read(min(member.size, npy.MOST_HEADER))


def _read_into(file: BinaryIO, member: zip_index.Member, start: int, array: NDArray[Any], where: str) -> None:
    """Read `array` from the bytes of `member` from `start` on, and check the member's checksum."""
    file.seek(member.start)
    checksum = zlib.crc32(file.read(start))
    target = array.reshape(-1).view(np.uint8).data
    for at in range(0, len(target), READ_BYTES):
        block = file.read(min(READ_BYTES, len(target) - at))
        if len(block) != len(target[at : at + READ_BYTES]):
            raise CorruptModel(f"{where}: the file is cut short")
        target[at : at + READ_BYTES] = block
        checksum = zlib.crc32(block, checksum)
    if checksum != member.crc32:
        raise CorruptModel(f"{where}: wrong checksum, the file is damaged")


def _member_title(name: str) -> str:
    """Return the name of an array for messages: "layer 2 weight" for "layer2/weight"."""
    whole, _, part = name.partition("/")
    return f"{whole} {part}" if name.startswith(PREFIX) else f"layer {whole.removeprefix('layer')} {part}"
