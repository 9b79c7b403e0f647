"""Files that are damaged or forged: always CorruptModel, never more memory than the file is long."""

import io
import pickle
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from helpers.model_files import archived, array, header, manifest, members, text_manifest
from layerwise import MLP, Architecture, CorruptModel, InvalidInput, Layer, Plan, fit


def model():
    made = MLP(Architecture(4, (Layer(8, "relu"), Layer(16, "prelu"), Layer(3))), seed=1)
    for _ in fit(made, np.eye(4), [0, 1, 2, 0], plan=Plan(epochs=1)):
        pass
    return made


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m.npz"
    digest = model().save(path)
    return path.read_bytes(), digest


def refused(data, message=None, **arguments):
    with pytest.raises(CorruptModel, match=message):
        MLP.load(io.BytesIO(data), **arguments)


def test_a_file_cut_short_anywhere_is_refused(saved):
    data, digest = saved

    for part in range(64):
        refused(data[: len(data) * part // 64])
        refused(data[: len(data) * part // 64], "SHA-256", sha256=digest)
    refused(data[:-1])


def test_a_file_with_more_at_either_end_is_refused(saved):
    refused(saved[0] + b"\0")
    refused(b"\0" + saved[0])


def test_no_flipped_bit_gives_another_model_or_another_error(saved):
    data, digest = saved
    weights = model().parameters.tobytes()
    chance = random.Random(0)

    for _ in range(1000):
        damaged = bytearray(data)
        damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)

        refused(bytes(damaged), "SHA-256", sha256=digest)
        try:
            loaded = MLP.load(io.BytesIO(damaged))
        except CorruptModel:
            continue
        # a time stamp or the like, which no number depends on
        assert loaded.parameters.tobytes() == weights


def test_random_bytes_in_the_directory_or_the_headers_are_never_another_error(saved):
    data = saved[0]
    weights = model().parameters.tobytes()
    chance = random.Random(1)

    for _ in range(2000):
        damaged = bytearray(data)
        for _ in range(chance.randrange(1, 5)):
            at = chance.choice(
                [chance.randrange(len(data)), len(data) - 1 - chance.randrange(700), chance.randrange(200)]
            )
            damaged[at : at + 4] = chance.choice([b"\xff" * 4, b"\0" * 4, chance.randbytes(4)])
        try:
            loaded = MLP.load(io.BytesIO(damaged[: len(data)]))
        except CorruptModel:
            continue
        assert loaded.parameters.tobytes() == weights


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "layer1/weight",
            array(np.zeros((8, 15), "<f4")),
            r"layer 1 weight: expected shape \(8, 16\), file has \(8, 15\)",
        ),
        (
            "layer1/weight",
            array(np.zeros((16, 8), "<f4")),
            r"layer 1 weight: expected shape \(8, 16\), file has \(16, 8\)",
        ),
        ("layer1/weight", array(np.zeros(128, "<f4")), r"layer 1 weight: expected shape \(8, 16\), file has \(128,\)"),
        ("layer1/weight", array(np.zeros((8, 16), "<f8")), "layer 1 weight: expected <f4 .float32., file has <f8"),
        ("layer1/weight", array(np.zeros((8, 16), ">f4")), "layer 1 weight: expected <f4 .float32., file has >f4"),
        ("layer1/weight", array(np.zeros((8, 16), "<i4")), "layer 1 weight: expected <f4 .float32., file has <i4"),
        ("layer1/weight", array(np.zeros((16, 8), "<f4").T), "layer 1 weight: expected an array in C order"),
        ("layer1/weight", array(np.full((8, 16), np.nan, "<f4")), "layer 1 weight: expected finite numbers"),
        ("layer1/slope", array(np.full(16, np.inf, "<f4")), "layer 1 slope: expected finite numbers"),
        ("layer1/weight", array(np.full((8, 16), None), allow_pickle=True), "layer 1 weight: invalid array header"),
        ("layer1/weight", pickle.dumps(print), "layer 1 weight: expected an .npy array"),
        ("layer1/weight", b"", "layer 1 weight: expected an .npy array"),
        ("layer1/weight", header(), "layer 1 weight: expected 5.. bytes, file has"),
        ("layer1/weight", header() + bytes(513), "layer 1 weight: expected 5.. bytes, file has"),
        ("layer1/weight", header(shape="(46341, 46341)"), r"expected shape \(8, 16\), file has \(46341, 46341\)"),
        ("layer1/weight", header(shape="(8, -16)"), "layer 1 weight: invalid array header"),
        ("layer1/weight", header(shape="(8, __import__('os'))"), "layer 1 weight: invalid array header"),
        ("layer1/weight", header(shape="(" + "1, " * 400 + ")"), "an array header of at most 1024 bytes"),
        ("layer1/weight", header(version=3) + bytes(512), "layer 1 weight: expected an .npy array of version 1 or 2"),
        ("layer1/weight", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "an array header of at most 1024 bytes"),
        ("manifest", array(np.zeros(3, "<f4")), "manifest: expected"),
        ("manifest", array(np.zeros((3, 1), "u1")), "manifest: expected"),
        ("manifest", text_manifest(b"{"), "manifest: expected JSON"),
        ("manifest", text_manifest(b"\xff"), "manifest: expected JSON"),
        ("manifest", text_manifest(b"[" * 100_000), "manifest: expected JSON"),
        ("manifest", text_manifest(b'{"metrics": NaN}'), "manifest: expected JSON: NaN"),
        ("manifest", text_manifest(b'{"loss": 1, "loss": 2}'), "manifest: expected JSON: a field occurs twice"),
        ("manifest", text_manifest(b"[]"), "manifest: expected format version 1 to 5, got None"),
        ("manifest", text_manifest(b'{"format_version": 1}'), "manifest: architecture: expected a value"),
        ("manifest", text_manifest(b'{"format_version": ' + b"9" * 4000 + b"}"), "manifest: format version 999"),
    ],
)
def test_a_forged_member_is_refused(saved, name, data, message):
    refused(archived(members(saved[0]) | {f"{name}.npy": data}), message)


