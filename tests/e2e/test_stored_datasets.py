"""The datasets of files in a real service, listed and deleted by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.running import Service
from layerwise_client import InvalidRequest


def command(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    called = [str(Path(sys.executable).parent / "layerwise"), "datasets", *arguments]
    environment = os.environ | {"LAYERWISE_RPC_ADDRESS": service.rpc, "COLUMNS": "200"}
    return subprocess.run(called, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_the_datasets_of_files_are_listed_newest_first_and_deleted(service: Service, tmp_path: Path) -> None:
    ids: list[str] = []
    with service.client() as client:
        for name, first in (("red.csv", 1), ("green.csv", 2)):
            path = tmp_path / name
            path.write_text(f"size,sold\n{first},yes\n0,no\n")
            ids.append(client.upload_dataset(path).id)
        looked_at = tmp_path / "looked at.csv"
        looked_at.write_text("size\n3\n")
        client.upload_dataset(looked_at, transient=True)
    red, green = ids

    lines = command(service, "stored").stdout.splitlines()
    assert lines[0].split() == ["dataset", "name", "rows", "columns", "size", "created"]
    assert lines[1].startswith(green)
    assert lines[1].split()[1:6] == ["green.csv", "2", "2", "0.0", "MB"]
    assert lines[2].split()[:2] == [red, "red.csv"]
    assert "looked at" not in "".join(lines)

    one = command(service, "stored", "--limit", "1")
    assert [line.split()[0] for line in one.stdout.splitlines()[1:]] == [green]
    assert one.stderr == "there are more: --limit 2 lists more of them, --json all\n"

    deleted = command(service, "delete", red)
    assert (deleted.stdout, deleted.returncode) == (f"deleted {red}, red.csv\n", 0)
    assert red not in [dataset["id"] for dataset in json.loads(command(service, "stored", "--json").stdout)]

    again = command(service, "delete", red)
    assert again.returncode == 1
    assert again.stderr == f"layerwise: id: there is no dataset '{red}'\n"


def test_a_table_in_memory_is_a_dataset_that_is_described_looked_over_and_trained_on_again(service: Service) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"size": rng.normal(size=200), "id": [f"id{i:03}" for i in range(200)]})
    table["leak"] = table["kind"] = rng.choice(["a", "b"], 200)
    with service.client() as client:
        job = client.train("tables", {"layers": [{}]}, table, "kind", plan={"epochs": 1}, progress=False)
        job.wait(timeout=60)
        assert job.source is not None
        dataset = client.dataset(job.source.dataset)
        again = client.upload_dataset(table.drop(columns="kind"), name="inputs", progress=False)

        assert (dataset.name, dataset.rows, dataset.file_sha256) == ("table for tables", 200, "")
        assert {column.name: column.kind for column in dataset.columns} == {
            "size": "number", "id": "category", "leak": "category", "kind": "category",
        }  # fmt: skip
        assert {doubt.reason for doubt in job.source.doubts} == {"ALL_DIFFERENT"}
        assert ("leak",) in [finding.columns for finding in job.source.findings]
        assert client.train("tables", {"layers": [{}]}, dataset, "kind", progress=False).source.dataset == dataset.id
        assert len(client.predict("tables", again).labels) == 200
        assert [each.name for each in client.datasets(limit=2)] == ["inputs", "table for tables"]
    lines = command(service, "stored", "--limit", "1").stdout.splitlines()
    assert lines[1].split()[1:4] == ["inputs", "200", "3"]


def test_a_table_that_a_version_starts_from_is_taken_for_what_the_version_predicts(service: Service) -> None:
    prices = pd.DataFrame({"size": np.linspace(0, 1, 50), "price": np.linspace(10, 20, 50) + 0.25})
    with service.client() as client:
        client.train("starts", {"layers": [{}]}, prices, "price", plan={"epochs": 1}, progress=False).wait(timeout=60)
        whole = prices.assign(price=[1, 2] * 25)
        job = client.train("starts", {}, whole, "price", start_from="starts", plan={"epochs": 1}, progress=False)
        job.wait(timeout=60)

        assert job.source is not None
        assert (job.source.task, job.source.why) == ("regression", "as starts/1 predicts")
        for table, message in [
            (prices.assign(area=1), "X column area: unknown column"),
            (prices.assign(price=["a", "b"] * 25), "y: 'price' has values that are no numbers"),
        ]:
            with pytest.raises(InvalidRequest, match=message):
                client.train("starts", {}, table, "price", start_from="starts", progress=False)
