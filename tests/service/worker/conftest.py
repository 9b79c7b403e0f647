"""Jobs to work on, and a worker that works on them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helpers.waiting import wait_until
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.jobs import Job, NewJob
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores, build_worker
from layerwise_service.worker.worker import Worker

ARCHITECTURE = {"inputs": 2, "layers": [{"units": 4, "activation": "relu"}, {"units": 2}]}


@pytest.fixture
def submit(stores: Stores, dataset: Dataset) -> Callable[..., Job]:
    def make(**plan: Any) -> Job:
        new = NewJob("xor", dict(ARCHITECTURE), {"epochs": 3, **plan}, dataset.sha256, "accuracy", fingerprint="f")
        return stores.jobs.submit(new, dataset, max_open=100)

    return make


@pytest.fixture
def work(settings: Settings, stores: Stores) -> Iterator[Callable[[Job], Job]]:
    """Lets a worker work until the job has ended."""
    workers: list[tuple[Worker, threading.Thread]] = []

    def run(job: Job) -> Job:
        worker = build_worker(settings, "w")
        thread = threading.Thread(target=worker.run)
        workers.append((worker, thread))
        thread.start()
        wait_until(lambda: stores.jobs.get(job.id).state.ended)
        return stores.jobs.get(job.id)

    run.workers = workers  # type: ignore[attr-defined]
    yield run
    for worker, thread in workers:
        worker.stop()
        thread.join()
