"""A backup of a service under load, restored elsewhere, serves and goes on training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from helpers.running import running_service
from helpers.waiting import wait_until
from helpers.weights import weights

NETWORK = {"layers": [{"units": 64, "activation": "relu"}, {}]}
X, Y = np.random.default_rng(0).normal(size=(2_000, 30)), ["a", "b"] * 1_000
PLAN = {"epochs": 40, "batch_size": 8}  # some seconds


def command(*arguments: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    called = [str(Path(sys.executable).parent / "layerwise"), *arguments]
    return subprocess.run(called, input=data, capture_output=True, timeout=100, check=False, env=os.environ)


def test_35_a_backup_under_load_serves_and_goes_on_training_elsewhere(tmp_path: Path) -> None:
    file, home, elsewhere = tmp_path / "store.tar", tmp_path / "home", tmp_path / "elsewhere"
    with running_service(home, LAYERWISE_CHECKPOINT_SECONDS="0.1") as service, service.client() as client:
        client.train("first", NETWORK, X, Y, plan={"epochs": 2}, progress=False).wait(timeout=60)
        job = client.train("second", NETWORK, X, Y, plan=PLAN, progress=False)
        wait_until(lambda: job.refresh().record is not None and job.record.epoch > 3)  # type: ignore[union-attr]

        made = command("backup", str(file), "--home", str(home))

        assert (made.returncode, made.stdout) == (0, b"")
        assert made.stderr.decode().startswith(f"{file}: 1 version, 2 jobs, 1 dataset; ")
        assert job.refresh().state in ("RUNNING", "SUCCEEDED")
        job.wait(timeout=60)
        expected = weights(client, service, "second")
        labels = client.predict("first", X[:5]).labels

    put_back = command("restore", str(file), "--home", str(elsewhere))
    assert put_back.returncode == 0, put_back.stderr
    again = command("restore", str(file), "--home", str(elsewhere))
    assert (again.returncode, b"restore into a new" in again.stderr) == (1, True)
    with running_service(elsewhere) as service, service.client() as client:
        assert np.array_equal(client.predict("first", X[:5]).labels, labels)  # type: ignore[arg-type]
        same = client.job(job.id).wait(timeout=60)
        assert "WORKER_STOPPED" in [change.reason for change in same.transitions]
        assert weights(client, service, "second") == expected
        steps = [record.step for record in same.watch()]
        assert len(steps) == len(set(steps)) == PLAN["epochs"]


def test_a_backup_goes_through_a_pipe_and_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    nothing = command("backup", "-", "--home", str(home))
    assert (nothing.returncode, nothing.stderr.count(b"\n")) == (1, 1)
    assert b"there is no database" in nothing.stderr
    with running_service(home) as service, service.client() as client:
        client.train("first", NETWORK, X, Y, plan={"epochs": 1}, progress=False).wait(timeout=60)
        made = command("backup", "-", "--home", str(home))

    wrong = command("restore", "-", "--home", str(elsewhere), data=made.stdout[:5_000])
    assert (wrong.returncode, wrong.stderr.count(b"\n")) == (1, 1)
    put_back = command("restore", "-", "--home", str(elsewhere), data=made.stdout)
    assert put_back.returncode == 0, put_back.stderr
    assert sorted(path.name for path in (elsewhere / "artifacts" / "models").iterdir()) == sorted(
        path.name for path in (home / "artifacts" / "models").iterdir()
    )
