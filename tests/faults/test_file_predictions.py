"""Predictions of a large file: in flat memory, and while rpc is killed, with every row once, by one version."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.running import Service, running_service
from layerwise_client import Client, datasets

ROWS = 300_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(
        tmp_path_factory.mktemp("large") / "home", "--rest-processes", "1", "--rpc-processes", "1"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    X, y = datasets.load("iris")
    with service.client() as found:
        network = {"layers": [{"units": 8, "activation": "relu"}, {}]}
        for seed in range(2):
            found.train("iris", network, X, y, plan={"epochs": 5, "seed": seed}, progress=False).wait()
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows of iris again and again, each with a number."""
    X, _ = datasets.load("iris")
    lines = [",".join(map(str, row)) for row in X.tolist()]
    found = tmp_path_factory.mktemp("rows") / "many.csv"
    with found.open("w") as file:
        file.write("n,a,b,c,d\n")
        file.writelines(f"{i},{lines[i % len(lines)]}\n" for i in range(ROWS))
    return found


def peak(pid: int) -> int:
    """The most bytes of memory that the process has used."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def test_rpc_predicts_a_large_file_in_the_memory_of_a_small_one(service: Service, client: Client, path: Path) -> None:
    (pid,) = service.pids("rpc")
    small = path.with_name("few.csv")
    small.write_text("\n".join(path.read_text().split("\n")[:20_001]))
    assert sum(map(len, client.predict_file("iris", small, keep=["n"]))) == 20_000
    before = peak(pid)

    assert sum(map(len, client.predict_file("iris", path, keep=["n"]))) == ROWS

    assert peak(pid) - before < 40e6  # all rows with their predictions take more than 100 MB


def test_every_row_is_predicted_once_by_one_version_though_rpc_is_killed(
    service: Service, client: Client, path: Path
) -> None:
    X, _ = datasets.load("iris")
    wanted = client.predict("iris", X, version=1).labels
    numbers: list[str] = []
    labels: list[np.ndarray] = []
    versions: set[int] = set()

    for rows in client.predict_file("iris", path, version=1, keep=["n"]):
        numbers += map(str, rows.kept["n"])
        labels.append(rows.prediction.labels)
        versions.add(rows.prediction.version)
        if len(labels) in (2, 8):
            (pid,) = service.pids("rpc")
            os.kill(pid, signal.SIGKILL)

    assert numbers == list(map(str, range(ROWS)))
    assert np.array_equal(np.concatenate(labels), wanted[np.arange(ROWS) % len(wanted)])
    assert versions == {1}
