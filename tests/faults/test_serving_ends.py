"""Processes that answer predictions stop, die and are started again while they are asked."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
from benchmarks.many_models import publish, small_networks
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from helpers.metrics import Sample, samples, series
from helpers.running import Service, alive, children, family, running_service
from helpers.waiting import wait_until
from layerwise_proto.oip import grpc_service_pb2 as oip
from layerwise_proto.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from layerwise_service.settings import Settings

ROWS = np.full((2, 30), 0.5, np.float32)
BODY = b'{"model": "model-0", "instances": ' + str(ROWS.tolist()).encode() + b"}"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With one model, "model-0"."""
    publish(Settings(home=str(tmp_path / "home")), small_networks(1))
    return tmp_path / "home"


class BegunRequest:
    """A prediction over REST that the service has begun to read, and whose body is still to come."""

    def __init__(self, service: Service) -> None:
        host, _, port = service.rest.removeprefix("http://").rpartition(":")
        self._connection = socket.create_connection((host, int(port)), timeout=30)
        head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
        self._connection.sendall(f"{head}Content-Length: {len(BODY)}\r\nConnection: close\r\n\r\n".encode())
        assert self._connection.recv(100).startswith(b"HTTP/1.1 100 ")

    def end(self) -> int:
        """Send the body, and return the status of the answer."""
        with self._connection, self._connection.makefile("rb") as answer:
            self._connection.sendall(BODY)
            return int(answer.readline().split()[1])


def predicts(service: Service) -> bool:
    """Whether a new connection is answered."""
    request = urllib.request.Request(f"{service.rest}/predict", BODY, {"Content-Type": "application/json"})
    with suppress(OSError), urllib.request.urlopen(request, timeout=10) as response:
        return bool(response.status == 200)
    return False


def ready(service: Service) -> dict[str, int]:
    """The status of each readiness check."""
    found: dict[str, int] = {}
    for path in ("/readyz", "/readyz/predictions"):
        try:
            with urllib.request.urlopen(service.rest + path, timeout=10) as response:
                found[path] = response.status
        except urllib.error.HTTPError as error:
            found[path] = error.code
    return found


def metrics(service: Service) -> dict[Sample, float]:
    with urllib.request.urlopen(f"{service.rest}/metrics", timeout=10) as response:
        return samples(response.read().decode())


def infer() -> oip.ModelInferRequest:
    sent = oip.ModelInferRequest(model_name="model-0", raw_input_contents=[ROWS.tobytes()])
    sent.inputs.add(name="input", datatype="FP32", shape=ROWS.shape)
    return sent


def test_80_a_service_that_is_ended_says_so_and_answers_the_hundred_requests_that_it_has_accepted(home: Path) -> None:
    with (
        # enough threads for all requests, however they are shared among the processes
        running_service(home, "--rest-processes", "4", LAYERWISE_STOP_SECONDS="20") as service,
        grpc.insecure_channel(service.rpc) as channel,
    ):
        pids = family(service.process.pid)
        sent: queue.Queue[oip.ModelInferRequest] = queue.Queue()
        stream = GRPCInferenceServiceStub(channel).ModelStreamInfer(iter(sent.get, None))
        sent.put(infer())
        next(stream)
        requests = [BegunRequest(service) for _ in range(100)]

        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: ready(service) == {"/readyz": 503, "/readyz/predictions": 503})
        assert predicts(service)  # while a process of gRPC waits for the stream
        stream.cancel()
        wait_until(lambda: not predicts(service))  # nobody new is accepted

        assert [request.end() for request in requests] == [200] * 100
        assert service.process.wait(60) == 0
        assert not any(alive(pid) for pid in pids)


def test_81_a_killed_process_of_rest_is_replaced_at_once_and_only_its_own_requests_fail(home: Path) -> None:
    with running_service(home, "--rest-processes", "2") as service:
        before = service.rest_pids()
        own = [BegunRequest(service) for _ in range(24)]  # both processes have some

        os.kill(before[0], signal.SIGKILL)
        start = time.monotonic()
        wait_until(lambda: len(set(service.rest_pids()) - set(before)) == 1)
        seconds = time.monotonic() - start

        assert seconds < 5  # 0.2 on an idle machine
        answered = 0
        for request in own:
            with suppress(OSError, IndexError):  # those of the process that was killed
                answered += request.end() == 200
        assert 0 < answered < 24
        wait_until(lambda: predicts(service))
        ended = f'"pid": {before[0]}, "event": "process_ended"'
        wait_until(lambda: ended in service.log.read_text())


def test_82_streams_that_are_open_when_grpc_is_ended_are_told_and_it_ends_in_time(home: Path) -> None:
    """Calls that wait for a job, and a stream of inferences whose caller has not ended it."""
    with running_service(home, LAYERWISE_STOP_SECONDS="3") as service, grpc.insecure_channel(service.rpc) as channel:
        sent: queue.Queue[oip.ModelInferRequest] = queue.Queue()
        stream = GRPCInferenceServiceStub(channel).ModelStreamInfer(iter(sent.get, None))
        sent.put(infer())
        assert next(stream).infer_response.model_name == "model-0"
        watching = HealthStub(channel).Watch(HealthCheckRequest(service=""), timeout=60)
        states = [next(watching).status]

        service.process.send_signal(signal.SIGTERM)
        with suppress(grpc.RpcError):
            states.extend(each.status for each in watching)
        start = time.monotonic()
        with pytest.raises(grpc.RpcError) as ended:
            next(stream)

        assert states[0] == HealthCheckResponse.SERVING
        assert HealthCheckResponse.NOT_SERVING in states
        assert ended.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)  # type: ignore[attr-defined]
        assert service.process.wait(30) == 0
        assert time.monotonic() - start < 10


