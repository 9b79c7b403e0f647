"""Contributions are the same by every way in, and those of the library."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.running import Service
from layerwise import MLP, Contributions, integrated_gradients
from layerwise_client import Client

ROWS = [{"size": i % 7, "pet": ("ant", "bee", "cat")[i % 3], "day": f"2024-01-{i % 28 + 1:02}"} for i in range(60)]
LABELS = ["big" if i % 7 > 3 else "small" for i in range(60)]
COLUMNS = ("size", "pet", "day")


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with service.client() as found:
        yield found


@pytest.fixture(scope="module")
def over_rest(service: Service) -> Iterator[Client]:
    with service.client(over_rest=True) as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def trained(client: Client) -> None:
    network = {"layers": [{"units": 6, "activation": "tanh"}, {}]}
    assert client.train("why", network, ROWS, LABELS, plan={"epochs": 30}, progress=False).wait().version == 1


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "rows.csv"
    path.write_text(f"{','.join(COLUMNS)}\n" + "".join(f"{','.join(map(str, row.values()))}\n" for row in ROWS))
    return path


def predict(service: Service, *arguments: str) -> str:
    environment = os.environ | {"LAYERWISE_RPC_ADDRESS": service.rpc, "LAYERWISE_REST_ADDRESS": ""}
    command = [str(Path(sys.executable).parent / "layerwise"), "predict", "why", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(found: Contributions | None, expected: Contributions) -> None:
    assert found is not None
    assert (found.kind, found.columns) == (expected.kind, expected.columns) == ("probability", COLUMNS)
    for name in ("values", "outputs", "baselines"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=2e-6)


def test_every_way_in_has_the_contributions_of_the_library(
    service: Service, client: Client, over_rest: Client, file: Path, tmp_path: Path
) -> None:
    stored = next(service.home.rglob(f"*{client.model('why').at(1).sha256}.npz"))
    expected = integrated_gradients(MLP.load(str(stored)), ROWS)
    sums = expected.outputs - expected.baselines
    np.testing.assert_allclose(expected.values.sum(axis=1), sums, atol=1e-5)

    by_grpc, by_rest = client.predict("why", ROWS, explain=True), over_rest.predict("why", ROWS, explain=True)
    of_file = client.predict("why", file, explain=True)
    command = json.loads(predict(service, str(file), "--explain", "--json"))
    lines = list(csv.DictReader(io.StringIO(predict(service, str(file), "--explain"))))
    by_row = json.loads(predict(service, "--row", "3,bee,2024-01-11", "--explain", "--json"))
    body = json.dumps({"model": "why", "instances": ROWS, "explain": True}).encode()
    request = urllib.request.Request(f"{service.rest}/predict", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        by_json = json.load(answer)

    for prediction in by_grpc, by_rest, of_file:
        check(prediction.contributions, expected)
    for answered in command, by_json:
        check(_read(answered["contributions"]), expected)
    only = integrated_gradients(MLP.load(str(stored)), [{"size": 3, "pet": "bee", "day": "2024-01-11"}])
    check(_read(by_row["contributions"]), only)
    assert list(lines[0]) == ["prediction", "probability", "baseline", *(f"contribution:{name}" for name in COLUMNS)]
    values = [[float(line[f"contribution:{name}"]) for name in COLUMNS] for line in lines]
    np.testing.assert_allclose(values, expected.values, atol=2e-6)


def _read(found: dict[str, Any]) -> Contributions:
    arrays = [np.array(found[name]) for name in ("values", "outputs", "baselines")]
    return Contributions(found["kind"], tuple(found["columns"]), *arrays)


def test_more_rows_than_a_request_may_have_are_divided(client: Client, over_rest: Client, tmp_path: Path) -> None:
    many = (ROWS * 18)[:1_050]
    path = tmp_path / "many.csv"
    path.write_text(f"{','.join(COLUMNS)}\n" + "".join(f"{','.join(map(str, row.values()))}\n" for row in many))

    found = client.predict("why", many, explain=True).contributions
    others = over_rest.predict("why", many, explain=True), client.predict("why", path, explain=True)

    assert found is not None
    assert found.values.shape == (1_050, 3)
    np.testing.assert_allclose(found.values[1_020:], found.values[:30], atol=2e-6)
    for other in others:
        check(other.contributions, found)


def test_predictions_have_no_contributions_unless_they_are_asked_for(client: Client, file: Path) -> None:
    assert client.predict("why", ROWS).contributions is None
    assert client.predict("why", file).contributions is None
