"""Files are predicted as they are: a row means what it meant in training, whatever the file looks like."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from helpers.running import Service
from layerwise_client import Client

TRAINING = "id;size;when;open;kind\n" + "".join(
    f"{i:03};{'1.' if big else ''}{i % 10}00,5;{i % 28 + 1:02}.{i % 12 + 1:02}.2012;{'ja' if i % 3 else 'nein'};"
    f"{'very big' if big else ' small '}\n"
    for i in range(90)
    for big in [i % 2 == 1]
)
"""German numbers and dates, booleans of German words, and a target whose labels have blanks."""


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with service.client() as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def trained(client: Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("training") / "shops.csv"
    path.write_text(TRAINING)
    columns = {"open": {"kind": "boolean", "true": ["ja"], "false": ["nein"]}}
    network = {"layers": [{"units": 8, "activation": "relu"}, {}]}
    plan = {"epochs": 60, "optimizer": {"kind": "adam", "learning_rate": 0.02}}
    dataset = client.upload_dataset(path, columns=columns)
    job = client.train("shops", network, dataset, "kind", ignore=["id"], plan=plan, progress=False)
    assert job.wait().version == 1


def predict(service: Service, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"LAYERWISE_RPC_ADDRESS": service.rpc, "LAYERWISE_REST_ADDRESS": ""}
    command = [str(Path(sys.executable).parent / "layerwise"), "predict", "shops", *arguments]
    done = subprocess.run(command, env=environment, input=stdin, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done


def rows(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(done.stdout.decode())))


def test_one_row_of_a_file_is_read_as_all_were_in_training(service: Service, client: Client) -> None:
    """Alone, 1.234,5 would be text, 03.04.2012 might be in March, and "ja" a category."""
    row = {"size": "1.234,5", "when": "03.04.2012", "open": "ja"}
    content = f"{';'.join(row)}\n{';'.join(row.values())}\n".encode()

    by_file = rows(predict(service, "-", "--probabilities", stdin=content))
    compressed = rows(predict(service, "-", "--probabilities", stdin=gzip.compress(content)))
    by_row = rows(predict(service, "--probabilities", '--row="size=1.234,5",when=03.04.2012,open=ja'))
    answer = client.predict("shops", [{"size": 1234.5, "when": "2012-04-03", "open": True}])

    assert by_file == compressed == by_row
    assert [each["prediction"] for each in by_file] == answer.labels.tolist() == ["very big"]
    found = np.array([[each["small"], each["very big"]] for each in by_file], np.float32)
    assert found == pytest.approx(answer.probabilities, abs=1e-6)


def test_the_target_is_compared_by_its_meaning_and_otherwise_not_used(service: Service, tmp_path: Path) -> None:
    lines = TRAINING.splitlines()
    (tmp_path / "some.csv").write_text("\n".join([*lines[:5], "x;0,5;1.2.2012;ja;", "y;0,5;1.2.2012;ja;unheard of"]))

    scored = predict(service, str(tmp_path / "some.csv"), "--target", "kind", "--keep", "id")
    plain = predict(service, str(tmp_path / "some.csv"), "--keep", "id")

    assert scored.stdout == plain.stdout
    assert [each["id"] for each in rows(scored)] == ["000", "001", "002", "003", "x", "y"]
    assert plain.stderr == b""
    assert scored.stderr.decode().splitlines()[0] == "1 row without a target is left out of the score"
    assert "accuracy 0.8000 on 5 rows" in scored.stderr.decode()


def test_a_file_that_pandas_wrote_with_its_index_is_predicted_and_the_index_is_not_used(
    service: Service, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"size": ["1.500,5", "3,5"], "when": ["01.01.2012"] * 2, "open": ["nein", "ja"]})
    frame.to_csv(tmp_path / "frame.csv")

    done = predict(service, str(tmp_path / "frame.csv"))

    assert [each["prediction"] for each in rows(done)] == ["very big", "small"]
    assert done.stderr.decode().startswith("not used, since shops does not take them: ")


def test_parquet_means_the_same(service: Service, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "typed.parquet"
    duckdb.sql(
        "SELECT 1500.5 AS size, DATE '2012-03-04' AS when, true AS open, 9007199254740993 AS id"
        " UNION ALL SELECT 3.5, DATE '2012-01-01', false, 2"
    ).write_parquet(str(path))

    found = json.loads(predict(service, str(path), "--json", "--keep", "id").stdout)

    rows = {"size": [1500.5, 3.5], "when": ["2012-03-04", "2012-01-01"], "open": [True, False]}
    answer = client.predict("shops", rows)
    assert found["predictions"] == answer.labels.tolist()
    assert np.array(found["probabilities"], np.float32) == pytest.approx(answer.probabilities, abs=1e-6)
    assert found["kept"] == {"id": ["9007199254740993", "2"]}
    assert found["classes"] == ["small", "very big"]


def test_numbers_of_numpy_mean_the_same(service: Service, client: Client, tmp_path: Path) -> None:
    path, sizes = tmp_path / "arrays.npz", [1.234, 1234.5]
    np.savez(path, size=sizes, when=np.array(["2012-03-04", "2012-01-01"], "M8[D]"), open=[True, False])

    found = json.loads(predict(service, str(path), "--json").stdout)

    answer = client.predict("shops", {"size": sizes, "when": ["2012-03-04", "2012-01-01"], "open": [True, False]})
    assert np.array(found["probabilities"], np.float32) == pytest.approx(answer.probabilities, abs=1e-6)


@pytest.mark.parametrize("rest", [True, False], ids=["REST", "gRPC"])
def test_numbers_beside_texts_mean_the_same(service: Service, client: Client, *, rest: bool) -> None:
    """A column of both travels as texts, in which 1.234 would be the German 1234."""
    rows: list[dict[str, Any]] = [
        {"size": 1.234, "when": "01.02.2012", "open": "ja"},
        {"size": np.float32(2.5), "when": "01.02.2012", "open": True},
        {"size": "1,5", "when": "01.02.2012", "open": False},
    ]
    wanted = [
        row | {"size": size, "open": is_open}
        for row, size, is_open in zip(rows, [1.234, 2.5, 1.5], [1, 1, 0], strict=True)
    ]
    with Client(service.rpc, rest=service.rest if rest else None) as asking:
        found = asking.predict("shops", rows)

    assert found.probabilities == pytest.approx(client.predict("shops", wanted).probabilities, abs=1e-6)


def test_the_command_writes_the_csv_that_rest_answers(service: Service) -> None:
    content = (
        b"id;size;when;open\n00012345678901234567;1.200;3.4.2012;ja\nb;1.234,5;;nein\nc;1.234.567.890.123.456.789;;ja\n"
    )
    names = ("id", "size", "when", "open")
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    query = "&".join(f"keep={name}" for name in names)
    request = urllib.request.Request(f"{service.rest}/predict?model=shops&{query}", content, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        by_rest = answer.read()

    by_command = predict(service, "-", "--probabilities", *(f"--keep={name}" for name in names), stdin=content)

    assert by_command.stdout == by_rest
    assert [line.split(",")[:4] for line in by_rest.decode().splitlines()[1:]] == [
        ["00012345678901234567", "1200", "2012-04-03", "true"],
        ["b", "1234.5", "", "false"],
        ["c", "1.2345678901234568e+18", "", "true"],
    ]
