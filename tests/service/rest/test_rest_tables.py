"""POST /predict with objects by the names of columns, and what the management API tells of tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from helpers.published import publish_classifier
from helpers.rest_clients import running_rest
from layerwise import MLP, Architecture, Layer, OneHot, Plan, TableEncoder, fit
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores

FLIGHTS: dict[str, list[Any]] = {
    "distance": [200, None, 2475.5, 750],
    "origin": ["JFK", "LGA", "JFK", "LGA"],
    "zip": ["9007199254740993", "9007199254740992", "1", "1"],
    "cancelled": ["true", "false", "false", ""],
}
ROW: dict[str, Any] = {"distance": 1400, "origin": "JFK", "zip": 1, "cancelled": True}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Where flights/1 is published: the tests here change nothing."""
    return Settings(home=str(tmp_path_factory.mktemp("flights") / "home"))


@pytest.fixture(scope="module")
def flights(home: Settings) -> MLP:
    """The network of the published version flights/1."""
    encoder = TableEncoder({"zip": "one_hot", "origin": OneHot(missing="error")}).fit(FLIGHTS)
    network = MLP(Architecture(encoder.width, (Layer(4, "relu"), Layer(2))))
    network.encoder = encoder
    plan = Plan(epochs=2)
    for _ in fit(network, FLIGHTS, ["no", "yes", "yes", "no"], plan=plan):
        pass
    publish_classifier(home, "flights", network, plan)
    return network


@pytest.fixture(scope="module")
def rest(home: Settings, flights: MLP) -> Iterator[FlaskClient]:
    with running_rest(home) as client:
        yield client


def answer(rest: FlaskClient, instances: Any) -> Any:
    response = rest.post("/predict", json={"model": "flights", "instances": instances})
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def probabilities(flights: MLP, row: dict[str, Any]) -> Any:
    return pytest.approx(flights.predict_proba([row])[0].tolist(), abs=1e-6)


def test_objects_lists_and_gaps_are_predicted_as_the_library_does(rest: FlaskClient, flights: MLP) -> None:
    gap = {**ROW, "distance": None, "cancelled": None}
    unknown = {**ROW, "origin": "ORD"}

    found = answer(rest, [ROW, list(ROW.values()), gap, unknown])

    assert found["predictions"] == flights.predict([ROW, ROW, gap, unknown]).tolist()
    assert found["probabilities"][0] == found["probabilities"][1] == probabilities(flights, ROW)
    assert found["probabilities"][2] == probabilities(flights, gap)
    assert found["probabilities"][3] == probabilities(flights, unknown)


def test_what_is_unlike_the_training_is_told_and_counted(rest: FlaskClient) -> None:
    assert "warnings" not in answer(rest, [ROW, list(ROW.values())])

    found = answer(rest, [ROW, {**ROW, "distance": 1e7, "zip": 3}, {**ROW, "zip": 4}])

    (far, unseen) = found["warnings"]
    assert far | {"message": ""} == {
        "reason": "FAR_NUMBER",
        "column": "distance",
        "rows": 1,
        "row": 1,
        "value": "10000000.0",
        "message": "",
    }
    assert (unseen["reason"], unseen["column"], unseen["rows"], unseen["row"]) == ("UNSEEN_CATEGORY", "zip", 2, 1)
    assert unseen["message"].startswith("training had no '3' in this column; it counts as no category. Check")
    text = rest.get("/metrics").get_data(as_text=True)
    warned = 'layerwise_predict_warnings_total{model="flights",reason="UNSEEN_CATEGORY",version="1"}'
    counted = next(line for line in text.splitlines() if line.startswith(warned))
    assert float(counted.rpartition(" ")[2]) >= 2


def test_a_file_is_read_as_a_versions_columns_are(rest: FlaskClient) -> None:
    content = b"origin,note,zip,distance\nJFK,1,7,2e3\nLGA,2,07,\n"

    def kinds(query: str) -> dict[str, str]:
        answer = rest.post(f"/api/datasets{query}", data=content)
        assert answer.status_code == 201, answer.text
        return {column["name"]: column["kind"] for column in answer.get_json()["columns"]}

    both = {"origin": "category", "note": "number", "distance": "number"}
    assert kinds("?read_as=flights/1") == kinds("?read_as=flights") == both | {"zip": "category"}
    assert kinds('?read_as=flights/latest&formats={"zip": "number"}') == both | {"zip": "number"}


def test_lists_of_numbers_alone_are_rows_in_the_order_of_the_columns(rest: FlaskClient, flights: MLP) -> None:
    # categories are told apart by their texts, and 1.0 is that of 1
    row = {"distance": 200, "origin": 7, "zip": 1, "cancelled": 1}

    found = answer(rest, [[200, 7.0, 1, 1]])

    assert found["probabilities"] == [probabilities(flights, row)]


