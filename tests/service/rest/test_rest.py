"""The REST face: what it answers, and what it says to everything that is wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import version
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from helpers.rest_clients import running_rest
from helpers.waiting import wait_until
from layerwise_service.domain.models import Version
from layerwise_service.process.gathering import Reporter
from layerwise_service.process.loops import Loop
from layerwise_service.rest.health import HealthChecks, health_routes
from layerwise_service.settings import Settings
from layerwise_service.stores.version_store import VersionStore
from layerwise_service.usecases.readiness import Readiness
from layerwise_service.usecases.registry import VersionResolver
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]


@pytest.fixture
def rest(settings: Settings, stores: Stores) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


@pytest.fixture
def app(rest: FlaskClient) -> Flask:
    return rest.application


def predict(rest: FlaskClient, **body: Any) -> Any:
    response = rest.post("/predict", json=body)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def test_the_root_names_the_paths_to_see(rest: FlaskClient) -> None:
    answer = rest.get("/").get_json()

    assert answer["name"] == "layerwise"
    assert answer["version"] == version("layerwise")
    assert all(rest.get(path).status_code in (200, 503) for path in answer["see"])


def test_a_classifier_answers_labels_and_probabilities(rest: FlaskClient, publish: Publish) -> None:
    publish("xor", labels=("no", "yes"))

    answer = predict(rest, model="xor", instances=[[0, 1], [1.0, 1]])

    assert set(answer) == {"model", "version", "predictions", "probabilities", "classes"}
    assert answer["classes"] == ["no", "yes"]
    assert (answer["model"], answer["version"]) == ("xor", 1)
    for label, probabilities in zip(answer["predictions"], answer["probabilities"], strict=True):
        assert label == ("no", "yes")[probabilities.index(max(probabilities))]
        assert sum(probabilities) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("labels", [("a", "ß"), (3, 7), (-1, 1), (False, True)])
def test_labels_come_back_as_they_were_sent(rest: FlaskClient, publish: Publish, labels: tuple[Any, ...]) -> None:
    publish(labels=labels)

    found = predict(rest, instances=[[0, 0], [0, 1]])["predictions"]

    assert set(found) <= set(labels)
    assert {type(label) for label in found} == {type(labels[0])}


@pytest.mark.parametrize(("outputs", "shape"), [(1, (2,)), (3, (2, 3))])
def test_a_regression_answers_values(rest: FlaskClient, publish: Publish, outputs: int, shape: tuple[int, ...]) -> None:
    publish(labels=None, outputs=outputs)

    answer = predict(rest, instances=[[0, 0], [0, 1]])

    assert "probabilities" not in answer
    values = answer["predictions"]
    assert (len(values), *([len(values[0])] if outputs > 1 else [])) == shape


def test_a_hinge_classifier_gives_no_probabilities(rest: FlaskClient, publish: Publish) -> None:
    publish(loss="hinge")

    assert set(predict(rest, instances=[[0, 0]])) == {"model", "version", "predictions", "classes"}


def test_the_model_may_be_left_out_when_there_is_one(rest: FlaskClient, publish: Publish) -> None:
    publish("only")
    assert predict(rest, instances=[[0, 0]])["model"] == "only"

    publish("second")
    predict(rest, model="second", instances=[[0, 0]])  # from here on the process knows of both
    problem = check_problem(rest.post("/predict", json={"instances": [[0, 0]]}), 409)

    assert problem["reason"] == "MODEL_NOT_NAMED"
    assert "there are 2" in problem["detail"]


def test_the_version_may_be_a_number_an_alias_or_latest(rest: FlaskClient, publish: Publish, stores: Stores) -> None:
    for seed in range(3):
        publish("xor", seed=seed)
    stores.aliases.set("xor", "champion", 2)

    found = [
        predict(rest, instances=[[0, 0]], version=version)["version"] for version in (1, "1", "champion", "latest")
    ]

    assert found == [1, 1, 2, 3]
    assert predict(rest, instances=[[0, 0]])["version"] == 3


def test_a_new_version_is_served_without_a_restart(rest: FlaskClient, publish: Publish) -> None:
    publish(seed=0)
    assert predict(rest, instances=[[0, 0]])["version"] == 1

    publish(seed=1)

    wait_until(lambda: predict(rest, instances=[[0, 0]])["version"] == 2)


BODIES = [
    # body, status, reason, pointer, words
    (b"", 400, "INVALID_JSON", None, "empty body"),
    (b"{", 400, "INVALID_JSON", None, "not valid JSON"),
    (b"nonsense", 400, "INVALID_JSON", None, "malformed"),
    (b"[]", 400, "INVALID_ARGUMENT", "#", "expected an object"),
    (b"NaN", 400, "INVALID_JSON", None, "NaN"),
    (rb'"\ud800"', 400, "INVALID_JSON", None, "surrogate"),
    (b"null", 400, "INVALID_ARGUMENT", "#", "expected an object"),
    (b"{}", 400, "INVALID_ARGUMENT", "#/instances", "missing"),
    (b'{"instances": [[0, 0]]} trailing', 400, "INVALID_JSON", None, "trailing"),
    (b'{"instances": [[0, 0]], "colour": 1}', 400, "UNKNOWN_FIELD", "#/colour", "unknown field"),
    (b'{"rows": [[0, 0]]}', 400, "UNKNOWN_FIELD", "#/rows", "unknown field; the fields are instances, model, version"),
    (b'{"instance": [[0, 0]]}', 400, "UNKNOWN_FIELD", "#/instance", "; did you mean instances?"),
    (b'{"instances": null}', 400, "INVALID_ARGUMENT", "#/instances", "expected a list, got null"),
    (b'{"instances": {}}', 400, "INVALID_ARGUMENT", "#/instances", "expected a list, got an object"),
    (b'{"instances": [0, 0]}', 400, "INVALID_ARGUMENT", "#/instances/0", "expected a list"),
    (b'{"instances": [[[0, 0]]]}', 400, "INVALID_ARGUMENT", "#/instances/0/0", "expected a number, got a list"),
    (b'{"instances": []}', 400, "EMPTY_BATCH", "#/instances", "at least one row"),
    (b'{"instances": [[]]}', 400, "WRONG_FEATURE_COUNT", "#/instances/0", "expected 2 numbers, got 0"),
    (b'{"instances": [[0, 0], [0]]}', 400, "WRONG_FEATURE_COUNT", "#/instances/1", "expected 2 numbers, got 1"),
    (b'{"instances": [[0, 0, 0]]}', 400, "WRONG_FEATURE_COUNT", "#/instances/0", "expected 2 numbers, got 3"),
    (b'{"instances": [[0, "1"]]}', 400, "INVALID_ARGUMENT", "#/instances/0/1", "expected a number, got a string"),
    (b'{"instances": [[0, true]]}', 400, "INVALID_ARGUMENT", "#/instances/0/1", "expected a number, got true or"),
    (b'{"instances": [[0, null]]}', 400, "INVALID_ARGUMENT", "#/instances/0/1", "expected a number, got null"),
    (b'{"instances": [[0, 0], [0, NaN]]}', 400, "NOT_FINITE", "#/instances/1/1", "expected a finite number, got NaN"),
    (b'{"instances": [[Infinity, 0]]}', 400, "NOT_FINITE", "#/instances/0/0", "got Infinity"),
    (b'{"instances": [[0, -Infinity]]}', 400, "NOT_FINITE", "#/instances/0/1", "got -Infinity"),
    (b'{"instances": [[0, 1e999]]}', 400, "NOT_FINITE", "#/instances/0/1", "got one beyond every float"),
    (b'{"instances": [[0, -1e400]]}', 400, "NOT_FINITE", "#/instances/0/1", "got one beyond every float"),
    (b'{"instances": [[0, 0], NaN]}', 400, "NOT_FINITE", "#/instances/1", "got NaN"),
    (b'{"instances": [[0, nan]]}', 400, "INVALID_JSON", None, "not valid JSON"),
    (b'{"instances": [[0, NaN]', 400, "INVALID_JSON", None, "not valid JSON"),
    (b'{"instances": [[0, 0]], "model": NaN}', 400, "INVALID_JSON", "#/model", "got the number NaN"),
    (b'{"instances": [[0, 0]], "version": 1e400}', 400, "INVALID_JSON", "#/version", "one beyond every float"),
    (b'{"instances": [[0, 0]], "version": ' + b"9" * 5000 + b"}", 400, "INVALID_JSON", "#/version", "beyond every"),
    (rb'{"instances": [[0, 0]], "model": "x\ud800"}', 400, "INVALID_JSON", "#/model", r"surrogate pair: 'x\ud800'"),
    (rb'{"instances": [{"a": "\udc00"}]}', 400, "INVALID_JSON", "#/instances/0/a", r"surrogate pair: '\udc00'"),
    (rb'{"instances": [{"\ud800": 1}]}', 400, "INVALID_JSON", None, r"surrogate pair: '\ud800'"),
    (b'{"instances": [[0, 1e39]]}', 400, "NOT_FINITE", "#/instances/0/1", "within float32"),
    (
        b'{"instances": [[0, ' + b"9" * 5000 + b"]]}",
        400,
        "NOT_FINITE",
        "#/instances/0/1",
        "beyond every float",
    ),
    (b'{"instances": [[0, 0]], "model": 3}', 400, "INVALID_ARGUMENT", "#/model", "expected"),
    (b'{"instances": [[0, 0]], "model": "nothing"}', 404, "MODEL_NOT_FOUND", "#/model", "there is no model 'nothing'"),
    (b'{"instances": [[0, 0]], "model": ""}', 404, "MODEL_NOT_FOUND", "#/model", ""),
    (b'{"instances": [[0, 0]], "model": "../../etc/passwd"}', 404, "MODEL_NOT_FOUND", "#/model", ""),
    (b'{"instances": [[0, 0]], "version": 2}', 404, "VERSION_NOT_FOUND", "#/version", "xor has no version"),
    (b'{"instances": [[0, 0]], "version": 0}', 404, "VERSION_NOT_FOUND", "#/version", ""),
    (b'{"instances": [[0, 0]], "version": -1}', 404, "VERSION_NOT_FOUND", "#/version", ""),
    (b'{"instances": [[0, 0]], "version": "champion"}', 404, "VERSION_NOT_FOUND", "#/version", "champion"),
    (b'{"instances": [[0, 0]], "version": 1.5}', 400, "INVALID_ARGUMENT", "#/version", ""),
    (b'{"instances": [[0, 0]], "version": true}', 400, "INVALID_ARGUMENT", "#/version", ""),
    (b'{"instances": [[0, 0]], "version": "' + b"9" * 5000 + b'"}', 404, "VERSION_NOT_FOUND", "#/version", ""),
    (b"\xef\xbb\xbf" + b'{"instances": [[0, 0]]}', 400, "INVALID_JSON", None, ""),
    ('{"instances": [[0, 0]]}'.encode("utf-16"), 400, "INVALID_JSON", None, ""),
    (b'{"instances": [[0, 0]], "model": "\xff\xfe"}', 400, "INVALID_JSON", None, ""),
    (b"[" * 30_000, 400, None, None, ""),
    (b'{"instances": ' + b"[" * 30_000, 400, None, None, ""),
    (b'{"model": ' + b'{"a": ' * 30_000, 400, None, None, ""),
    (gzip.compress(b'{"instances": [[0, 0]]}', mtime=0), 400, "INVALID_JSON", None, ""),
]


@pytest.mark.parametrize(("body", "status", "reason", "pointer", "words"), BODIES, ids=lambda value: repr(value)[:50])
def test_a_wrong_body_is_told_what_is_wrong_and_where(
    rest: FlaskClient, publish: Publish, body: bytes, status: int, reason: str | None, pointer: str | None, words: str
) -> None:
    publish("xor")

    response = rest.post("/predict", data=body, content_type="application/json")

    problem = check_problem(response, status)
    assert reason is None or problem["reason"] == reason
    assert words in problem["detail"]
    if pointer is not None and pointer != "#":
        assert [error["pointer"] for error in problem["errors"]] == [pointer]


def check_problem(response: TestResponse, status: int) -> Any:
    """The body of an answer that must be problem+json, without a path or a traceback in it."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/problem+json"
    problem = response.get_json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["request_id"] == response.headers["X-Request-Id"]
    text = json.dumps(problem)
    assert "Traceback" not in text
    assert "/home" not in text
    assert ".py" not in text
    return problem


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(rest: FlaskClient, publish: Publish, content_type: str) -> None:
    publish()

    response = rest.post("/predict", data=b'{"instances": [[0, 0]]}', content_type=content_type)

    assert "application/json" in check_problem(response, 415)["detail"]


