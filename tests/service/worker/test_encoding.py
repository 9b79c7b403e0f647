"""What a worker makes of a table: the encoder's rows, in memory or in a file without a name."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from helpers.artifacts import new_artifact_store
from helpers.service_values import LIMITS
from layerwise import TableEncoder
from layerwise_service.domain import tables
from layerwise_service.domain.datasets import Batch
from layerwise_service.errors import NoSpace
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.table_reader import StoredTable
from layerwise_service.worker import encoding
from layerwise_service.worker.encoding import encoded_rows
from layerwise_service.worker.heartbeat import Instruction
from layerwise_service.worker.waiting import Interrupted

# (x - 2) / 2 of 0 and 4; a and b
TABLE = {"x": np.array([0.0, 4.0, 0.0, 4.0, 0.0, 4.0]), "c": ["a", "b", "b", "a", "b", "b"]}
ENCODED = [[-1, 1, 0], [1, 0, 1], [-1, 0, 1], [1, 1, 0], [-1, 0, 1], [1, 0, 1]]


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return new_artifact_store(tmp_path / "artifacts")


@pytest.fixture
def stored(artifacts: ArtifactStore) -> StoredTable:
    writer = artifacts.new_dataset(classes=None, **LIMITS)
    writer.add(Batch(TABLE, ["p", "q"] * 3))
    dataset = writer.finish()
    artifacts.keep(writer, dataset)
    found = artifacts.open_dataset(dataset.sha256, dataset.shape)[0]
    assert isinstance(found, StoredTable)
    return found


@pytest.fixture(params=["in memory", "in a file"])
def _place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BLOCK_NUMBERS", 6)  # two rows
    if request.param == "in a file":
        monkeypatch.setattr(encoding, "LARGE", 1)


@pytest.mark.usefixtures("_place")
def test_the_rows_are_the_encoders_and_no_file_is_seen(
    artifacts: ArtifactStore, stored: StoredTable, tmp_path: Path
) -> None:
    rows = encoded_rows(stored, TableEncoder().fit(TABLE), artifacts, check=lambda: None)

    assert rows.dtype == np.float32
    assert rows.tolist() == ENCODED
    assert list((tmp_path / "artifacts" / "incoming").iterdir()) == []


@pytest.mark.usefixtures("_place")
def test_a_table_is_left_as_soon_as_the_job_is(artifacts: ArtifactStore, stored: StoredTable) -> None:
    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Interrupted(Instruction.CANCEL)

    with pytest.raises(Interrupted):
        encoded_rows(stored, TableEncoder().fit(TABLE), artifacts, check=check)
    assert len(asked) == 2


def test_a_full_disk_is_told_as_such(
    artifacts: ArtifactStore, stored: StoredTable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(encoding, "LARGE", 1)

    def full(store: ArtifactStore) -> BinaryIO:
        return Path("/dev/full").open("wb")

    monkeypatch.setattr(ArtifactStore, "nameless_file", full)

    with pytest.raises(NoSpace):
        encoded_rows(stored, TableEncoder().fit(TABLE), artifacts, check=lambda: None)
