"""Every way to ask for predictions: the same answers, and the same refusals, each in its own shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from helpers.published import publish
from helpers.rest_clients import running_rest
from helpers.service_values import ROWS
from helpers.ways import GOOD, WAYS, WAYS_OF_OBJECTS, WRONG_ROWS, Way, wrong_bodies
from layerwise import MLP, Architecture, Layer, Plan, fit
from layerwise_service.settings import Settings

CLASSES = ("no", "yes", "who knows")
ALL = WAYS + WAYS_OF_OBJECTS
PROBABILITIES = {"tf-rows", "tf-columns", "tf-named-columns", "oip"}
"""The ways that answer the probabilities of a classifier; others answer labels."""


def fitted(outputs: int, loss: str, *, scale: float = 1.0) -> tuple[MLP, Plan]:
    network = MLP(Architecture(2, (Layer(4, "relu"), Layer(outputs))))
    plan = Plan(loss=loss, epochs=1, batch_size=2, standardize_targets=False)
    y = np.zeros((4, outputs), np.float32) if loss == "squared_error" else np.arange(4) % outputs
    for _ in fit(network, ROWS, y, plan=plan):
        pass
    network.parameters[:] *= scale
    return network, plan


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """With the models xor, and wild, which predicts infinity. The tests here change nothing."""
    settings = Settings(home=str(tmp_path_factory.mktemp("dialects") / "home"))
    network, plan = fitted(3, "softmax_cross_entropy")
    network.labels = CLASSES
    publish(settings, "xor", network, plan, labels=CLASSES)
    publish(settings, "wild", *fitted(1, "squared_error", scale=1e30), labels=None)
    with running_rest(settings) as client:
        yield client


def send(rest: FlaskClient, way: Way, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    given = {"Content-Type": "application/json", **way.headers, **(headers or {})}
    response = rest.post(way.path, data=body, headers=given)
    return response.status_code, response.get_json()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_63_predictions_for_the_same_rows_are_equal_in_every_dialect(rest: FlaskClient, way: Way) -> None:
    wanted = rest.post("/predict", json={"model": "xor", "instances": json.loads(GOOD)}).get_json()

    status, found = send(rest, way, way.body(GOOD))

    assert status == 200, found
    assert way.predictions(found) == wanted["probabilities" if way.name in PROBABILITIES else "predictions"]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_63_predictions_for_many_rows_are_equal_in_every_dialect(rest: FlaskClient, way: Way) -> None:
    rows = np.random.default_rng(3).normal(size=(5_000, 2)).round(6).tolist()
    wanted = rest.post("/predict", json={"model": "xor", "instances": rows}).get_json()

    status, found = send(rest, way, way.body(json.dumps(rows)))

    assert status == 200, found
    assert way.predictions(found) == wanted["probabilities" if way.name in PROBABILITIES else "predictions"]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize(("rows", "place"), WRONG_ROWS, ids=lambda value: value[:30])
def test_59_wrong_rows_are_refused_with_their_place_in_every_dialect(
    rest: FlaskClient, way: Way, rows: str, place: str
) -> None:
    status, answer = send(rest, way, way.body(rows))

    assert 400 <= status < 500, answer
    message = way.message(answer)
    assert "Traceback" not in message
    if way.places:
        assert place in message.partition(": ")[0] or not place


@pytest.mark.parametrize("way", ALL, ids=lambda way: way.name)
def test_59_60_62_wrong_bodies_are_refused_in_every_dialect(rest: FlaskClient, way: Way) -> None:
    for what, body, headers, wanted in wrong_bodies(way):
        status, answer = send(rest, way, body, headers)

        if what in way.accepts:
            assert status == 200, (what, answer)
            continue
        assert status == wanted or (wanted is None and 400 <= status < 500), (what, status, answer)
        assert way.message(answer), what
        assert "Traceback" not in way.message(answer)


@pytest.mark.parametrize("way", ALL, ids=lambda way: way.name)
def test_61_an_answer_that_is_not_finite_is_an_error_in_every_dialect(rest: FlaskClient, way: Way) -> None:
    wild = Way(way.name, way.path.replace("xor", "wild"), way.template.replace("xor", "wild"), way.error)
    rows = "[[0, 0], [1e20, 1e20]]" if way in WAYS else "[1e20, 1e20]"

    status, answer = send(rest, wild, wild.body(rows))

    assert status == way.not_finite, answer
    assert "NaN or infinity for this row" in way.message(answer)
    assert f"[{int(way in WAYS)}]: " in way.message(answer)


@pytest.mark.parametrize("way", ALL, ids=lambda way: way.name)
def test_names_and_methods_that_are_none_are_refused_in_the_dialects_own_shape(rest: FlaskClient, way: Way) -> None:
    other = Way(way.name, way.path.replace("xor", "xur"), way.template.replace("xor", "xur"), way.error)

    assert send(rest, other, other.body(GOOD))[0] == 404
    answer = rest.put(way.path)
    assert answer.status_code == 405
    assert "POST" in way.message(answer.get_json())
    assert answer.headers["Allow"] == "OPTIONS, POST"
    if "an unknown parameter" not in way.accepts:
        unknown = rest.post(f"{way.path}?colour=red", data=way.body(GOOD))
        assert unknown.status_code == 400
        assert "colour" in way.message(unknown.get_json())
