"""Datasets on their way in: what they are known by, and what they refuse."""

from __future__ import annotations

import hashlib
import resource
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.artifacts import new_artifact_store
from layerwise_service.domain.datasets import Batch, Dataset, Shape
from layerwise_service.errors import DataLoss, ServiceError, Unavailable
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.dataset_writer import DatasetWriter

NewWriter = Callable[..., DatasetWriter]

LIMITS = {
    "max_features": 5,
    "max_outputs": 4,
    "max_label_bytes": 10,
    "max_columns": 5,
    "max_text_bytes": 10,
    "max_bytes": 200,
}


def rows(count: int, features: int = 2, *, start: int = 0) -> np.ndarray:
    return np.arange(start, start + count * features, dtype=np.float32).reshape(count, features)


def finished(store: ArtifactStore, writer: DatasetWriter) -> Dataset:
    dataset = writer.finish()
    store.keep(writer, dataset)
    return dataset


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return new_artifact_store(tmp_path)


@pytest.fixture
def new_writer(store: ArtifactStore) -> Iterator[NewWriter]:
    made: list[DatasetWriter] = []

    def make(classes: list[str] | None = None) -> DatasetWriter:
        made.append(store.new_dataset(classes=classes, **LIMITS))
        return made[-1]

    yield make
    for writer in made:
        writer.discard()


@pytest.fixture
def writer(new_writer: NewWriter) -> DatasetWriter:
    return new_writer()


def test_what_was_written_is_what_is_read(store: ArtifactStore, writer: DatasetWriter) -> None:
    writer.add(Batch(rows(2), ["b", "a"]))
    writer.add(Batch(rows(1, start=4), ["c"]))
    dataset = finished(store, writer)

    found, codes, weights = store.open_dataset(dataset.sha256, dataset.shape)
    assert weights is None
    assert dataset.shape == Shape(rows=3, features=2, outputs=3, labels=("a", "b", "c"))
    assert found.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert codes.tolist() == [1, 0, 2]


def test_blanks_around_labels_are_left_out(store: ArtifactStore, writer: DatasetWriter) -> None:
    writer.add(Batch(rows(2), [" yes", "no"]))
    writer.add(Batch(rows(1, start=4), ["yes "]))
    dataset = finished(store, writer)

    assert dataset.shape.labels == ("no", "yes")
    assert store.open_dataset(dataset.sha256, dataset.shape)[1].tolist() == [1, 0, 1]


def test_targets_of_several_outputs_are_kept(store: ArtifactStore, writer: DatasetWriter) -> None:
    writer.add(Batch(rows(2), np.array([[1, 2], [3, 4]], dtype=np.float32)))
    dataset = finished(store, writer)

    assert dataset.shape == Shape(rows=2, features=2, outputs=2, labels=None)
    assert store.open_dataset(dataset.sha256, dataset.shape)[1].tolist() == [[1, 2], [3, 4]]


def test_the_identity_is_the_documented_hash(store: ArtifactStore, writer: DatasetWriter) -> None:
    writer.add(Batch(np.array([[1], [2]], dtype=np.float32), [7, 5]))
    dataset = finished(store, writer)

    rows_sha256 = hashlib.sha256(bytes.fromhex("0000803f" + "00000040")).hexdigest()  # 1.0, 2.0
    targets_sha256 = hashlib.sha256(bytes.fromhex("01000000" + "00000000")).hexdigest()  # 7 is the second label
    header = (
        '{"features": 1, "format": "layerwise-dataset-1", "labels": [5, 7], "outputs": 2, "rows": 2, '
        f'"rows_sha256": "{rows_sha256}", "targets_sha256": "{targets_sha256}"}}'
    )
    assert dataset.sha256 == hashlib.sha256(header.encode()).hexdigest()


