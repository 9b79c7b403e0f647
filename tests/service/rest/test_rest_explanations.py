"""POST /predict with explain: what each column contributes, and what is refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from helpers.rest_clients import running_rest
from layerwise import MLP, Architecture, Layer
from layerwise_service.domain.models import Version
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.usecases.explanation import most_explained
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]
ROWS = [[0.5, 1.0], [1.0, -2.0]]


@pytest.fixture
def rest(settings: Settings, stores: Stores) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


def explain(rest: FlaskClient, instances: list[list[float]], status: int = 200) -> Any:
    response = rest.post("/predict", json={"instances": instances, "explain": True})
    assert response.status_code == status, response.get_data(as_text=True)
    return response.get_json()


@pytest.mark.parametrize(
    ("labels", "loss", "kind"),
    [(("no", "yes"), None, "probability"), (("no", "yes"), "hinge", "score"), (None, None, "value")],
)
def test_contributions_add_up_to_the_difference_from_the_baseline(
    rest: FlaskClient, publish: Publish, labels: tuple[str, ...] | None, loss: str | None, kind: str
) -> None:
    publish(labels=labels, loss=loss)
    plain = rest.post("/predict", json={"instances": ROWS}).get_json()

    answer = explain(rest, ROWS)

    found = answer.pop("contributions")
    assert answer == plain
    assert (found["kind"], found["columns"]) == (kind, [0, 1])
    sums = np.sum(found["values"], axis=1)
    assert sums == pytest.approx(np.subtract(found["outputs"], found["baselines"]), abs=0.05)
    if kind == "probability":
        assert found["outputs"] == [max(each) for each in answer["probabilities"]]
    if kind == "value":
        assert found["outputs"] == answer["predictions"]


def test_a_file_has_a_column_for_each_contribution(rest: FlaskClient, publish: Publish) -> None:
    publish()
    expected = explain(rest, ROWS)["contributions"]
    content = "id,a,b\n" + "".join(f"r,{a},{b}\n" for a, b in ROWS)

    def send(accept: str) -> Any:
        headers = {"Content-Type": "text/csv", "Accept": accept}
        return rest.post("/predict?keep=id&explain=true", data=content, headers=headers)

    as_json, as_csv = send("application/json").get_json()["contributions"], send("text/csv").get_data(as_text=True)

    assert as_json == expected | {"columns": ["a", "b"]}
    rows = list(csv.DictReader(io.StringIO(as_csv)))
    assert list(rows[0]) == ["id", "prediction", "no", "yes", "baseline", "contribution:a", "contribution:b"]
    assert [float(row["baseline"]) for row in rows] == expected["baselines"]
    assert [[float(row[f"contribution:{name}"]) for name in "ab"] for row in rows] == expected["values"]


def test_too_many_rows_are_refused_with_the_number_that_is_allowed(rest: FlaskClient, publish: Publish) -> None:
    publish()
    explain(rest, [[0.0, 1.0]] * 1000)

    problem = explain(rest, [[0.0, 1.0]] * 1001, 413)

    assert problem["reason"] == "TOO_MANY_ROWS"
    assert "expected at most 1,000 rows to explain at once, got 1,001; send them in several" in problem["detail"]
    response = rest.post("/predict?explain=true", data="a,b\n" + "0,1\n" * 1001, content_type="text/csv")
    assert response.status_code == 413
    assert (
        "expected at most 1,000 rows, the file has more than are explained at once; send"
        in response.get_json()["detail"]
    )


def test_several_values_a_row_are_refused(rest: FlaskClient, publish: Publish) -> None:
    publish(labels=None, outputs=3)

    problem = explain(rest, ROWS, 400)

    assert problem["reason"] == "CANNOT_EXPLAIN"
    assert "expected a version with classes or one output to explain, this one has 3 outputs" in problem["detail"]
    assert problem["errors"][0]["pointer"] == "#/explain"


def test_explain_is_true_or_false(rest: FlaskClient, publish: Publish) -> None:
    publish()

    refused = rest.post("/predict", json={"instances": ROWS, "explain": 1})
    plain = rest.post("/predict", json={"instances": ROWS, "explain": False})

    assert refused.status_code == 400
    assert "expected true or false" in refused.get_json()["detail"]
    assert "contributions" not in plain.get_json()


def test_larger_networks_and_wider_rows_are_explained_for_fewer_rows() -> None:
    def most(inputs: int, units: int) -> int:
        return most_explained(MLP(Architecture(inputs, (Layer(units), Layer(1)))))

    assert most(2, 4) == 1000
    assert most(784, 512) == 2**33 // (150 * (785 * 512 + 513))
    assert most(10_000, 1) == 2**20 // 10_000


def test_a_row_whose_contributions_are_not_finite_is_named(
    rest: FlaskClient, publish: Publish, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    steep = {"layer0/weight": [[1e20], [0.0]], "layer1/weight": [[1e20]]}
    network = MLP(Architecture(2, (Layer(1, "relu"), Layer(1))), weights=steep)
    monkeypatch.setattr(ArtifactStore, "load_model", lambda *_: network)
    publish(labels=None)  # afterwards, since it is loaded as soon as it is there

    problem = explain(rest, [[-1.0, 1.0], [1e-10, 1.0]], 422)

    assert problem["errors"][0]["place"] == ["instances", 1]
