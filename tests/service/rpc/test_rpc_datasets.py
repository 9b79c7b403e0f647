"""DatasetService: files that are sent, go on, are read, shown and deleted, and those that are no tables."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
import sqlalchemy as sa

from helpers.dataset_requests import WEATHER, file_requests
from helpers.rpc_requests import error_of, running_rpc
from helpers.waiting import wait_until
from layerwise.tables.formats import FORMATS
from layerwise.variants import from_json
from layerwise_proto.json_form import to_json, to_message
from layerwise_proto.v1 import datasets_pb2, tables_pb2
from layerwise_proto.v1.datasets_pb2_grpc import DatasetServiceStub
from layerwise_service.reading.reader import read_in_process
from layerwise_service.settings import Settings
from layerwise_service.stores import pending
from layerwise_service.stores.schema import datasets as datasets_table
from layerwise_service.wiring import Stores, open_stores


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        home=str(tmp_path_factory.mktemp("datasets") / "home"),
        rpc_address="127.0.0.1:0",
        max_dataset_bytes=100_000,
        max_columns=10,
        max_text_bytes=100,
        stop_seconds=2.0,
    )


@pytest.fixture(scope="module")
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def service(settings: Settings) -> Iterator[DatasetServiceStub]:
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as channel:
        yield DatasetServiceStub(channel)


def left(settings: Settings) -> list[Path]:
    """Files of uploads and of readers."""
    artifacts = settings.home_path / "artifacts"
    return [*(artifacts / "uploads").iterdir(), *(artifacts / "incoming").iterdir()]


def offset(service: DatasetServiceStub, upload: str) -> int:
    return int(service.GetUpload(datasets_pb2.GetUploadRequest(upload_id=upload), timeout=30).offset)


def listed(service: DatasetServiceStub) -> list[str]:
    return [each.id for each in service.ListDatasets(datasets_pb2.ListDatasetsRequest(), timeout=30).datasets]


def delete(service: DatasetServiceStub, dataset: str) -> None:
    service.DeleteDataset(datasets_pb2.DeleteDatasetRequest(id=dataset), timeout=30)


def test_a_file_becomes_typed_columns_and_says_how_it_was_read(settings: Settings, service: DatasetServiceStub) -> None:
    sha256 = hashlib.sha256(WEATHER).hexdigest()

    sent = service.UploadDataset(file_requests(WEATHER, name="weather.csv", sha256=sha256), timeout=60)

    columns = {column.name: column for column in sent.columns}
    assert (sent.name, sent.rows, sent.column_count, sent.file_sha256) == ("weather.csv", 3, 5, sha256)
    assert abs(sent.create_time.ToSeconds() - time.time()) < 60
    kinds = {name: column.format.WhichOneof("kind") for name, column in columns.items()}
    assert kinds == {"date": "date", "at": "time", "city": "category", "rain": "boolean", "mm": "number"}
    assert {name: column.gaps for name, column in columns.items()} == {
        "date": 0, "at": 1, "city": 1, "rain": 1, "mm": 1,
    }  # fmt: skip
    assert columns["mm"].format.number.decimal == ","
    assert not any(column.doubts for column in columns.values())
    for column in columns.values():  # what is shown is a format of the library
        form = {"kind": column.format.WhichOneof("kind")} | dict(to_json(getattr(column.format, kinds[column.name])))
        assert from_json("format", form, FORMATS).kind == kinds[column.name]
    assert service.GetDataset(datasets_pb2.GetDatasetRequest(id=sent.id), timeout=30) == sent
    assert left(settings) == []


def test_rows_are_shown_as_they_were_read(service: DatasetServiceStub) -> None:
    sent = service.UploadDataset(file_requests(WEATHER), timeout=60)

    def rows(**request: int) -> datasets_pb2.DatasetRows:
        return service.PreviewDataset(datasets_pb2.PreviewDatasetRequest(id=sent.id, **request), timeout=30)

    *texts, numbers = rows().table.columns
    table = {column.name: list(column.texts.values) for column in texts}
    shown = [None if math.isnan(value) else value for value in numbers.numbers.values]
    assert table | {numbers.name: shown} == {
        "date": ["2012-09-06", "2012-09-07", "2012-09-30"],
        "at": ["14:05:00", "09:30:00", ""],
        "city": ["Ulm", "Bonn", ""],
        "rain": ["true", "false", ""],
        "mm": [1.5, None, 1234.25],
    }
    first, last = rows(limit=2), rows(offset=2)
    assert (first.next_offset, last.HasField("next_offset")) == (2, False)
    assert [column.texts.values[0] for column in last.table.columns[:1]] == ["2012-09-30"]
    assert not rows(offset=3).HasField("next_offset")
    for wrong in ({"offset": 4}, {"offset": -1}, {"limit": 1_001}):
        code, _, _, pointer = error_of(partial(rows, **wrong))
        assert (code, pointer) == (grpc.StatusCode.INVALID_ARGUMENT, next(iter(wrong)))


def test_the_same_content_is_the_same_dataset_and_takes_the_newest_name(service: DatasetServiceStub) -> None:
    first = service.UploadDataset(file_requests(b"a,b\n1,x\n2,y\n", name="first"), timeout=60)

    second = service.UploadDataset(file_requests(b'a,b\r\n1,"x"\r\n2,y\r\n', name="second"), timeout=60)
    third = service.UploadDataset(file_requests(b"a,b\n1,x\n2,y\n"), timeout=60)
    other = service.UploadDataset(file_requests(b"a,b\n1,x\n2,z\n"), timeout=60)

    assert first.id == second.id == third.id != other.id
    assert (second.name, third.name, third.file_sha256) == ("second", "second", first.file_sha256)
    assert listed(service).count(first.id) == 1


def formats(**chosen: Any) -> dict[str, tables_pb2.Format]:
    return {name: to_message(form, tables_pb2.Format) for name, form in chosen.items()}


LONG_UNIT = {"formats": formats(a={"kind": "number", "unit": "x" * 257})}
LONG_GAP = {"formats": formats(a={"kind": "date", "gaps": ["x" * 257]})}


def test_columns_are_read_as_the_caller_chooses_which_makes_another_dataset(service: DatasetServiceStub) -> None:
    content = b"day,code\n4/5/2013,7\n6/7/2013,-9\n"
    day_last = formats(day={"kind": "date", "day_first": False}, code="category")

    guessed = service.UploadDataset(file_requests(content), timeout=60)
    chosen = service.UploadDataset(file_requests(content, formats=day_last, gaps=["-9"]), timeout=60)

    (rows,) = (service.PreviewDataset(datasets_pb2.PreviewDatasetRequest(id=each.id), timeout=30) for each in [chosen])
    assert guessed.id != chosen.id
    assert [list(column.texts.values) for column in rows.table.columns] == [["2013-04-05", "2013-06-07"], ["7", ""]]
    assert [column.format.WhichOneof("kind") for column in chosen.columns] == ["date", "category"]
    assert not any(column.doubts for column in chosen.columns)


def test_a_choice_that_settles_a_doubt_settles_it_in_the_same_dataset(service: DatasetServiceStub) -> None:
    content = b"day,a\n4/5/2014,1\n6/7/2014,2\n"
    guessed = service.UploadDataset(file_requests(content), timeout=60)

    chosen = service.UploadDataset(file_requests(content, formats=formats(day="date")), timeout=60)

    assert [doubt.reason for doubt in guessed.columns[0].doubts] == ["DATE_ORDER"]
    assert (chosen.id, list(chosen.columns[0].doubts)) == (guessed.id, [])
    assert get(service, guessed.id) == chosen


@pytest.mark.parametrize(
    ("header", "code", "reason", "pointer"),
    [
        ({"formats": formats(a="number")}, "INVALID_ARGUMENT", "BAD_CELL", "rows[1].a"),
        ({"formats": formats(b="number")}, "INVALID_ARGUMENT", "COLUMN_NOT_FOUND", "formats.b"),
        ({"formats": {"a": tables_pb2.Format()}}, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "formats.a"),
        (
            {"formats": formats(a={"kind": "number", "decimal": "x"})},
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "formats.a.decimal",
        ),
        ({"gaps": ["x", "x"]}, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "gaps[1]"),
        ({"gaps": list(map(str, range(1_001)))}, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "gaps"),
        ({"gaps": ["x" * 257]}, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "gaps"),
        (
            {"formats": formats(a={"kind": "number", "unit": "x" * 257})},
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "formats.a.unit",
        ),
        (
            {"formats": formats(a={"kind": "date", "gaps": ["x" * 257]})},
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "formats.a.gaps",
        ),
        ({"read_as_version": "1"}, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "read_as"),
        ({"read_as_model": "nobody"}, "NOT_FOUND", "MODEL_NOT_FOUND", "model"),
    ],
)
def test_a_wrong_choice_is_refused_and_nothing_is_left(
    settings: Settings, service: DatasetServiceStub, header: dict[str, Any], code: str, reason: str, pointer: str
) -> None:
    found = error_of(lambda: service.UploadDataset(file_requests(b"a,c\n1,1\nx,2\n", **header), timeout=60))

    assert (found[0].name, found[2], found[3]) == (code, reason, pointer)
    wait_until(lambda: left(settings) == [])


def test_a_listed_dataset_stays_as_it_is_when_its_content_is_predicted(service: DatasetServiceStub) -> None:
    content = b"kept\n1\n"
    listed = service.UploadDataset(file_requests(content, name="mine.csv"), timeout=60)

    service.UploadDataset(file_requests(content, name="theirs.csv", transient=True), timeout=60)

    assert get(service, listed.id) == listed


def test_a_transient_dataset_is_not_listed_and_goes_after_the_grace(
    settings: Settings, service: DatasetServiceStub
) -> None:
    def send(content: bytes, *, transient: bool) -> str:
        return str(service.UploadDataset(file_requests(content, transient=transient), timeout=60).id)

    once, shared = send(b"once\n1\n", transient=True), send(b"shared\n1\n", transient=True)
    assert get(service, once).transient
    assert send(b"shared\n1\n", transient=False) == send(b"shared\n1\n", transient=True) == shared
    assert listed(service)[0] == shared
    assert once not in listed(service)

    kept, swept = open_stores(settings), open_stores(msgspec.structs.replace(settings, upload_grace_seconds=1e-9))
    kept.sweep()
    assert get(service, once).id == once
    swept.sweep()

    assert error_of(lambda: get(service, once))[2] == "DATASET_NOT_FOUND"
    assert not get(service, shared).transient
    kept.close()
    swept.close()


def test_an_upload_goes_on_where_it_broke_off(settings: Settings, service: DatasetServiceStub) -> None:
    content = b"a,b\n" + b"1,2\n" * 1_000

    broken = error_of(
        lambda: service.UploadDataset(file_requests(content, stop=1_500, chunk=500, upload_id="u"), timeout=60)
    )
    assert (broken[0], broken[2]) == (grpc.StatusCode.INVALID_ARGUMENT, "UPLOAD_INCOMPLETE")
    assert offset(service, "u") == 1_500
    wrong = error_of(lambda: service.UploadDataset(file_requests(content, start=1_000, upload_id="u"), timeout=60))
    assert (wrong[2], wrong[3]) == ("WRONG_OFFSET", "offset")
    sha256 = hashlib.sha256(content).hexdigest()
    sent = service.UploadDataset(file_requests(content, start=1_500, upload_id="u", sha256=sha256), timeout=60)

    assert (sent.rows, sent.file_sha256) == (1_000, sha256)
    assert offset(service, "u") == 0
    assert left(settings) == []


def test_an_upload_of_which_a_stream_is_open_is_busy(service: DatasetServiceStub) -> None:
    stopped: list[None] = []

    def requests() -> Iterator[datasets_pb2.UploadDatasetRequest]:
        yield from file_requests(WEATHER, stop=10, upload_id="busy")
        wait_until(lambda: stopped)

    running = service.UploadDataset.future(requests(), timeout=60)
    wait_until(lambda: offset(service, "busy") == 10)

    code, _, reason, _ = error_of(
        lambda: service.UploadDataset(file_requests(WEATHER, start=10, upload_id="busy"), timeout=60)
    )
    stopped.append(None)

    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "UPLOAD_BUSY")
    assert running.code() == grpc.StatusCode.INVALID_ARGUMENT  # incomplete
    sent = service.UploadDataset(file_requests(WEATHER, start=10, upload_id="busy"), timeout=60)
    assert sent.rows == 3


@pytest.mark.parametrize("upload", ["", "kept"])
def test_a_caller_that_leaves_leaves_its_upload_if_that_can_go_on(
    settings: Settings, service: DatasetServiceStub, upload: str
) -> None:
    left_it = threading.Event()

    def requests() -> Iterator[datasets_pb2.UploadDatasetRequest]:
        yield from file_requests(WEATHER, stop=10, upload_id=upload)
        left_it.wait(30)

    running = service.UploadDataset.future(requests(), timeout=60)
    wait_until(lambda: [path.stat().st_size for path in left(settings)] == [10])
    running.cancel()
    left_it.set()

    def goes_on() -> bool:
        try:
            return service.UploadDataset(file_requests(WEATHER, start=10, upload_id=upload), timeout=60).rows == 3
        except grpc.RpcError as error:  # the service has not seen yet that the caller left
            assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017
            return False

    if upload:
        wait_until(goes_on)
    wait_until(lambda: left(settings) == [])


@pytest.mark.parametrize(
    ("content", "reason", "pointer"),
    [
        (b"a,b\n1,2\n3\n4,5,6\n", "BAD_LINE", "line[3]"),
        (b"%PDF-1.7", "NOT_A_TABLE", ""),
        (b'{"a": [1, 2]}\n', "NESTED_COLUMN", "columns.a"),
        (b"\n\n", "EMPTY_FILE", ""),
        (b"a,b\n", "NO_ROWS", ""),
        (b"a,b\n1,x\n2," + b"y" * 101 + b"\n", "TOO_LARGE", "rows[1].b"),
        (",".join(f"c{i}" for i in range(11)).encode() + b"\n" + b"1," * 10 + b"1\n", "TOO_LARGE", "columns"),
    ],
)
def test_a_file_that_is_no_table_is_refused_and_nothing_is_left(
    settings: Settings, service: DatasetServiceStub, content: bytes, reason: str, pointer: str
) -> None:
    before = listed(service)

    found = error_of(lambda: service.UploadDataset(file_requests(content, upload_id="no-table"), timeout=60))

    assert (found[0], found[2], found[3]) == (grpc.StatusCode.INVALID_ARGUMENT, reason, pointer)
    assert left(settings) == []
    assert listed(service) == before


@pytest.mark.parametrize(
    ("header", "reason", "pointer"),
    [
        ({"size": 0}, "EMPTY_FILE", "size"),
        ({"size": 100_001}, "DATASET_TOO_LARGE", "size"),
        ({"upload_id": "a/b"}, "INVALID_ARGUMENT", "upload_id"),
        ({"name": "a\nb"}, "INVALID_NAME", "name"),
        ({"sha256": "abc"}, "INVALID_ARGUMENT", "sha256"),
        ({"sha256": "0" * 64}, "UPLOAD_DAMAGED", "sha256"),
        ({"size": 5}, "TOO_MANY_BYTES", "size"),
        ({"size": 99_999}, "UPLOAD_INCOMPLETE", "size"),
    ],
)
def test_a_wrong_header_is_refused(
    settings: Settings, service: DatasetServiceStub, header: dict[str, Any], reason: str, pointer: str
) -> None:
    found = error_of(lambda: service.UploadDataset(file_requests(WEATHER, **header), timeout=60))

    assert (found[0], found[2], found[3]) == (grpc.StatusCode.INVALID_ARGUMENT, reason, pointer)
    wait_until(lambda: left(settings) == [])


def test_streams_without_a_header_or_with_two_are_refused(service: DatasetServiceStub) -> None:
    (header, chunk) = file_requests(WEATHER)
    for requests, pointer in (
        ([], "header"),
        ([chunk], "header"),
        ([header, header], "header"),
        ([header, datasets_pb2.UploadDatasetRequest()], "chunk"),
    ):
        found = error_of(partial(service.UploadDataset, iter(requests), timeout=60))
        assert (found[0], found[3]) == (grpc.StatusCode.INVALID_ARGUMENT, pointer)


def test_lists_come_in_pages_newest_first(service: DatasetServiceStub) -> None:
    sent = [service.UploadDataset(file_requests(f"p\n{i}\n".encode()), timeout=60).id for i in range(3)]

    def page(token: str) -> datasets_pb2.ListDatasetsResponse:
        return service.ListDatasets(datasets_pb2.ListDatasetsRequest(page_size=2, page_token=token), timeout=30)

    first = page("")
    second = page(first.next_page_token)

    assert [each.id for each in (*first.datasets, *second.datasets)][:3] == sent[::-1]
    assert not first.datasets[0].columns
    for token in ("x", "[1]", '{"a": 1}'):
        assert error_of(partial(page, token))[3] == "page_token"


def test_a_deleted_dataset_is_gone_and_its_files_go_after_the_grace(
    settings: Settings, stores: Stores, service: DatasetServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"gone\n1\n2\n"
    sent = service.UploadDataset(file_requests(content), timeout=60)
    folder = settings.home_path / "artifacts" / "datasets" / sent.id

    delete(service, sent.id)

    assert sent.id not in listed(service)
    for call in (lambda: delete(service, sent.id), lambda: get(service, sent.id)):
        assert error_of(call)[::2][:2] == (grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND")
    stores.sweep()
    assert folder.is_dir()
    assert service.UploadDataset(file_requests(content), timeout=60).id == sent.id  # back again
    delete(service, sent.id)
    monkeypatch.setattr(pending, "_GRACE_SECONDS", -1)
    stores.sweep()
    assert not folder.exists()


def get(service: DatasetServiceStub, dataset: str) -> datasets_pb2.Dataset:
    return service.GetDataset(datasets_pb2.GetDatasetRequest(id=dataset), timeout=30)


def test_damaged_columns_are_replaced_when_the_file_is_sent_again(
    settings: Settings, stores: Stores, service: DatasetServiceStub
) -> None:
    sent = service.UploadDataset(file_requests(b"d\n1\n2\n"), timeout=60)
    column = settings.home_path / "artifacts" / "datasets" / sent.id / "column0.npy"
    whole = column.read_bytes()
    column.write_bytes(whole[:-1] + b"\x7f")

    again = service.UploadDataset(file_requests(b"d\n1\n2\n"), timeout=60)

    assert again.id == sent.id
    assert column.read_bytes() == whole
    assert stores.artifacts.open_table(stores.datasets.get(sent.id)).rows == 2


def test_uploads_that_nobody_goes_on_with_are_swept_after_the_grace(
    settings: Settings, service: DatasetServiceStub
) -> None:
    error_of(lambda: service.UploadDataset(file_requests(WEATHER, stop=10, upload_id="forgotten"), timeout=60))
    kept, swept = open_stores(settings), open_stores(msgspec.structs.replace(settings, upload_grace_seconds=1e-9))

    kept.sweep()
    assert offset(service, "forgotten") == 10
    swept.sweep()

    assert offset(service, "forgotten") == 0
    assert left(settings) == []
    kept.close()
    swept.close()


def test_a_reading_that_takes_too_long_or_too_much_memory_is_ended(settings: Settings) -> None:
    for change, reason in (
        ({"reading_seconds": 0.05}, "READING_TOO_LONG"),
        ({"reading_memory_bytes": 2**20}, "READING_TOO_LARGE"),
    ):
        with (
            running_rpc(msgspec.structs.replace(settings, **change)) as (address, _),
            grpc.insecure_channel(address) as channel,
        ):
            found = error_of(partial(DatasetServiceStub(channel).UploadDataset, file_requests(WEATHER), timeout=60))
            assert (found[0], found[2]) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
            assert left(settings) == []


def test_a_stop_ends_the_reader_and_the_upload_goes_on(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    reading: list[Path] = []

    def noticed(folder: Path, *arguments: Any) -> Any:
        reading.append(folder)
        return read_in_process(folder, *arguments)

    monkeypatch.setattr("layerwise_service.usecases.datasets.read_in_process", noticed)
    with running_rpc(settings) as (address, stop), grpc.insecure_channel(address) as channel:
        stub = DatasetServiceStub(channel)
        call = stub.UploadDataset.future(file_requests(WEATHER, upload_id="stopped"), timeout=60)
        wait_until(lambda: reading)
        call.cancel()
        stop()

    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as channel:
        stub = DatasetServiceStub(channel)
        assert offset(stub, "stopped") == len(WEATHER)
        sent = stub.UploadDataset(file_requests(WEATHER, start=len(WEATHER), upload_id="stopped"), timeout=60)
        assert sent.rows == 3
    assert left(settings) == []


def test_datasets_of_train_are_not_listed(stores: Stores, service: DatasetServiceStub) -> None:
    with stores.database.write() as connection:
        row = {"sha256": "0" * 64, "rows": 1, "features": 1, "outputs": 1, "size_bytes": 1, "created": 9e9}
        connection.execute(sa.insert(datasets_table).values(**row))

    assert "0" * 64 not in listed(service)
    assert error_of(lambda: get(service, "0" * 64))[2] == "DATASET_NOT_FOUND"
    with stores.database.write() as connection:
        connection.execute(sa.delete(datasets_table).where(datasets_table.c.sha256 == "0" * 64))
