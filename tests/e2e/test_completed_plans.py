"""What a plan leaves open is chosen alike, however the same rows come, and the job says what was chosen."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers.running import Service
from layerwise import MLP, Architecture, Layer, Plan, fit
from layerwise_client import datasets

HIDDEN = {"layers": [{"units": 16, "activation": "relu"}]}
CHOSEN = ("epochs", "batch_size", "validation", "early_stopping", "optimizer")


def plan_of(count: int) -> dict[str, Any]:
    """What the library chooses, as the service writes it."""
    return of_job(Plan().completed(rows=count).to_json())


def of_job(plan: Any) -> dict[str, Any]:
    return {name: value for name, value in plan.items() if name in CHOSEN and value is not None}


def layerwise(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "layerwise"), *arguments, "--rpc", service.rpc]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def test_numbers_a_table_a_file_and_the_library_get_the_same_plan(service: Service, tmp_path: Path) -> None:
    X, y = datasets.load("iris")
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame.assign(kind=y).to_csv(tmp_path / "flowers.csv", index=False)
    model = MLP(Architecture(4, (Layer(16, "relu"), Layer(3))))
    list(fit(model, X, y, plan=Plan()))
    assert model.plan is not None

    with service.client() as client:
        numbers = client.train("numbers", HIDDEN, X, y, progress=False).wait(timeout=60)
        table = client.train("table", HIDDEN, frame, y, plan={"epochs": None}, progress=False).wait(timeout=60)
    told = layerwise(service, "train", str(tmp_path / "flowers.csv"), "--target", "kind", "--hidden", "16", "--json")
    file = json.loads(told.stdout)

    words = "plan: 300 epochs, batches of 64 rows, adam at a rate of 0.001, l2 0.01, no rows held out"
    assert of_job(numbers.plan) == of_job(table.plan) == of_job(file["plan"]) == plan_of(150)
    assert model.plan == Plan().completed(rows=150)
    assert words in told.stderr.splitlines()
    assert numbers.record is not None
    assert (numbers.record.epoch, numbers.record.stopped) == (300, "epochs")
    assert numbers.record.metric > 0.9


def test_rows_enough_are_held_out_and_jobs_show_and_rest_tell_it(service: Service) -> None:
    X, y = datasets.load("moons", rows=6_000, seed=0)

    with service.client() as client:
        job = client.train("held-out", HIDDEN, X, y, plan={"optimizer": "nadam"}, progress=False).wait(timeout=60)
        version = client.model("held-out").at(1)
    shown = layerwise(service, "jobs", "show", job.id).stdout
    with urllib.request.urlopen(f"{service.rest}/api/jobs/{job.id}", timeout=20) as answer:
        over_rest = json.load(answer)

    chosen = Plan(optimizer="nadam").completed(rows=6_000)
    assert of_job(job.plan)["optimizer"] == chosen.optimizer.to_json()
    assert of_job(job.plan) == of_job(version.plan) == of_job(over_rest["plan"])
    assert job.record is not None
    assert job.record.stopped == "early_stopping"
    assert job.record.validation_metric is not None
    patience = f"ends after {chosen.early_stopping.patience} epochs without a better validation_loss"  # type: ignore[union-attr]
    assert f"batches of 64 rows, nadam at a rate of 0.002, l2 0.00185, 10 % of the rows held out, {patience}" in shown


@pytest.mark.parametrize("plan", [{"epochs": 7}, {"batch_size": 11, "epochs": 2, "validation": 0.2}, {"max_steps": 40}])
def test_what_is_said_stays(service: Service, plan: dict[str, Any]) -> None:
    X, y = datasets.load("iris")

    with service.client() as client:
        job = client.train("said", HIDDEN, X, y, plan=plan, progress=False).wait(timeout=60)

    assert {name: job.plan[name] for name in plan} == plan
    assert "early_stopping" not in job.plan