def test_a_whole_number_loses_no_digit(rest: FlaskClient, flights: MLP) -> None:
    found = answer(rest, [{**ROW, "zip": 9007199254740993}, {**ROW, "zip": 9007199254740992}])

    assert found["probabilities"][0] == probabilities(flights, {**ROW, "zip": "9007199254740993"})
    assert found["probabilities"][1] == probabilities(flights, {**ROW, "zip": "9007199254740992"})
    assert found["probabilities"][0] != found["probabilities"][1]


NAN, INFINITY = float("nan"), float("inf")
WRONG: list[tuple[Any, str, str, str]] = [
    # instances, reason, pointer, words
    ([ROW, {**ROW, "distance": "abc"}], "INVALID_ARGUMENT", "#/instances/1/distance", "expected a number, got 'abc'"),
    ([{**ROW, "cancelled": 2}], "INVALID_ARGUMENT", "#/instances/0/cancelled", "expected true or false, got 2"),
    (
        [{**ROW, "distance": True, "origin": None}],
        "INVALID_ARGUMENT",
        "#/instances/0/origin",
        "a category, got a missing value; this",
    ),
    ([{**ROW, "distance": 1e39}], "NOT_FINITE", "#/instances/0/distance", "within float32"),
    ([{**ROW, "distance": 10**400}], "NOT_FINITE", "#/instances/0/distance", ""),
    (
        [ROW, {**ROW, "distance": NAN}],
        "NOT_FINITE",
        "#/instances/1/distance",
        "got NaN; null stands for a missing value",
    ),
    ([ROW, {**ROW, "distance": -INFINITY}], "NOT_FINITE", "#/instances/1/distance", "number, got -Infinity"),
    ([ROW, {**ROW, "zip": NAN}], "NOT_FINITE", "#/instances/1/zip", "got NaN; null stands for a missing value"),
    ([[1, NAN, 3, 4]], "NOT_FINITE", "#/instances/0/1", "expected a finite number, got NaN"),
    (
        [{"distance": 1}, ROW],
        "MISSING_COLUMN",
        "#/instances/0/origin",
        "the column 'origin' is missing; there are distance",
    ),
    (
        [{"distance": 1, "origin": "JFK", "Zip": "1", "cancelled": False}],
        "MISSING_COLUMN",
        "#/instances/0/zip",
        "the column 'zip' is missing; there are Zip, cancelled, distance, origin; did you mean Zip?",
    ),
    ([{**ROW, "tail": "N1"}], "UNKNOWN_COLUMN", "#/instances/0/tail", "unknown column; expected one of distance"),
    ([ROW] * 40 + [{**ROW, "tail": "N1"}], "UNKNOWN_COLUMN", "#/instances/40/tail", "unknown column"),
    (
        [ROW, [1, "JFK"]],
        "WRONG_FEATURE_COUNT",
        "#/instances/1",
        "expected an object, or 4 values in the order of the columns distance, origin, zip, cancelled; got 2",
    ),
    ([[1, 2]], "WRONG_FEATURE_COUNT", "#/instances/0", "or 4 values in the order of the columns"),
    ([{**ROW, "origin": ["JFK"]}], "INVALID_ARGUMENT", "#/instances/0/origin", "or a number), got ['JFK']"),
    ([{**ROW, "distance": {}}], "INVALID_ARGUMENT", "#/instances/0/distance", "expected a number, got {}"),
    ([ROW, 3], "INVALID_ARGUMENT", "#/instances/1", "expected a list or an object, got a whole number"),
    ([], "EMPTY_BATCH", "#/instances", "at least one row"),
]


@pytest.mark.parametrize(("instances", "reason", "pointer", "words"), WRONG)
def test_a_wrong_row_is_told_by_its_column(
    rest: FlaskClient, instances: Any, reason: str, pointer: str, words: str
) -> None:
    response = rest.post("/predict", json={"instances": instances})

    problem = response.get_json()
    assert (response.status_code, problem["reason"]) == (400, reason)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert words in problem["detail"]


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        (b'{"instances": [{"a": 1}], "colour": 1}', "#/colour", "unknown field"),
        (b'{"instances": [{"a": 1}], "model": 3}', "#/model", "expected a string or null"),
        (b'{"instances": [{"a": 1}, [1]], "version": true}', "#/version", "expected"),
        (b'{"instances": [{"distance": ' + b"9" * 5000 + b"}]}", "#/instances/0/distance", "beyond every float"),
        *(
            (b'{"instances": [{"distance": ' + b"[" * depth + b"]" * depth + b"}]}", None, "")
            for depth in (100, 800, 850, 900, 950, 1000, 30_000)
        ),
    ],
)
def test_what_is_wrong_beside_the_rows_is_told_too(
    rest: FlaskClient, body: bytes, pointer: str | None, words: str
) -> None:
    response = rest.post("/predict", data=body, content_type="application/json")

    problem = response.get_json()
    assert response.status_code == 400
    assert pointer is None or [error["pointer"] for error in problem["errors"]] == [pointer]
    assert words in problem["detail"]