def test_82_a_watcher_of_the_health_does_not_hold_a_service_that_stops(home: Path) -> None:
    with running_service(home, LAYERWISE_STOP_SECONDS="20") as service, grpc.insecure_channel(service.rpc) as channel:
        watching = HealthStub(channel).Watch(HealthCheckRequest(service=""), timeout=60)
        assert next(watching).status == HealthCheckResponse.SERVING
        start = time.monotonic()
        service.process.send_signal(signal.SIGTERM)

        assert next(watching).status == HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError, match="the service stops"):
            next(watching)
        assert service.process.wait(30) == 0
        assert time.monotonic() - start < 10


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have a namespace of processes")
def test_83_as_the_first_process_of_a_container_it_leaves_no_zombie_and_ends_within_ten_seconds(home: Path) -> None:
    """Processes whose parent was killed are handed to the first process of the container."""
    wrapper = home.parent / "python"
    wrapper.write_text(f'#!/bin/sh\nexec unshare -pf --mount-proc "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    with running_service(home, python=str(wrapper)) as service:
        (first,) = children(service.process.pid)
        (parent,) = [pid for pid in children(first) if len(children(pid)) > 1]  # of the processes of REST
        orphans = children(parent)

        os.kill(parent, signal.SIGKILL)

        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (parent, *orphans)))
        wait_until(lambda: predicts(service))
        pids, start = family(first), time.monotonic()
        os.kill(first, signal.SIGTERM)
        assert service.process.wait(30) == 0
        assert time.monotonic() - start < 10
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_84_a_client_that_tries_the_other_service_loses_no_call_while_each_is_restarted(home: Path) -> None:
    other = home.parent / "other"
    shutil.copytree(home, other)
    failed, answered = [0], [0]
    stop = threading.Event()
    replicas: list[Service] = []

    def ask() -> None:
        while not stop.is_set():
            done = any(predicts(replica) for replica in list(replicas))
            (answered if done else failed)[0] += 1

    def restart(replica: Service) -> Service:
        assert replica.stop() == 0
        return stack.enter_context(running_service(replica.home))

    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        replicas += [stack.enter_context(running_service(each)) for each in (home, other)]
        stack.callback(stop.set)
        asked = [pool.submit(ask) for _ in range(4)]
        for place in (0, 1):
            known = answered[0]
            replicas[place] = restart(replicas[place])
            wait_until(lambda known=known: answered[0] > known + 100)  # type: ignore[misc]
        stop.set()
        for each in asked:
            each.result()

    assert failed == [0]


def test_85_the_process_that_forks_others_has_not_started_grpc(home: Path) -> None:
    """A fork has gRPC's locks, but none of its threads, which are there as soon as gRPC has been used."""

    def uses_grpc(pid: int) -> bool:
        names = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/comm")]
        return any(name.startswith(("grpc", "event_engine")) for name in names)

    with running_service(home) as service, grpc.insecure_channel(service.rpc) as channel:
        GRPCInferenceServiceStub(channel).ModelInfer(infer(), timeout=10)
        assert predicts(service)
        serving = service.pids("rpc")
        assert any(uses_grpc(pid) for pid in serving)

        os.kill(serving[0], signal.SIGKILL)  # a process that is forked later is no other case
        wait_until(lambda: len(set(service.pids("rpc")) - set(serving)) == 1)

        for pid in (service.process.pid, *service.pids("rest"), *service.rest_pids()):
            assert not uses_grpc(pid)


def test_87_counts_do_not_fall_when_the_processes_that_counted_are_killed(home: Path) -> None:
    of = {"model": "model-0", "version": "1"}
    rows = series("layerwise_predict_rows_total", **of)
    with running_service(home) as service, grpc.insecure_channel(service.rpc) as channel:
        stub = GRPCInferenceServiceStub(channel)
        for _ in range(20):
            assert predicts(service)
            stub.ModelInfer(infer(), timeout=10, wait_for_ready=True)
        wait_until(lambda: metrics(service).get(rows) == 80)
        before = metrics(service)

        for pid in (*service.rest_pids(), *service.pids("rpc")):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: predicts(service))
        stub.ModelInfer(infer(), timeout=30, wait_for_ready=True)
        wait_until(lambda: metrics(service)[rows] == 84)
        after = metrics(service)

        counters = {name for name in before if name[0].endswith(("_total", "_count", "_bucket", "_success", "_us"))}
        assert len(counters) > 40
        assert {name for name in counters if after.get(name, 0.0) < before[name]} == set()
        statistics = stub.ModelStatistics(oip.ModelStatisticsRequest(name="model-0"), timeout=30).model_stats[0]
        assert statistics.inference_count == 84
