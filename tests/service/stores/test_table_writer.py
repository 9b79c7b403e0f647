"""Columns on their way in: what they are known by, what is read back, and what they refuse."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.artifacts import new_artifact_store
from layerwise_service.domain.datasets import Batch, Dataset, StoredColumn
from layerwise_service.errors import DataLoss, InvalidRequest, TooLarge
from layerwise_service.stores import table_reader
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.dataset_writer import DatasetWriter
from layerwise_service.stores.table_reader import StoredTable

LIMITS = {
    "max_features": 5,
    "max_outputs": 4,
    "max_label_bytes": 10,
    "max_columns": 3,
    "max_text_bytes": 10,
    "max_bytes": 10_000_000,
}
NAN = float("nan")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return new_artifact_store(tmp_path)


@pytest.fixture
def writer(store: ArtifactStore) -> Iterator[DatasetWriter]:
    made = store.new_dataset(classes=None, **LIMITS)
    yield made
    made.discard()


def numbers(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def stored(store: ArtifactStore, writer: DatasetWriter) -> tuple[Dataset, StoredTable]:
    dataset = writer.finish()
    store.keep(writer, dataset)
    found = store.open_dataset(dataset.sha256, dataset.shape)[0]
    assert isinstance(found, StoredTable)
    return dataset, found


def whole(table: StoredTable) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for block in table.blocks():
        for name, values in block.items():
            found.setdefault(name, []).extend(list(values))
    return found


def test_columns_are_read_as_they_were_written(store: ArtifactStore, writer: DatasetWriter, tmp_path: Path) -> None:
    writer.add(Batch({"a": numbers(0.5, -1.0), "b": ["JFK", "ü"]}, ["x", "y"]))
    writer.add(Batch({"a": numbers(1e300), "b": [""]}, ["x"]))

    dataset, table = stored(store, writer)

    assert dataset.shape.columns == (StoredColumn("a", "numbers"), StoredColumn("b", "texts"))
    assert (dataset.shape.rows, dataset.shape.features) == (3, 2)
    assert whole(table) == {"a": [0.5, -1.0, 1e300], "b": ["JFK", "ü", ""]}
    folder = tmp_path / "datasets" / dataset.sha256
    assert np.load(folder / "column0.npy").tolist() == [0.5, -1.0, 1e300]
    assert np.load(folder / "column1.texts.npy").tobytes() == "JFKü".encode()
    assert np.load(folder / "column1.ends.npy").tolist() == [3, 5, 5]


def test_the_identity_of_a_table_is_the_documented_hash(store: ArtifactStore, writer: DatasetWriter) -> None:
    writer.add(Batch({"a": numbers(1.0, 2.0), "b": ["x", "yz"]}, ["n", "m"]))

    def sha256(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    header = {
        "columns": [
            {
                "name": "a",
                "kind": "numbers",
                "sha256": [sha256(bytes.fromhex("000000000000f03f" + "0000000000000040"))],
            },
            {
                "name": "b",
                "kind": "texts",
                "sha256": [sha256(b"xyz"), sha256(bytes.fromhex("0100000000000000" + "0300000000000000"))],
            },
        ],
        "features": 2,
        "format": "layerwise-dataset-1",
        "labels": ["m", "n"],
        "outputs": 2,
        "rows": 2,
        "targets_sha256": sha256(bytes.fromhex("01000000" + "00000000")),
    }
    assert writer.finish().sha256 == sha256(json.dumps(header, sort_keys=True).encode())


def test_a_table_is_the_same_however_it_was_cut_and_whichever_nan_is_sent(store: ArtifactStore) -> None:
    other_nan = np.frombuffer(bytes.fromhex("010000000000f87f"), np.float64)
    assert np.isnan(other_nan).all()
    found = set()
    for cuts in ([(NAN, "a"), (2.0, "bc")],), ([(other_nan[0], "a")], [(2.0, "bc")]):
        writer = store.new_dataset(classes=None, **LIMITS)
        for number, rows in enumerate(cuts):
            block = {"a": numbers(*(row[0] for row in rows)), "b": [row[1] for row in rows]}
            writer.add(Batch(block, ["x", "y"][: len(rows)] if number == 0 else ["y"]))
        found.add(writer.finish().sha256)
        writer.discard()

    assert len(found) == 1


def test_where_texts_end_is_part_of_the_identity(store: ArtifactStore) -> None:
    found = set()
    for texts in (["a", "bc"], ["ab", "c"]):
        writer = store.new_dataset(classes=None, **LIMITS)
        writer.add(Batch({"b": texts}, ["x", "y"]))
        found.add(writer.finish().sha256)
        writer.discard()

    assert len(found) == 2


GOOD = {"a": numbers(1.0, 2.0), "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("table", "pointer", "words"),
    [
        (numbers(1.0).astype(np.float32).reshape(1, 1), "rows", "expected a table as in the batches before"),
        ({"a": numbers(1.0)}, "table.columns", "expected 2 columns, as in the batches before, got 1"),
        ({"b": ["x"], "a": numbers(1.0)}, "table.columns[0].name", "expected 'a' as in the batches before, got 'b'"),
        ({"a": ["1"], "b": ["x"]}, "table.columns[0]", "expected numbers in 'a' as in the batches before, got texts"),
        ({"a": numbers(1.0, np.inf), "b": ["x", "y"]}, "table.rows[1].a", "expected a finite number, or NaN where"),
        ({"a": numbers(1.0), "b": ["é" * 6]}, "table.rows[0].b", "expected a text of at most 10 bytes, got 12"),
        ({"a": numbers(), "b": []}, "table", "expected at least one row, got none"),
        ({}, "table.columns", "expected 2 columns, as in the batches before, got 0"),
    ],
)
def test_what_does_not_fit_the_batches_before_is_refused_and_leaves_them_whole(
    store: ArtifactStore, writer: DatasetWriter, table: Any, pointer: str, words: str
) -> None:
    writer.add(Batch(GOOD, ["p", "q"]))

    with pytest.raises(InvalidRequest) as caught:
        writer.add(Batch(table, ["p", "q"]))

    assert caught.value.pointer == f"batches[1].{pointer}"
    assert words in caught.value.detail
    assert whole(stored(store, writer)[1]) == {"a": [1.0, 2.0], "b": ["x", "y"]}


def test_a_table_after_rows_of_numbers_is_refused(writer: DatasetWriter) -> None:
    writer.add(Batch(np.ones((2, 2), np.float32), ["p", "q"]))

    with pytest.raises(InvalidRequest, match=r"batches\[1\].table: expected rows of numbers as in the batches before"):
        writer.add(Batch(GOOD, ["p", "q"]))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"batches\[0\].table.columns: expected at least one column"),
        ({name: ["x"] for name in "abcd"}, r"batches\[0\].table.columns: expected at most 3 columns, got 4"),
        ({"n" * 11: ["x"]}, r"batches\[0\].table.columns\[0\].name: expected a name of at most 10 bytes, got 11"),
    ],
)
def test_a_first_table_beyond_the_limits_is_refused(writer: DatasetWriter, table: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        writer.add(Batch(table, ["x"]))


def test_columns_beyond_the_size_of_a_dataset_are_refused(store: ArtifactStore) -> None:
    writer = store.new_dataset(classes=None, **{**LIMITS, "max_bytes": 40})
    writer.add(Batch({"b": ["x" * 9] * 3}, ["p", "q", "p"]))  # 3 · (9 + 8) bytes

    with pytest.raises(TooLarge, match="a dataset may have 40 bytes") as caught:
        writer.add(Batch({"b": ["x"]}, ["p"]))

    writer.discard()
    assert caught.value.reason == "DATASET_TOO_LARGE"


@pytest.mark.parametrize("name", ["column0.npy", "column1.texts.npy", "column1.ends.npy"])
def test_a_damaged_column_is_told(store: ArtifactStore, writer: DatasetWriter, tmp_path: Path, name: str) -> None:
    writer.add(Batch(GOOD, ["p", "q"]))
    dataset, _ = stored(store, writer)
    path = tmp_path / "datasets" / dataset.sha256 / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(DataLoss) as caught:
        store.open_dataset(dataset.sha256, dataset.shape)

    assert caught.value.reason == "DATASET_DAMAGED"


def test_blocks_are_bounded_in_rows_and_bytes_and_lose_nothing(
    store: ArtifactStore, writer: DatasetWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["é" * (row % 6) for row in range(100)]
    writer.add(Batch({"a": np.arange(100.0), "b": texts}, ["p", "q"] * 50))
    _, table = stored(store, writer)

    monkeypatch.setattr(table_reader, "MOST_ROWS", 30)
    assert [len(block["a"]) for block in table.blocks()] == [30, 30, 30, 10]
    monkeypatch.setattr(table_reader, "MOST_BYTES", 100)
    sizes = [16 * len(block["b"]) + sum(len(text.encode()) for text in block["b"]) for block in table.blocks()]

    assert max(sizes) <= 100
    assert min(sizes[:-1]) > 100 - 16 - 10
    assert whole(table) == {"a": list(range(100)), "b": texts}


def test_writing_and_reading_take_little_memory(store: ArtifactStore, writer: DatasetWriter) -> None:
    block = {"a": np.arange(10_000.0), "b": [f"{row:010}" for row in range(10_000)]}
    labels = ["p", "q"] * 5_000
    tracemalloc.start()

    for _ in range(20):
        writer.add(Batch(block, labels))
    _, table = stored(store, writer)
    rows = sum(len(found["a"]) for found in table.blocks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert rows == 200_000
    assert peak < 4e6  # of 5.2 MB that were written; a block of 8,192 rows is 0.7 MB of Python's texts
