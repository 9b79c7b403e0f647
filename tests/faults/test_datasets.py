"""Table files on their way while rpc, rest or the reader is killed: nothing half-made is seen, the upload goes on."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from helpers.dataset_requests import file_requests, table_requests
from helpers.disks import fill, small_disk
from helpers.rpc_requests import error_of, running_rpc
from helpers.running import Service, alive, answers, family, get, running_service
from helpers.waiting import wait_until
from layerwise_proto.v1 import datasets_pb2, tables_pb2
from layerwise_proto.v1.datasets_pb2_grpc import DatasetServiceStub
from layerwise_service.settings import Settings

ROWS = 30_000


@pytest.fixture(scope="module")
def content() -> bytes:
    """A file that takes some seconds to read: 15 MB of numbers."""
    values = np.random.default_rng(0).normal(size=(200, 50))
    block = "".join(",".join(f"{value:.6f}" for value in row) + "\n" for row in values)
    header = ",".join(f"c{i}" for i in range(50))
    return (header + "\n" + block * (ROWS // 200)).encode()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(
        tmp_path_factory.mktemp("datasets") / "home", "--rest-processes", "1", "--rpc-processes", "1"
    ) as running:
        yield running


@pytest.fixture
def stub(service: Service) -> Iterator[DatasetServiceStub]:
    with grpc.insecure_channel(service.rpc) as channel:
        yield DatasetServiceStub(channel)


def offset(stub: DatasetServiceStub, upload: str) -> int:
    request = datasets_pb2.GetUploadRequest(upload_id=upload)
    return int(stub.GetUpload(request, timeout=60, wait_for_ready=True).offset)


def readers(pid: int) -> list[int]:
    """Readers that the process has started, or that it started in turn."""
    found = []
    for each in family(pid):
        try:
            if b"layerwise_service.reading" in Path(f"/proc/{each}/cmdline").read_bytes():
                found.append(each)
        except OSError:
            continue
    return found


def datasets(service: Service) -> Any:
    return get(service, "/api/datasets")["datasets"]


def go_on(stub: DatasetServiceStub, content: bytes, upload: str) -> datasets_pb2.Dataset:
    """Sends what is missing of the file."""
    requests = file_requests(
        content, start=offset(stub, upload), upload_id=upload, sha256=hashlib.sha256(content).hexdigest()
    )
    return stub.UploadDataset(requests, timeout=120)


def delete(stub: DatasetServiceStub, dataset: str) -> None:
    stub.DeleteDataset(datasets_pb2.DeleteDatasetRequest(id=dataset), timeout=60)


def test_an_upload_goes_on_after_rpc_was_killed(service: Service, stub: DatasetServiceStub, content: bytes) -> None:
    half = len(content) // 2
    (pid,) = service.pids("rpc")

    killed = threading.Event()

    def requests() -> Iterator[datasets_pb2.UploadDatasetRequest]:
        yield from file_requests(content, stop=half, upload_id="rpc")
        killed.wait(60)

    call = stub.UploadDataset.future(requests(), timeout=120)
    wait_until(lambda: offset(stub, "rpc") == half)
    os.kill(pid, signal.SIGKILL)

    assert call.code() == grpc.StatusCode.UNAVAILABLE
    killed.set()
    assert datasets(service) == []
    assert offset(stub, "rpc") == half
    sent = go_on(stub, content, "rpc")
    assert (sent.rows, sent.file_sha256) == (ROWS, hashlib.sha256(content).hexdigest())
    assert [each["id"] for each in datasets(service)] == [sent.id]
    delete(stub, sent.id)


def block(first: int) -> tables_pb2.Table:
    """A thousand rows of a table, about a megabyte."""
    texts = tables_pb2.Texts(values=[f"{i:01000}" for i in range(first, first + 1000)])
    return tables_pb2.Table(columns=[tables_pb2.Column(name="a", type="COLUMN_TYPE_CATEGORY", texts=texts)])


def sent_blocks(blocks: int, hold: threading.Event, *, rows: int) -> Iterator[datasets_pb2.UploadDatasetRequest]:
    """A stream that falls silent after some blocks."""
    yield from table_requests(*(block(1000 * i) for i in range(blocks)), rows=rows)
    hold.wait(60)


@pytest.mark.parametrize("end", ["caller leaves", "rpc is killed", "reader is killed"])
def test_of_a_table_that_was_on_its_way_nothing_is_left(service: Service, stub: DatasetServiceStub, end: str) -> None:
    incoming = service.home / "artifacts" / "incoming"
    (pid,) = service.pids("rpc")
    hold = threading.Event()
    call = stub.UploadDataset.future(sent_blocks(10, hold, rows=10_000), timeout=120)
    wait_until(lambda: sum(path.stat().st_size for path in incoming.glob("*/upload/*")) > 10 * 10**6)

    if end == "caller leaves":
        call.cancel()
    elif end == "rpc is killed":
        os.kill(pid, signal.SIGKILL)
    else:
        hold.set()
        wait_until(lambda: readers(pid))
        for reader in readers(pid):
            os.kill(reader, signal.SIGKILL)

    assert call.code() == (grpc.StatusCode.CANCELLED if end == "caller leaves" else grpc.StatusCode.UNAVAILABLE)
    hold.set()
    wait_until(lambda: list(incoming.iterdir()) == [])  # of a process that was killed, by the one after it
    assert datasets(service) == []
    again = table_requests(*(block(1000 * i) for i in range(10)))
    sent = stub.UploadDataset(again, timeout=120, wait_for_ready=True)
    assert sent.rows == 10_000
    delete(stub, sent.id)


@pytest.mark.parametrize("part", ["reader", "rpc"])
def test_a_file_is_read_again_after_a_kill_while_it_was_read(
    service: Service, stub: DatasetServiceStub, content: bytes, part: str
) -> None:
    (pid,) = service.pids("rpc")
    call = stub.UploadDataset.future(file_requests(content, upload_id=part), timeout=120)
    wait_until(lambda: readers(pid))
    (reader,) = readers(pid)

    os.kill(reader if part == "reader" else pid, signal.SIGKILL)

    assert call.code() == grpc.StatusCode.UNAVAILABLE
    wait_until(lambda: not alive(reader))
    assert datasets(service) == []
    assert offset(stub, part) == len(content)
    sent = go_on(stub, content, part)
    assert [each["id"] for each in datasets(service)] == [sent.id]
    assert offset(stub, part) == 0
    delete(stub, sent.id)


def test_an_upload_over_rest_goes_on_after_rest_was_killed(
    service: Service, stub: DatasetServiceStub, content: bytes
) -> None:
    def post(start: int, stop: int) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(service.rest.removeprefix("http://"), timeout=120)
        connection.putrequest("POST", f"/api/datasets?upload_id=rest&offset={start}")
        connection.putheader("Content-Length", str(len(content) - start))
        connection.endheaders()
        connection.send(content[start:stop])
        return connection

    mebibyte = 2**20  # REST writes so much at a time
    (pid,) = service.pids("rest")
    broken = post(0, 3 * mebibyte + 5)
    wait_until(lambda: offset(stub, "rest") == 3 * mebibyte)
    broken.close()  # the caller is gone: what it sent is kept
    wait_until(lambda: offset(stub, "rest") == 3 * mebibyte + 5)
    broken = post(3 * mebibyte + 5, 5 * mebibyte + 5)
    wait_until(lambda: offset(stub, "rest") == 5 * mebibyte + 5)
    workers = family(pid) - {pid}

    for worker in (pid, *workers):
        os.kill(worker, signal.SIGKILL)

    wait_until(lambda: service.pids("rest") not in ([], [pid]))
    wait_until(lambda: answers(service))
    broken.close()
    assert datasets(service) == []
    assert get(service, "/api/uploads/rest")["offset"] == 5 * mebibyte + 5
    rest = post(5 * mebibyte + 5, len(content))
    answer = rest.getresponse()
    assert answer.status == 201, answer.read()
    rest.close()
    (made,) = datasets(service)
    assert (made["rows"], made["file_sha256"]) == (ROWS, hashlib.sha256(content).hexdigest())
    delete(stub, made["id"])


def test_calls_are_answered_while_files_are_read_and_memory_stays_flat(
    service: Service, stub: DatasetServiceStub, content: bytes
) -> None:
    (pid,) = service.pids("rpc")
    calls = [
        stub.UploadDataset.future(file_requests(content + b"\n" * i, upload_id=f"many-{i}"), timeout=240)
        for i in range(3)
    ]
    wait_until(lambda: len(readers(pid)) == 2)

    began = time.monotonic()
    for _ in range(20):
        stub.ListDatasets(datasets_pb2.ListDatasetsRequest(), timeout=60)
    took = time.monotonic() - began

    assert not all(call.done() for call in calls)
    assert took < 20
    assert len({call.result().id for call in calls}) == 1
    status = Path(f"/proc/{pid}/status").read_text()
    peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024
    assert peak < 600e6
    wait_until(lambda: list((service.home / "artifacts" / "uploads").iterdir()) == [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount the small disk that is to fill up")
@pytest.mark.parametrize("room", [5 * 2**20, 20 * 2**20])
def test_an_upload_goes_on_when_a_full_disk_has_room_again(tmp_path: Path, content: bytes, room: int) -> None:
    """With less room than the file needs, and with less than its reader needs."""
    settings = Settings(home=str(tmp_path / "disk" / "home"), rpc_address="127.0.0.1:0")
    filler = tmp_path / "disk" / "filler"
    with (
        small_disk(tmp_path / "disk", megabytes=200),
        running_rpc(settings) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        stub = DatasetServiceStub(channel)
        fill(filler, leave=room)

        code, _, reason, _ = error_of(lambda: stub.UploadDataset(file_requests(content, upload_id="full"), timeout=120))

        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "NO_SPACE")
        assert offset(stub, "full") == min(len(content), room // 2**20 * 2**20)
        assert list((settings.home_path / "artifacts" / "incoming").iterdir()) == []
        filler.unlink()
        assert go_on(stub, content, "full").rows == ROWS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount the small disk that is to fill up")
@pytest.mark.parametrize("room", [0, 5 * 2**20, 15 * 2**20])
def test_a_table_that_finds_the_disk_full_leaves_nothing_and_is_taken_when_there_is_room(
    tmp_path: Path, room: int
) -> None:
    """With room for nothing, for half the table, and for the table, but not for what is read of it."""
    settings = Settings(home=str(tmp_path / "disk" / "home"), rpc_address="127.0.0.1:0")
    filler = tmp_path / "disk" / "filler"
    with (
        small_disk(tmp_path / "disk", megabytes=60),
        running_rpc(settings) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        stub = DatasetServiceStub(channel)
        fill(filler, leave=room)

        blocks = [block(1000 * i) for i in range(10)]
        code, _, reason, _ = error_of(lambda: stub.UploadDataset(table_requests(*blocks), timeout=120))

        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "NO_SPACE")
        assert list((settings.home_path / "artifacts" / "incoming").iterdir()) == []
        filler.unlink()
        assert stub.UploadDataset(table_requests(*blocks), timeout=120).rows == 10_000
