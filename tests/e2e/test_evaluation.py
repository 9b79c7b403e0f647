"""The evaluation of a version: the same by every way, and what the library says of the same rows."""

from __future__ import annotations

import json
import urllib.request

import numpy as np
import pytest
from click.testing import CliRunner

from helpers.running import Service
from layerwise import MLP, Evaluation, Plan, evaluate, fit
from layerwise_client import datasets
from layerwise_client.cli.group import layerwise

RNG = np.random.default_rng(0)
LAYERS = {"layers": [{"units": 8, "activation": "relu"}]}


def shown(service: Service, *arguments: str) -> str:
    done = CliRunner().invoke(layerwise, [*arguments, "--rpc", service.rpc])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_version_is_told_as_the_library_tells_the_same_rows(service: Service) -> None:
    X, y = datasets.load("iris")
    with service.client() as client:
        job = client.train("told-iris", LAYERS, X, y, plan={"epochs": 20, "validation": 0.2, "seed": 3}, progress=False)
        job.wait(timeout=60)
        version = client.model("told-iris").at(None)
    with urllib.request.urlopen(f"{service.rest}/api/models/told-iris/versions/1") as answer:
        over_rest = json.load(answer)["evaluation"]
    model = MLP.load(service.home / "artifacts" / "models" / f"{version.sha256}.npz")
    labels = np.array(model.labels)
    split = fit(MLP(model.architecture), X, np.searchsorted(labels, y), plan=Plan(epochs=1, validation=0.2, seed=3))
    *_, _ = split
    held_out = split.held_out_rows

    told = version.evaluation

    assert told is not None
    assert told == Evaluation.from_json(over_rest)
    expected = evaluate(model, X[held_out], np.array(y)[held_out])
    assert (told.rows, told.measured_on, told.confusion_matrix) == (30, "held_out", expected.confusion_matrix)
    assert told.accuracy == pytest.approx(version.metrics["validation_accuracy"])
    assert told.baseline == expected.baseline
    assert str(told) in shown(service, "models", "show", "told-iris/1")
    assert str(told) in shown(service, "models", "show", "told-iris")
    assert json.loads(shown(service, "models", "show", "told-iris/latest", "--json"))["evaluation"] == over_rest


def test_of_a_table_the_importance_of_each_column_is_told(service: Service) -> None:
    table = {"size": RNG.normal(size=200).tolist(), "pet": RNG.choice(["ant", "bee"], 200).tolist()}
    price = [3.0 * size for size in table["size"]]
    with service.client() as client:
        job = client.train(
            "told-table", {"layers": [{}]}, table, price, plan={"epochs": 60, "batch_size": 8}, progress=False
        )
        job.wait(timeout=60)
        told = client.model("told-table").at(None).evaluation

    assert told is not None
    assert told.importances is not None
    assert told.importances.metric == "r2"
    size, pet = told.importances.columns
    assert (size.name, pet.name) == ("size", "pet")
    assert size.mean > 0.5 > abs(pet.mean)
