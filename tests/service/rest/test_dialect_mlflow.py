"""The REST API of MLflow's scoring server: its forms, answers, errors, and which model it asks."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
from flask.testing import FlaskClient

from helpers.dialect_models import COLUMNS, ROW_LIST, WEATHER_ROWS, publish_models
from helpers.rest_clients import running_rest
from layerwise_service.settings import Settings
from layerwise_service.usecases.readiness import Readiness

FRAME = {"columns": COLUMNS, "data": [[row[name] for name in COLUMNS] for row in WEATHER_ROWS], "index": [7, 8]}
CSV = "wind,sky,day\n2,clear,2024-05-03\n,grey,2024-05-01\n"


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = Settings(home=str(tmp_path_factory.mktemp("mlflow") / "home"))
    publish_models(settings)
    with running_rest(settings) as client:
        yield client


def ask(rest: FlaskClient, model: str, **body: Any) -> Any:
    response = rest.post(f"/models/{model}/invocations", json=body)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def ask_csv(rest: FlaskClient, model: str, body: str | bytes) -> Any:
    response = rest.post(f"/models/{model}/invocations", data=body, content_type="text/csv; charset=utf-8")
    return response.status_code, response.get_json()


def refused(rest: FlaskClient, model: str, status: int = 400, **body: Any) -> tuple[str, str]:
    response = rest.post(f"/models/{model}/invocations", json=body)
    assert (response.status_code, response.content_type) == (status, "application/json")
    answer = response.get_json()
    assert list(answer) == ["error_code", "message"]
    return answer["error_code"], answer["message"]


def own(rest: FlaskClient, model: str, rows: Any) -> Any:
    return rest.post("/predict", json={"model": model, "instances": rows}).get_json()


def test_a_table_in_every_form_is_answered_alike(rest: FlaskClient) -> None:
    wanted = {"predictions": own(rest, "weather", WEATHER_ROWS)["predictions"]}
    columns = {name: [row[name] for row in WEATHER_ROWS] for name in COLUMNS}
    extra = [{"id": index, **row} for index, row in enumerate(WEATHER_ROWS)]

    assert ask(rest, "weather", dataframe_split=FRAME) == wanted
    assert ask(rest, "weather", dataframe_split={"data": FRAME["data"]}, params=None) == wanted
    for rows in (WEATHER_ROWS, extra):  # a model leaves out columns that it does not take
        assert ask(rest, "weather", dataframe_records=rows) == wanted
        assert ask(rest, "weather", instances=rows) == wanted
        assert ask(rest, "weather", inputs=rows) == wanted
    for inputs in (columns, {"id": [1, 2], **columns}):
        assert ask(rest, "weather", inputs=inputs) == wanted
    for text in (CSV, CSV.replace("\n", "\r\n"), "\ufeff" + CSV, CSV.replace("clear", '"clear"') + "\n"):
        assert ask_csv(rest, "weather", text) == (200, wanted)
    assert ask_csv(rest, "weather", ",wind,day,sky\n0,2,2024-05-03,clear\n1,,2024-05-01,grey") == (200, wanted)


def test_columns_in_their_order_are_rows_for_a_version_that_takes_numbers(rest: FlaskClient) -> None:
    wanted = {"predictions": own(rest, "values", ROW_LIST)["predictions"]}

    assert ask(rest, "values", dataframe_split={"columns": ["b", "a"], "data": ROW_LIST}) == wanted
    assert ask(rest, "values", dataframe_split={"columns": [0, 1], "data": ROW_LIST, "index": [0, 1]}) == wanted
    assert ask(rest, "values", inputs={"tensor": ROW_LIST}) == wanted
    assert ask(rest, "values", instances=[{"tensor": row} for row in ROW_LIST]) == wanted
    assert ask_csv(rest, "values", "b,a\n0,1\n1,0.25\n") == (200, wanted)
    assert len(ask(rest, "half", dataframe_records=[{"x": 1}])["predictions"]) == 1
    for body in ({"dataframe_records": [{"b": 0, "a": 1}]}, {"inputs": {"b": [0], "a": [1]}}):  # JSON has no order
        assert "not trained on a table; got" in refused(rest, "values", **body)[1]


def test_the_answer_is_labels_or_values_and_a_parameter_chooses_another_output(rest: FlaskClient) -> None:
    for model, name in (("digits", "probabilities"), ("weather", "probabilities"), ("flags", "probabilities")):
        rows = WEATHER_ROWS if model == "weather" else ROW_LIST
        wanted = own(rest, model, rows)
        assert ask(rest, model, inputs=rows) == {"predictions": wanted["predictions"]}
        assert ask(rest, model, inputs=rows, params={"output": name}) == {"predictions": wanted[name]}
    assert ask(rest, "value", inputs=ROW_LIST) == {"predictions": own(rest, "value", ROW_LIST)["predictions"]}

    assert refused(rest, "value", inputs=ROW_LIST, params={"output": "label"}) == (
        "BAD_REQUEST",
        "params.output: value/1 has the outputs output, and no 'label'",
    )
    assert "params.output: expected the name" in refused(rest, "value", inputs=ROW_LIST, params={"output": 3})[1]
    assert (
        "params.temperature: unknown parameter" in refused(rest, "value", inputs=ROW_LIST, params={"temperature": 1})[1]
    )


SPLIT, RECORDS = "dataframe_split", "dataframe_records"
DATA = FRAME["data"]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "expected exactly one of dataframe_split, dataframe_records, instances, inputs; got none"),
    ({"inputs": [[0]], "instances": [[0]]}, "expected exactly one of"),
    ({SPLIT: {"columns": COLUMNS}}, "dataframe_split.data: required"),
    ({SPLIT: {"columns": COLUMNS, "data": [[1]]}}, "dataframe_split.data[0]: expected 3 values, one for each column"),
    ({SPLIT: {"columns": ["wind"] * 3, "data": DATA}}, "dataframe_split.data: expected every column once, got 'wind'"),
    ({SPLIT: {"columns": [1.5, 2, 3], "data": DATA}}, "dataframe_split.columns[0]: expected"),
    ({SPLIT: {"columns": COLUMNS, "data": [["x", "grey", ""]]}}, "dataframe_split.data[0].wind: expected a number"),
    ({SPLIT: {"columns": ["wind", "sky"], "data": [[1, "grey"]]}}, "dataframe_split.data[0].day: the column 'day' is"),
    ({RECORDS: {"wind": [1]}}, "dataframe_records: expected a list or null, got an object"),
    ({RECORDS: [WEATHER_ROWS[0], {**WEATHER_ROWS[0], "wind": "x"}]}, "dataframe_records[1].wind: expected a number"),
    ({"inputs": {"wind": [1, "x"], "sky": ["a", "b"], "day": ["", ""]}}, "inputs.wind[1]: expected a number, got 'x'"),
    ({"inputs": 3}, "inputs: expected a list or an object or null, got a whole number"),
    ({"rows": []}, "rows: unknown field"),
]


@pytest.mark.parametrize(("body", "said"), WRONG)
def test_what_is_wrong_is_told_by_row_and_column(rest: FlaskClient, body: dict[str, Any], said: str) -> None:
    code, message = refused(rest, "weather", **body)

    assert (code, message[: len(said)]) == ("BAD_REQUEST", said)


@pytest.mark.parametrize(
    ("model", "body", "said"),
    [
        ("weather", "", "expected a line with the names of the columns"),
        ("weather", "wind,sky,day\n", "rows: expected at least one row"),
        ("weather", "wind,sky,day\n1,grey\n", "rows[0]: expected 3 values, one for each column, got 2"),
        ("weather", "wind,sky,day\nx,grey,\n", "rows[0].wind: expected a number, got 'x'"),
        ("weather", "wind,sky\n1,grey\n", "rows[0].day: the column 'day' is missing"),
        ("weather", 'wind,sky,day\n1,"grey\n', "line 2 is not CSV: unexpected end of data"),
        ("weather", "wind,sky,day\n1,gr\0ey,\n", ""),
        (
            "weather",
            "wind,sky,day\n1," + "x" * 200_000 + ",\n",
            "line 2 is not CSV: a cell has more than 131,072 characters",
        ),
        ("weather", b"wind,sky,day\n1,\xff,\n", "expected text in UTF-8"),
        ("values", "a,b\n1,x\n", "rows[0].b: expected a number, got 'x'"),
        ("values", "a,b\n1,\n", "rows[0].b: expected a number, got ''"),
        ("values", "a,b\n1,nan\n", "rows[0][1]: expected a finite number within float32, got nan"),
        ("values", "a,b\n1,1e400\n", "rows[0].b: expected a number, got '1e400'"),
        ("values", "a,b,c\n1,2,3\n", "rows[0]: expected 2 numbers, got 3"),
    ],
)
def test_what_is_wrong_with_a_csv_is_told_by_row_and_column(
    rest: FlaskClient, model: str, body: str | bytes, said: str
) -> None:
    status, answer = ask_csv(rest, model, body)

    assert status == 400 or (status == 200 and not said)
    assert status == 200 or answer["message"].startswith(said)


def test_59_too_many_rows_of_csv_are_refused(rest: FlaskClient) -> None:
    status, answer = ask_csv(rest, "values", "a,b\n" + "1,2\n" * 32_769)

    assert (status, answer["error_code"]) == (413, "BAD_REQUEST")


def test_the_address_names_the_model_and_the_version(rest: FlaskClient) -> None:
    one, two = (
        rest.post("/predict", json={"model": "digits", "version": number, "instances": ROW_LIST}).get_json()
        for number in (1, 2)
    )
    for path, wanted in (
        ("/models/digits", two),
        ("/models/digits/versions/1", one),
        ("/models/digits/versions/stable", one),
        ("/models/digits/versions/latest", two),
        ("/serving-endpoints/digits", two),
    ):
        body = {"inputs": ROW_LIST, "params": {"output": "probabilities"}}
        assert rest.post(f"{path}/invocations", json=body).get_json() == {"predictions": wanted["probabilities"]}
    for path, status, code in (
        ("/models/nothing", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("/models/digits/versions/9", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("", 409, "RESOURCE_CONFLICT"),
    ):
        answer = rest.post(f"{path}/invocations", json={"inputs": ROW_LIST})
        assert (answer.status_code, answer.get_json()["error_code"]) == (status, code)
    assert "as in /models/<model>/invocations" in answer.get_json()["message"]


def test_the_only_model_needs_no_name(tmp_path: Any) -> None:
    settings = Settings(home=str(tmp_path / "home"))
    publish_models(settings, only=("half",))

    with running_rest(settings) as rest:
        assert len(rest.post("/invocations", json={"inputs": [[1], [2]]}).get_json()["predictions"]) == 2


def test_ping_health_and_version(rest: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("/ping", "/health"):
        assert (rest.get(path).status_code, rest.get(path).data) == (200, b"\n")
    assert rest.get("/version").get_data(as_text=True) == version("layerwise")

    monkeypatch.setattr(Readiness, "predictions", lambda _: {"models": "the disk is gone"})

    answer = rest.get("/ping")
    assert (answer.status_code, answer.get_json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert answer.get_json()["message"] == "models: the disk is gone"


def test_the_answer_is_json_whatever_is_accepted_and_other_types_of_bodies_are_refused(rest: FlaskClient) -> None:
    found = rest.post("/models/weather/invocations", data=CSV, content_type="text/csv", headers={"Accept": "text/csv"})
    assert found.content_type == "application/json"
    answer = rest.post("/models/weather/invocations", data=CSV, content_type="application/vnd.apache.parquet")
    assert answer.status_code == 415
    assert "expected a body of application/json, got application/vnd.apache.parquet" in answer.get_json()["message"]
