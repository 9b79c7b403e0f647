"""The REST API of TensorFlow Serving and KServe v1: its forms, answers, statuses and metadata."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from helpers.dialect_models import COLUMNS, ROW_LIST, WEATHER_ROWS, publish_models
from helpers.rest_clients import running_rest
from layerwise_service.settings import Settings

TABLE, CLASSES, VALUE, VALUES, HINGE = "weather", "digits", "value", "values", "hinge"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=str(tmp_path_factory.mktemp("tf_serving") / "home"))
    publish_models(settings)
    return settings


@pytest.fixture(scope="module")
def rest(home: Settings) -> Iterator[FlaskClient]:
    with running_rest(home) as client:
        yield client


def ask(rest: FlaskClient, path: str, **body: Any) -> Any:
    response = rest.post(f"/v1/models/{path}", json=body)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def refused(rest: FlaskClient, path: str, status: int = 400, **body: Any) -> str:
    response = rest.post(f"/v1/models/{path}", json=body)
    assert (response.status_code, response.content_type) == (status, "application/json")
    assert list(response.get_json()) == ["error"]
    error: str = response.get_json()["error"]
    return error


def own(rest: FlaskClient, model: str, rows: Any) -> Any:
    return rest.post("/predict", json={"model": model, "instances": rows}).get_json()


@pytest.mark.parametrize("model", [TABLE, CLASSES])
def test_a_classifier_answers_probabilities_or_by_the_name_of_the_signature_labels(
    rest: FlaskClient, model: str
) -> None:
    rows = WEATHER_ROWS if model == TABLE else ROW_LIST
    wanted = own(rest, model, rows)

    for name in (
        {},
        {"signature_name": ""},
        {"signature_name": "serving_default"},
        {"signature_name": "probabilities"},
    ):
        assert ask(rest, f"{model}:predict", instances=rows, **name) == {"predictions": wanted["probabilities"]}
    assert ask(rest, f"{model}:predict", instances=rows, signature_name="label") == {
        "predictions": wanted["predictions"]
    }
    assert "has the signatures serving_default, probabilities, label, and no 'raw'" in refused(
        rest, f"{model}:predict", instances=rows, signature_name="raw"
    )


def test_a_regression_answers_a_list_of_values_for_each_row_and_a_hinge_loss_labels(rest: FlaskClient) -> None:
    value, values, hinge = (own(rest, model, ROW_LIST)["predictions"] for model in (VALUE, VALUES, HINGE))

    assert ask(rest, f"{VALUE}:predict", instances=ROW_LIST) == {"predictions": [[each] for each in value]}
    assert ask(rest, f"{VALUES}:predict", instances=ROW_LIST) == {"predictions": values}
    assert ask(rest, f"{HINGE}:predict", instances=ROW_LIST) == {"predictions": hinge}


def test_rows_and_columns_in_every_form_are_answered_alike(rest: FlaskClient) -> None:
    columns = {name: [row[name] for row in WEATHER_ROWS] for name in COLUMNS}
    nested = {name: [[value] for value in values] for name, values in columns.items()}
    lists = [[row[name] for name in COLUMNS] for row in WEATHER_ROWS]
    packed = [
        {**row, "sky": {"b64": base64.b64encode(row["sky"].encode()).decode()}, "wind": [row["wind"]]}
        for row in WEATHER_ROWS
    ]
    wanted = own(rest, TABLE, WEATHER_ROWS)["probabilities"]

    for rows in (WEATHER_ROWS, lists, packed):
        assert ask(rest, f"{TABLE}:predict", instances=rows) == {"predictions": wanted}
        assert ask(rest, f"{TABLE}:predict", inputs=rows) == {"outputs": wanted}
    for inputs in (columns, nested):
        assert ask(rest, f"{TABLE}:predict", inputs=inputs) == {"outputs": wanted}

    wanted = own(rest, CLASSES, ROW_LIST)["probabilities"]
    for rows in (ROW_LIST, [{"dense_input": row} for row in ROW_LIST]):
        assert ask(rest, f"{CLASSES}:predict", instances=rows) == {"predictions": wanted}
    for inputs in (ROW_LIST, {"dense_input": ROW_LIST}):
        assert ask(rest, f"{CLASSES}:predict", inputs=inputs) == {"outputs": wanted}


def test_single_values_are_the_rows_of_a_network_with_one_input(rest: FlaskClient) -> None:
    wanted = own(rest, "half", [[1.0], [2.0], [5.0]])["predictions"]

    assert ask(rest, "half:predict", instances=[1.0, 2.0, 5]) == {"predictions": [[each] for each in wanted]}
    assert ask(rest, "half:regress", examples=[{"x": 1.0}, {"x": [2.0]}, {"x": 5}]) == {"results": wanted}


def test_classify_answers_labels_with_scores_and_regress_values(rest: FlaskClient) -> None:
    wanted = own(rest, TABLE, WEATHER_ROWS)
    context = {"wind": WEATHER_ROWS[0]["wind"]}
    examples = [{name: row[name] for name in row if name != "wind"} for row in WEATHER_ROWS[:1]]

    found = ask(rest, f"{TABLE}:classify", examples=WEATHER_ROWS, signature_name="classify_weather")
    assert found["results"] == [
        [[label, score] for label, score in zip(("no", "yes"), scores, strict=True)]
        for scores in wanted["probabilities"]
    ]
    assert ask(rest, f"{TABLE}:classify", examples=examples, context=context) == {"results": found["results"][:1]}
    values = own(rest, VALUE, ROW_LIST)["predictions"]
    assert ask(rest, f"{VALUE}:regress", examples=[{"x": row} for row in ROW_LIST]) == {"results": values}
    flags = ask(rest, "flags:classify", examples=[{"x": row} for row in ROW_LIST])["results"]
    assert [[label for label, _ in row] for row in flags] == [["false", "true"]] * len(ROW_LIST)

    assert refused(rest, f"{VALUE}:classify", examples=[{"x": [0, 1]}]).endswith(
        "has no probabilities of classes; use :predict"
    )
    assert "does not predict one value a row" in refused(rest, f"{VALUES}:regress", examples=[{"x": [0, 1]}])
    assert "does not predict one value a row" in refused(rest, f"{TABLE}:regress", examples=WEATHER_ROWS)
    assert refused(rest, f"{TABLE}:classify", examples=WEATHER_ROWS, context=context).startswith("examples[0].wind: ")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"inputs": {**{name: [1, 2] for name in COLUMNS}, "wind": [1, "x"]}}, "inputs.wind[1]: expected a number"),
        ({"inputs": {"wind": [1], "sky": ["a"]}}, "inputs.day: the column 'day' is missing"),
        ({"inputs": {"wind": [1], "sky": ["a", "b"], "day": [""]}}, "inputs.sky: expected 1 value, as the first"),
        ({"inputs": {"wind": 1, "sky": ["a"], "day": [""]}}, "inputs.wind: expected a list, got a whole number"),
        ({"inputs": {"wind": [1], "sky": ["a"], "day": [""], "x": [1]}}, "inputs.x: unknown column"),
        ({"inputs": {"wind": [[1, 2]], "sky": ["a"], "day": [""]}}, "inputs.wind[0]: expected a number, got [1, 2]"),
        ({"inputs": {"wind": [10**400], "sky": ["a"], "day": [""]}}, "inputs.wind[0]: expected a number"),
        ({"inputs": {"wind": [], "sky": [], "day": []}}, "inputs: expected at least one row"),
        ({"inputs": {}}, "inputs: expected at least one row"),
        (
            {"instances": [{"wind": 1, "sky": {"b64": "/w=="}, "day": ""}]},
            "instances[0].sky: expected text in UTF-8, in",
        ),
        ({"instances": [{"wind": 1, "sky": {"b64": "?"}, "day": ""}]}, "instances[0].sky: expected text in UTF-8, in"),
        ({"instances": [{"wind": 1, "sky": {"b65": "?"}, "day": ""}]}, "instances[0].sky: expected"),
        ({"instances": [{"wind": "a", "sky": "a", "day": ""}]}, "instances[0].wind: expected a number, got 'a'"),
        ({"instances": [5]}, "instances[0]: expected an object, or 3 values"),
        ({"instances": WEATHER_ROWS, "inputs": WEATHER_ROWS}, "expected either `instances`"),
        ({"signature_name": "serving_default"}, "expected either `instances`"),
        ({"instances": WEATHER_ROWS, "signature_name": 3}, "signature_name: expected a string"),
    ],
)
def test_what_is_wrong_is_told_by_column_and_row(rest: FlaskClient, body: dict[str, Any], said: str) -> None:
    assert refused(rest, f"{TABLE}:predict", **body).startswith(said)


def test_columns_are_refused_by_a_version_that_takes_rows_of_numbers(rest: FlaskClient) -> None:
    for body in ({"inputs": {"a": [1], "b": [2]}}, {"instances": [{"a": 1, "b": 2}]}):
        assert "not trained on a table" in refused(rest, f"{CLASSES}:predict", **body)


def test_versions_and_labels_are_addressed_and_those_that_are_none_are_not_found(
    rest: FlaskClient, home: Settings
) -> None:
    for path in (CLASSES, f"{CLASSES}/versions/1", f"{CLASSES}/versions/2", f"{CLASSES}/labels/stable"):
        number = 1 if path.endswith(("1", "stable")) else 2
        wanted = rest.post("/predict", json={"model": CLASSES, "version": number, "instances": ROW_LIST}).get_json()
        assert ask(rest, f"{path}:predict", instances=ROW_LIST)["predictions"] == wanted["probabilities"]
    for path in ("nothing", f"{CLASSES}/versions/3", f"{CLASSES}/labels/canary", f"{CLASSES}/versions/{'9' * 50}"):
        refused(rest, f"{path}:predict", 404, instances=ROW_LIST)
        for address in (path, f"{path}/metadata"):
            answer = rest.get(f"/v1/models/{address}")
            assert (answer.status_code, list(answer.get_json())) == (404, ["error"])
    for method, path, status in (
        ("POST", f"{CLASSES}:explain", 404),
        ("GET", f"{CLASSES}:predict", 405),
        ("POST", CLASSES, 405),
        ("GET", f"{CLASSES}/nothing", 404),
        ("POST", ":predict", 404),
    ):
        answer = rest.open(f"/v1/models/{path}", method=method)
        assert (answer.status_code, list(answer.get_json())) == (status, ["error"])


def test_the_status_has_what_clients_of_both_servers_read(rest: FlaskClient) -> None:
    ok = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}

    assert rest.get(f"/v1/models/{CLASSES}").get_json() == {
        "name": CLASSES,
        "ready": True,
        "model_version_status": [{"version": "2", **ok}, {"version": "1", **ok}],
    }
    for path in ("versions/1", "labels/stable"):
        found = rest.get(f"/v1/models/{CLASSES}/{path}").get_json()
        assert found == {"model_version_status": [{"version": "1", **ok}]}
    assert set(rest.get("/v1/models").get_json()["models"]) >= {TABLE, CLASSES, VALUE}
    assert rest.get("/").get_json()["status"] == "alive"


def test_a_version_whose_file_is_damaged_is_not_ready(tmp_path: Any) -> None:
    settings = Settings(home=str(tmp_path / "home"))
    publish_models(settings, only=("half",))
    for file in (settings.home_path / "artifacts" / "models").glob("*.npz"):
        file.write_bytes(file.read_bytes()[:-100])

    with running_rest(settings) as rest:
        found = rest.get("/v1/models/half").get_json()

    assert (found["ready"], found["model_version_status"][0]["state"]) == (False, "END")
    assert found["model_version_status"][0]["status"]["error_code"] == "DATA_LOSS"


def test_a_model_that_was_unloaded_is_not_ready(tmp_path: Any) -> None:
    settings = Settings(home=str(tmp_path / "home"))
    publish_models(settings, only=("half",))

    with running_rest(settings) as rest:
        rest.post("/v2/repository/models/half/unload")
        found = rest.get("/v1/models/half").get_json()
        asked = rest.post("/v1/models/half:predict", json={"instances": [1]})
        rest.post("/v2/repository/models/half/load")
        again = rest.get("/v1/models/half").get_json()

    (state,) = found["model_version_status"]
    assert (found["ready"], state["version"], state["state"]) == (False, "1", "END")
    assert (asked.status_code, list(asked.get_json())) == (404, ["error"])
    assert again["ready"] is True


def test_the_metadata_has_the_tensors_of_each_signature(rest: FlaskClient) -> None:
    def tensors(model: str, signature: str, side: str) -> dict[str, tuple[str, list[int]]]:
        found = rest.get(f"/v1/models/{model}/metadata").get_json()
        assert found["model_spec"]["name"] == model
        given = found["metadata"]["signature_def"]["signature_def"][signature][side]
        return {
            name: (each["dtype"], [int(dim["size"]) for dim in each["tensor_shape"]["dim"]])
            for name, each in given.items()
        }

    assert tensors(TABLE, "serving_default", "inputs") == {
        "wind": ("DT_DOUBLE", [-1, 1]),
        "sky": ("DT_STRING", [-1, 1]),
        "day": ("DT_STRING", [-1, 1]),
    }
    assert tensors(TABLE, "serving_default", "outputs") == {"probabilities": ("DT_FLOAT", [-1, 2])}
    assert tensors(TABLE, "label", "outputs") == {"label": ("DT_STRING", [-1])}
    assert tensors(VALUES, "serving_default", "inputs") == {"input": ("DT_FLOAT", [-1, 2])}
    assert tensors(VALUES, "serving_default", "outputs") == {"output": ("DT_FLOAT", [-1, 2])}
    assert tensors(HINGE, "serving_default", "outputs") == {"label": ("DT_INT64", [-1])}


def test_a_body_may_have_the_type_that_curl_sends(rest: FlaskClient) -> None:
    body = json.dumps({"instances": ROW_LIST})
    for content_type in ("application/x-www-form-urlencoded", "application/json; charset=utf-8", None):
        answer = rest.post(f"/v1/models/{CLASSES}:predict", data=body, content_type=content_type)
        assert answer.status_code == 200
