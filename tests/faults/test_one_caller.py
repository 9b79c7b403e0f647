"""One caller alone cannot keep the others from being answered."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from helpers.rpc_requests import batch, field, header
from helpers.running import Service, running_service
from helpers.waiting import wait_until
from layerwise import MLP, Architecture, Layer, Plan
from layerwise_client import ResourceExhausted, datasets
from layerwise_proto.v1 import training_pb2
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub

SECONDS = 2.0  # within which others are answered; it was 5 to 12 s, or 10 s at a time


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("callers") / "home", "--rpc-processes", "1") as service:
        yield service


def livez(service: Service) -> None:
    connection = http.client.HTTPConnection(service.rest.removeprefix("http://"), timeout=30)
    connection.request("GET", "/livez")
    assert connection.getresponse().status == 200
    connection.close()


def memory_peak(pid: int) -> float:
    """In MB."""
    return memory_told(pid, "VmHWM")


def memory_now(pid: int) -> float:
    """In MB."""
    return memory_told(pid, "VmRSS")


def memory_told(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


@contextmanager
def answered(call: Callable[[], object]) -> Iterator[list[float]]:
    """Makes `call` again and again beside the block; the seconds that each took."""
    found: list[float] = []
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(0.02):
            start = time.monotonic()
            call()
            found.append(time.monotonic() - start)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def health(channel: grpc.Channel) -> Callable[[], object]:
    stub = health_pb2_grpc.HealthStub(channel)
    return lambda: stub.Check(health_pb2.HealthCheckRequest(), timeout=30)


def test_a_header_of_millions_of_layers_holds_nobody_up(service: Service) -> None:
    flood = field(1, field(2, field(2, b"") * 3_900_000))
    with grpc.insecure_channel(service.rpc) as channel, grpc.insecure_channel(service.rpc, [("a", 1)]) as other:
        train = channel.stream_stream("/layerwise.v1.TrainingService/Train", bytes, training_pb2.TrainEvent.FromString)

        with answered(health(other)) as seconds:
            for _ in range(5):
                with pytest.raises(grpc.RpcError, match="expected at most"):
                    list(train(iter([flood]), timeout=60))

    assert max(seconds) < SECONDS


def test_bytes_that_are_no_message_hold_nobody_up(service: Service) -> None:
    with grpc.insecure_channel(service.rpc) as channel, grpc.insecure_channel(service.rpc, [("a", 1)]) as other:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)

        with answered(health(other)) as seconds:
            for _ in range(5):
                with pytest.raises(grpc.RpcError, match="are not a message of this method"):
                    check(b"\xff" * 7_000_000, timeout=60)

    assert max(seconds) < SECONDS


def test_a_body_of_millions_of_rows_holds_nobody_up(service: Service) -> None:
    body = b'{"instances": [' + b"[1]," * 7_700_000 + b"[1]]}"

    with answered(lambda: livez(service)) as seconds:
        for _ in range(5):
            connection = http.client.HTTPConnection(service.rest.removeprefix("http://"), timeout=60)
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["reason"]) == (413, "TOO_MANY_ROWS")
            connection.close()

    assert max(seconds) < SECONDS


def test_long_rows_from_several_callers_at_once_hold_nobody_up_and_take_bounded_memory(service: Service) -> None:
    row = b"[" + b",".join([b"1"] * 480) + b"]"
    body = b'{"instances": [' + b",".join([row] * 32_000) + b"]}"  # 29 MB, and 15 million numbers
    processes = service.rest_pids()
    before = sum(memory_peak(process) for process in processes)
    statuses: list[int] = []

    def send() -> None:
        connection = http.client.HTTPConnection(service.rest.removeprefix("http://"), timeout=60)
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        statuses.append(connection.getresponse().status)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    with answered(lambda: livez(service)) as seconds:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(statuses) == 8
    assert set(statuses) <= {413, 503}  # too many values, or too many that wait
    assert max(seconds) < SECONDS
    assert (
        sum(memory_peak(process) for process in processes) - before < 1_800
    )  # 1.3 to 1.5 GB: simdjson takes ten times a body, and each process reads one at a time


def test_silent_connections_keep_nobody_out_of_rest(service: Service) -> None:
    host, port = service.rest.removeprefix("http://").split(":")
    with ExitStack() as stack:
        for _ in range(1_500):
            stack.enter_context(socket.create_connection((host, int(port)), timeout=30))

        start = time.monotonic()
        for _ in range(20):
            livez(service)

        assert time.monotonic() - start < 20 * SECONDS / 4  # together: with all places taken, one took 10 s


def test_callers_that_never_end_their_bodies_hold_nobody_up(service: Service) -> None:
    """Twice as many small bodies as a process has threads, and large ones of which each has all but one place."""
    host, port = service.rest.removeprefix("http://").split(":")
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n["
    with ExitStack() as stack:
        for length in [1_000] * 256 + [1_000_000] * 63:
            sender = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            sender.sendall(head.format(length).encode())
        time.sleep(0.5)  # until they are read

        start = time.monotonic()
        for _ in range(20):
            livez(service)
            connection = http.client.HTTPConnection(host, int(port), timeout=30)
            connection.request("POST", "/predict", b" " * 100_000, {"Content-Type": "application/json"})
            assert connection.getresponse().status == 400
            connection.close()

        assert time.monotonic() - start < 20 * SECONDS / 4


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the memory of a process in /proc")
def test_large_bodies_that_hardly_come_take_bounded_memory_and_hold_nobody_up_for_long(service: Service) -> None:
    """A hundred bodies of which 20 MB come at once, and then one byte at a time; after them some come as usual."""
    host, port = service.rest.removeprefix("http://").split(":")
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n["
    begin = head.format(30_000_000).encode() + b" " * 20_000_000
    processes = service.rest_pids()
    before = sum(memory_peak(process) for process in processes)
    ended = threading.Event()

    def trickle(sender: socket.socket) -> None:
        with suppress(OSError):
            sender.sendall(begin)
            while not ended.wait(0.3):
                sender.send(b" ")

    def close(senders: list[socket.socket]) -> None:
        ended.set()
        for sender in senders:
            with suppress(OSError):  # it was ended by the service
                sender.shutdown(socket.SHUT_RDWR)

    with ExitStack() as stack:
        senders = [stack.enter_context(socket.create_connection((host, int(port)), timeout=60)) for _ in range(100)]
        threads = [threading.Thread(target=trickle, args=(sender,)) for sender in senders]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(close, senders)
        time.sleep(2)
        for _ in range(3):  # each may wait for those that came before it; it was for ever
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            connection.request("POST", "/predict", b" " * 30_000_000, {"Content-Type": "application/json"})
            assert connection.getresponse().status == 400
            connection.close()
        assert sum(memory_peak(process) for process in processes) - before < 900  # it was all of the 2 GB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the memory of a process in /proc")
def test_slow_readers_of_a_large_file_do_not_have_it_in_memory(service: Service) -> None:
    wide = MLP(Architecture(1_000, (Layer(8_000, "relu"), Layer(1))), seed=0)
    wide.plan = Plan(loss="squared_error")
    host, port = service.rest.removeprefix("http://").split(":")
    with service.client() as client, ExitStack() as stack:
        size = client.import_model("wide", wide, progress=False).size_bytes
        livez(service)
        before = sum(memory_peak(pid) for pid in service.rest_pids())

        for _ in range(30):
            reader = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            reader.sendall(b"GET /api/models/wide/versions/1/file HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert reader.recv(12) == b"HTTP/1.1 200"
        time.sleep(1)

        assert size > 30e6
        assert sum(memory_peak(pid) for pid in service.rest_pids()) < before + 200


def test_readers_that_stop_reading_rows_hold_nobody_up(service: Service, tmp_path: Path) -> None:
    """As many as both processes have threads, twice."""
    table = tmp_path / "rows.csv"
    table.write_text("a,b\n" + "".join(f"{number},{'x' * 100}\n" for number in range(50_000)))
    host, port = service.rest.removeprefix("http://").split(":")
    with service.client() as client, ExitStack() as stack:
        dataset = client.upload_dataset(table, progress=False)
        for _ in range(256):
            reader = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            reader.sendall(
                f"GET /api/datasets/{dataset.id}/rows?format=csv HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
        time.sleep(2)  # until their answers have begun

        for address in ["/api/models", "/api/datasets", "/docs"] * 5:  # the readers held the threads for these, too
            connection = http.client.HTTPConnection(host, int(port), timeout=30)
            connection.request("GET", address)
            assert connection.getresponse().status == 200
            connection.close()

        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.request("GET", f"/api/datasets/{dataset.id}/rows?format=csv")
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["reason"]) == (503, "TOO_MANY_READERS")
        connection.close()


def asking_for_21_mb(service: Service, folder: Path) -> tuple[bytes, bytes]:
    """Import the model "wide" and return a body that asks it for the logits of 19,000 rows, and its request."""
    wide = MLP(Architecture(3, (Layer(100),)), seed=0)
    wide.plan, wide.labels = Plan(), tuple(f"class {number}" for number in range(100))
    wide.save(folder / "wide.npz")
    with service.client() as client:
        client.import_model("wide", folder / "wide.npz")
    body = json.dumps({"model": "wide", "instances": [[0.5, 1, 2]] * 19_000, "outputs": ["logits"]}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return body, f"{head}\r\n\r\n".encode() + body


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the memory of a process in /proc")
def test_large_answers_that_nobody_reads_are_not_kept_and_make_room_for_others(
    service: Service, tmp_path: Path
) -> None:
    """Answers of 21 MB each, to 200 callers that read nothing of them; then one that reads its answer."""
    host, port = service.rest.removeprefix("http://").split(":")
    body, request = asking_for_21_mb(service, tmp_path)
    before = sum(memory_now(pid) for pid in service.rest_pids())

    def ask() -> int:
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        length = len(answer.read())
        connection.close()
        return length if answer.status == 200 else 0

    with ExitStack() as stack:
        for _ in range(200):
            reader = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.sendall(request)

        wait_until(lambda: ask() > 20_000_000)  # refused at first, with 503
        wait_until(lambda: sum(memory_now(pid) for pid in service.rest_pids()) < before + 1_200)  # it was all of 4 GB


def test_large_requests_whose_callers_have_gone_are_not_computed(service: Service, tmp_path: Path) -> None:
    host, port = service.rest.removeprefix("http://").split(":")
    _, request = asking_for_21_mb(service, tmp_path)
    for _ in range(100):
        with socket.create_connection((host, int(port)), timeout=60) as caller:
            caller.sendall(request)

    def cancelled() -> float:
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        counts = [line for line in lines if line.startswith("layerwise_predict_errors_total")]
        return sum(float(line.rpartition(" ")[2]) for line in counts if 'reason="CANCELLED"' in line)

    wait_until(lambda: cancelled() > 80)  # what had begun is computed


def test_idle_senders_do_not_hold_all_uploads(service: Service) -> None:
    with grpc.insecure_channel(service.rpc) as channel, service.client() as client:
        train = TrainingServiceStub(channel).Train
        released = threading.Event()

        def silent() -> Iterator[training_pb2.TrainRequest]:
            yield header(rows=8)
            yield batch()
            released.wait(60)

        streams = [train(silent(), timeout=60) for _ in range(32)]
        incoming = service.home / "artifacts" / "incoming"
        wait_until(lambda: len(list(Path(incoming).iterdir())) >= 32)
        X, y = datasets.load("iris")
        hidden = {"layers": [{"units": 4, "activation": "relu"}]}

        def accepted() -> bool:
            with suppress(ResourceExhausted):  # while nobody was silent for long enough
                return bool(client.train("iris", hidden, X, y, plan={"epochs": 1}, progress=False).id)
            return False

        wait_until(accepted)
        released.set()
        for stream in streams:
            stream.cancel()


def test_hundreds_of_watchers_hold_nobody_up_and_all_see_the_end(service: Service) -> None:
    X, y = datasets.load("digits")
    with (
        service.client() as client,
        grpc.insecure_channel(service.rpc) as channel,
        grpc.insecure_channel(service.rpc, [("a", 1)]) as other,
    ):
        architecture = {"layers": [{"units": 64, "activation": "relu"}]}
        job = client.train("digits", architecture, X, y, plan={"epochs": 5_000, "batch_size": 16}, progress=False)
        watch = TrainingServiceStub(channel).WatchJob
        with answered(health(other)) as seconds:
            # half of them ahead of the attempt, as those are that saw it before it was trained again
            requests = [training_pb2.WatchJobRequest(job_id=job.id, from_step=10**7 * (i % 2)) for i in range(500)]
            streams = [watch(request, timeout=100) for request in requests]
            for stream in streams:
                assert next(stream).WhichOneof("event") == "accepted"
            job.cancel()
            ends = [list(stream)[-1].transition.state for stream in streams]

    assert ends == [training_pb2.JOB_STATE_CANCELLED] * 500
    assert max(seconds) < SECONDS
