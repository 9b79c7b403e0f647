"""Jobs over REST: listed by what is said of them, paused, resumed, ended, labelled and deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from helpers.rest_clients import running_rest
from helpers.service_values import new_job
from helpers.waiting import wait_until
from layerwise_service.domain.datasets import Dataset
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores


@pytest.fixture
def rest(settings: Settings, stores: Stores) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


@pytest.fixture
def job(stores: Stores, dataset: Dataset) -> str:
    return stores.jobs.submit(new_job(dataset), dataset, max_open=10).id


def problem(response: Any) -> tuple[int, str, Any]:
    """Status, reason, and the place of the first error."""
    body = response.get_json()
    (error,) = body.get("errors", [{}])
    return response.status_code, body["reason"], error.get("pointer") or error.get("parameter")


def test_a_job_is_paused_resumed_cancelled_and_deleted(rest: FlaskClient, job: str) -> None:
    assert rest.get("/api/jobs/last").get_json()["id"] == rest.get(f"/api/jobs/{job[:-2]}").get_json()["id"] == job
    assert rest.post(f"/api/jobs/{job}:pause").get_json()["state"] == "PAUSED"
    resumed = rest.post("/api/jobs/last:resume", json={"epochs": 40}).get_json()
    assert (resumed["state"], resumed["plan"]["epochs"]) == ("QUEUED", 40)
    assert problem(rest.post(f"/api/jobs/{job}:cancel", json={"keep": "best"}))[:2] == (409, "NOTHING_TRAINED")
    assert problem(rest.delete(f"/api/jobs/{job}")) == (409, "JOB_NOT_ENDED", "job_id")
    assert rest.post(f"/api/jobs/{job}:cancel").get_json()["state"] == "CANCELLED"
    assert problem(rest.post(f"/api/jobs/{job}:pause")) == (409, "JOB_ENDED", "job_id")
    assert rest.post(f"/api/jobs/{job}:resume").get_json()["state"] == "QUEUED"
    assert rest.post(f"/api/jobs/{job}:cancel", json={}).get_json()["state"] == "CANCELLED"
    assert rest.delete(f"/api/jobs/{job}").status_code == 204
    assert problem(rest.get(f"/api/jobs/{job}")) == (404, "JOB_NOT_FOUND", "job_id")


def test_labels_and_note_are_changed_and_jobs_found_by_them(rest: FlaskClient, job: str) -> None:
    changed = rest.patch(f"/api/jobs/{job}", json={"labels": {"team": "blue", "a.b": "c=d"}, "note": "n"}).get_json()
    assert (changed["labels"], changed["note"]) == ({"team": "blue", "a.b": "c=d"}, "n")
    changed = rest.patch(f"/api/jobs/{job}", json={"labels": {"team": None}}).get_json()
    assert (changed["labels"], changed["note"]) == ({"a.b": "c=d"}, "n")

    def found(query: str) -> list[str]:
        return [each["id"] for each in rest.get(f"/api/jobs?{query}").get_json()["jobs"]]

    assert found("label=a.b=c=d") == [job]
    assert found("label=a.b=c=d&label=team=blue") == []
    assert found("created_after=2020-01-01T00:00:00Z&created_before=2099-01-01") == [job]
    assert found("created_before=2020-01-01T00:00:00%2B02:00") == []


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("post", ":resume", {"epochs": 0}, (400, "INVALID_ARGUMENT", "#/epochs")),
        ("post", ":resume", {"epochs": "x"}, (400, "INVALID_ARGUMENT", "#/epochs")),
        ("post", ":resume", {"epoch": 3}, (400, "UNKNOWN_FIELD", "#/epoch")),
        ("post", ":cancel", {"keep": "all"}, (400, "INVALID_ARGUMENT", "#/keep")),
        ("post", ":cancel", [], (400, "INVALID_ARGUMENT", None)),
        ("patch", "", {"labels": {"a b": "x"}}, (400, "INVALID_ARGUMENT", "#/labels/a%20b")),
        ("patch", "", {"labels": {"a": 3}}, (400, "INVALID_ARGUMENT", "#/labels/a")),
        ("patch", "", {"note": "x" * 4001}, (400, "INVALID_ARGUMENT", "#/note")),
        ("get", "?x=1", None, (400, "UNKNOWN_FIELD", "x")),
        ("post", ":stop", None, (404, "NOT_FOUND", None)),
    ],
)
def test_what_is_wrong_is_named(rest: FlaskClient, job: str, method: str, path: str, body: Any, expected: Any) -> None:
    address = f"/api/jobs/{job}{path}"
    response = getattr(rest, method)(address) if body is None else getattr(rest, method)(address, json=body)

    assert problem(response) == expected


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("label=team", "label"),
        ("label=a=1&label=a=2", "label"),
        ("created_after=soon", "created_after"),
        ("state=x", "state"),
    ],
)
def test_a_list_says_which_parameter_is_wrong(rest: FlaskClient, query: str, pointer: str) -> None:
    assert problem(rest.get(f"/api/jobs?{query}")) == (400, "INVALID_ARGUMENT", pointer)


ROWS = [{"wind": i % 7, "sky": ["clear", None, "grey"][i % 3], "rain": i % 7 > 3} for i in range(60)]
BODY: dict[str, Any] = {
    "model": "rain",
    "rows": ROWS,
    "target": "rain",
    "architecture": {"layers": [{"units": 8, "activation": "relu"}, {}]},
    "plan": {"epochs": 3},
}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in BODY.items() if key != name}


@pytest.mark.usefixtures("worker")
def test_a_job_on_rows_in_the_body_trains_a_version_that_predicts_such_rows(rest: FlaskClient) -> None:
    made = rest.post("/api/jobs", json=BODY | {"labels": {"a": "b"}, "note": "n", "priority": 1})
    job = made.get_json()

    assert (made.status_code, made.headers["Location"]) == (201, f"/api/jobs/{job['id']}")
    assert (job["labels"], job["note"], job["priority"], job["rows"]) == ({"a": "b"}, "n", 1, 60)
    assert job["source_name"] == "rows for rain"
    assert job["source"]["task"] == "CLASSES"
    wait_until(lambda: rest.get(f"/api/jobs/{job['id']}").get_json()["state"] == "SUCCEEDED")
    found = rest.get(f"/api/jobs/{job['id']}").get_json()
    assert (found["version"], found["record"]["epoch"]) == (1, 3)
    assert found["started"] < found["finished"]
    wait_until(lambda: rest.get("/api/models/rain").status_code == 200)
    answer = rest.post("/predict", json={"model": "rain", "instances": [{"wind": 6, "sky": "grey"}]})
    assert answer.get_json()["predictions"][0] in (True, False)


def test_a_request_with_the_same_key_is_the_same_job(rest: FlaskClient) -> None:
    key = {"Idempotency-Key": "once"}

    first, second = (rest.post("/api/jobs", json=BODY, headers=key).get_json()["id"] for _ in range(2))

    assert first == second
    other = rest.post("/api/jobs", json=BODY | {"target": "wind"}, headers=key)
    assert problem(other) == (409, "REQUEST_ID_REUSED", "Idempotency-Key")
    assert rest.post("/api/jobs", json=BODY).get_json()["id"] != first


def test_a_dataset_is_named_by_its_id_its_beginning_or_its_name(rest: FlaskClient) -> None:
    for first in (1, 2):
        sent = rest.post("/api/datasets?name=weather.csv", data=f"wind,rain\n{first},yes\n3,no\n4,yes\n")
        dataset = sent.get_json()["id"]

    for given in (dataset, dataset[:8], "weather.csv"):
        job = rest.post("/api/jobs", json=without("rows") | {"dataset": given}).get_json()
        assert job["source"]["dataset"] == dataset
    missing = rest.post("/api/jobs", json=without("rows") | {"dataset": "none"})
    assert problem(missing) == (404, "DATASET_NOT_FOUND", "#/dataset")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (without("target"), (400, "INVALID_ARGUMENT", "#/target")),
        (without("rows"), (400, "INVALID_ARGUMENT", "#/dataset")),
        (BODY | {"dataset": "x"}, (400, "INVALID_ARGUMENT", "#/dataset")),
        (BODY | {"rows": []}, (400, "INVALID_ARGUMENT", "#/rows")),
        (BODY | {"rows": [[1, 2]]}, (400, "INVALID_ARGUMENT", "#/rows/0")),
        (BODY | {"rows": [{"wind": [1], "rain": True}]}, (400, "INVALID_ARGUMENT", "#/rows/0/wind")),
        (BODY | {"target": "none"}, (400, "COLUMN_NOT_FOUND", "#/target")),
        (BODY | {"plan": {"epochs": 0}}, (400, "INVALID_ARGUMENT", "#/plan/epochs")),
        (BODY | {"plan": {"epoch": 1}}, (400, "INVALID_ARGUMENT", "#/plan/epoch")),
        (
            BODY | {"architecture": {"layers": [{"units": -1}, {}]}},
            (400, "INVALID_ARGUMENT", "#/architecture/layers/0/units"),
        ),
        (BODY | {"task": "CATS"}, (400, "INVALID_ARGUMENT", "#/task")),
        (BODY | {"start_from": "/3"}, (400, "INVALID_ARGUMENT", "#/start_from")),
        (BODY | {"start_from": "none"}, (404, "MODEL_NOT_FOUND", "#/start_from")),
        (BODY | {"model": "No Name"}, (400, "INVALID_NAME", "#/model")),
        (BODY | {"priority": 11}, (400, "INVALID_ARGUMENT", "#/priority")),
        (BODY | {"labels": {"-": ""}}, (400, "INVALID_ARGUMENT", "#/labels/-")),
        (BODY | {"epochs": 3}, (400, "UNKNOWN_FIELD", "#/epochs")),
        (BODY | {"labels": {"a": 1}}, (400, "INVALID_ARGUMENT", "#/labels/a")),
        (BODY | {"note": "a\x00b"}, (400, "INVALID_ARGUMENT", "#/note")),
    ],
)
def test_what_is_wrong_with_a_new_job_is_named_and_nothing_is_made(
    rest: FlaskClient, stores: Stores, body: Any, expected: Any
) -> None:
    assert problem(rest.post("/api/jobs", json=body)) == expected
    assert stores.jobs.page(limit=1) == []


@pytest.mark.parametrize(
    "encoder",
    [{"columns": 3}, {"ignore": 3}, {"ignore": [[1]]}, {"formats": 7}, {"formats": [{}]}, {"columns": [[]]}, {"x": 1}],
)
def test_a_wrong_encoder_is_the_callers_fault(rest: FlaskClient, encoder: Any) -> None:
    status, _, place = problem(rest.post("/api/jobs", json=BODY | {"encoder": encoder}))

    assert status == 400
    assert place.startswith("#/encoder")


def test_rows_in_a_body_rename_no_dataset_and_leave_none_in_the_list(rest: FlaskClient) -> None:
    lines = "\n".join(json.dumps(row) for row in ROWS)
    sent = rest.post("/api/datasets?name=customers.jsonl", data=lines).get_json()

    rest.post("/api/jobs", json=BODY)
    rest.post("/api/jobs", json=BODY | {"rows": [*ROWS, ROWS[0]], "target": "none"})

    listed = rest.get("/api/datasets").get_json()["datasets"]
    assert [(each["id"], each["name"]) for each in listed] == [(sent["id"], "customers.jsonl")]


def test_a_word_that_is_none_of_a_few_is_told_with_them(rest: FlaskClient, job: str) -> None:
    wrong = rest.post(f"/api/jobs/{job}:cancel", json={"keep": "worst"}).get_json()

    assert wrong["detail"] == 'keep: expected "best" or null, got a string'