def test_a_header_of_version_2_is_read(saved):
    parts = members(saved[0])
    weight = np.load(io.BytesIO(parts["layer1/weight.npy"]))

    loaded = MLP.load(io.BytesIO(archived(parts | {"layer1/weight.npy": array(weight, version=(2, 0))})))

    assert loaded.parameters.tobytes() == model().parameters.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format_version": 6},
            "format version 6, this release reads up to 5; a later release of Layerwise wrote",
        ),
        ({"format_version": 0}, "expected format version 1 to 5, got 0"),
        ({"format_version": True}, "expected format version 1 to 5, got True"),
        ({"dtype": "float16"}, "manifest: dtype: expected one of float32, float64, got 'float16'"),
        ({"dtype": "float64"}, "layer 0 weight: expected <f8 .float64., file has <f4"),
        ({"loss": "hinge"}, "manifest: loss: expected the loss of the plan, got 'hinge'"),
        ({"plan": {"epochs": 0}}, "manifest: plan.epochs: expected a whole number of at least 1, got 0"),
        ({"labels": ["a", "b"]}, "manifest: labels: expected 3 labels"),
        (
            {"labels": ["a", "a\0", "b"]},
            r"manifest: labels\[1\]: expected a label that does not end in a NUL character",
        ),
        ({"labels": ["a", "\ud800", "b"]}, "manifest: expected JSON: .* surrogates not allowed"),
        ({"lineage": {"\ud800": 1}}, "manifest: expected JSON: .* surrogates not allowed"),
        ({"labels": {"a": 1}}, "manifest: labels: expected a list or null"),
        ({"metrics": {"loss": "low"}}, "manifest: metrics.loss: expected a finite number, got 'low'"),
        ({"lineage": []}, "manifest: lineage: expected an object"),
        ({"versions": {"numpy": 2}}, "manifest: versions.numpy: expected text, got 2"),
        ({"extra": 1}, "manifest: extra: unknown field"),
        ({"average_row": [0, 1]}, "manifest: average_row: expected 4 numbers, got"),
        ({"average_row": [0, 1, None, 2]}, r"manifest: average_row\[2\]: expected a finite number"),
        ({"target_scale": 2}, "manifest: target_scale: expected an object, got 2"),
        (
            {"target_scale": {"link": "exp", "shift": [0], "scale": [1]}},
            "manifest: target_scale.shift: expected 3 numbers, one for each output, got",
        ),
        (
            {"target_scale": {"link": "exp", "shift": [0, 0, 0], "scale": [1, 0, 1]}},
            r"manifest: target_scale.scale\[1\]: expected a finite number above 0, got 0",
        ),
        (
            {"architecture": {"inputs": 4, "layers": [{"units": 0}]}},
            r"manifest: architecture.layers\[0\].units: expected a whole number of at least 1, got 0",
        ),
        (
            {"architecture": {"inputs": 4, "layers": [{"units": 8}]}, "labels": None},
            "layer1/weight.npy.*unexpected array",
        ),
        ({"architecture": {"inputs": 10**6, "layers": [{"units": 10**6}]}, "labels": None}, "at most 2,147,483,648"),
    ],
)
def test_a_forged_manifest_is_refused(saved, changes, message):
    data = saved[0]

    refused(archived(members(data) | {"manifest.npy": manifest(data, **changes)}), message)


@pytest.mark.parametrize("name", ["../evil.npy", "/etc/passwd", "layer9/weight.npy", "layer0/slope.npy", "é.npy"])
def test_a_member_that_the_architecture_does_not_know_is_refused(saved, name):
    refused(archived(members(saved[0]) | {name: b"x"}), "unexpected array, not part of the architecture")


@pytest.mark.parametrize("name", ["layer1/slope.npy", "layer2/bias.npy"])
def test_a_missing_member_is_refused(saved, name):
    parts = members(saved[0])
    del parts[name]

    refused(archived(parts), f"{name}.*missing from the file")


