"""Row 49: model files that were changed at random become a version or a typed error, never anything else.

Files of every format are changed as bytes, and in what their manifests say, for LAYERWISE_FUZZ_SECONDS.
"""

from __future__ import annotations

import copy
import io
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.bad_model_files import good_file
from helpers.memory import peak_growth
from helpers.model_files import archived, array, members
from layerwise import MLP
from layerwise_service.errors import InvalidRequest
from layerwise_service.rest.responses import version_json
from layerwise_service.rpc.converters import write_version
from layerwise_service.settings import Settings
from layerwise_service.usecases.model_files import Imported, ModelFileHeader, ModelFiles
from layerwise_service.wiring import open_stores

GOLDEN = sorted((Path(__file__).parents[1] / "core" / "golden").glob("*.npz"))
SECONDS = float(os.environ.get("LAYERWISE_FUZZ_SECONDS", "20"))
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**30, 0.5, -0.0, 1e308, 1e-320, [0.0], [1] * 50, [None]),
    *("", "a", "\0", "é", "a" * 3000, "relu", "1/2", ["a", "b"], [1, "a"], [True, 1]),
    *([], {}, [[]], {"kind": "relu"}, {"a": 1}),
]


def changed_value(value: Any, chance: random.Random) -> Any:
    """The value with one part of it replaced, removed, added or moved."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(sorted(value))
        match chance.randrange(12):
            case 0:
                del value[name]
            case 1:
                value[chance.choice(["extra", "kind", "format", "", name.upper()])] = chance.choice(ODD)
            case 2:
                value[name] = copy.deepcopy(value[chance.choice(sorted(value))])
            case _:
                value[name] = changed_value(value[name], chance)
        return value
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        match chance.randrange(8):
            case 0:
                del value[at]
            case 1:
                value.insert(at, copy.deepcopy(chance.choice([*value, *ODD])))
            case 2:
                chance.shuffle(value)
            case _:
                value[at] = changed_value(value[at], chance)
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and chance.random() < 0.5:
        return chance.choice([value + 1, -value, value * 1e6, value / 3, int(value)])
    return copy.deepcopy(chance.choice(ODD))


def changed_bytes(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(found))
        match chance.randrange(5):
            case 0:
                found[at] ^= 1 << chance.randrange(8)
            case 1:
                found[at : at + 4] = chance.choice([b"\xff" * 4, bytes(4), chance.randbytes(4)])
            case 2:
                del found[at : at + chance.randrange(1, 64)]
            case 3:
                found[at:at] = chance.randbytes(chance.randrange(1, 64))
            case _:
                start = chance.randrange(len(found))
                found[at : at + 32] = found[start : start + 32]
    return bytes(found) or b"a"


def changed_files(originals: list[bytes], chance: random.Random) -> Iterator[bytes]:
    """Yield files without end: damaged ones, forged ones whose checksums are right, and manifests of other values."""
    opened = [(data, members(data)) for data in originals]
    while True:
        data, parts = chance.choice(opened)
        match chance.randrange(4):
            case 0:
                yield changed_bytes(data, chance)
            case 1:
                name = chance.choice(sorted(parts))
                yield archived(parts | {name: changed_bytes(parts[name], chance)})
            case _:
                document = json.loads(np.load(io.BytesIO(parts["manifest.npy"])).tobytes())
                for _ in range(chance.choice([1, 1, 1, 2, 4])):
                    changed_value(document, chance)
                text = json.dumps(document).encode()
                yield archived(parts | {"manifest.npy": array(np.frombuffer(text, np.uint8))})


@pytest.fixture
def imported(tmp_path: Path) -> Iterator[Callable[[bytes], Imported]]:
    settings = Settings(home=str(tmp_path / "home"))
    stores = open_stores(settings)
    files = ModelFiles(stores.versions, stores.uploads, stores.artifacts, settings)

    def take(data: bytes) -> Imported:
        upload = files.upload(ModelFileHeader(model="fuzzed", size=len(data)))
        try:
            upload.add(data, offset=0)
            return upload.submit()
        finally:
            upload.close()

    yield take
    stores.close()


def test_49_a_model_file_changed_at_random_becomes_a_version_or_a_typed_error(
    imported: Callable[[bytes], Imported],
) -> None:
    seed = int(os.environ.get("LAYERWISE_FUZZ_SEED", "49"))
    originals = [path.read_bytes() for path in GOLDEN] + [good_file()]
    files = changed_files(originals, random.Random(seed))
    taken = refused = 0
    end = time.monotonic() + SECONDS

    with peak_growth() as growth:
        while time.monotonic() < end:
            data, start = next(files), time.monotonic()
            try:
                version = imported(data).version
                write_version(version)
                version_json(version)
                network = MLP.load(io.BytesIO(data))
                if network.encoder is None:
                    with np.errstate(all="ignore"):  # weights may be huge
                        network.predict(np.zeros((2, network.architecture.inputs), np.float32))
                taken += 1
            except InvalidRequest:
                refused += 1
            except Exception:
                Path("/tmp/layerwise-fuzzed.npz").write_bytes(data)
                raise
            assert time.monotonic() - start < 5

    assert taken > 10
    assert refused > 100
    assert growth() < 200_000_000
