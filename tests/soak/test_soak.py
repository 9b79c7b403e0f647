"""A soak: mixed traffic for an hour, while versions come and go. Nothing that the service holds may grow.

LAYERWISE_SOAK_SECONDS is how long it takes, by default one minute, which shows no more than that the test works.
"""

from __future__ import annotations

import csv
import http.client
import io
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles

import grpc
import numpy as np
import pytest

from helpers.running import Service, family, running_service
from helpers.ways import WAYS
from layerwise_client import Client
from layerwise_client.errors import LayerwiseError
from layerwise_proto.oip import grpc_service_pb2 as oip
from layerwise_proto.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub

SECONDS = float(os.environ.get("LAYERWISE_SOAK_SECONDS", "60"))
PARTS = 6
"""The time is divided into so many parts; the first is for warming up."""
CALLERS = 3
PAUSE = 0.02  # seconds between two requests of a caller, so that the machine is not busy with nothing else
PUBLISH = 60.0  # seconds between two versions
SCRAPE = 15.0  # seconds between two looks at the metrics, which grow with the versions up to a limit
KEPT = 3
"""Versions that are not deleted."""
MOST_MB = 1.0
"""By which all processes together may grow in ten minutes."""
CPU_DRIFT = 0.2
"""The part by which the processor time of a request may change."""

X, Y = np.resize(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), (40, 2)), ["no", "yes", "yes", "no"] * 10
TABLE = {"wind": [float(i % 5) for i in range(40)], "sky": ["clear", "grey"] * 20}
HIDDEN = {"layers": [{"units": 8, "activation": "relu"}]}
Caller = Callable[[], object]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Held:
    """What all processes of the service hold, and what they have done."""

    megabytes: float
    by_process: tuple[tuple[str, float], ...]
    """The names of the processes, and the megabytes of each."""
    descriptors: int
    threads: int
    cpu_seconds: float


