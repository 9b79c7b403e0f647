"""What a request to /predict can ask for, and the forms in which it sends and gets numbers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray

from helpers.rest_clients import running_rest
from layerwise_service.domain.models import Version
from layerwise_service.rest.many_numbers import LEAST_BYTES, read_many_numbers
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]
NPY = "application/x-npy"
ROWS = [[0.0, 1.0], [1.0, 1.0], [0.5, 0.25]]


@pytest.fixture
def rest(settings: Settings, stores: Stores, publish: Publish) -> Iterator[FlaskClient]:
    publish("three", labels=("a", "b", "c"))
    publish("value", labels=None)
    publish("margin", labels=("no", "yes"), loss="hinge")
    with running_rest(settings) as client:
        yield client


def predict(rest: FlaskClient, **body: Any) -> Any:
    response = rest.post("/predict", json={"model": "three", "instances": ROWS, **body})
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def problem(rest: FlaskClient, **body: Any) -> tuple[str, str]:
    response = rest.post("/predict", json={"model": "three", "instances": ROWS, **body})
    assert response.status_code == 400, response.get_data(as_text=True)
    answer = response.get_json()
    return answer["detail"], answer["errors"][0]["pointer"]


def npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_only_the_outputs_asked_for_are_answered(rest: FlaskClient) -> None:
    usual = predict(rest)

    found = predict(rest, outputs=["probabilities"])
    assert found == {key: usual[key] for key in ("model", "version", "probabilities", "classes")}
    found = predict(rest, outputs=["predictions"])
    assert found == {key: usual[key] for key in ("model", "version", "predictions", "classes")}
    found = predict(rest, outputs=["logits", "predictions"])
    assert set(found) == {"model", "version", "predictions", "logits", "classes"}
    powers = np.exp(found["logits"])
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), usual["probabilities"], rtol=1e-5)


def test_the_most_probable_classes_come_in_their_order(rest: FlaskClient) -> None:
    usual = predict(rest)

    found = predict(rest, top_k=2)

    assert set(found) == {"model", "version", "predictions", "top"}
    for row, probabilities in zip(found["top"], usual["probabilities"], strict=True):
        order = sorted(range(3), key=lambda place: -probabilities[place])[:2]
        assert [each["class"] for each in row] == [usual["classes"][place] for place in order]
        assert [each["probability"] for each in row] == pytest.approx([probabilities[place] for place in order])
    assert len(predict(rest, top_k=100)["top"][0]) == 3


def test_the_classes_of_a_loss_without_probabilities_come_with_scores(rest: FlaskClient) -> None:
    found = predict(rest, model="margin", top_k=2, outputs=["predictions", "logits"])

    for row, label in zip(found["top"], found["predictions"], strict=True):
        assert row[0]["class"] == label
        assert row[0]["score"] >= row[1]["score"]


@pytest.mark.parametrize(
    ("body", "said", "pointer"),
    [
        ({"outputs": ["probability"]}, "did you mean probabilities", "#/outputs/0"),
        ({"outputs": []}, "at least one output", "#/outputs"),
        ({"outputs": ["logits", 3]}, "expected a string", "#/outputs/1"),
        ({"outputs": "logits"}, "expected a list", "#/outputs"),
        ({"top_k": 0}, "at least 1", "#/top_k"),
        ({"top_k": True}, "whole number", "#/top_k"),
        ({"model": "value", "top_k": 1}, "classes", "#/top_k"),
        ({"model": "value", "outputs": ["logits"]}, "gives no logits", "#/outputs"),
        ({"model": "margin", "outputs": ["probabilities"]}, "hinge", "#/outputs"),
    ],
)
def test_outputs_that_there_are_not_are_refused(
    rest: FlaskClient, body: dict[str, Any], said: str, pointer: str
) -> None:
    detail, place = problem(rest, **body)

    assert said in detail
    assert place == pointer


@pytest.mark.parametrize("kind", ["<f4", "<f8", ">f4", "<f2", "<i8", "u1"])
def test_an_array_of_numpy_is_predicted_like_its_rows(rest: FlaskClient, kind: str) -> None:
    array = np.array([[0, 1], [1, 1], [1, 0]])
    expected = predict(rest, instances=array.tolist())

    for sent in (array.astype(kind), np.asfortranarray(array.astype(kind))):
        response = rest.post("/predict?model=three", data=npy(sent), content_type=NPY)
        assert response.get_json() == expected


def test_an_array_is_answered_to_who_accepts_one(rest: FlaskClient) -> None:
    usual = predict(rest)

    def answered(query: str) -> Any:
        path, accept = f"/predict?model=three{query}", {"Accept": NPY}
        response = rest.post(path, data=npy(np.array(ROWS)), content_type=NPY, headers=accept)
        assert response.content_type == NPY, response.get_data(as_text=True)
        assert response.headers["X-Layerwise-Version"] == "1"
        return np.load(io.BytesIO(response.get_data()))

    np.testing.assert_allclose(answered(""), usual["probabilities"], rtol=1e-6)
    assert answered("&outputs=predictions").tolist() == usual["predictions"]
    assert answered("&outputs=logits").shape == (3, 3)
    response = rest.post(
        "/predict",
        json={"model": "three", "instances": ROWS, "outputs": ["logits", "predictions"]},
        headers={"Accept": NPY},
    )
    assert response.status_code == 400
    assert "one output" in response.get_json()["detail"]


def test_json_is_answered_as_csv_to_who_accepts_that(rest: FlaskClient) -> None:
    body = {"model": "three", "instances": ROWS, "top_k": 1, "outputs": ["predictions", "logits"]}

    response = rest.post("/predict", json=body, headers={"Accept": "text/csv"})

    rows = list(csv.DictReader(io.StringIO(response.get_data(as_text=True))))
    assert list(rows[0]) == ["prediction", "logit_0", "logit_1", "logit_2", "top_1", "top_1_probability"]
    assert [row["prediction"] for row in rows] == [row["top_1"] for row in rows] == predict(rest)["predictions"]


def test_a_file_may_ask_for_the_same(rest: FlaskClient) -> None:
    text = "x,y\n" + "".join(f"{a},{b}\n" for a, b in ROWS)

    response = rest.post("/predict?model=three&top_k=1&outputs=logits", data=text, content_type="text/csv")

    found = response.get_json()
    expected = predict(rest, top_k=1, outputs=["logits"])
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x93NUMPY",
        npy(np.zeros((2, 2)))[:-1],
        npy(np.zeros((2, 2))) + b"x",
        npy(np.zeros((2, 2))).replace(b"(2, 2)", b"(9, 2)"),
        npy(np.zeros((2, 2))).replace(b"(2, 2)", b"(-2,-2)"),
        npy(np.zeros((2, 2))).replace(b"(2, 2), }", b"(2**63,)}"),
        npy(np.zeros((2, 2))).replace(b"'<f8'", b"'|O8'"),
        npy(np.zeros((2, 2))).replace(b"'<f8'", b"'<c8'"),
        npy(np.zeros((2, 2, 2))),
        npy(np.array(0.0)),
        npy(np.array([[True, False]])),
        npy(np.array(["a", "b"])),
    ],
)
def test_40_42_an_array_that_lies_or_is_of_another_kind_is_refused(rest: FlaskClient, body: bytes) -> None:
    response = rest.post("/predict?model=three", data=body, content_type=NPY)

    assert response.status_code == 400
    assert response.get_json()["reason"] == "INVALID_NPY"


@pytest.mark.parametrize(
    "query", ["explain=yes", "top_k=two", "top_k=", "outputs=", "rows=1", "model=three&model=three"]
)
def test_a_wrong_parameter_beside_an_array_is_named(rest: FlaskClient, query: str) -> None:
    response = rest.post(f"/predict?{query}", data=npy(np.zeros((1, 2))), content_type=NPY)

    assert response.status_code == 400
    assert response.get_json()["errors"][0].get("parameter") == query.partition("=")[0]


def test_a_parameter_beside_a_body_of_json_is_refused(rest: FlaskClient) -> None:
    response = rest.post("/predict?model=three", json={"instances": ROWS})

    assert (response.status_code, response.get_json()["reason"]) == (400, "UNKNOWN_FIELD")


def test_many_rows_mean_what_few_rows_mean(rest: FlaskClient) -> None:
    many = ROWS * 2_000
    body = json.dumps({"model": "three", "instances": many, "outputs": ["probabilities"]})
    assert len(body) > LEAST_BYTES
    assert read_many_numbers(body.encode(), "instances", lambda rows, width: (rows, width) == (6_000, 2)) is not None

    found = rest.post("/predict", data=body, content_type="application/json").get_json()["probabilities"]

    expected = predict(rest, outputs=["probabilities"])["probabilities"]
    np.testing.assert_allclose(found[:3], expected, rtol=1e-6)
    assert len(found) == 6_000


@pytest.mark.parametrize(
    "besides",
    [
        '"outputs":[' + ",".join(['"logits"'] * 101) + "]",
        '"outputs":[["logits"]]',
        '"parameters":{"a":[1]}',
        ",".join(f'"f{number}":1' for number in range(101)),
    ],
)
def test_many_rows_beside_more_than_short_fields_are_read_in_the_usual_way(besides: str) -> None:
    body = f'{{{besides},"instances":[[0,1],[2,3]]}}'.encode()

    assert read_many_numbers(body, "instances", lambda rows, width: True) is None


def test_nothing_is_made_of_rows_beyond_the_limits() -> None:
    asked = list[tuple[int, int]]()

    def refuse(rows: int, width: int) -> bool:
        asked.append((rows, width))
        return False

    assert read_many_numbers(b'{"instances":[[0,1],[2,3],[4,5]]}', "instances", refuse) is None
    assert asked == [(3, 2)]


PADDING = "[0,1]," * 10_922  # 64 KiB


@pytest.mark.parametrize(
    ("wrong", "status", "place"),
    [
        ("[0]", 400, 10922),
        ("[0,1,2]", 400, 10922),
        ("[[0,1],[]]", 400, 10922),
        ("[0,[1]]", 400, 10922),
        ("5", 400, 10922),
        ('["0",1]', 400, 10922),
        ("[true,1]", 400, 10922),
        ("[null,1]", 400, 10922),
        ('{"a":1}', 400, 10922),
        ("[1e39,1]", 400, 10922),
        ("[1e999,1]", 400, 10922),
        ("[NaN,1]", 400, 10922),
        (f"[{'9' * 5_000},1]", 400, 10922),
        (f"[{2**64},1]", 200, None),
        ("[01,1]", 400, None),
        ('[0,1]],"model":"three","x":[1', 400, None),
        ('[0,1]],"model":"value","y":[[0,1]', 400, None),
    ],
)
def test_59_a_wrong_row_among_many_is_found(rest: FlaskClient, wrong: str, status: int, place: int | None) -> None:
    body = f'{{"model":"three","instances":[{PADDING}{wrong}]}}'

    response = rest.post("/predict", data=body, content_type="application/json")

    assert response.status_code == status, response.get_data(as_text=True)[:500]
    if place is not None:
        assert response.get_json()["errors"][0]["place"][:2] == ["instances", place]


def test_a_byte_order_mark_is_refused_before_many_rows_as_before_few(rest: FlaskClient) -> None:
    for rows in ("[0,1]", f"{PADDING}[0,1]"):
        body = f'\ufeff{{"model":"three","instances":[{rows}]}}'
        response = rest.post("/predict", data=body.encode(), content_type="application/json")
        assert (response.status_code, response.get_json()["reason"]) == (400, "INVALID_JSON")
