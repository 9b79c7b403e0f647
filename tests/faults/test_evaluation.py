"""A worker that is killed while it evaluates what it has trained."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from helpers.service_values import LIMITS
from helpers.waiting import wait_until
from layerwise_service.domain.datasets import Batch
from layerwise_service.domain.jobs import NewJob
from layerwise_service.settings import Settings
from layerwise_service.wiring import build_worker, open_stores

HANGS = """
import sys, time
from layerwise_service.settings import Settings
from layerwise_service.wiring import build_worker
from layerwise_service.worker import evaluation

def hang(*given, **named):
    print("evaluates", flush=True)
    time.sleep(1000)

evaluation.evaluate_outputs = hang
build_worker(Settings(home=sys.argv[1], lease_seconds=2.0), "first").run()
"""


@pytest.mark.timeout(120)
def test_the_job_of_a_worker_that_is_killed_while_it_evaluates_is_published_once(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path / "home"), lease_seconds=2.0)
    stores = open_stores(settings)
    writer = stores.artifacts.new_dataset(classes=None, **LIMITS)
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    writer.add(Batch(rows, ["no", "yes"] * 10))
    dataset = writer.finish()
    stores.artifacts.keep(writer, dataset)
    architecture = {"inputs": 2, "layers": [{"units": 2}]}
    plan = {"epochs": 3, "validation": 0.2}
    new = NewJob("killed", architecture, plan, dataset.sha256, "accuracy", fingerprint="f")
    job = stores.jobs.submit(new, dataset, max_open=10)
    with subprocess.Popen([sys.executable, "-c", HANGS, settings.home], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert any(line == "evaluates\n" for line in first.stdout)
        assert stores.jobs.get(job.id).version is None
        first.send_signal(signal.SIGKILL)
    worker = build_worker(settings, "second")
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        wait_until(lambda: stores.jobs.get(job.id).state.ended, seconds=60)
    finally:
        worker.stop()
        thread.join()

    ended = stores.jobs.get(job.id)
    assert (ended.state, ended.attempt, ended.version) == ("SUCCEEDED", 2, 1)
    assert [each.number for each in stores.versions.versions("killed", limit=10, before=0)] == [1]
    evaluation = stores.versions.find("killed", "1").evaluation
    assert evaluation is not None
    assert (evaluation["rows"], evaluation["measured_on"]) == (4, "held_out")
    stores.close()
