"""The service does its work whatever becomes of its log, its banner, /dev/shm and the terminal it was started from."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from helpers.running import Service, alive, children, running_service
from helpers.waiting import wait_until
from layerwise_client import datasets

SMALL = {"layers": [{"units": 4, "activation": "relu"}]}


def full_disk(stack: ExitStack) -> tuple[int, None]:
    return stack.enter_context(Path("/dev/full").open("wb")).fileno(), None


def ended_reader(stack: ExitStack) -> tuple[int, None]:
    readable, writable = os.pipe()
    os.close(readable)
    stack.callback(os.close, writable)
    return writable, None


def stalled_reader(stack: ExitStack) -> tuple[int, int]:
    readable, writable = os.pipe()
    stack.callback(os.close, readable)
    stack.callback(os.close, writable)
    os.set_blocking(writable, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writable, b"full" * 1024)
    os.set_blocking(writable, True)
    return writable, readable


@pytest.mark.parametrize("broken", [full_disk, ended_reader, stalled_reader])
def test_a_log_that_takes_nothing_stops_nothing(
    tmp_path: Path, broken: Callable[[ExitStack], tuple[int, int | None]]
) -> None:
    X, y = datasets.load("iris")
    with ExitStack() as stack:
        stderr, reader = broken(stack)
        service = stack.enter_context(running_service(tmp_path / "home", stderr=stderr))
        client = stack.enter_context(service.client(over_rest=True))
        for part in ("worker", "rpc"):
            pid, *others = service.pids(part)
            os.kill(pid, signal.SIGKILL)  # which the supervisor logs
            wait_until(lambda part=part, pid=pid, others=others: {*service.pids(part)} - {pid, *others})  # type: ignore[misc]
        client.train("iris", SMALL, X, y, plan={"epochs": 2}, progress=False).wait(timeout=60)
        assert client.predict("iris", X).version == 1
        wait_until(lambda: answers(service.rest.removeprefix("http://")))

        if reader is None:
            wait_until(lambda: lost(service, "serve") >= 2 and lost(service, "worker") >= 1)
        else:
            text: list[bytes] = []
            threading.Thread(
                target=lambda: text.extend(iter(lambda: os.read(reader, 65_536), b"")), daemon=True
            ).start()
            wait_until(
                lambda: all(b'"%s"' % word in b"".join(text) for word in (b"process_ended", b"version_published"))
            )
        assert service.stop() == 0


def metrics(address: str) -> dict[str, float]:
    """Every series of /metrics; none while nobody answers."""
    try:
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
    except OSError:
        return {}
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def lost(service: Service, process: str) -> float:
    return metrics(service.rest).get(f'layerwise_log_lines_lost_total{{process="{process}"}}', 0)


def test_a_reader_of_the_banner_that_has_ended_stops_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    readable, writable = os.pipe()
    os.close(readable)
    command = [sys.executable, "-m", "layerwise_service.commands", "serve", "--home", str(tmp_path / "home")]
    with subprocess.Popen(
        [*command, "--rest", address, "--rpc", "127.0.0.1:0"], stdout=writable, stderr=subprocess.DEVNULL
    ) as process:
        os.close(writable)
        try:
            wait_until(lambda: answers(address), seconds=60)
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have a /dev/shm of its own")
def test_a_full_shared_memory_folder_costs_no_request_and_no_count(tmp_path: Path) -> None:
    """In a namespace of its own, where /dev/shm has 1 MiB and another program fills it."""
    inner = tmp_path / "bin"
    inner.mkdir()
    wrapper = inner / "python"
    wrapper.write_text(
        "#!/bin/sh\n"
        "exec unshare -m --propagation private sh -c 'mount -t tmpfs -o size=1m tmpfs /dev/shm && "
        f'dd if=/dev/zero of=/dev/shm/other bs=64k 2>/dev/null; exec "{sys.executable}" "$@"\' sh "$@"\n'
    )
    wrapper.chmod(0o755)
    X, y = datasets.load("iris")
    with running_service(tmp_path / "home", python=str(wrapper)) as service, service.client(over_rest=True) as client:
        client.train("iris", SMALL, X, y, plan={"epochs": 2}, progress=False).wait(timeout=60)
        before = service.pids("rest")
        with service.client() as over_grpc:
            for _ in range(50):
                client.predict("iris", X[:3])
                over_grpc.predict("iris", X[:3])
        assert service.pids("rest") == before
        assert "process_ended" not in service.log.read_text()

        rows = 'layerwise_predict_rows_total{model="iris",version="1"}'
        wait_until(lambda: metrics(service.rest).get(rows) == 300)
        (pid,) = service.pids("rest")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: service.pids("rest") not in ([], [pid]))
        wait_until(lambda: answers(service.rest.removeprefix("http://")))
        assert metrics(service.rest)[rows] == 300  # counts outlive the processes that counted


@contextmanager
def default_handling(number: signal.Signals) -> Iterator[None]:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_a_terminal_that_closes_stops_the_service_in_order(tmp_path: Path, number: signal.Signals) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with (
        default_handling(number),  # nohup around the tests would have the service ignore SIGHUP
        running_service(tmp_path / "home", TMPDIR=str(temporary)) as service,
    ):
        pids = [service.process.pid, *service.pids("rest"), *service.pids("rpc"), *service.pids("worker")]

        assert service.stop(number) == 0

        wait_until(lambda: not any(alive(pid) for pid in pids))
    assert list(temporary.glob("layerwise*")) == []


def test_the_counts_of_rest_alone_outlive_the_processes_that_counted(tmp_path: Path) -> None:
    jobs = 'layerwise_http_requests_total{method="GET",route="/api/jobs",status="200"}'
    readable, writable = os.pipe()
    command = [sys.executable, "-m", "layerwise_service.commands", "rest", "--home", str(tmp_path / "home")]
    environment = os.environ | {"LAYERWISE_READY_FD": str(writable)}
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [*command, "--rest", "127.0.0.1:0"], stderr=log, env=environment, pass_fds=[writable]
        ) as process,
    ):
        os.close(writable)
        try:
            with os.fdopen(readable) as told:
                address = told.readline().strip()
            for _ in range(20):
                urllib.request.urlopen(f"http://{address}/api/jobs", timeout=10).close()
            wait_until(lambda: metrics(f"http://{address}").get(jobs) == 20)
            for child in children(process.pid):
                os.kill(child, signal.SIGKILL)
            wait_until(lambda: answers(address), seconds=60)

            assert metrics(f"http://{address}").get(jobs) == 20
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
