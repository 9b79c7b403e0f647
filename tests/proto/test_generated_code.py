"""The generated code is what the .proto files say, and they keep the rules of the house."""

from __future__ import annotations

import subprocess
from pathlib import Path

from layerwise_proto.v1 import errors_pb2, models_pb2, tables_pb2, tensors_pb2, training_pb2, types_pb2

ROOT = Path(__file__).parents[2]
FILES = (errors_pb2, models_pb2, tables_pb2, tensors_pb2, training_pb2, types_pb2)


def test_what_is_checked_in_is_what_make_proto_makes(tmp_path: Path) -> None:
    subprocess.run(["make", "proto", f"OUT={tmp_path}"], cwd=ROOT, check=True, capture_output=True, timeout=100)

    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*_pb2*.py*")}
    folder = ROOT / "proto"
    kept = {path.relative_to(folder): path.read_text() for path in folder.rglob("*_pb2*.py*") if path.suffix != ".pyc"}
    assert len(made) > 10
    assert set(made) == set(kept)
    assert [str(name) for name in made if made[name] != kept[name]] == []


def test_every_enum_starts_unspecified() -> None:
    enums = [enum for file in FILES for enum in file.DESCRIPTOR.enum_types_by_name.values()]

    assert len(enums) >= 4
    for enum in enums:
        assert enum.values[0].number == 0
        assert enum.values[0].name.endswith("_UNSPECIFIED")
