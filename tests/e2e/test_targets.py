"""A regression on targets as they come: learnt, served in their units, gone on from; what is no good is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.running import Service
from layerwise import MLP
from layerwise_client import JobFailed

ROWS = 546
HIDDEN = {"layers": [{"units": 64, "activation": "relu"}]}


def houses() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lot size, bedrooms and storeys, standardised, and prices of about 70,000."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 3)).astype(np.float32)
    prices = 70_000 + 27_000 * (0.7 * X[:, 0] + 0.3 * X[:, 1] + 0.4 * X[:, 2] + 0.3 * rng.normal(size=ROWS))
    return X, prices.astype(np.float32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    X, prices = houses()
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{price:.0f}" for (a, b, c), price in zip(X, prices, strict=True)]
    path = tmp_path / "housing.csv"
    path.write_text("\n".join(["lotsize,bedrooms,stories,price", *rows]))
    return path


def layerwise(service: Service, *arguments: str) -> str:
    """All that the command prints."""
    command = [str(Path(sys.executable).with_name("layerwise")), *arguments, "--rpc", service.rpc]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout + done.stderr


def test_a_table_of_prices_is_learnt_without_any_option(service: Service, file: Path) -> None:
    told = layerwise(service, "train", str(file), "--target", "price", "--task", "regression", "--model", "housing")

    with service.client() as client:
        job = next(iter(client.jobs(model="housing")))
        findings = job.findings
    assert "doctor" not in told
    assert findings == ()
    assert job.record is not None
    assert job.record.metric > 0.7
    assert 0 < job.record.loss < 1  # in deviations of the prices


def test_a_network_no_better_than_the_mean_says_so_wherever_the_job_is_shown(service: Service, file: Path) -> None:
    told = layerwise(
        service, "train", str(file), "--target", "price", "--task", "regression", "--model", "raw", "--raw-targets"
    )

    with service.client() as client:
        job = next(iter(client.jobs(model="raw")))
        kinds = {finding.kind for finding in job.findings}
    shown = layerwise(service, "jobs", "show", job.id)
    assert kinds >= {"baseline", "targets"}
    for words in (
        "doctor: no better than the mean: R² is -",
        "doctor: targets are not standardised: output 0 has a root mean square of 7",
    ):
        assert words in told
        assert words in shown


def test_rest_grpc_and_the_file_predict_in_the_targets_units_and_a_start_goes_on_from_there(service: Service) -> None:
    X, prices = houses()
    with service.client() as client, service.client(over_rest=True) as rest:
        client.train("house-prices", HIDDEN, X, prices, plan={"epochs": 20}, progress=False).wait(timeout=60)
        over_grpc, over_rest = client.predict("house-prices", X), rest.predict("house-prices", X)
        still = {"epochs": 1, "optimizer": {"kind": "sgd", "learning_rate": 1e-30}}
        client.train(
            "still", {}, X[:100], prices[:100] + 9_000, plan=still, start_from="house-prices", progress=False
        ).wait(timeout=60)
        gone_on = client.predict("still", X)
        versions = client.model("house-prices").versions[0], client.model("still").versions[0]

    first, second = (MLP.load(service.home / "artifacts" / "models" / f"{version.sha256}.npz") for version in versions)
    assert over_grpc.values is not None
    assert over_rest.values is not None
    assert gone_on.values is not None
    assert np.corrcoef(over_grpc.values, prices)[0, 1] > 0.85
    assert 65_000 < over_grpc.values.mean() < 75_000
    np.testing.assert_allclose(over_rest.values, over_grpc.values, rtol=1e-6)
    np.testing.assert_allclose(first.predict(X), over_grpc.values, rtol=1e-6)
    np.testing.assert_allclose(gone_on.values, over_grpc.values, rtol=1e-5)
    assert first.target_scale == second.target_scale


def test_a_target_that_never_varies_is_answered_and_said(service: Service) -> None:
    X, _ = houses()
    with service.client() as client:
        constant = np.full(ROWS, 14.62, np.float32)
        job = client.train("constant", HIDDEN, X, constant, plan={"epochs": 5}, progress=False).wait(timeout=60)
        answers = client.predict("constant", X).values

    assert answers is not None
    np.testing.assert_allclose(answers, 14.62, rtol=1e-5)
    assert any("the target is the same in every row" in finding.message for finding in job.findings)


def test_a_job_whose_answers_could_overflow_fails_and_says_why(service: Service) -> None:
    X, prices = houses()
    with service.client() as client, pytest.raises(JobFailed, match="expected targets within about 3e"):
        client.train("huge", HIDDEN, X, prices * np.float32(1e33), progress=False).wait(timeout=60)