@given(cuts=st.sets(st.integers(1, 11)), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_identity_does_not_depend_on_the_batches(
    store: ArtifactStore, new_writer: NewWriter, cuts: set[int], seed: int
) -> None:
    data = rows(12)
    labels = [str(label) for label in np.random.default_rng(seed).permutation(12) % 3]
    whole, parts = new_writer(), new_writer()

    whole.add(Batch(data, labels))
    edges = [0, *sorted(cuts), 12]
    for start, end in pairwise(edges):
        parts.add(Batch(data[start:end], labels[start:end]))

    assert finished(store, parts).sha256 == finished(store, whole).sha256


def test_declared_classes_are_classes_even_if_no_row_has_them(store: ArtifactStore, new_writer: NewWriter) -> None:
    writer = new_writer(["z", "y", "x"])

    writer.add(Batch(rows(1), ["y"]))

    assert finished(store, writer).shape.labels == ("x", "y", "z")


@pytest.mark.parametrize(
    ("data", "expected", "message"),
    [
        (rows(2), ["a"], "batches[1].labels: expected 2 labels, one for each row, got 1"),
        (rows(2, 3), ["a", "b"], "batches[1].rows: expected 2 features, as in the batches before, got 3"),
        (rows(0), [], "batches[1].rows: expected (rows, features), both at least 1, got shape (0, 2)"),
        (
            np.array([[1, 2], [3, np.nan]], np.float32),
            ["a", "b"],
            "batches[1].rows[1][1]: expected a finite number, got nan",
        ),
        (np.array([[np.inf, 2]], np.float32), ["a"], "batches[1].rows[0][0]: expected a finite number, got inf"),
        (rows(1), [1], "batches[1].labels: expected string labels, got integer labels"),
        (rows(1), np.zeros(1, np.float32), "batches[1].targets: expected labels as in the batches before, got targets"),
        (rows(1), ["a" * 11], "batches[1].labels[0]: expected a label of at most 10 bytes, got 11"),
        (rows(4), ["c", "d", "e", "f"], "batches[1].labels: expected at most 4 classes, got more"),
    ],
)
def test_a_wrong_batch_is_refused_with_its_place(
    store: ArtifactStore, writer: DatasetWriter, data: np.ndarray, expected: list[str], message: str
) -> None:
    writer.add(Batch(rows(2), ["a", "b"]))

    with pytest.raises(ServiceError) as caught:
        writer.add(Batch(data, expected))

    assert str(caught.value) == message


def test_a_refused_batch_leaves_those_before_it_whole(store: ArtifactStore, writer: DatasetWriter) -> None:
    writer.add(Batch(rows(2), ["a", "b"]))

    with pytest.raises(ServiceError):
        writer.add(Batch(np.full((2, 2), np.nan, np.float32), ["a", "b"]))
    dataset = finished(store, writer)

    assert dataset.shape.rows == 2
    assert store.open_dataset(dataset.sha256, dataset.shape)[0].tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (["a", "a"], "labels: expected at least 2 classes, got only 'a'"),
        ([], "batches: expected at least one batch of rows before the end of the stream"),
    ],
)
def test_a_dataset_that_teaches_nothing_is_refused(
    store: ArtifactStore, writer: DatasetWriter, expected: list[str], message: str
) -> None:
    if expected:
        writer.add(Batch(rows(len(expected)), expected))

    with pytest.raises(ServiceError) as caught:
        finished(store, writer)

    assert str(caught.value) == message


def test_an_undeclared_label_is_refused(store: ArtifactStore, new_writer: NewWriter) -> None:
    writer = new_writer(["a", "b"])

    with pytest.raises(ServiceError) as caught:
        writer.add(Batch(rows(2), ["a", "q"]))

    assert str(caught.value) == "batches[0].labels[1]: expected one of the classes 'a', 'b', got 'q'"
    assert caught.value.reason == "LABEL_OUT_OF_RANGE"


def test_labels_that_would_become_one_are_refused(writer: DatasetWriter) -> None:
    with pytest.raises(ServiceError) as caught:
        writer.add(Batch(rows(2), ["a", "a\0"]))

    detail = "expected a label that does not end in a NUL character, which NumPy drops, got 'a\\x00'"
    assert str(caught.value) == f"batches[0].labels[1]: {detail}"


def test_what_is_discarded_is_gone(store: ArtifactStore, writer: DatasetWriter, tmp_path: Path) -> None:
    writer.add(Batch(rows(2), ["a", "b"]))

    writer.discard()

    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize("name", ["rows.npy", "targets.npy"])
def test_a_flipped_bit_is_seen_when_the_dataset_is_opened(
    store: ArtifactStore, writer: DatasetWriter, tmp_path: Path, name: str
) -> None:
    writer.add(Batch(rows(2), ["a", "b"]))
    dataset = finished(store, writer)
    path = tmp_path / "datasets" / dataset.sha256 / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(DataLoss, match="damaged"):
        store.open_dataset(dataset.sha256, dataset.shape)


