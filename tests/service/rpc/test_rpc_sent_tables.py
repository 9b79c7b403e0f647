"""Tables that are sent as typed columns become datasets, as files do, but nothing of their types is guessed."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from helpers.dataset_requests import file_requests, table_requests
from helpers.rpc_requests import error_of, running_rpc
from helpers.waiting import wait_until
from layerwise_proto.v1 import datasets_pb2, tables_pb2
from layerwise_proto.v1.datasets_pb2_grpc import DatasetServiceStub
from layerwise_service.errors import Unavailable
from layerwise_service.reading.read_table import read_table
from layerwise_service.settings import Settings
from layerwise_service.usecases.table_upload import TableUpload

NAN = math.nan


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        home=str(tmp_path_factory.mktemp("tables") / "home"),
        rpc_address="127.0.0.1:0",
        max_dataset_bytes=10_000,
        max_columns=20,
        max_text_bytes=100,
        stop_seconds=2.0,
    )


@pytest.fixture(scope="module")
def service(settings: Settings) -> Iterator[DatasetServiceStub]:
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as channel:
        yield DatasetServiceStub(channel)


def left(settings: Settings) -> list[Path]:
    return list((settings.home_path / "artifacts" / "incoming").iterdir())


def table(**columns: tuple[str, Sequence[float] | Sequence[str]]) -> tables_pb2.Table:
    """A table of columns, each with its type, "" for none, and its values."""
    sent = tables_pb2.Table()
    for name, (kind, values) in columns.items():
        number = tables_pb2.ColumnType.Value(f"COLUMN_TYPE_{kind.upper() or 'UNSPECIFIED'}")
        column = sent.columns.add(name=name, type=number)
        if isinstance(values[0], str):
            column.texts.values.extend(values)  # type: ignore[arg-type]
        else:
            column.numbers.values.extend(values)  # type: ignore[arg-type]
    return sent


TYPED = table(
    amount=("number", [1.5, NAN, 1e300]),
    whole=("whole", [7.0, NAN, -3.0]),
    long=("whole", ["9007199254740993", "", "1"]),
    flag=("boolean", [1.0, 0.0, NAN]),
    code=("category", [2007.0, 2008.5, NAN]),
    word=("category", ["NA", "01", ""]),
    day=("date", ["2013-01-31", "", "2013-02-01T14:05:30"]),
    at=("time", ["14:05:30", "00:00:00", ""]),
    remark=("text", ["good", "", "a b"]),
    shows=("", ["1,5", "2,25", "NA"]),
)
KINDS = {
    "amount": "number",
    "whole": "number",
    "long": "category",  # float64 would round it
    "flag": "boolean",
    "code": "category",
    "word": "category",
    "day": "date",
    "at": "time",
    "remark": "text",
    "shows": "number",
}


def kinds_of(dataset: datasets_pb2.Dataset) -> dict[str, str | None]:
    return {column.name: column.format.WhichOneof("kind") for column in dataset.columns}


def shown(service: DatasetServiceStub, dataset: datasets_pb2.Dataset) -> dict[str, list[Any]]:
    rows = service.PreviewDataset(datasets_pb2.PreviewDatasetRequest(id=dataset.id), timeout=30).table
    return {
        column.name: list(column.texts.values)
        or [None if math.isnan(value) else value for value in column.numbers.values]
        for column in rows.columns
    }


def test_columns_are_what_their_types_say_and_others_what_they_show(
    settings: Settings, service: DatasetServiceStub
) -> None:
    sent = service.UploadDataset(table_requests(TYPED, name="in memory"), timeout=60)

    assert kinds_of(sent) == KINDS
    assert (sent.name, sent.rows, sent.file_sha256, sent.transient) == ("in memory", 3, "", False)
    assert shown(service, sent) == {
        "amount": [1.5, None, 1e300],
        "whole": [7, None, -3],
        "long": ["9007199254740993", "", "1"],
        "flag": ["true", "false", ""],
        "code": ["2007", "2008.5", ""],
        "word": ["NA", "01", ""],  # a word that says that a value is missing is one of these categories
        "day": ["2013-01-31", "", "2013-02-01T14:05:30"],
        "at": ["14:05:30", "00:00:00", ""],
        "remark": ["good", "", "a b"],
        "shows": [1.5, 2.25, None],
    }
    assert service.GetDataset(datasets_pb2.GetDatasetRequest(id=sent.id), timeout=30) == sent
    assert left(settings) == []


def test_the_same_rows_are_the_same_dataset_by_file_or_as_a_table_in_one_block_or_several(
    service: DatasetServiceStub,
) -> None:
    by_file = service.UploadDataset(file_requests(b"a,b\n1,x\n2.5,y\n,x\n"), timeout=60)
    blocks = [table(a=("number", [1.0, 2.5]), b=("", ["x", "y"])), table(a=("number", [NAN]), b=("", ["x"]))]

    by_blocks = service.UploadDataset(table_requests(*blocks), timeout=60)
    whole = table(a=("number", [1.0, 2.5, NAN]), b=("", ["x", "y", "x"]))
    by_table = service.UploadDataset(table_requests(whole), timeout=60)

    assert by_file.id == by_blocks.id == by_table.id
    assert [column.distinct for column in by_table.columns] == [2, 2]
    kept = service.GetDataset(datasets_pb2.GetDatasetRequest(id=by_file.id), timeout=30)
    assert kept.file_sha256 == by_file.file_sha256


def test_a_large_table_is_read_in_a_process_of_its_own_to_the_same_dataset(
    service: DatasetServiceStub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = service.UploadDataset(table_requests(TYPED), timeout=60)
    monkeypatch.setattr("layerwise_service.usecases.datasets._READ_HERE", 0)

    there = service.UploadDataset(table_requests(TYPED), timeout=60)
    code, _, reason, place = error_of(
        partial(service.UploadDataset, table_requests(table(a=("date", ["today"]))), timeout=60)
    )

    assert (there.id, list(there.columns)) == (here.id, list(here.columns))
    assert (code, reason, place) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_CELL", "rows[0].a")
    assert left(settings) == []


def test_only_what_is_kept_of_a_table_is_synced(service: DatasetServiceStub, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    sync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)

    service.UploadDataset(table_requests(table(a=("number", [0.5, 7.5]), b=("category", ["x", "y"]))), timeout=60)

    assert [(path.parent.name, path.name) for path in synced if path.suffix == ".npy"] == [
        ("table", name) for name in ("column0.npy", "column1.texts.npy", "column1.ends.npy")
    ]


def test_few_small_tables_are_read_at_once_and_they_do_not_wait_for_files(
    service: DatasetServiceStub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables are read by Python, and all calls share its interpreter: many readers would keep them waiting."""
    running, most, lock = 0, 0, threading.Lock()
    files, ended = 0, threading.Event()

    def read(*given: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.1)
        with lock:
            running -= 1
        return read_table(*given)

    def read_long(*_: Any) -> Any:
        nonlocal files
        with lock:
            files += 1
        ended.wait(30)
        raise Unavailable("the end")

    monkeypatch.setattr("layerwise_service.usecases.datasets.read_table", read)
    monkeypatch.setattr("layerwise_service.usecases.datasets.read_in_process", read_long)
    held = [service.UploadDataset.future(file_requests(b"a\n1\n"), timeout=60) for _ in range(2)]
    wait_until(lambda: files == 2)

    calls = [service.UploadDataset.future(table_requests(TYPED), timeout=60) for _ in range(8)]

    assert len({call.result().id for call in calls}) == 1
    assert most == 2
    assert not any(call.done() for call in held)
    ended.set()
    assert {call.code() for call in held} == {grpc.StatusCode.UNAVAILABLE}
    wait_until(lambda: left(settings) == [])


