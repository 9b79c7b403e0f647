"""`layerwise serve`: up with one command, down without a trace, and up again by itself when a part of it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from helpers.running import Service, alive, answers, family, running_service
from helpers.waiting import wait_until
from layerwise_client import Client, Unavailable, datasets

SMALL = {"layers": [{"units": 8, "activation": "tanh"}]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_seconds_and_leaves_no_process_behind(tmp_path: Path, number: int) -> None:
    with running_service(tmp_path / "home", "--workers", "2") as service:
        pids = family(service.process.pid)
        assert len(pids) >= 6  # itself, rpc, two workers, rest with at least one of its processes

        start = time.monotonic()
        status = service.stop(number)

        assert status == 0
        assert time.monotonic() - start < 20
        wait_until(lambda: not any(alive(pid) for pid in pids), seconds=10)
        assert service.process.stdout is not None
        assert "Layerwise has stopped." in service.process.stdout.read()


def test_processes_share_the_grpc_port_and_one_that_dies_is_started_again(tmp_path: Path) -> None:
    with running_service(tmp_path / "home", "--rpc-processes", "2") as service:
        first = set(service.pids("rpc"))
        assert len(first) == 2
        for pid in first:  # each answers alone while the other cannot
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: answered(service.rpc))
            os.kill(pid, signal.SIGCONT)

        dead = min(first)
        os.kill(dead, signal.SIGKILL)

        wait_until(lambda: len(set(service.pids("rpc")) - {dead}) == 2, seconds=30)
        wait_until(lambda: answered(service.rpc))


def answered(address: str) -> bool:
    """Whether a new connection is answered: which process gets it is chance."""
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            found = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.RpcError:
            return False
        serving: bool = found.status == health_pb2.HealthCheckResponse.SERVING
        return serving


def test_a_taken_port_is_told_in_one_line(tmp_path: Path, service: Service) -> None:
    taken = {"--rest": service.rest.removeprefix("http://"), "--rpc": service.rpc}
    for flag, address in taken.items():
        other = dict.fromkeys(taken, "127.0.0.1:0") | {flag: address}
        flags = [word for pair in other.items() for word in pair]

        command = [sys.executable, "-m", "layerwise_service.commands", "serve", "--home", str(tmp_path), *flags]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

        assert ended.returncode == 1
        assert f"cannot listen at {address}" in ended.stderr
        assert f"another address with {flag} HOST:PORT" in ended.stderr
        assert "E0000" not in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_home_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    home = tmp_path / "tickets.csv"
    home.write_text("a,b")

    command = [sys.executable, "-m", "layerwise_service.commands", "serve", "--home", str(home)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    wanted = "expected a folder, but this is a file, or within one; choose another with --home FOLDER"
    assert (ended.returncode, ended.stderr) == (1, f"layerwise: {home}: {wanted}\n")


def test_a_second_service_on_the_same_home_is_refused(service: Service) -> None:
    command = [sys.executable, "-m", "layerwise_service.commands", "serve", "--home", str(service.home)]
    ended = subprocess.run(
        [*command, "--rest", "127.0.0.1:0", "--rpc", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert "another `layerwise serve` uses" in ended.stderr
    wait_until(lambda: answers(service))


def test_what_was_trained_is_there_after_a_restart(tmp_path: Path) -> None:
    X, y = datasets.load("iris")
    with running_service(tmp_path / "home") as service, service.client() as client:
        client.train(
            "iris", {"layers": [{"units": 8, "activation": "relu"}]}, X, y, plan={"epochs": 5}, progress=False
        ).wait()
        before = client.predict("iris", X)

    with running_service(tmp_path / "home") as service, service.client(over_rest=True) as client:
        after = client.predict("iris", X)

    assert after.labels is not None
    assert before.labels is not None
    assert after.labels.tolist() == before.labels.tolist()


def test_a_home_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    command = [sys.executable, "-m", "layerwise_service.commands", "serve", "--home", str(file / "home")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert ended.stderr.startswith("layerwise: ")
    assert len(ended.stderr.splitlines()) == 1


def test_each_process_can_be_asked_for_its_health_whatever_proxy_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    with running_service(tmp_path / "home") as service:
        flags = ["--home", str(service.home)]
        places = {"rest": ["--rest", service.rest.removeprefix("http://")], "rpc": ["--rpc", service.rpc], "worker": []}
        for process, place in places.items():
            command = [sys.executable, "-m", "layerwise_service.commands", "healthcheck", process, *flags, *place]
            healthy = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert (healthy.returncode, healthy.stdout) == (0, "ok\n"), healthy.stderr

        service.stop()
        for process, place in list(places.items())[:2]:
            command = [sys.executable, "-m", "layerwise_service.commands", "healthcheck", process, *flags, *place]
            gone = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert gone.returncode == 1
            assert "no answer" in gone.stderr


def test_the_health_of_a_worker_is_asked_for_without_making_anything(tmp_path: Path) -> None:
    home = tmp_path / "missing"
    command = [sys.executable, "-m", "layerwise_service.commands", "healthcheck", "worker", "--home", str(home)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert ended.stderr == f"layerwise: there is no database in {home}\n"
    assert not home.exists()


def test_a_client_that_finds_nobody_says_where_it_looked() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1\b"), Client("127.0.0.1:1", timeout=2) as client:
        client.models()