def test_a_body_without_a_content_type_is_json(rest: FlaskClient, publish: Publish) -> None:
    publish()

    assert rest.post("/predict", data=b'{"instances": [[0, 0]]}').status_code == 200


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(rest: FlaskClient, publish: Publish) -> None:
    publish()

    response = rest.post("/predict", data=b" " * (33 * 2**20), content_type="application/json")

    assert check_problem(response, 413)["reason"] == "BODY_TOO_LARGE"


def test_a_model_whose_answer_is_not_finite_says_so(rest: FlaskClient, publish: Publish) -> None:
    publish(labels=None, scale=1e30)

    response = rest.post("/predict", json={"instances": [[1e20, 1e20]]})

    problem = check_problem(response, 422)
    assert problem["reason"] == "OUTPUT_NOT_FINITE"
    assert problem["errors"][0]["pointer"] == "#/instances/0"


def test_without_any_model_the_answer_says_to_train_one(rest: FlaskClient) -> None:
    problem = check_problem(rest.post("/predict", json={"instances": [[0]]}), 409)

    assert "train one" in problem["detail"]


def test_a_damaged_model_file_is_told_as_such_and_others_go_on(publish: Publish, settings: Settings) -> None:
    damaged = publish("damaged", seed=1)
    publish("whole", seed=2)
    path = settings.home_path / "artifacts" / "models" / f"{damaged.sha256}.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with running_rest(settings) as rest:
        response = rest.post("/predict", json={"model": "damaged", "instances": [[0, 0]]})

        assert check_problem(response, 500)["reason"] == "MODEL_DAMAGED"
        assert predict(rest, model="whole", instances=[[0, 0]])["version"] == 1


