"""Jobs over REST: listed by what is said of them, paused, resumed, ended, labelled and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from helpers.rest_clients import running_rest
from helpers.service_values import new_job
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
        ("patch", "", {"labels": {"a": 3}}, (400, "INVALID_ARGUMENT", "#/labels")),
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
