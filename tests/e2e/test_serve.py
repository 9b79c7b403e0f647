"""`layerwise serve`: up with one command, down without a trace, and up again by itself when a part of it dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from e2e.running import Service, alive, running_service, wait_until
from layerwise_client import Client, ResourceExhausted, Unavailable, datasets

SMALL = {"layers": [{"units": 8, "activation": "tanh"}]}


def family(pid: int) -> set[int]:
    """The process and all that it started, directly or not."""
    found = {pid}
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(folder.name))
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found


def get(service: Service, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"{service.rest}{path}", timeout=10) as response:
        answer: dict[str, object] = json.load(response)
        return answer


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


def test_when_it_is_killed_its_processes_end_by_themselves(tmp_path: Path) -> None:
    with running_service(tmp_path / "home") as service:
        pids = family(service.process.pid)

        service.process.kill()

        wait_until(lambda: not any(alive(pid) for pid in pids - {service.process.pid}), seconds=15)


@pytest.mark.parametrize("part", ["rest", "rpc", "worker"])
def test_a_killed_part_is_started_again_at_its_address(tmp_path: Path, part: str) -> None:
    with running_service(tmp_path / "home") as service:
        (pid,) = service.pids(part)
        X, y = datasets.load("xor")

        os.kill(pid, signal.SIGKILL)

        wait_until(lambda: service.pids(part) not in ([], [pid]))
        wait_until(lambda: answers(service))
        with service.client(over_rest=True) as client:
            job = client.train("xor", SMALL, X, y, plan={"epochs": 2}, progress=False).wait(timeout=30)
            assert client.predict("xor", X[:1]).version == job.version


def answers(service: Service) -> bool:
    try:
        with service.client() as client:
            client.models()
        return get(service, "/readyz")["status"] == "ok"
    except Exception:
        return False


LOCK = """
import sys, time
from layerwise_service.stores.database import Database
with Database(sys.argv[1]).write():
    print("locked", flush=True)
    time.sleep(7)
"""


def test_a_worker_that_dies_while_the_database_is_busy_does_not_end_the_service(tmp_path: Path) -> None:
    with running_service(tmp_path / "home") as service:
        (pid,) = service.pids("worker")
        url = f"sqlite:///{service.home / 'layerwise.db'}"
        with subprocess.Popen([sys.executable, "-c", LOCK, url], stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "locked\n"
            os.kill(pid, signal.SIGKILL)
            other.wait(20)

        wait_until(lambda: service.pids("worker") not in ([], [pid]))
        wait_until(lambda: answers(service))
        assert service.process.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount the small disk that is to fill up")
def test_predictions_go_on_while_the_disk_is_full(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)], check=True)
    try:
        with running_service(mount / "home") as service, service.client(over_rest=True) as client:
            X, y = datasets.load("iris")
            client.train("iris", SMALL, X, y, plan={"epochs": 2}, progress=False).wait(timeout=30)
            with (mount / "filler").open("wb", buffering=0) as filler, suppress(OSError):
                while True:
                    filler.write(bytes(65_536))

            pids = family(service.process.pid)
            with pytest.raises(ResourceExhausted, match="full"):
                client.train("more", SMALL, np.ones((10_000, 40)), [0, 1] * 5_000, progress=False)
            for _ in range(20):
                assert client.predict("iris", X[:1]).version == 1
            assert family(service.process.pid) == pids  # none was killed and started again

            (mount / "filler").unlink()
            client.train("iris", SMALL, X, y, plan={"epochs": 2}, progress=False).wait(timeout=30)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_taken_port_is_told_in_one_line(tmp_path: Path, service: Service) -> None:
    taken = {"--rest": service.rest.removeprefix("http://"), "--rpc": service.rpc}
    for flag, address in taken.items():
        other = dict.fromkeys(taken, "127.0.0.1:0") | {flag: address}
        flags = [word for pair in other.items() for word in pair]

        command = [sys.executable, "-m", "layerwise_service.commands", "serve", "--home", str(tmp_path), *flags]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

        assert ended.returncode == 1
        assert f"cannot listen at {address}" in ended.stderr
        assert f"{flag} HOST:PORT takes another address" in ended.stderr
        assert "E0000" not in ended.stderr
        assert "Traceback" not in ended.stderr


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
    assert "another `layerwise serve` runs on" in ended.stderr
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
