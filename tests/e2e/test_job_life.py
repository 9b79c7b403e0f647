"""The life of jobs in a real service, by the SDK and by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from helpers.running import Service
from helpers.waiting import wait_until
from layerwise_client import Conflict, InvalidRequest, Job, JobCancelled, NotFound

NETWORK = {"layers": [{"units": 64, "activation": "relu"}, {}]}
X, Y = np.random.default_rng(0).normal(size=(2_000, 30)), ["a", "b"] * 1_000
LONG = {"epochs": 100_000, "batch_size": 16}  # it ends because somebody ends it


def command(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    called = [str(Path(sys.executable).parent / "layerwise"), "jobs", *arguments]
    environment = os.environ | {"LAYERWISE_RPC_ADDRESS": service.rpc, "COLUMNS": "200"}
    return subprocess.run(called, env=environment, capture_output=True, text=True, timeout=100, check=False)


def wait_for(job: Job, state: str) -> None:
    wait_until(lambda: job.refresh().state == state, what=state)


def test_a_job_is_paused_resumed_ended_early_trained_further_and_deleted(service: Service) -> None:
    with service.client() as client:
        job = client.train(
            "life", NETWORK, X, Y, plan=LONG, progress=False, labels={"team": "blue"}, note="by hand", priority=2
        )
        wait_until(lambda: job.refresh().record is not None)

        job.pause()
        wait_for(job, "PAUSED")
        assert job.resume().state in ("QUEUED", "RUNNING")
        wait_until(lambda: job.attempt == 2)
        job.cancel(keep="best").wait(timeout=60)

        assert (job.state, job.version, job.labels, job.note) == ("SUCCEEDED", 1, {"team": "blue"}, "by hand")
        assert job.record is not None
        assert job.record.stopped == "requested"
        seen = job.summary
        assert (seen.rows, seen.priority, seen.source_name) == (2_000, 2, None)
        assert seen.metric_value == job.record.metric
        assert seen.started is not None
        assert seen.finished is not None
        assert seen.created <= seen.started < seen.finished

        epochs = job.record.epoch + 2
        job.resume(epochs=epochs).wait(timeout=60)
        assert (job.version, job.record.epoch, job.plan["epochs"]) == (2, epochs, epochs)
        assert [version.version for version in client.model("life").versions] == [2, 1]

        job.update(labels={"team": None, "kind": "trial"}, note="")
        assert (job.labels, job.note) == ({"kind": "trial"}, "")
        assert [each.id for each in client.jobs(labels={"kind": "trial"})] == [job.id]
        hour = timedelta(hours=1)
        assert not [*client.jobs(labels={"kind": "trial"}, created_after=datetime.now(UTC) + hour)]
        assert [*client.jobs(labels={"kind": "trial"}, created_after=datetime.now() - hour)]
        assert client.job(job.id[:-1]).id == job.id

        with pytest.raises(Conflict, match="say how many it shall have"):
            job.resume()
        with pytest.raises(InvalidRequest, match='keep: expected "best" or None'):
            job.cancel(keep="all")
        with pytest.raises(InvalidRequest, match="labels: expected texts by name"):
            client.train("life", NETWORK, X, Y, labels=3)  # type: ignore[arg-type]
        job.delete()
        with pytest.raises(NotFound):
            job.delete()
        assert client.predict("life", X[:2]).version == 2
        assert client.model("life").at(2).source is None


def test_the_commands_change_jobs_and_say_so(service: Service) -> None:
    with service.client() as client:
        job = client.train("spoken", NETWORK, X, Y, plan=LONG, progress=False)
        wait_until(lambda: job.refresh().record is not None)
        short = job.id[:14]

        said = command(service, "pause", short).stdout
        assert said == f"{job.id} pauses in a moment; to let it go on: layerwise jobs resume {job.id}\n"
        wait_for(job, "PAUSED")
        assert command(service, "pause", short).stdout.startswith(f"{job.id} is PAUSED; to let it go on:")
        said = command(service, "update", short, "--label", "team=blue", "--note", "look again").stdout
        assert said == f"{job.id}: team=blue; look again\n"
        lines = command(service, "list", "--label", "team=blue").stdout.splitlines()
        assert lines[0].split() == [
            "job",
            "model",
            "state",
            "done",
            "metric",
            "rows",
            "data",
            "took",
            "version",
            "created",
        ]
        assert lines[1].split()[:3] == [job.id[:12], "spoken", "PAUSED"]
        assert "2,000" in lines[1]
        assert command(service, "resume", short).stdout.startswith(f"{job.id} is QUEUED; to follow it:")
        wait_for(job, "RUNNING")
        done = command(service, "cancel", short, "--keep", "best")
        assert done.stdout.startswith(f"{job.id} ends in a moment and publishes what it has")
        wait_for(job, "SUCCEEDED")
        assert command(service, "cancel", short, "--keep", "best").returncode == 0
        refused = command(service, "cancel", short)
        assert (refused.returncode, refused.stderr) == (1, f"layerwise: {job.id} has already ended and is SUCCEEDED\n")
        assert json.loads(command(service, "show", short, "--json").stdout)["labels"] == {"team": "blue"}
        shown = command(service, "show", short).stdout
        assert "requested" in shown
        assert "look again" in shown

        asked = command(service, "delete", short)
        assert asked.returncode == 2
        assert "--yes deletes the jobs without asking; nothing was deleted" in asked.stderr
        assert command(service, "delete", short, "--yes").stdout == f"deleted job {job.id}\n"
        gone = command(service, "show", job.id)
        assert (gone.returncode, gone.stderr) == (1, f"layerwise: no job has the id '{job.id}'\n")


def test_a_job_that_was_cancelled_is_told_to_its_waiter_and_goes_on(service: Service) -> None:
    with service.client() as client:
        job = client.train("again", NETWORK, X, Y, plan=LONG, progress=False)
        wait_until(lambda: job.refresh().record is not None)
        job.cancel()
        with pytest.raises(JobCancelled):
            job.wait(timeout=60)
        before = [record.step for record in job.watch()]

        job.resume()
        wait_until(lambda: job.refresh().state == "RUNNING" and len(job.transitions) > 5)
        job.cancel()
        after = [record.step for record in job.watch()]

        assert after[: len(before)] == before
        assert [change.state for change in job.transitions] == [
            *("QUEUED", "RUNNING", "CANCELLING", "CANCELLED", "QUEUED", "RUNNING", "CANCELLING", "CANCELLED"),
        ]