def test_an_internal_error_tells_nothing_but_a_request_id(
    rest: FlaskClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **values: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(VersionStore, "page", fail)

    problem = check_problem(rest.get("/api/models", headers={"X-Request-Id": "mine-1"}), 500)

    assert problem["request_id"] == "mine-1"
    assert problem["reason"] == "INTERNAL"
    assert "secret" not in json.dumps(problem)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/predict", 405),
        ("POST", "/api/models", 405),
        ("GET", "/api/models/nothing", 404),
        ("GET", "/api/models/..%2f..%2fetc", 404),
        ("GET", "/api/jobs/nothing", 404),
        ("GET", "/api/jobs?page_size=x", 400),
        ("GET", "/api/jobs?page_size=100000", 400),
        ("GET", "/api/jobs?state=LOST", 400),
        ("GET", "/api/jobs?colour=red", 400),
        ("GET", "/api/models?page_size=-1", 400),
    ],
)
def test_a_wrong_address_is_answered_with_a_problem(rest: FlaskClient, method: str, path: str, status: int) -> None:
    check_problem(rest.open(path, method=method), status)


@pytest.mark.parametrize("size", ["-1", "1001", "x", "9999999999"])
def test_a_wrong_page_size_is_refused_in_one_wording_and_names_the_parameter(rest: FlaskClient, size: str) -> None:
    (error,) = rest.get("/api/jobs", query_string={"page_size": size}).get_json()["errors"]

    detail = f"expected a whole number of 0 to 1000, got {size}"
    assert error == {"parameter": "page_size", "place": ["page_size"], "detail": detail}


