"""Columns of awkward names: each error names the column exactly, in the SDK over both transports and in the command."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.column_names import AWKWARD_NAMES
from helpers.running import Service
from layerwise_client import InvalidRequest

LAYERS = {"layers": [{"units": 2}]}
ROWS = 20_000
"""Rows of ten columns that take more than one batch."""
LATE = ROWS - 2


@pytest.fixture(scope="module")
def columns(service: Service) -> dict[str, list[Any]]:
    """The rows that version 1 of "awkward" was trained on."""
    table: dict[str, list[Any]] = {name: [1.0, 2.0, 4.0, 8.0] for name in AWKWARD_NAMES}
    with service.client() as client:
        client.train("awkward", LAYERS, table, ["no", "yes", "yes", "no"], plan={"epochs": 1}, progress=False).wait(60)
    return table


@pytest.mark.parametrize("over_rest", [False, True])
def test_a_cell_that_cannot_be_predicted_from_is_named(
    service: Service, columns: dict[str, list[Any]], over_rest: bool
) -> None:
    with service.client(over_rest=over_rest) as client:
        for name in AWKWARD_NAMES:
            wrong = {**columns, name: ["1", "2", "far", "8"]}
            with pytest.raises(InvalidRequest) as caught:
                client.predict("awkward", wrong)
            assert caught.value.place == ("X", 2, name)
            assert caught.value.pointer == f"X[2].{name}"
            assert str(caught.value) == f"X row 2, column {name}: expected a number, got 'far'"


def test_a_cell_beyond_the_first_batch_is_named_when_training(service: Service) -> None:
    long = {name: np.ones(ROWS) for name in AWKWARD_NAMES}
    with service.client() as client:
        for name in AWKWARD_NAMES:
            values = np.ones(ROWS)
            values[LATE] = -3
            with pytest.raises(InvalidRequest) as caught:
                client.train(
                    "beyond", LAYERS, {**long, name: values}, np.arange(ROWS) % 2, columns={name: "log"}, progress=False
                )
            assert caught.value.place == ("X", LATE, name)
            assert str(caught.value).startswith(f"X row {LATE}, column {name}: expected a number of at least 0")


def test_the_command_names_file_row_and_column(service: Service, columns: dict[str, list[Any]], tmp_path: Path) -> None:
    def layerwise(*arguments: str) -> str:
        environment = os.environ | {"LAYERWISE_RPC_ADDRESS": service.rpc, "LAYERWISE_REST_ADDRESS": ""}
        command = [sys.executable, "-c", "from layerwise_client.cli import main; main()", *arguments]
        done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert done.returncode == 1, done.stderr
        return done.stderr.splitlines()[-1]

    for name in ("Sepal.Length", "rows[1].y", 'it\'s "quoted"'):
        with (tmp_path / "wrong.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*AWKWARD_NAMES, "target"])
            for row in range(4):
                writer.writerow([*(-3 if row == 2 and each == name else 1 + row for each in AWKWARD_NAMES), row % 2])

        training = layerwise("train", "wrong.csv", "--target", "target", "--columns", f"{name}=log", "--no-follow")

        assert training.startswith(f"layerwise: wrong.csv row 3, column {name}: expected a number of at least 0")
        text = (tmp_path / "wrong.csv").read_text(encoding="utf-8").replace("-3", "far")
        (tmp_path / "wrong.csv").write_text(text, encoding="utf-8")
        predicting = layerwise("predict", "awkward", "wrong.csv", "--target", "target")
        assert predicting.startswith(f"layerwise: wrong.csv row 3, column {name}: expected a number, got 'far'")