def test_other_calls_are_answered_while_the_disk_hangs_on_which_tables_are_written(
    service: DatasetServiceStub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, free = threading.Semaphore(0), threading.Event()
    write = TableUpload.add

    def hang(*given: Any) -> None:
        begun.release()
        free.wait(60)
        write(*given)

    monkeypatch.setattr(TableUpload, "add", hang)
    calls = [service.UploadDataset.future(table_requests(TYPED), timeout=90) for _ in range(20)]
    try:
        for _ in range(4):
            assert begun.acquire(timeout=30)

        for _ in range(3):
            service.ListDatasets(datasets_pb2.ListDatasetsRequest(), timeout=20)

        assert not any(call.done() for call in calls)
    finally:
        free.set()
    assert len({call.result().id for call in calls}) == 1
    assert left(settings) == []


def test_each_answer_has_the_hash_of_the_file_that_was_sent(service: DatasetServiceStub) -> None:
    contents = [b"a,b\n1,x\n2,y\n", b"a;b\n1;x\n2;y\n"]

    listed, passing = (
        service.UploadDataset(file_requests(content, transient=transient), timeout=60)
        for content, transient in zip(contents, (False, True), strict=True)
    )

    assert listed.id == passing.id
    assert [each.file_sha256 for each in (listed, passing)] == [hashlib.sha256(each).hexdigest() for each in contents]


def test_the_caller_chooses_how_columns_are_read_and_which_words_are_gaps(service: DatasetServiceStub) -> None:
    sent = table(a=("whole", [1.0, 2.0]), b=("category", ["?", "x"]), c=("", ["3", "4"]))
    category = tables_pb2.Format(category=tables_pb2.CategoryFormat())

    read = service.UploadDataset(table_requests(sent, formats={"a": category, "c": category}, gaps=["?"]), timeout=60)

    assert kinds_of(read) == {"a": "category", "b": "category", "c": "category"}
    assert shown(service, read) == {"a": ["1", "2"], "b": ["", "x"], "c": ["3", "4"]}


ONE = table(a=("number", [1.0]))


@pytest.mark.parametrize(
    ("requests", "reason", "pointer"),
    [
        (lambda: table_requests(ONE, rows=2), "ROWS_MISSING", "rows"),
        (lambda: table_requests(ONE, ONE, rows=1), "TOO_MANY_ROWS", "rows"),
        (lambda: table_requests(ONE, rows=-1), "ROWS_MISSING", "rows"),
        (lambda: table_requests(rows=1), "ROWS_MISSING", "rows"),
        (lambda: table_requests(ONE, size=10), "", "size"),
        (lambda: table_requests(ONE, upload_id="x"), "", "upload_id"),
        (lambda: table_requests(ONE, table(a=("whole", [1.0]))), "", "columns.a"),
        (lambda: table_requests(ONE, table(b=("number", [1.0]))), "", "columns[0].name"),
        (lambda: table_requests(ONE, table(a=("", ["x"]))), "", "columns[0]"),
        (lambda: table_requests(ONE, table(a=("number", [math.inf]))), "NOT_FINITE", "rows[1].a"),
        (lambda: table_requests(table(a=("", ["x" * 101]))), "", "rows[0].a"),
        (lambda: table_requests(table(a=("date", ["today"]))), "BAD_CELL", "rows[0].a"),
        (lambda: table_requests(*[table(a=("number", [1.0] * 1000))] * 2), "DATASET_TOO_LARGE", ""),
        (lambda: table_requests(tables_pb2.Table(), rows=1), "", "columns"),
        (lambda: file_requests(b"a\n1\n", stop=0, size=1), "UPLOAD_INCOMPLETE", "size"),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_nothing(
    requests: Callable[[], Iterator[datasets_pb2.UploadDatasetRequest]],
    reason: str,
    pointer: str,
    settings: Settings,
    service: DatasetServiceStub,
) -> None:
    code, _, found, place = error_of(partial(service.UploadDataset, requests(), timeout=60))

    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert (reason, pointer) == (reason and found, pointer and place)
    assert left(settings) == []


@pytest.mark.parametrize(
    ("header", "part", "wanted"),
    [
        ({"rows": 1}, {"chunk": datasets_pb2.FileChunk(data=b"a")}, "expected a table, got a chunk"),
        ({"size": 1}, {"table": ONE}, "expected a chunk, got a table"),
        ({"rows": 1}, {}, "expected a table, got an empty message"),
    ],
)
def test_a_table_is_no_file_and_a_file_no_table(
    header: Mapping[str, Any], part: Mapping[str, Any], wanted: str, service: DatasetServiceStub
) -> None:
    requests = [
        datasets_pb2.UploadDatasetRequest(header=datasets_pb2.FileHeader(**header)),
        datasets_pb2.UploadDatasetRequest(**part),
    ]

    code, detail, _, _ = error_of(partial(service.UploadDataset, iter(requests), timeout=60))

    assert (code, wanted in detail) == (grpc.StatusCode.INVALID_ARGUMENT, True)
