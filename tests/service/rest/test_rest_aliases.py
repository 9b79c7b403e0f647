"""Aliases over REST: moved on a condition, rolled back, deleted; and versions that are deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from helpers.rest_clients import running_rest
from helpers.waiting import wait_until
from layerwise_service.domain.aliases import MOST_MOVES
from layerwise_service.domain.models import Version
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores

CHAMPION = "/api/models/xor/aliases/champion"


@pytest.fixture
def rest(settings: Settings, stores: Stores) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


@pytest.fixture
def two(publish: Callable[..., Version]) -> None:
    """Two versions of "xor"."""
    for seed in range(2):
        publish("xor", seed=seed)


def problem(response: Any) -> tuple[int, str, Any]:
    """Status, reason, and the place of the first error."""
    body = response.get_json()
    (error,) = body.get("errors", [{}])
    return response.status_code, body["reason"], error.get("pointer") or error.get("parameter")


@pytest.mark.usefixtures("two")
def test_a_request_that_changed_nothing_does_not_undo_the_move_of_another_when_it_is_repeated(
    rest: FlaskClient,
) -> None:
    def put(version: int, request_id: str) -> Any:
        return rest.put(CHAMPION, json={"version": version, "request_id": request_id})

    rest.put(CHAMPION, json={"version": 1})
    assert put(1, "nothing").get_json()["aliases"] == {"champion": 1}
    assert put(2, "other").get_json()["aliases"] == {"champion": 2}

    assert put(1, "nothing").get_json()["aliases"] == {"champion": 2}
    assert problem(put(2, "nothing"))[:2] == (409, "REQUEST_ID_REUSED")
    for number in range(MOST_MOVES + 5):
        put(2, f"again-{number}")
    assert rest.post(f"{CHAMPION}:rollback").get_json()["aliases"] == {"champion": 1}  # the move from 1 to 2
    assert [(each["before"], each["after"]) for each in rest.get(f"{CHAMPION}/moves").get_json()["moves"]] == [
        (2, 1),
        (1, 2),
        (None, 1),
    ]


@pytest.mark.usefixtures("two")
def test_aliases_are_moved_rolled_back_and_deleted_and_predictions_follow_at_once(rest: FlaskClient) -> None:
    def predicted() -> int:
        body = {"model": "xor", "version": "champion", "instances": [[0, 1]]}
        version: int = rest.post("/predict", json=body).get_json()["version"]
        return version

    made = rest.put(CHAMPION, json={"version": 1, "expected": 0})
    assert (made.status_code, made.get_json()) == (200, {"name": "xor", "latest": 2, "aliases": {"champion": 1}})
    assert predicted() == 1
    for _ in range(2):
        moved = rest.put(CHAMPION, json={"version": 2, "expected": 1, "request_id": "once"})
        assert moved.get_json()["aliases"] == {"champion": 2}
    assert predicted() == 2
    lost = rest.put(CHAMPION, json={"version": 2, "expected": 1})
    assert problem(lost) == (409, "ALIAS_MOVED", "#/expected")
    assert "to point at version 1, but it points at version 2" in lost.get_json()["detail"]
    assert problem(rest.post(f"{CHAMPION}:rollback", json={"expected": 1})) == (409, "ALIAS_MOVED", "#/expected")
    assert rest.post(f"{CHAMPION}:rollback").get_json()["aliases"] == {"champion": 1}
    assert predicted() == 1
    assert problem(rest.post(f"{CHAMPION}:rollback", json={})) == (409, "NOTHING_TO_ROLL_BACK", "alias")
    assert problem(rest.delete("/api/models/xor/versions/1")) == (409, "VERSION_IN_USE", "version")
    assert problem(rest.delete(f"{CHAMPION}?expected=2")) == (409, "ALIAS_MOVED", "expected")
    deleted = rest.delete(f"{CHAMPION}?expected=1")
    assert (deleted.status_code, deleted.data) == (204, b"")
    assert problem(rest.delete(CHAMPION)) == (404, "ALIAS_NOT_FOUND", "alias")
    assert rest.delete("/api/models/xor/versions/1").status_code == 204

    moves = rest.get(f"{CHAMPION}/moves").get_json()["moves"]
    assert [(move["before"], move["after"], move["rollback"]) for move in moves] == [
        (1, None, False),
        (2, 1, True),
        (1, 2, False),
        (None, 1, False),
    ]
    assert moves[0]["time"].endswith("Z")


@pytest.mark.usefixtures("two")
def test_a_deleted_version_is_no_longer_served_and_latest_is_the_newest_that_is_left(rest: FlaskClient) -> None:
    def predict(version: int | str) -> Any:
        return rest.post("/predict", json={"model": "xor", "version": version, "instances": [[0, 1]]})

    assert predict("latest").get_json()["version"] == 2
    assert rest.delete("/api/models/xor/versions/2").status_code == 204

    wait_until(lambda: predict(2).status_code == 404)
    gone = predict(2)
    assert problem(gone) == (404, "VERSION_NOT_FOUND", "#/version")
    assert "version 2 of xor was deleted; the newest version is 1" in gone.get_json()["detail"]
    assert predict("latest").get_json()["version"] == 1
    assert rest.delete("/api/models/xor/versions/1").status_code == 204
    wait_until(lambda: predict("latest").status_code == 404)
    assert problem(predict("latest"))[1] == "MODEL_NOT_FOUND"
    assert rest.get("/api/models").get_json()["models"] == []


@pytest.mark.parametrize(
    ("body", "status", "reason", "pointer"),
    [
        ({"version": 9}, 404, "VERSION_NOT_FOUND", "#/version"),
        ({"version": -1}, 404, "VERSION_NOT_FOUND", "#/version"),
        ({"version": 10**30}, 404, "VERSION_NOT_FOUND", "#/version"),
        ({"version": "champion"}, 400, "INVALID_ARGUMENT", "#/version"),
        ({"version": None}, 400, "INVALID_ARGUMENT", "#/version"),
        ({"version": True}, 400, "INVALID_ARGUMENT", "#/version"),
        ({}, 400, "INVALID_ARGUMENT", "#/version"),
        ({"version": 1, "expect": 1}, 400, "UNKNOWN_FIELD", "#/expect"),
        ({"version": 1, "expected": -1}, 400, "INVALID_ARGUMENT", "#/expected"),
        ({"version": 1, "request_id": "a b"}, 400, "INVALID_ARGUMENT", "#/request_id"),
        ([1], 400, "INVALID_ARGUMENT", None),
        (b"", 400, "INVALID_JSON", None),
        (b'{"version": 1, "version": 2}', 400, "INVALID_JSON", None),
        (b'{"version": NaN}', 400, "INVALID_JSON", "#/version"),
        (b"\xff", 400, "INVALID_JSON", None),
    ],
)
@pytest.mark.usefixtures("two")
def test_a_wrong_body_is_refused_where_it_is_wrong(
    rest: FlaskClient, stores: Stores, body: Any, status: int, reason: str, pointer: str | None
) -> None:
    given = {"data": body} if isinstance(body, bytes) else {"json": body}

    assert problem(rest.put(CHAMPION, **given)) == (status, reason, pointer)
    assert stores.versions.get("xor").aliases == {}


@pytest.mark.parametrize(
    ("method", "path", "status", "reason", "parameter"),
    [
        ("PUT", "/api/models/xor/aliases/latest", 400, "INVALID_NAME", "alias"),
        ("PUT", "/api/models/xor/aliases/7", 400, "INVALID_NAME", "alias"),
        ("PUT", "/api/models/XOR/aliases/champion", 400, "INVALID_NAME", "model"),
        ("PUT", "/api/models/none/aliases/champion", 404, "MODEL_NOT_FOUND", "model"),
        ("PUT", "/api/models/xor/aliases/champion?expected=1", 400, "UNKNOWN_FIELD", "expected"),
        ("DELETE", "/api/models/xor/aliases/champion?expected=x", 400, "INVALID_ARGUMENT", "expected"),
        ("GET", "/api/models/xor/aliases/champion/moves", 404, "ALIAS_NOT_FOUND", "alias"),
        ("DELETE", "/api/models/xor/versions/latest", 400, "INVALID_ARGUMENT", "version"),
        ("DELETE", "/api/models/xor/versions/9", 404, "VERSION_NOT_FOUND", "version"),
        ("DELETE", "/api/models/none/versions/1", 404, "MODEL_NOT_FOUND", "model"),
        ("DELETE", "/api/models/xor/versions/1?force=true", 400, "UNKNOWN_FIELD", "force"),
    ],
)
@pytest.mark.usefixtures("two")
def test_a_wrong_name_or_parameter_is_named(
    rest: FlaskClient, method: str, path: str, status: int, reason: str, parameter: str
) -> None:
    given = {"json": {"version": 1}} if method == "PUT" else {}

    assert problem(rest.open(path, method=method, **given)) == (status, reason, parameter)