def test_a_file_without_a_manifest_is_refused(saved):
    parts = members(saved[0])
    del parts["manifest.npy"]

    refused(archived(parts), "the file has no manifest")
    refused(archived({}), "the file has no manifest")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(saved):
    parts = members(saved[0])

    refused(archived([*parts.items(), ("layer0/bias.npy", parts["layer0/bias.npy"])]), "occurs twice")


def test_compressed_members_are_refused_before_they_are_unpacked(saved):
    bomb = archived(members(saved[0]) | {"layer0/weight.npy": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)

    tracemalloc.start()
    refused(bomb, "expected an uncompressed member")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 1_000_000


def test_a_network_larger_than_the_file_is_refused_before_it_is_allocated(saved):
    """The manifest asks for 8 GB, the array's header claims them, the file is a few kB long."""
    data = saved[0]
    huge = manifest(data, architecture={"inputs": 44_000, "layers": [{"units": 45_000}]}, labels=None)
    parts = {"manifest.npy": huge, "layer0/weight.npy": header(shape=(44_000, 45_000)), "layer0/bias.npy": array(0.0)}

    tracemalloc.start()
    refused(archived(parts), "layer 0 weight: expected 7,920,000,0.. bytes, file has")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 1_000_000


def test_something_else_is_refused():
    refused(b"", "expected an .npz file, got 0 bytes")
    refused(b"PK", "expected an .npz file, got 2 bytes")
    refused(array(np.zeros(100)), "expected an .npz file")
    refused(random.Random(0).randbytes(10_000), "expected an .npz file")


def test_another_hash_is_refused(saved):
    refused(saved[0], "expected a file with SHA-256 0000", sha256="0" * 64)


def test_a_file_that_is_opened_as_text_is_refused(saved, tmp_path):
    (tmp_path / "m.npz").write_bytes(saved[0])

    with (tmp_path / "m.npz").open() as text, pytest.raises(InvalidInput, match="expected a path or an open binary"):
        MLP.load(text)
    with pytest.raises(InvalidInput, match=r"file: expected a path or an open binary file, got b'PK"):
        MLP.load(saved[0])


class Shrinking(io.BytesIO):
    """A file of which nothing is left after so many calls of `read`."""

    reads = 1000

    def read(self, size=-1):
        self.reads -= 1
        return super().read(size) if self.reads >= 0 else b""


def test_a_file_that_shrinks_while_it_is_read_is_refused(saved):
    whole = Shrinking(saved[0])
    MLP.load(whole)

    for reads in range(Shrinking.reads - whole.reads):
        file = Shrinking(saved[0])
        file.reads = reads
        with pytest.raises(CorruptModel):
            MLP.load(file)


def test_a_manifest_of_more_than_16_mb_is_refused_unread(saved):
    refused(
        archived(members(saved[0]) | {"manifest.npy": bytes(2**24 + 1)}), "manifest: expected at most 16,777,216 bytes"
    )


END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR64 = struct.Struct("<4sLQL")


def wide(data, *, place=0, disk=0, count=0, short=0xFFFF):
    """The file with its directory told of in 64 bits, each number off by so much."""
    _, _, _, here, _, length, start, _ = END.unpack(data[-END.size :])
    end = len(data) - END.size
    records = END64.pack(b"PK\x06\x06", END64.size - 12, 45, 45, disk, 0, here + count, here + count, length, start)
    records += LOCATOR64.pack(b"PK\x06\x07", 0, end + place, 1)
    return data[:end] + records + END.pack(b"PK\x05\x06", 0, 0, short, short, length, start, 0)


def test_a_directory_told_of_in_64_bits_is_checked(saved):
    data = saved[0]
    count = len(members(data))

    assert MLP.load(io.BytesIO(wide(data, short=count))).parameters.tobytes() == model().parameters.tobytes()
    refused(wide(data, short=count, place=1), "the file's directory is damaged")
    refused(wide(data, short=count, disk=1), "the file's directory is damaged")
    refused(wide(data), "the file's directory is damaged")
    refused(wide(data, short=count + 1, count=1), f"expected {count + 1} members, the directory has {count}")


def test_a_size_in_64_bits_that_is_not_there_is_refused(saved):
    data = bytearray(saved[0])
    start = END.unpack(data[-END.size :])[6]
    entry = data.index(b"PK\x01\x02", start)

    data[entry + 20 : entry + 28] = b"\xff" * 8  # both sizes of the first member

    refused(bytes(data), "the file's directory is damaged")


def test_a_size_in_64_bits_of_another_kind_is_refused(saved):
    parts = members(saved[0])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, part in parts.items():
            info = zipfile.ZipInfo(name)
            info.extra = struct.pack("<2H2Q", 2, 16, 0, 0) if name == "manifest.npy" else b""
            archive.writestr(info, part)
    data = bytearray(out.getvalue())
    entry = data.index(b"PK\x01\x02")

    data[entry + 20 : entry + 28] = b"\xff" * 8

    refused(bytes(data), "the file's directory is damaged")
