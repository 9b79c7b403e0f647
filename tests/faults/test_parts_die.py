"""Parts of `layerwise serve` that die, and a disk that is full: the others go on, and what died is started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from helpers.running import alive, answers, family, running_service
from helpers.waiting import wait_until
from layerwise_client import ResourceExhausted, datasets

SMALL = {"layers": [{"units": 8, "activation": "tanh"}]}


def test_when_it_is_killed_its_processes_end_by_themselves(tmp_path: Path) -> None:
    with running_service(tmp_path / "home") as service:
        pids = family(service.process.pid)

        service.process.kill()

        wait_until(lambda: not any(alive(pid) for pid in pids - {service.process.pid}), seconds=15)


@pytest.mark.parametrize("part", ["rest", "rpc", "worker"])
def test_a_killed_part_is_started_again_at_its_address(tmp_path: Path, part: str) -> None:
    with running_service(tmp_path / "home") as service:
        before = service.pids(part)
        X, y = datasets.load("xor")

        os.kill(before[0], signal.SIGKILL)

        wait_until(lambda: len(service.pids(part)) == len(before) and before[0] not in service.pids(part))
        wait_until(lambda: answers(service))
        with service.client(over_rest=True) as client:
            job = client.train("xor", SMALL, X, y, plan={"epochs": 2}, progress=False).wait(timeout=30)
            assert client.predict("xor", X[:1]).version == job.version


def test_a_second_ctrl_c_does_not_wait_for_a_process_that_does_not_stop(tmp_path: Path) -> None:
    with running_service(tmp_path / "home", LAYERWISE_STOP_SECONDS="600") as service:
        pids = family(service.process.pid)
        (worker,), rpc = service.pids("worker"), service.pids("rpc")
        os.kill(worker, signal.SIGSTOP)

        service.process.send_signal(signal.SIGINT)
        wait_until(lambda: not any(map(alive, rpc)), seconds=30)  # it has begun to stop

        assert service.stop(signal.SIGINT, seconds=60) == 0
        assert not any(alive(pid) for pid in pids)
        assert '"event": "process_killed"' in service.log.read_text()


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