def test_the_signature_of_a_version_lists_its_columns_in_their_order(rest: FlaskClient) -> None:
    queries: list[dict[str, str]] = [{}, {"model": "flights"}, {"model": "flights", "version": "1"}]

    found = [rest.get("/predict/signature", query_string=query).get_json() for query in queries]

    columns = [
        {"name": "distance", "kind": "number"},
        {"name": "origin", "kind": "category"},
        {"name": "zip", "kind": "category"},
        {"name": "cancelled", "kind": "number"},
    ]
    assert found == [{"model": "flights", "version": 1, "columns": columns}] * 3


def test_the_signature_of_a_version_that_takes_numbers_has_no_columns(settings: Settings, publish: Any) -> None:
    for name in ("plain", "plain", "other"):
        publish(name)
    with running_rest(settings) as rest:
        found = rest.get("/predict/signature?model=plain&version=latest").get_json()
        missing = rest.get("/predict/signature?model=plain&version=3")
        unknown = rest.get("/predict/signature?name=plain")
        unnamed = rest.get("/predict/signature?model=")

    assert found == {"model": "plain", "version": 2, "columns": []}
    assert (missing.status_code, missing.get_json()["reason"]) == (404, "VERSION_NOT_FOUND")
    assert (unknown.status_code, unknown.get_json()["reason"]) == (400, "UNKNOWN_FIELD")
    assert unnamed.get_json()["reason"] == "MODEL_NOT_NAMED"


def test_objects_are_refused_by_a_version_that_takes_numbers(settings: Settings, stores: Stores, publish: Any) -> None:
    publish("plain")
    with running_rest(settings) as rest:
        problem = rest.post("/predict", json={"instances": [[0, 1], {"a": 1, "b": 2}]}).get_json()

    assert (problem["status"], problem["reason"]) == (400, "WRONG_KIND_OF_ROWS")
    assert (
        problem["detail"]
        == "instances[1]: expected 2 numbers, since this version was not trained on a table; got an object"
    )


def test_versions_and_jobs_show_their_columns(rest: FlaskClient) -> None:
    version = rest.get("/api/models/flights/versions/latest").get_json()
    job = rest.get(f"/api/jobs/{version['job']}").get_json()
    columns = rest.get("/api/models/flights/versions/1/columns").get_json()["columns"]

    assert (
        job["columns"] == version["columns"] == {"numbers": 2, "categories": 2, "dates": 0, "with_gaps": 2, "texts": 0}
    )
    assert rest.get(f"/api/jobs/{version['job']}/columns").get_json()["columns"] == columns
    assert columns[:2] == [
        {
            "name": "distance",
            "kind": "number",
            "encoding": {"kind": "standardize", "missing": "indicator"},
            "categories": [],
            "category_count": 0,
            "allows_missing": True,
        },
        {
            "name": "origin",
            "kind": "category",
            "encoding": {"kind": "one_hot", "missing": "error", "most": 64, "unseen": "none"},
            "categories": ["JFK", "LGA"],
            "category_count": 2,
            "allows_missing": False,
        },
    ]
    categories = rest.get("/api/models/flights/versions/1/categories?column=origin&page_size=1").get_json()
    assert categories == {"categories": ["JFK"], "next_page_token": "1"}
    assert rest.get(f"/api/jobs/{version['job']}/categories?column=origin&page_size=1").get_json() == categories
    assert rest.get("/api/models/flights/versions/1/categories?column=x").get_json()["reason"] == "COLUMN_NOT_FOUND"
    assert rest.get("/api/models/flights/versions/1/categories").get_json()["errors"][0]["parameter"] == "column"
    assert "preprocessing" not in json.dumps([job, version])


def test_rows_of_numbers_have_no_columns(settings: Settings, stores: Stores, publish: Any) -> None:
    publish("plain")
    with running_rest(settings) as rest:
        version = rest.get("/api/models/plain/versions/1").get_json()
        assert version["columns"] is None
        assert rest.get(f"/api/jobs/{version['job']}").get_json()["columns"] is None
        assert rest.get("/api/models/plain/versions/1/columns").get_json() == {"columns": [], "next_page_token": ""}