def test_a_wrong_method_is_told_the_right_ones(rest: FlaskClient) -> None:
    response = rest.open("/predict", method="TRACE")

    check_problem(response, 405)
    assert response.headers["Allow"] == "OPTIONS, POST"


def test_models_and_jobs_are_listed_and_shown(rest: FlaskClient, publish: Publish, stores: Stores) -> None:
    publish("a")
    version = publish("b")
    stores.aliases.set("b", "champion", 1)

    models = rest.get("/api/models").get_json()["models"]
    model = rest.get("/api/models/b").get_json()
    jobs = rest.get("/api/jobs?state=succeeded&model=b").get_json()["jobs"]
    job = rest.get(f"/api/jobs/{version.job}").get_json()

    assert [found["name"] for found in models] == ["a", "b"]
    assert model["aliases"] == {"champion": 1}
    (in_short,) = rest.get("/api/models/b/versions").get_json()["versions"]
    whole = rest.get("/api/models/b/versions/champion").get_json()
    assert whole["sha256"] == version.sha256
    assert (whole["labels"], whole["class_count"]) == (["no", "yes"], 2)
    assert in_short.items() <= whole.items()
    assert set(whole) - set(in_short) == {"architecture", "plan", "labels", "class_count", "columns", "evaluation"}
    assert rest.get("/api/models/b/versions/1/classes?page_size=1&page_token=1").get_json()["classes"] == ["yes"]
    assert [found["id"] for found in jobs] == [version.job]
    assert jobs[0].items() <= job.items()
    assert (job["state"], job["version"]) == ("SUCCEEDED", 1)
    assert job["transitions"][-1]["time"].endswith("Z")


