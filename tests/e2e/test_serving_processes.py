"""What the processes of an idle service hold, with the extra `fast` installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from benchmarks.many_models import memory_of, publish, small_networks

from helpers.running import Service, children, running_service, sessions_are_groups
from layerwise_service.settings import Settings

ROWS = np.full((2, 30), 0.5, np.float32)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose models have been asked, each over gRPC and by each process of REST."""
    home = tmp_path_factory.mktemp("asked") / "home"
    publish(Settings(home=str(home)), small_networks(3))
    with running_service(home) as service:
        for _ in range(20):  # connections, which the processes of REST share among them
            with service.client(over_rest=True) as client:
                client.predict("model-0", ROWS)
        with service.client() as client:
            client.predict("model-1", ROWS)
            client.models()
        yield service


def test_all_processes_of_an_idle_service_take_less_than_300_mb(asked: Service) -> None:
    assert memory_of(asked.process.pid) < 300


def test_the_processes_that_predict_do_not_load_numba(asked: Service) -> None:
    serving = [*asked.pids("rpc"), *asked.rest_pids()]
    assert len(serving) >= 3
    for pid in serving:
        assert "llvmlite" not in Path(f"/proc/{pid}/maps").read_text()


def test_the_processes_that_predict_have_no_file_of_the_supervisor_open(asked: Service) -> None:
    def opened(pid: int) -> set[str]:
        return {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}

    (lock,) = (name for name in opened(asked.process.pid) if name.endswith("serve.lock"))
    for pid in children(asked.process.pid):
        assert lock not in opened(pid)


def test_a_worker_gives_way_to_serving_in_whatever_way_the_system_counts_niceness(asked: Service) -> None:
    (worker,) = asked.pids("worker")
    assert os.getpriority(os.PRIO_PROCESS, worker) == os.getpriority(os.PRIO_PROCESS, asked.process.pid) + 15
    grouped = sessions_are_groups()
    if grouped:
        assert Path(f"/proc/{worker}/autogroup").read_text().split()[-2:] == ["nice", "15"]
    for pid in (*asked.pids("rpc"), *asked.rest_pids()):
        assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, asked.process.pid)
        assert not grouped or Path(f"/proc/{pid}/autogroup").read_text().split()[-2:] in (["nice", "0"], [])
