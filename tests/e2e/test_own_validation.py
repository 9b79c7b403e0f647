"""Rows in memory to hold out: the same as a file of them, by every form that rows have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from helpers.running import Service
from layerwise_client import Client, Job, LayerwiseError, datasets
from layerwise_client.wording import plan_words

LAYERS = {"layers": [{"units": 8, "activation": "relu"}]}
PLAN = {"epochs": 4, "batch_size": 16, "early_stopping": {"patience": 3}}


def rows() -> pd.DataFrame:
    """100 rows to train on, then 40 to hold out."""
    rng = np.random.default_rng(4)
    size, pet = rng.normal(size=140).round(3), rng.choice(["ant", "bee"], 140)
    return pd.DataFrame({"size": size, "pet": pet, "new": size > 0.2, "price": (3 * size + 1).round(3)})


def trained(client: Client, model: str, X: Any, y: Any, validation: Any, **given: Any) -> tuple[Job, Any]:
    job = client.train(model, LAYERS, X, y, plan=PLAN, validation=validation, progress=False, **given)
    job.wait(timeout=60)
    version = client.model(model).at(None)
    assert version.evaluation is not None
    assert (version.evaluation.rows, version.evaluation.measured_on) == (40, "held_out")
    assert job.held_out == 40
    return job, (version.metrics["validation_loss"], version.evaluation)


def test_rows_in_memory_are_held_out_as_those_of_a_file(service: Service, tmp_path: Path) -> None:
    table = rows()
    first, last = table[:100], table[100:]
    marks = np.arange(140) >= 100
    first.to_csv(tmp_path / "first.csv", index=False)
    last.to_csv(tmp_path / "last.csv", index=False)
    with service.client() as client:
        found = [
            trained(client, "ways", X, "price", validation)[1]
            for X, validation in [
                (tmp_path / "first.csv", tmp_path / "last.csv"),
                (tmp_path / "first.csv", last),
                (tmp_path / "first.csv", (last[["size", "pet", "new"]], last["price"])),
                (first, last),
                (first, (last[["new", "pet", "size"]], last["price"])),  # in another order
                (first, last.to_dict("list")),
                (first, pl.DataFrame(last.to_dict("list"))),
                (first, last.to_dict("records")),
                (table.assign(held=marks), "held"),
            ]
        ]

        words = plan_words(client.job(next(client.jobs(model="ways")).id).snapshot)

    assert "40 rows of your own held out" in words
    assert "no rows held out" not in words
    assert [each == found[0] for each in found] == [True] * len(found)


def test_arrays_and_weights_are_held_out_too(service: Service) -> None:
    X, y = datasets.load("iris")
    order = np.random.default_rng(0).permutation(150)
    first, last = order[:110], order[110:]
    weights = np.linspace(0.5, 1.5, 150)
    with service.client() as client:
        _, plain = trained(client, "own-iris", X[first], y[first], (X[last], y[last]))
        _, weighted = trained(
            client, "own-iris", X[first], y[first], (X[last], y[last], weights[last]), weights=weights[first]
        )

    assert plain[0] != weighted[0]
    assert {each.label for each in plain[1].classes} == {"setosa", "versicolor", "virginica"}


def test_a_column_of_gaps_alone_and_an_ignored_one_that_is_missing_are_held_out(service: Service) -> None:
    table = rows()
    first = table[:100].assign(id=range(100))
    first.loc[3, "size"] = None
    last = table[100:].assign(size=[None] * 40, pet=[None] * 40)
    with service.client() as client:
        trained(client, "gaps", first, "price", last, ignore=["id"])


def test_a_file_of_rows_to_hold_out_needs_no_column_that_is_left_out(service: Service, tmp_path: Path) -> None:
    table = rows()
    table[:100].assign(id=range(100), empty=None).to_csv(tmp_path / "first.csv")
    table[100:].to_csv(tmp_path / "last.csv", index=False)
    with service.client() as client:
        job, _ = trained(client, "left-out", tmp_path / "first.csv", "price", tmp_path / "last.csv", ignore=["id"])

    assert job.source is not None
    assert job.source.ignored == ("id", "column1", "empty")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda last: last.drop(columns="pet"),
            "validation: there is no column 'pet', which the training has; the columns are size, new",
        ),
        (lambda last: last.drop(columns="price"), "validation: y: X has no column 'price'"),
        (
            lambda last: last.assign(size="big"),
            "validation: X row 0, column size: expected a number, got 'big'",
        ),
        (lambda last: last.assign(new=2), "validation: X row 0, column new: expected true or false, got 2:"),
        (lambda last: (last, "price", np.ones(40)), "weights: expected none, as for the rows to train on, got some"),
        (lambda last: (last,), r"validation: expected \(x, y\) or \(x, y, weights\), got a tuple of 1"),
        (lambda last: (last.to_numpy(), last["price"]), "validation: X: expected a table with the columns size, pet"),
        (lambda last: (last, last["pet"]), "validation: y row [01]: expected a number, got"),
        (lambda last: last.assign(size=1e300), "validation: X row 0, column size: expected a number within float32"),
        (lambda _: "pet", "validation: expected a column of 1 and 0, or of booleans, 'pet' is one of kind category"),
        (lambda _: "size", "X row 0, column size: expected 1 for a row to hold out and 0 for the others"),
        (lambda _: "last.csv", "validation: expected a column that marks rows, or a file, there is no 'last.csv'"),
    ],
)
def test_rows_that_do_not_fit_those_to_train_on_are_refused(service: Service, change: Any, message: str) -> None:
    table = rows()
    with service.client() as client, pytest.raises(LayerwiseError, match=message) as refused:
        client.train("never", LAYERS, table[:100], "price", validation=change(table[100:]), progress=False)

    assert refused.value.place[0] in ("validation", "X")


def test_a_share_of_the_rows_is_held_out_as_by_the_plan(service: Service, tmp_path: Path) -> None:
    table = rows()
    table.to_csv(tmp_path / "all.csv", index=False)
    with service.client() as client:
        jobs = [
            client.train("share", LAYERS, X, "price", plan=plan, validation=share, progress=False)
            for X in (table, tmp_path / "all.csv")
            for plan, share in ((PLAN, 0.25), ({**PLAN, "validation": 0.25}, None))
        ]
        versions = [client.model("share").at(job.wait(timeout=60).version) for job in jobs]
        found = [(version.plan["validation"], version.metrics["validation_loss"]) for version in versions]
        with pytest.raises(LayerwiseError, match="validation: expected one way to hold rows out, the plan has"):
            client.train("share", LAYERS, table, "price", plan={"validation": 0.1}, validation=0.2, progress=False)

    assert found == [found[0]] * 4
    assert found[0][0] == 0.25


def test_there_is_one_way_to_hold_rows_out(service: Service) -> None:
    table = rows()
    with (
        service.client() as client,
        pytest.raises(LayerwiseError, match=r"validation: expected one way to hold rows out, the plan has") as refused,
    ):
        client.train(
            "never", LAYERS, table[:100], "price", plan={"validation": 0.1}, validation=table[100:], progress=False
        )

    assert refused.value.place == ("validation",)


def test_a_table_to_predict_may_still_have_the_target_and_the_marks_of_the_training(service: Service) -> None:
    table = {"size": [1.0, 2.0, 3.0, 4.0] * 10, "held": [0, 0, 0, 1] * 10, "sold": ["yes", "no", "yes", "no"] * 10}
    with service.client() as client:
        client.train("still-there", LAYERS, table, "sold", validation="held", plan={"epochs": 1}).wait(timeout=60)
        whole = client.predict("still-there", table)
        alone = client.predict("still-there", {"size": table["size"]})

    assert whole.labels.tolist() == alone.labels.tolist()