def test_pages_follow_each_other(rest: FlaskClient, publish: Publish) -> None:
    for name in ("a", "b", "c"):
        publish(name)

    first = rest.get("/api/models?page_size=2").get_json()
    second = rest.get("/api/models", query_string={"page_size": 2, "page_token": first["next_page_token"]}).get_json()

    assert [model["name"] for model in first["models"]] == ["a", "b"]
    assert [model["name"] for model in second["models"]] == ["c"]
    assert second["next_page_token"] == ""


def test_health_is_told(rest: FlaskClient) -> None:
    assert rest.get("/livez").get_json() == {"status": "ok"}
    wait_until(lambda: rest.get("/readyz").status_code == 200)
    assert rest.get("/readyz").get_json() == {
        "status": "ok",
        "checks": {"database": "ok", "artifacts": "ok", "loops": "ok"},
    }


def test_a_background_loop_that_hangs_is_told_by_livez(stores: Stores) -> None:
    hanging = Loop("hanging", lambda: None, every=0.0, late_after=-1.0)
    with closing(VersionResolver(stores.versions, refresh_seconds=1.0)) as resolver:
        loops = resolver.loop, hanging
        readiness = Readiness(stores.database, stores.artifacts)
        health = HealthChecks(
            stores.jobs, resolver, readiness, worker_silent_seconds=1.0, loops=loops, reporter=Reporter(None)
        )
        routes = Flask("health")
        routes.register_blueprint(health_routes(health))

        live, ready = (routes.test_client().get(path) for path in ("/livez", "/readyz"))

    assert (live.status_code, ready.status_code) == (503, 503)
    assert live.get_json() == {"status": "not live", "checks": {"loops": "hanging has not completed for 0 s"}}
    assert ready.get_json()["checks"]["loops"] == "hanging has not completed for 0 s"


def test_metrics_count_predictions_by_model_and_version(rest: FlaskClient, publish: Publish) -> None:
    publish("counted")

    predict(rest, model="counted", instances=[[0, 0], [1, 1]])
    text = rest.get("/metrics").get_data(as_text=True)

    assert 'layerwise_predict_rows_total{model="counted",version="1"} 2.0' in text
    assert 'layerwise_jobs{state="succeeded"} 1.0' in text
    assert "layerwise_models 1.0" in text


def test_a_whole_number_that_no_float_holds_is_refused(rest: FlaskClient, publish: Publish) -> None:
    publish("xor")

    for digits, said in (
        (400, "instances[0][1]: expected a finite number within float32, got one beyond every float"),
        (5000, "instances[0][1]: expected a finite number, got one beyond every float"),
    ):
        body = f'{{"instances": [[0, 1{"0" * digits}]]}}'
        answer = rest.post("/predict", data=body, content_type="application/json")
        assert answer.status_code == 400
        assert answer.get_json()["detail"] == said


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"model": "xor", "model": "other", "instances": [[0, 0]]}', "model"),
        (b'{"instances": [[0, 0]], "version" : 1, "version" : 2}', "version"),
        (b'{"instances": [[0, 0]], "instances": [[1, 1]]}', "instances"),
    ],
)
def test_a_key_that_is_repeated_is_refused(rest: FlaskClient, publish: Publish, body: bytes, key: str) -> None:
    publish("xor")

    response = rest.post("/predict", data=body, content_type="application/json")

    problem = response.get_json()
    assert (response.status_code, problem["reason"]) == (400, "INVALID_JSON")
    assert problem["detail"] == f"the key '{key}' is repeated in one object"


def test_a_name_of_a_field_may_be_a_value_too(rest: FlaskClient, publish: Publish) -> None:
    publish("model")

    assert predict(rest, model="model", instances=[[0, 0]])["model"] == "model"
