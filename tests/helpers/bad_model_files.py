"""Model files that must be refused, by the fault that they have; the numbers are rows of the catalogue of faults."""

from __future__ import annotations

import functools
import io
import pickle
import random
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from helpers.model_files import archived, array, header, manifest, members, text_manifest
from layerwise import MLP, Architecture, Layer, Plan, fit

CANARY = Path("/tmp/layerwise-canary")
_MIB = 2**20
_MOST_MANIFEST = 2**24


class _Canary:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return open, (str(CANARY), "w")  # type: ignore[return-value]


@functools.cache
def good_file() -> bytes:
    """A small classifier with a slope, so that all kinds of members are there."""
    model = MLP(Architecture(4, (Layer(8, "relu"), Layer(16, "prelu"), Layer(3))), seed=1)
    for _ in fit(model, np.eye(4), ["a", "b", "c", "a"], plan=Plan(epochs=1)):
        pass
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/m.npz")
        return Path(f"{folder}/m.npz").read_bytes()


@functools.cache
def bad_files() -> tuple[tuple[str, bytes], ...]:
    """Return the name of each fault, and a file that has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of duplicate names
        return tuple(_bad_files())


def _bad_files() -> Iterator[tuple[str, bytes]]:
    good = good_file()
    parts = members(good)

    def with_member(name: str, data: bytes) -> bytes:
        return archived(parts | {f"{name}.npy": data})

    for part in range(1, 64):
        yield f"37 truncated at {part}/64", good[: len(good) * part // 64]
    yield "37 one byte short", good[:-1]
    yield "39 a zip bomb", _bomb(parts)
    yield "39 declares 10 GB", _declaring(good, 10 * 2**30)
    for name, head in (
        ("8 PB", header(shape=(2**25, 2**26))),
        ("8 GB", header(shape=(44_000, 45_000))),
        ("items of 400 MB", header(descr="|V9999", shape=(1,))),
    ):
        yield f"40 a header that claims {name}", with_member("layer1/weight", head)
    huge = manifest(good, architecture={"inputs": 44_000, "layers": [{"units": 45_000}]}, labels=None)
    claimed = {"manifest.npy": huge, "layer0/weight.npy": header(shape=(44_000, 45_000)), "layer0/bias.npy": array(0.0)}
    yield "40 a manifest that claims 8 GB", archived(claimed)
    yield "41 a pickle", with_member("layer1/weight", pickle.dumps(_Canary()))
    canaries = np.array([_Canary()] * 8, dtype=object)
    yield "41 objects", with_member("layer1/weight", array(canaries, allow_pickle=True))
    yield "41 a pickled manifest", archived(parts | {"manifest.npy": array(canaries, allow_pickle=True)})
    for name, wrong in (
        ("void", header(descr="|V4")),
        ("complex", array(np.zeros((8, 16), "<c8"))),
        ("text", array(np.full((8, 16), "a"))),
        ("big-endian", array(np.zeros((8, 16), ">f4"))),
        ("in Fortran order", array(np.zeros((16, 8), "<f4").T)),
        ("of 40 dimensions", header(shape="(" + "1, " * 40 + ")")),
        ("empty", array(np.zeros((0, 16), "<f4"))),
        ("of negative size", header(shape="(8, -16)")),
        ("of whole numbers", array(np.zeros((8, 16), "<i4"))),
        ("of another size", array(np.zeros((8, 15), "<f4"))),
    ):
        yield f"42 an array {name}", with_member("layer1/weight", wrong)
    yield "43 a member twice", archived([*parts.items(), ("layer0/bias.npy", parts["layer0/bias.npy"])])
    for name in ("../evil.npy", "/etc/passwd", "layer9/weight.npy", "a/../../b.npy", "é.npy"):
        yield f"43 an extra member {name}", archived(parts | {name: b"x"})
    yield "43 a missing member", archived({name: data for name, data in parts.items() if name != "layer2/bias.npy"})
    yield "43 no manifest", archived({name: data for name, data in parts.items() if name != "manifest.npy"})
    yield "44 100,000 members", _many_members(100_000)
    yield "44 a file within a file", archived({"m.npz": good})
    yield "44 encrypted", _flagged(good, 1)
    yield "44 LZMA", archived(parts, zipfile.ZIP_LZMA)
    yield "44 deflated", archived(parts, zipfile.ZIP_DEFLATED)
    yield "45 NaN weights", with_member("layer1/weight", array(np.full((8, 16), np.nan, "<f4")))
    yield "45 infinite slopes", with_member("layer1/slope", array(np.full(16, np.inf, "<f4")))
    for version in (6, 999, 0, True, "5"):
        other = manifest(good, format_version=version)
        yield f"46 format version {version!r}", archived(parts | {"manifest.npy": other})
    start = b'{"format_version": 5, "lineage": ['
    for name, item in (("lists", b"[]"), ("objects", b"{}"), ("numbers", b"1"), ("texts", b'"a,"')):
        text = start + b",".join([item] * ((_MOST_MANIFEST - 1100) // (len(item) + 1) - 20)) + b"]}"
        yield f"a manifest of 16 MB of {name}", archived(parts | {"manifest.npy": text_manifest(text)})
    yield "a manifest that is none", archived(parts | {"manifest.npy": text_manifest(b"[" * 100_000)})
    yield "random bytes", random.Random(0).randbytes(10_000)
    yield "a page of HTML", b"<!doctype html><title>404</title>" * 9


def flipped_files(count: int) -> Iterator[tuple[int, bytes]]:
    """Yield `count` copies of the good file, one bit of each flipped, and where."""
    chance = random.Random(38)
    good = good_file()
    for _ in range(count):
        at = chance.randrange(len(good))
        damaged = bytearray(good)
        damaged[at] ^= 1 << chance.randrange(8)
        yield at, bytes(damaged)


def _bomb(parts: dict[str, bytes]) -> bytes:
    """A file of 300 kB that unpacks to 300 MB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in parts.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
                if name == "layer0/weight.npy":
                    for _ in range(300):
                        member.write(bytes(_MIB))
    return out.getvalue()


def _declaring(data: bytes, size: int) -> bytes:
    """The file, whose directory says that its first member has so many bytes."""
    found = bytearray(data)
    entry = data.index(b"PK\x01\x02")
    wide = struct.pack("<2H2Q", 1, 16, size, size)
    name, extra = struct.unpack_from("<2H", data, entry + 28)
    found[entry + 20 : entry + 28] = b"\xff" * 8
    found[entry + 30 : entry + 32] = struct.pack("<H", extra + len(wide))
    found[entry + 46 + name : entry + 46 + name] = wide
    length = struct.unpack_from("<L", found, len(found) - 10)[0]
    found[-10:-6] = struct.pack("<L", length + len(wide))
    return bytes(found)


def _flagged(data: bytes, flag: int) -> bytes:
    found = bytearray(data)
    entry = data.index(b"PK\x01\x02")
    found[entry + 8] |= flag
    found[6] |= flag
    return bytes(found)


def _many_members(count: int) -> bytes:
    """A file of so many empty members, made by hand: zipfile takes a second for them."""
    local, directory, at = [], [], 0
    for number in range(count):
        name = b"%06d.npy" % number
        head = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0) + name
        entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, at)
        local.append(head)
        directory.append(entry + name)
        at += len(head)
    table = b"".join(directory)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(table), at)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at + len(table), 1)
    short = min(count, 0xFFFF)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, short, short, len(table), at, 0)
    return b"".join(local) + table + end64 + locator + end
