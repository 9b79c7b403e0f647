"""GetProfile, and the same over REST."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import grpc
import pytest
from flask.testing import FlaskClient

from helpers.dataset_requests import WEATHER, file_requests
from helpers.rest_clients import running_rest
from helpers.rpc_requests import error_of, running_rpc
from layerwise_proto.v1 import profiles_pb2, types_pb2
from layerwise_proto.v1.datasets_pb2_grpc import DatasetServiceStub
from layerwise_service.settings import Settings

COPIES = "id,size,kind,price\n" + "".join(f"{i},{i * 37 % 101 / 8},{'ab'[i % 2]},{i * 37 % 101}\n" for i in range(100))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=str(tmp_path_factory.mktemp("profiles") / "home"), rpc_address="127.0.0.1:0")


@pytest.fixture(scope="module")
def service(settings: Settings) -> Iterator[DatasetServiceStub]:
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as channel:
        yield DatasetServiceStub(channel)


@pytest.fixture(scope="module")
def rest(settings: Settings, service: DatasetServiceStub) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


@pytest.fixture(scope="module")
def weather(service: DatasetServiceStub) -> str:
    return str(service.UploadDataset(file_requests(WEATHER), timeout=60).id)


@pytest.fixture(scope="module")
def copies(service: DatasetServiceStub) -> str:
    return str(service.UploadDataset(file_requests(COPIES.encode()), timeout=60).id)


def profile(service: DatasetServiceStub, dataset: str, **asked: Any) -> profiles_pb2.Profile:
    return service.GetProfile(profiles_pb2.GetProfileRequest(id=dataset, **asked), timeout=60)


def test_a_profile_has_every_column_of_the_dataset(service: DatasetServiceStub, weather: str) -> None:
    found = profile(service, weather)

    assert (found.dataset, found.rows, found.sampled_rows, found.task) == (weather, 3, 3, types_pb2.TASK_UNSPECIFIED)
    assert [(each.name, each.kind, each.gaps, each.distinct) for each in found.columns] == [
        ("date", "date", 0, 3),
        ("at", "time", 1, 2),
        ("city", "category", 1, 2),
        ("rain", "boolean", 1, 2),
        ("mm", "number", 1, 2),
    ]
    assert found.columns[0].dates == profiles_pb2.DateSummary(first="2012-09-06", last="2012-09-30")
    assert (found.columns[4].numbers.minimum, found.columns[4].numbers.maximum) == (1.5, 1234.25)
    assert found.columns[2].lengths == profiles_pb2.LengthSummary(shortest=3, mean=3.5, longest=4)


def test_findings_say_what_to_do_about_target_and_columns(service: DatasetServiceStub, copies: str) -> None:
    found = profile(service, copies, target="price", validation=copies)

    assert (found.target, found.task) == ("price", types_pb2.TASK_AMOUNT)
    assert found.why == "more than 20 different whole numbers are an amount"
    by_reason = {each.reason: each for each in found.findings}
    assert set(by_reason) == {"ROWS_IN_BOTH", "ALL_DIFFERENT", "GIVES_TARGET_AWAY"}
    assert (list(by_reason["ALL_DIFFERENT"].columns), by_reason["ALL_DIFFERENT"].flag) == (["id"], "--ignore id")
    assert (list(by_reason["GIVES_TARGET_AWAY"].columns), by_reason["GIVES_TARGET_AWAY"].flag) == (
        ["size"],
        "--ignore size",
    )
    assert "100 of the 100 validation rows (100 %)" in by_reason["ROWS_IN_BOTH"].message
    assert profile(service, copies, target="price", task=types_pb2.TASK_AMOUNT, quick=True).task == found.task


def test_rest_answers_the_same(service: DatasetServiceStub, rest: FlaskClient, copies: str) -> None:
    answer = rest.get(f"/api/datasets/{copies}/profile?target=price&validation={copies}&task=AMOUNT&quick=true")

    assert answer.status_code == 200, answer.text
    found, message = answer.get_json(), profile(service, copies, target="price", validation=copies)
    assert [each["reason"] for each in found["findings"]] == [each.reason for each in message.findings]
    assert (found["target"], found["task"], found["sampled_rows"]) == ("price", "AMOUNT", 100)
    assert found["columns"][1]["numbers"]["median"] == message.columns[1].numbers.median
    assert found["columns"][2]["top"] == [
        {"value": "a", "rows": 50, "share": 0.5},
        {"value": "b", "rows": 50, "share": 0.5},
    ]
    assert found["columns"][2]["numbers"] is None


def test_a_profile_of_what_is_not_there_is_refused(service: DatasetServiceStub, rest: FlaskClient, copies: str) -> None:
    missing = "0" * 64
    for asked, code, reason, place in (
        ({"id": missing}, grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND", "id"),
        ({"id": copies, "validation": missing}, grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND", "validation"),
        ({"id": copies, "target": "y"}, grpc.StatusCode.INVALID_ARGUMENT, "COLUMN_NOT_FOUND", "target"),
        ({"id": copies, "task": 9}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", "task"),
        (
            {"id": copies, "target": "kind", "task": types_pb2.TASK_AMOUNT},
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_ARGUMENT",
            "task",
        ),
    ):
        found = error_of(partial(profile, service, asked.pop("id"), **asked))
        assert (found[0], found[2], str(found[3])) == (code, reason, place)
    for query, status, reason in (
        ("task=CLASS", 400, "INVALID_ARGUMENT"),
        ("target=y", 400, "COLUMN_NOT_FOUND"),
        ("column=y", 400, "UNKNOWN_FIELD"),
        (f"validation={missing}", 404, "DATASET_NOT_FOUND"),
    ):
        answer = rest.get(f"/api/datasets/{copies}/profile?{query}")
        assert (answer.status_code, answer.get_json()["reason"]) == (status, reason)


def test_a_profile_of_what_is_not_there_suggests_what_is(
    service: DatasetServiceStub, rest: FlaskClient, copies: str
) -> None:
    named = str(service.UploadDataset(file_requests(b"a\n1\n", name="named.csv"), timeout=60).id)

    for asked, near in (
        ({"id": copies, "target": "prise"}, "price"),
        ({"id": copies, "ignore": ["Kind"]}, "kind"),
        ({"id": copies[:8]}, copies),
        ({"id": copies, "validation": "named.csv"}, named),
    ):
        given: dict[str, Any] = asked
        _, detail, *_ = error_of(partial(profile, service, given.pop("id"), **given))
        assert detail.endswith(f"; did you mean {near}?")
    assert rest.get("/api/datasets/named.csv").get_json()["detail"].endswith(f"; did you mean {named}?")