def test_a_damaged_dataset_is_mended_by_sending_it_again(
    store: ArtifactStore, new_writer: NewWriter, tmp_path: Path
) -> None:
    for attempt in range(2):
        writer = new_writer()
        writer.add(Batch(rows(2), ["a", "b"]))
        dataset = finished(store, writer)
        if attempt == 0:
            (tmp_path / "datasets" / dataset.sha256 / "rows.npy").write_bytes(b"damaged")

    assert store.open_dataset(dataset.sha256, dataset.shape)[0].tolist() == [[0, 1], [2, 3]]


def test_the_header_of_a_file_decides_nothing(store: ArtifactStore, writer: DatasetWriter, tmp_path: Path) -> None:
    writer.add(Batch(rows(3), ["a", "b", "a"]))
    dataset = finished(store, writer)
    path = tmp_path / "datasets" / dataset.sha256 / "rows.npy"
    path.write_bytes(path.read_bytes().replace(b"(3, 2)", b"(2, 3)"))

    assert store.open_dataset(dataset.sha256, dataset.shape)[0].shape == (3, 2)


def test_weights_are_kept_and_are_part_of_what_the_dataset_is(store: ArtifactStore, new_writer: NewWriter) -> None:
    made = []
    for weights in ([1.0, 2.0], [1.0, 3.0], None):
        writer = new_writer()
        writer.add(Batch(rows(2), ["a", "b"], None if weights is None else np.array(weights, np.float32)))
        made.append(finished(store, writer))

    found = store.open_dataset(made[1].sha256, made[1].shape)[2]

    assert len({dataset.sha256 for dataset in made}) == 3
    assert found is not None
    assert found.tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"batches\[0\].weights: expected 2 weights, one for each row, got shape \(1,\)"),
        ([1.0, np.nan], r"batches\[0\].weights\[1\]: expected a finite number, got nan"),
        ([1.0, -2.0], r"batches\[0\].weights\[1\]: expected a weight of at least 0, got -2.0"),
    ],
)
def test_wrong_weights_are_refused_with_their_place(new_writer: NewWriter, weights: list[float], message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        new_writer().add(Batch(rows(2), ["a", "b"], np.array(weights, np.float32)))


def test_weights_come_with_all_batches_or_none(new_writer: NewWriter) -> None:
    writer, other = new_writer(), new_writer()
    writer.add(Batch(rows(2), ["a", "b"]))
    other.add(Batch(rows(2), ["a", "b"], np.ones(2, np.float32)))

    with pytest.raises(ServiceError, match=r"batches\[1\].weights: expected no weights as in the batches before"):
        writer.add(Batch(rows(2), ["a", "b"], np.ones(2, np.float32)))
    with pytest.raises(ServiceError, match=r"batches\[1\].weights: expected weights as in the batches before"):
        other.add(Batch(rows(2), ["a", "b"]))


def test_a_disk_that_fills_up_is_told_and_leaves_nothing(store: ArtifactStore, tmp_path: Path) -> None:
    writer = store.new_dataset(classes=None, **LIMITS)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(Unavailable, match="File too large"):
            writer.add(Batch(rows(100_000), ["a", "b"] * 50_000))
        writer.discard()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)

    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            np.zeros(2, np.float32),
            ["a", "b"],
            "batches[1].labels: expected targets as in the batches before, got labels",
        ),
        (
            np.zeros((2, 2), np.float32),
            np.zeros((2, 3), np.float32),
            "batches[1].targets: expected 2 outputs, as in the batches before, got 3",
        ),
        (
            np.zeros(2, np.float32),
            np.zeros((2, 1, 1), np.float32),
            "batches[1].targets: expected (rows,) or (rows, outputs), got shape (2, 1, 1)",
        ),
    ],
)
def test_targets_of_another_form_than_before_are_refused(
    writer: DatasetWriter, first: np.ndarray, second: list[str] | np.ndarray, message: str
) -> None:
    writer.add(Batch(rows(2), first))

    with pytest.raises(ServiceError) as caught:
        writer.add(Batch(rows(2), second))

    assert str(caught.value) == message


def test_a_label_of_another_kind_than_the_declared_classes_is_refused(new_writer: NewWriter) -> None:
    writer = new_writer(["a", "b"])

    with pytest.raises(ServiceError) as caught:
        writer.add(Batch(rows(2), [True, False]))

    assert str(caught.value) == "batches[0].labels[0]: expected one of the classes 'a', 'b', got True"
