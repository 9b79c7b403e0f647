"""The whole path as a user walks it: train over gRPC, predict over REST and gRPC, serve new versions at once."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from helpers.running import Service
from helpers.waiting import wait_until
from layerwise import MLP
from layerwise_client import datasets
from layerwise_client.cli.group import layerwise

HIDDEN = {"layers": [{"units": 32, "activation": "relu"}]}


def test_digits_are_learnt_and_told_alike_over_rest_grpc_and_from_the_file(service: Service) -> None:
    X, y = datasets.load("digits")
    order = np.random.default_rng(0).permutation(len(X))
    seen, unseen = order[360:], order[:360]
    plan = {"epochs": 30, "batch_size": 32}

    with service.client() as client, service.client(over_rest=True) as rest:
        job = client.train("unseen-digits", HIDDEN, X[seen], y[seen], plan=plan, progress=False).wait(timeout=60)
        over_grpc, over_rest = client.predict("unseen-digits", X[unseen]), rest.predict("unseen-digits", X[unseen])
        version = client.model("unseen-digits").versions[0]

    file = service.home / "artifacts" / "models" / f"{version.sha256}.npz"
    local = MLP.load(file, sha256=version.sha256)
    assert job.version == over_grpc.version == over_rest.version == 1
    for answer in (over_grpc, over_rest):
        assert answer.labels is not None
        assert answer.probabilities is not None
        assert np.mean(answer.labels == y[unseen]) >= 0.95
        assert answer.labels.tolist() == local.predict(X[unseen]).tolist()
        np.testing.assert_allclose(answer.probabilities, local.predict_proba(X[unseen]), atol=1e-6)


def test_new_versions_are_served_within_seconds_and_no_request_fails(service: Service) -> None:
    X, y = datasets.load("iris")
    body = json.dumps({"model": "swapped", "instances": X[:3].tolist()}).encode()
    answers: list[tuple[float, int]] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def ask() -> None:
        headers = {"Content-Type": "application/json"}
        while not done.is_set():
            request = urllib.request.Request(f"{service.rest}/predict", data=body, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    answers.append((time.monotonic(), json.load(response)["version"]))
            except BaseException as error:
                failures.append(error)

    def newest_is(version: int) -> bool:
        return answers[-1][1] == version

    with service.client() as client:
        client.train("swapped", HIDDEN, X, y, plan={"epochs": 1}, progress=False).wait(timeout=30)
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        published: dict[int, float] = {}
        for seed in range(1, 4):
            job = client.train("swapped", HIDDEN, X, y, plan={"epochs": 1, "seed": seed}, progress=False)
            job.wait(timeout=30)
            assert job.version is not None
            published[job.version] = time.monotonic()
            wait_until(partial(newest_is, job.version), seconds=20)
        done.set()
        for thread in threads:
            thread.join()

    assert failures == []
    assert {version for _, version in answers} == {1, 2, 3, 4}
    for version, at in published.items():
        late = [when - at for when, answered in answers if answered < version and when > at]
        assert max(late, default=0.0) < 10  # 0.2 s on a quiet machine


@pytest.mark.parametrize("name", ["spiral", "circles", "xor", "moons", "iris"])
def test_every_built_in_dataset_can_be_learnt(service: Service, name: str) -> None:
    X, y = datasets.load(name)
    architecture = {"layers": [{"units": 32, "activation": {"kind": "maxout", "pieces": 3}}] * 2}
    plan = {"epochs": 150, "batch_size": 16, "optimizer": {"kind": "adam", "learning_rate": 0.01}}

    with service.client() as client:
        client.train(name, architecture, X, y, plan=plan, progress=False).wait(timeout=60)
        answer = client.predict(name, X)

    assert answer.labels is not None
    assert np.mean(answer.labels == np.asarray(y)) >= 0.9


EARLY = {"early_stopping": {"patience": 3}}


@pytest.mark.parametrize("ending", [EARLY, {"average": 0.99}, {"average": 0.9, **EARLY}], ids=["best", "mean", "both"])
def test_what_is_told_of_a_version_is_what_the_version_does(
    service: Service, ending: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    name = f"told-{request.node.callspec.id}"
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 6)).astype(np.float32)
    y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)  # half noise: what is learnt by heart hurts
    plan = {
        "epochs": 60,
        "batch_size": 8,
        "optimizer": {"kind": "adam", "learning_rate": 0.02},
        "validation": 0.5,
        "split": "temporal",
        **ending,
    }

    with service.client() as client:
        job = client.train(name, HIDDEN, X, y, plan=plan, progress=False)
        records = list(job.watch())
        said = client.predict(name, X).labels
        version, listed = client.model(name).versions[0], next(client.jobs(model=name)).record
    with urllib.request.urlopen(f"{service.rest}/api/jobs/{job.id}", timeout=10) as response:
        over_rest = json.load(response)["record"]
    shell = CliRunner(env={"LAYERWISE_RPC_ADDRESS": service.rpc})
    shown, of_model = (
        shell.invoke(layerwise, command).stdout for command in (["jobs", "show", job.id], ["models", "show", name])
    )

    told, right = job.record, said == y
    assert told is not None
    assert told.kept
    assert told.validation_metric == version.metrics["validation_accuracy"] == np.mean(right[100:])
    assert told.loss == version.metrics["loss"]
    if "average" in ending:
        assert told.metric == version.metrics["accuracy"] == np.mean(right[:100])
    if "early_stopping" in ending:
        kept = [record for record in records if record.kept][-1]
        assert told.epoch == kept.epoch < records[-1].epoch
        assert told.validation_loss == min(record.validation_loss or 9 for record in records)
        assert told.stopped == records[-1].stopped == "early_stopping"
    assert listed == told
    assert (over_rest["epoch"], over_rest["validation_metric"], over_rest["metric"], over_rest["kept"]) == (
        told.epoch,
        told.validation_metric,
        told.metric,
        True,
    )
    assert f"{told.epoch} (kept)" in shown
    assert re.search(rf"validation accuracy +{told.validation_metric:.4g}\n", shown)
    assert f"validation_accuracy {told.validation_metric:.4g}" in of_model


def test_memory_stays_flat_during_a_large_upload(service: Service, tmp_path: Path) -> None:
    rows = np.lib.format.open_memmap(tmp_path / "rows.npy", mode="w+", dtype=np.float32, shape=(1_000_000, 100))
    for start in range(0, len(rows), 100_000):
        rows[start : start + 100_000] = np.random.default_rng(start).random((100_000, 100), dtype=np.float32)
    labels = (np.arange(len(rows)) % 2).astype(np.int64)
    before = sum(map(peak_megabytes, service.pids("rpc")))

    with service.client() as client:
        job = client.train("large", {"layers": [{}]}, rows, labels, plan={"epochs": 1}, progress=False)
        grown = sum(map(peak_megabytes, service.pids("rpc"))) - before
        job.cancel()

    assert job.dataset
    # on a busy machine gRPC has some more on its way to a service that writes slowly; never half of it all
    assert grown < 200, f"400 MB of rows made the service {grown:.0f} MB larger"


def peak_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")
