"""Rows of a table in every dialect: missing values, and what is told of unusual ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from helpers.dialect_models import COLUMNS, WEATHER_ROWS, publish_models
from helpers.rest_clients import running_rest
from layerwise_service.settings import Settings

Row = dict[str, Any]
UNUSUAL: Row = {"wind": 1000.5, "sky": "pink", "day": "2024-05-03"}


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = Settings(home=str(tmp_path_factory.mktemp("warnings") / "home"))
    publish_models(settings, only=("weather",))
    with running_rest(settings) as client:
        yield client


def own(row: Row) -> tuple[str, Row]:
    return "/predict", {"model": "weather", "instances": [row]}


def tf_rows(row: Row) -> tuple[str, Row]:
    return "/v1/models/weather:predict", {"instances": [row]}


def tf_columns(row: Row) -> tuple[str, Row]:
    return "/v1/models/weather:predict", {"inputs": {name: [value] for name, value in row.items()}}


def tf_classes(row: Row) -> tuple[str, Row]:
    return "/v1/models/weather:classify", {"examples": [row]}


def mlflow_records(row: Row) -> tuple[str, Row]:
    return "/models/weather/invocations", {"dataframe_records": [row]}


def mlflow_split(row: Row) -> tuple[str, Row]:
    return "/invocations", {"dataframe_split": {"columns": COLUMNS, "data": [[row[name] for name in COLUMNS]]}}


def oip(row: Row) -> tuple[str, Row]:
    types = {"wind": "FP64", "sky": "BYTES", "day": "BYTES"}
    inputs = [
        {"name": name, "datatype": datatype, "shape": [1], "data": [row[name]]} for name, datatype in types.items()
    ]
    return "/v2/models/weather/infer", {"inputs": inputs}


@pytest.mark.parametrize("ask", [own, tf_rows, tf_columns, tf_classes, mlflow_records, mlflow_split])
def test_warnings_are_a_field_of_the_answer(rest: FlaskClient, ask: Any) -> None:
    address, body = ask(UNUSUAL)
    _, usual = ask(WEATHER_ROWS[0])

    found = rest.post(address, json=body).get_json()

    assert {(each["column"], each["reason"], each["value"]) for each in found["warnings"]} == {
        ("wind", "FAR_NUMBER", "1000.5"),
        ("sky", "UNSEEN_CATEGORY", "pink"),
    }
    assert "warnings" not in rest.post(address, json=usual).get_json()


def test_a_number_that_is_missing_is_null_in_json(rest: FlaskClient) -> None:
    assert WEATHER_ROWS[1]["wind"] is None
    wanted = rest.post(own(WEATHER_ROWS[1])[0], json=own(WEATHER_ROWS[1])[1]).get_json()["probabilities"]
    address, body = oip(WEATHER_ROWS[1])

    found = rest.post(address, json=body).get_json()["outputs"]

    assert [each["data"] for each in found if each["name"] == "probabilities"] == wanted


def test_warnings_are_a_parameter_of_an_inference(rest: FlaskClient) -> None:
    address, body = oip(UNUSUAL)
    _, usual = oip(WEATHER_ROWS[0])
    told = rest.post(own(UNUSUAL)[0], json=own(UNUSUAL)[1]).get_json()["warnings"]

    found = rest.post(address, json=body).get_json()

    lines = [f"{each['column']}: {each['message']}" for each in told]
    assert len(lines) == 2
    assert found["parameters"] == {"warnings": "\n".join(lines)}
    assert "parameters" not in rest.post(address, json=usual).get_json()