def held(service: Service) -> Held:
    """Return what is held now; only the processor time of those that predict counts, and not that of training."""
    total, named, predicting = [0, 0, 0, 0], list[tuple[str, float]](), {*service.rest_pids(), *service.pids("rpc")}
    for pid in family(service.process.pid):
        with suppress(OSError, KeyError):  # it has just ended
            place = Path(f"/proc/{pid}")
            if not (place / "comm").read_text().startswith("lw-"):
                continue  # a process that reads one file, and ends with it
            status = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines() if ":\t" in line)
            ticks = (place / "stat").read_text().rpartition(")")[2].split()[11:13]
            found = (
                int(status["VmRSS"].split()[0]),
                len([*(place / "fd").iterdir()]),
                int(status["Threads"]),
                sum(map(int, ticks)) if pid in predicting else 0,
            )
            total = [a + b for a, b in zip(total, found, strict=True)]
            named.append((status["Name"], found[0] / 1024))
    kilobytes, descriptors, threads, used = total
    return Held(kilobytes / 1024, tuple(named), descriptors, threads, used / os.sysconf("SC_CLK_TCK"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("soak") / "home") as service:
        with service.client() as client:
            client.train("xor", HIDDEN, X, Y, plan={"epochs": 1}, progress=False).wait(timeout=60)
            client.train("weather", HIDDEN, TABLE, Y, plan={"epochs": 1}, progress=False).wait(timeout=60)
            client.set_alias("xor", "live", 1)
        yield service


def host_of(service: Service) -> tuple[str, int]:
    host, port = service.rest.removeprefix("http://").split(":")
    return host, int(port)


def post(service: Service, path: str, body: bytes, kind: str, *, expected: Sequence[int] = (200,)) -> Caller:
    def call() -> None:
        with closing(http.client.HTTPConnection(*host_of(service), timeout=60)) as connection:
            connection.request("POST", path, body, {"Content-Type": kind})
            response = connection.getresponse()
            answer = response.read()
            assert response.status in expected, (path, response.status, answer[:300])

    return call


def leave(service: Service, body: bytes, *, sent: int) -> Caller:
    """Send a part of a request, or all of it, and go away."""
    head = f"POST /predict HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"

    def call() -> None:
        with socket.create_connection(host_of(service), timeout=60) as connection:
            connection.sendall(head.encode() + body[:sent])

    return call


def over_rest(service: Service) -> Iterator[Caller]:
    """Yield a request of each kind."""
    numbers = "application/json"
    for way in WAYS:
        yield post(service, way.path, way.body("[[0, 1], [1, 1]]"), numbers)
        yield post(service, way.path, way.body("[[0, 1], [1]]"), numbers, expected=(400,))
    rows = np.random.default_rng(1).normal(size=(4_000, 2)).round(6)
    large = json.dumps({"model": "xor", "instances": rows.tolist(), "outputs": ["logits", "probabilities"]}).encode()
    yield post(service, "/predict", large, numbers)
    yield post(service, "/predict", b'{"model": "none", "instances": [[0, 0]]}', numbers, expected=(404,))
    yield post(service, "/predict", b'{"model": "xor", "instances": [[', numbers, expected=(400,))
    table = {"model": "weather", "instances": [{"wind": 1, "sky": "pink"}] * 100}
    yield post(service, "/predict", json.dumps(table).encode(), numbers)
    file = io.StringIO()
    csv.writer(file).writerows([("wind", "sky"), *[(1.5, "grey")] * 300])
    yield post(service, "/predict?model=weather", file.getvalue().encode(), "text/csv")
    array = io.BytesIO()
    np.save(array, rows.astype(np.float32))
    yield post(service, "/predict?model=xor", array.getvalue(), "application/x-npy")
    yield leave(service, large, sent=len(large))
    yield leave(service, large, sent=len(large) // 2)
    for path in ("/readyz", "/api/models", "/api/models/xor", "/v2/models/xor/stats", "/openapi.json"):
        yield get(service, path)


def get(service: Service, path: str) -> Caller:
    def call() -> None:
        with closing(http.client.HTTPConnection(*host_of(service), timeout=60)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            assert response.status == 200, path

    return call


def over_grpc(service: Service) -> Iterator[Caller]:
    """Yield a call of each kind."""
    channel = grpc.insecure_channel(service.rpc)
    inference = GRPCInferenceServiceStub(channel)
    rows = np.random.default_rng(2).normal(size=(4_000, 2)).astype("<f4")
    for given in (rows, rows[:1]):
        sent = oip.ModelInferRequest(model_name="xor", raw_input_contents=[given.tobytes()])
        sent.inputs.add(name="input", datatype="FP32", shape=given.shape)

        def infer(sent: oip.ModelInferRequest = sent) -> None:
            assert inference.ModelInfer(sent, timeout=60).outputs

        def stream(sent: oip.ModelInferRequest = sent) -> None:
            assert len(list(inference.ModelStreamInfer(iter([sent] * 3), timeout=60))) == 3

        def give_up(sent: oip.ModelInferRequest = sent) -> None:
            inference.ModelInfer.future(sent, timeout=60).cancel()

        yield from (infer, stream, give_up)
    client = Client(service.rpc)

    def refused() -> None:
        with pytest.raises(LayerwiseError):
            client.predict("xor", [[1.0, 2, 3]])

    yield refused
    yield lambda: client.predict("xor", rows[:100])
    yield lambda: client.predict("weather", TABLE)


class Traffic:
    """Callers that ask in turns for everything, until `stop`. `times` has the seconds of each request."""

    def __init__(self, service: Service) -> None:
        self.times: list[float] = []
        self.errors: list[str] = []
        self._service = service
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CALLERS)]
        self._threads += [threading.Thread(target=each) for each in (self._publish, self._scrape)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)

    def _ask(self, number: int) -> None:
        calls = [*over_rest(self._service), *over_grpc(self._service)]
        for call in cycle(calls[number:] + calls[:number]):
            if self._stop.wait(PAUSE):
                return
            start = time.perf_counter()
            try:
                call()
            except Exception as error:  # each is told at the end
                self.errors.append(repr(error)[:500])
            self.times.append(time.perf_counter() - start)

    def _scrape(self) -> None:
        metrics = get(self._service, "/metrics")
        while not self._stop.wait(SCRAPE):
            try:
                metrics()
            except Exception as error:
                self.errors.append(f"metrics: {error!r}")

    def _publish(self) -> None:
        """Publish version after version, move an alias to each, and delete the oldest."""
        with self._service.client() as client:
            while not self._stop.wait(PUBLISH):
                try:
                    job = client.train("xor", HIDDEN, X, Y, plan={"epochs": 1}, progress=False)
                    job.wait(timeout=60)
                    assert job.version is not None
                    client.set_alias("xor", "live", job.version)
                    for version in client.model("xor").versions[KEPT:]:
                        version.delete()
                except Exception as error:
                    self.errors.append(f"publishing: {error!r}")


def test_86_nothing_grows_under_mixed_traffic_while_versions_come_and_go(service: Service) -> None:
    traffic = Traffic(service)
    levels, told = [list[Held]() for _ in range(PARTS)], list[str]()
    costs, tails = list[float](), list[float]()
    try:
        for part, samples in enumerate(levels):
            begin, end, seen = held(service), time.monotonic() + SECONDS / PARTS, len(traffic.times)
            while time.monotonic() < end:
                time.sleep(min(1.0, SECONDS / PARTS / 10))
                samples.append(held(service))
            times = traffic.times[seen:]
            costs.append((held(service).cpu_seconds - begin.cpu_seconds) / len(times))
            tails.append(quantiles(times, n=100)[98])
            now = f"{median(each.megabytes for each in samples):.1f} MB, {samples[-1].descriptors} descriptors"
            now += (
                f", {samples[-1].threads} threads, {len(times)} requests, {costs[-1] * 1000:.2f} ms of processor each"
            )
            each = ", ".join(f"{name} {size:.1f}" for name, size in samples[-1].by_process)
            told.append(f"part {part}: {now}, p99 {tails[-1] * 1000:.1f} ms; {each}")
            log.info(told[-1])
    finally:
        traffic.stop()

    warm = levels[1:]
    minutes = SECONDS / 60 / PARTS
    megabytes = [median(each.megabytes for each in part) for part in warm]
    slope = float(np.polyfit(np.arange(len(warm)) * minutes, megabytes, 1)[0])
    report = "\n".join([*told, f"{slope * 10:.2f} MB in ten minutes", *traffic.errors[:20]])
    assert traffic.errors == [], report
    if SECONDS < 1_800:  # what a process opens when it first needs it would look like growth
        return
    assert slope * 10 <= MOST_MB, report
    assert abs(costs[-1] / costs[1] - 1) <= CPU_DRIFT, report
    for name in ("descriptors", "threads"):
        first, last = (min(getattr(each, name) for each in part) for part in (warm[0], warm[-1]))
        assert last <= first + 4, f"{name}: {first}, then {last}\n{report}"
