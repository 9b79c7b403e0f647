"""Tables from the SDK and the command line, against a real service: over gRPC and REST alike."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers.running import Service
from helpers.waiting import wait_until
from layerwise_client import InvalidRequest

HIDDEN = {"layers": [{"units": 16, "activation": "relu"}]}
PLAN = {"epochs": 25, "batch_size": 16, "optimizer": {"kind": "adam", "learning_rate": 0.01}}
ROWS = 600


def flights() -> pd.DataFrame:
    """Late are the flights of UA, and those of more than 1,500 miles; with gaps."""
    draw = random.Random(0)
    carriers = [draw.choice(["AA", "DL", "UA"]) for _ in range(ROWS)]
    distances = [round(draw.uniform(100, 2500), 1) for _ in range(ROWS)]
    late = [carrier == "UA" or distance > 1500 for carrier, distance in zip(carriers, distances, strict=True)]
    return pd.DataFrame(
        {
            "id": range(ROWS),
            "carrier": pd.Categorical([None if draw.random() < 0.02 else each for each in carriers]),
            "distance": [None if draw.random() < 0.02 else each for each in distances],
            "at": pd.to_datetime([f"2013-{1 + i % 12:02}-0{1 + i % 9} {i % 24:02}:30" for i in range(ROWS)]),
            "weekend": pd.array([draw.random() < 0.3 for _ in range(ROWS)], dtype="boolean"),
            "late": np.where(late, "late", "in time"),
        }
    )


@pytest.fixture(scope="module")
def X(service: Service) -> pd.DataFrame:
    """The rows that version 1 of "late-flights" was trained on, without the target."""
    data = flights()
    with service.client() as client:
        job = client.train(
            "late-flights",
            HIDDEN,
            data,
            "late",
            columns={"distance": "quantile", "weekend": "identity"},
            ignore=["id"],
            plan=PLAN,
            progress=False,
        ).wait(timeout=60)
        columns = job.columns
    assert job.record is not None
    assert job.record.metric > 0.95
    assert [column.name for column in columns] == ["carrier", "distance", "at", "weekend"]
    return data.drop(columns="late")


def test_every_form_of_the_same_rows_is_told_the_same_over_grpc_and_rest(service: Service, X: pd.DataFrame) -> None:
    part = X.head(40)
    columns: dict[str, Any] = {name: part[name].tolist() for name in part.columns}
    rows: list[dict[str, Any]] = part.to_dict("records")
    reordered = part[list(reversed(part.columns))]

    with service.client() as client, service.client(over_rest=True) as rest:
        answers = [
            each.predict("late-flights", form) for each in (client, rest) for form in (part, columns, rows, reordered)
        ]

    for answer in answers[1:]:
        assert answer.labels is not None
        assert answer.labels.tolist() == answers[0].labels.tolist()  # type: ignore[union-attr]
        np.testing.assert_allclose(answer.probabilities, answers[0].probabilities, atol=1e-6)


def test_gaps_and_categories_that_were_never_seen_are_answered(service: Service, X: pd.DataFrame) -> None:
    rows = [
        {"carrier": "UA", "distance": 300, "at": "2013-05-01T05:15", "weekend": False},
        {"carrier": "AA", "distance": 300, "at": "2013-05-01T05:15", "weekend": True},
        {"carrier": "ZZ", "distance": None, "at": None, "weekend": True},
    ]

    with service.client() as client, service.client(over_rest=True) as rest:
        answers = [each.predict("late-flights", rows) for each in (client, rest)]

    for answer in answers:
        assert answer.labels is not None
        assert answer.labels.tolist()[:2] == ["late", "in time"]
        told = {(each.reason, each.column, each.row) for each in answer.warnings}
        assert told == {("UNSEEN_CATEGORY", "carrier", 2), ("GAP", "at", 2)}


def test_gaps_that_training_had_not_are_told_or_refused_after_training_on_a_file_or_on_rows(
    service: Service, tmp_path: Path
) -> None:
    data = flights()[["carrier", "distance", "late"]].dropna()
    data.loc[data.index[:3], "late"] = None
    path = tmp_path / "flights.csv"
    data.to_csv(path, index=False)
    strict = {"distance": {"kind": "standardize", "missing": "error"}}
    rows = [{"carrier": "UA", "distance": 300}, {"carrier": "ZZ", "distance": None}]

    with service.client() as client:
        job = client.train("gaps-file", HIDDEN, path, "late", plan=PLAN, progress=False)
        with pytest.warns(UserWarning, match="3 rows without a target are left out"):
            other = client.train("gaps-rows", HIDDEN, data, "late", plan=PLAN, columns=strict, progress=False)
        assert (job.wait(timeout=60).version, other.wait(timeout=60).version) == (1, 1)
        answer = client.predict("gaps-file", rows)
        with pytest.raises(InvalidRequest, match="X row 1, column distance: expected a number, got a missing value"):
            client.predict("gaps-rows", rows)

    assert job.source is not None
    assert job.source.left_out == 3
    assert answer.labels is not None
    told = [(each.reason, each.column, each.row) for each in answer.warnings]
    assert told == [("UNSEEN_CATEGORY", "carrier", 1), ("GAP", "distance", 1)]


def test_what_does_not_fit_the_version_is_refused_with_row_and_column(service: Service, X: pd.DataFrame) -> None:
    with service.client() as client, service.client(over_rest=True) as rest:
        for each in (client, rest):
            with pytest.raises(InvalidRequest, match=r"column distance: the column 'distance' is missing") as caught:
                each.predict("late-flights", X.rename(columns={"distance": "Distance"}))
            assert caught.value.detail.endswith("; did you mean Distance?")
            assert caught.value.reason == "MISSING_COLUMN"
            with pytest.raises(
                InvalidRequest, match=r"column extra: unknown column; expected one of carrier"
            ) as caught:
                each.predict("late-flights", X.assign(extra=1))
            assert "; if it is the target, leave it out: X.drop(columns=['extra'])" in str(caught.value)
            with pytest.raises(InvalidRequest, match=r"^X row 3, column distance: expected a number, got 'far'$"):
                each.predict("late-flights", X.assign(distance=["1", "2", "3", "far", *["5"] * (ROWS - 4)]))


def test_rows_without_names_go_by_the_order_of_the_columns(service: Service) -> None:
    data = np.random.default_rng(0).normal(500, 200, (300, 3)).round(1)
    frame = pd.DataFrame(data, columns=["a", "b", "c"])

    with service.client() as client, service.client(over_rest=True) as rest:
        client.train("sums", HIDDEN, frame, data[:, 0] > 500, plan=PLAN, progress=False).wait(timeout=60)
        named = client.predict("sums", frame[["c", "a", "b"]])
        bare = [each.predict("sums", rows) for each in (client, rest) for rows in (data, data.tolist())]

    assert named.labels is not None
    assert np.mean(named.labels == (data[:, 0] > 500)) > 0.95
    for answer in bare:
        np.testing.assert_allclose(answer.probabilities, named.probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("large", [2**24 + index for index in range(4)]),  # float32 has every second of them
        ("tenths", [0.1, 0.2, 0.3, 0.4]),
        ("huge", [2**53 + index for index in range(4)]),
    ],
)
def test_numbers_that_are_categories_keep_their_places_without_names(
    service: Service, name: str, ids: list[Any]
) -> None:
    frame = pd.DataFrame({"id": ids * 20, "word": ["x", "y"] * 40})
    rows: list[list[Any]] = [[each, "x"] for each in ids]
    coded = pd.DataFrame({"id": ids * 20, "code": [7.0] * 80})

    with service.client() as client, service.client(over_rest=True) as rest:
        for model, table in ((name, coded), (f"{name}-mixed", frame)):
            kinds = {"id": "one_hot", "code": "identity"} if model == name else {"id": "one_hot"}
            y = [f"of {each}" for each in table["id"].tolist()]
            plan = PLAN | {"epochs": 60}
            client.train(model, HIDDEN, table, y, columns=kinds, plan=plan, progress=False).wait(timeout=60)
        numbers = [each.predict(name, [[id_, 7] for id_ in ids]) for each in (client, rest)]
        mixed = [each.predict(f"{name}-mixed", rows) for each in (client, rest)]

    for answer in (*numbers, *mixed):
        assert answer.labels is not None
        assert answer.labels.tolist() == [f"of {each}" for each in ids]


def test_a_client_follows_its_model_from_rows_of_numbers_to_a_table_and_back(service: Service) -> None:
    data = np.arange(120.0).reshape(60, 2)
    swapped = pd.DataFrame({"b": data[:, 1], "a": data[:, 0]})
    plan = PLAN | {"epochs": 2}

    with service.client() as client, service.client(over_rest=True) as rest:
        for version, X in enumerate((data, swapped, data), 1):
            client.train("moving", HIDDEN, X, data[:, 0] > 60, plan=plan, progress=False).wait(timeout=60)
            wait_until(lambda: all(each.predict("moving", data).version == version for each in (client, rest)))  # noqa: B023
            expected = client.predict("moving", data, version=version).probabilities
            for each in (client, rest):
                np.testing.assert_allclose(each.predict("moving", data).probabilities, expected, atol=1e-5)


def test_a_file_is_trained_on_and_asked_about_from_the_command_line(service: Service, tmp_path: Path) -> None:
    data = flights()
    data.to_csv(tmp_path / "trips.csv", index=False, na_rep="NA")
    data[reversed(data.columns)].head(200).to_csv(tmp_path / "part.csv", index=False)

    def layerwise(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"LAYERWISE_RPC_ADDRESS": service.rpc}
        command = [str(Path(sys.executable).parent / "layerwise"), *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    added = data.head(60).assign(late=[*data["late"][:40], "never", *data["late"][41:60]])
    added.to_csv(tmp_path / "more.csv", index=False, na_rep="NA")
    trained = layerwise(
        "train", "trips.csv", "--target", "late", "--ignore", "id", "--epochs", "30", "--learning-rate", "0.01"
    )
    told = layerwise("predict", "trips", "part.csv", "--target", "late", "--json")
    row = layerwise("predict", "trips", "--row", "carrier=UA,distance=300,at=2013-05-01T05:15,weekend=true")
    untold = layerwise("predict", "trips", "part.csv")

    more = layerwise("train", "more.csv", "--target", "late", "--start-from", "trips")
    fewer = layerwise("train", "part.csv", "--target", "carrier", "--start-from", "trips")

    assert trained.returncode == 0, trained.stderr
    told_of = "layerwise: more.csv row 41, column late: expected one of the classes 'in time', 'late', got 'never'"
    assert more.stderr.splitlines()[-1] == told_of
    assert fewer.stderr.splitlines()[-1].startswith("layerwise: part.csv ")
    assert "columns: 2 numbers, 1 category, 1 date, 2 with gaps: " in trained.stderr
    assert json.loads(told.stdout)["accuracy"] > 0.95
    assert row.stdout.splitlines()[1].startswith("late,")
    assert untold.stderr == ""  # the version knows its target, and the columns that were ignored
    assert untold.stdout.count("\n") == 201
