"""Every way to ask for predictions is counted alike: requests, rows, stages, and errors by their reason."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest
from flask.testing import FlaskClient

from helpers.dialect_models import publish_models
from helpers.metrics import Sample, growth, samples, series
from helpers.published import publish
from helpers.rest_clients import running_rest
from helpers.service_values import ROWS
from helpers.triton.record import form_of_metrics, load
from helpers.waiting import wait_until
from helpers.ways import GOOD, WAYS, Way
from layerwise import MLP, Architecture, Layer, Plan, fit
from layerwise_service.process.counts import STAGES
from layerwise_service.settings import Settings

XOR = {"model": "xor", "version": "1"}
TENSORS = b'{"inputs": [{"name": "input", "datatype": "FP32", "shape": [3, 2], "data": [0, 1, 0, 1, 1, 1]}]}'
REASONS = ("CANCELED", "REJECTED", "BACKEND", "OTHER")
NOBODY = {"model": "", "version": ""}


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = Settings(home=str(tmp_path_factory.mktemp("counted") / "home"))
    network, plan = MLP(Architecture(2, (Layer(4, "relu"), Layer(2)))), Plan(epochs=1)
    for _ in fit(network, ROWS, np.arange(4) % 2, plan=plan):
        pass
    network.labels = ("no", "yes")
    publish(settings, "xor", network, plan, labels=network.labels)
    publish_models(settings, only=("weather",))
    with running_rest(settings) as client:
        yield client


def grown(rest: FlaskClient, work: Callable[[], object]) -> dict[Sample, float]:
    return growth(lambda: rest.get("/metrics").get_data(as_text=True), work)


def post(rest: FlaskClient, path: str, body: bytes, **headers: str) -> int:
    return rest.post(path, data=body, headers={"Content-Type": "application/json", **headers}).status_code


def check_counted(found: dict[Sample, float], rows: int) -> None:
    assert found[series("layerwise_predict_seconds_count", **XOR)] == 1
    assert found[series("layerwise_predict_rows_total", **XOR)] == rows
    stages = {stage: series("layerwise_predict_stage_seconds_sum", **XOR, stage=stage) for stage in STAGES}
    seconds = {stage: found.get(name, 0.0) for stage, name in stages.items()}
    assert all(seconds[stage] > 0 for stage in ("decode", "compute", "encode"))
    assert sum(seconds.values()) == pytest.approx(found[series("layerwise_predict_seconds_sum", **XOR)])
    assert found[series("nv_inference_request_success", **XOR)] == 1
    assert found[series("nv_inference_count", **XOR)] == rows
    assert found[series("nv_inference_exec_count", **XOR)] == 1
    assert not any(name == "layerwise_predict_errors_total" for name, _ in found)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_request_counts_once_with_its_rows_and_stages_whatever_its_dialect(rest: FlaskClient, way: Way) -> None:
    found = grown(rest, lambda: post(rest, way.path, way.body(GOOD), **way.headers))

    check_counted(found, rows=2)


def test_arrays_files_and_tensors_are_counted_as_other_requests_are(rest: FlaskClient) -> None:
    array = io.BytesIO()
    np.save(array, np.zeros((3, 2), np.float32))
    for path, kind, body in (
        ("/predict?model=xor", "application/x-npy", array.getvalue()),
        ("/predict?model=xor", "text/csv", b"a,b\n1,2\n3,4\n5,6\n"),
        ("/v2/models/xor/infer", "application/json", TENSORS),
    ):
        found = grown(rest, lambda: post(rest, path, body, **{"Content-Type": kind}))  # noqa: B023

        check_counted(found, rows=3)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_an_error_counts_for_its_reason_and_for_the_version_if_that_was_found(rest: FlaskClient, way: Way) -> None:
    wide = way.body("[[0, 1], [1, 1e39]]")
    other = Way(way.name, way.path.replace("xor", "xur"), way.template.replace("xor", "xur"))

    refused = grown(rest, lambda: post(rest, way.path, wide, **way.headers))
    nowhere = grown(rest, lambda: post(rest, other.path, other.body(GOOD), **way.headers))
    unreadable = grown(rest, lambda: post(rest, way.path, b"[", **way.headers))

    assert refused[series("layerwise_predict_errors_total", **XOR, reason="NOT_FINITE")] == 1
    assert refused[series("nv_inference_request_failure", **XOR, reason="OTHER")] == 1
    assert series("layerwise_predict_seconds_count", **XOR) not in refused
    assert nowhere[series("layerwise_predict_errors_total", **NOBODY, reason="MODEL_NOT_FOUND")] == 1
    (errors,) = [name for name, _ in unreadable.items() if name[0] == "layerwise_predict_errors_total"]
    assert unreadable[errors] == 1
    assert {*errors[1]} > {*NOBODY.items()}


def test_an_inference_that_is_refused_counts_for_the_version_that_was_found(rest: FlaskClient) -> None:
    found = grown(rest, lambda: post(rest, "/v2/models/xor/infer", TENSORS.replace(b"[3, 2]", b"[2, 3]")))
    nowhere = grown(rest, lambda: post(rest, "/v2/models/xur/infer", TENSORS))

    assert found[series("layerwise_predict_errors_total", **XOR, reason="INVALID_ARGUMENT")] == 1
    assert nowhere[series("layerwise_predict_errors_total", **NOBODY, reason="MODEL_NOT_FOUND")] == 1


def test_unusual_cells_count_only_with_the_rows_that_were_answered(rest: FlaskClient) -> None:
    def ask(output: str) -> object:
        return post(
            rest,
            "/models/weather/invocations",
            json.dumps(
                {
                    "dataframe_records": [{"wind": 1000, "sky": "pink", "day": "2024-05-01"}],
                    "params": {"output": output},
                }
            ).encode(),
        )

    refused = grown(rest, lambda: ask("nope"))
    answered = grown(rest, lambda: ask("label"))

    weather = {"model": "weather", "version": "1"}
    assert not any(name == "layerwise_predict_warnings_total" for name, _ in refused)
    assert answered[series("layerwise_predict_warnings_total", **weather, reason="FAR_NUMBER")] == 1


def test_a_version_that_is_not_there_and_a_model_that_is_unloaded_count_for_the_model(rest: FlaskClient) -> None:
    body = WAYS[0].body(GOOD).replace(b"{", b'{"version": 7, ', 1)
    found = grown(rest, lambda: post(rest, "/predict", body))
    assert found[series("layerwise_predict_errors_total", model="xor", version="", reason="VERSION_NOT_FOUND")] == 1

    assert post(rest, "/v2/repository/models/xor/unload", b"") == 200
    found = grown(rest, lambda: post(rest, "/predict", WAYS[0].body(GOOD)))
    assert post(rest, "/v2/repository/models/xor/load", b"") == 200
    assert found[series("layerwise_predict_errors_total", model="xor", version="", reason="MODEL_UNLOADED")] == 1


def test_metrics_have_the_names_types_and_labels_of_tritons(rest: FlaskClient) -> None:
    post(rest, "/predict", WAYS[0].body(GOOD))

    assert form_of_metrics(rest.get("/metrics").get_data(as_text=True), "xor") == load("metrics")["lines"]


def test_the_statistics_of_the_open_inference_protocol_agree_with_the_metrics(rest: FlaskClient) -> None:
    post(rest, "/predict", WAYS[0].body(GOOD))
    post(rest, "/predict", WAYS[0].body("[[0, 1], [1, 1e39]]"))

    found = samples(rest.get("/metrics").get_data(as_text=True))
    (stats,) = rest.get("/v2/models/xor/versions/1/stats").get_json()["model_stats"]

    durations = stats["inference_stats"]
    success = found[series("nv_inference_request_success", **XOR)]
    failures = [found[series("nv_inference_request_failure", **XOR, reason=reason)] for reason in REASONS]
    assert stats["inference_count"] == found[series("nv_inference_count", **XOR)] > 0
    assert stats["execution_count"] == found[series("nv_inference_exec_count", **XOR)] > 0
    assert durations["fail"]["count"] == sum(failures) > 0
    for name, metric in (
        ("success", "request"),
        ("queue", "queue"),
        ("compute_input", "compute_input"),
        ("compute_infer", "compute_infer"),
        ("compute_output", "compute_output"),
    ):
        assert durations[name]["count"] == success > 0
        microseconds = found[series(f"nv_inference_{metric}_duration_us", **XOR)]
        assert durations[name]["ns"] == pytest.approx(microseconds * 1000, abs=1000)


def test_models_in_memory_are_counted_with_their_bytes(rest: FlaskClient) -> None:
    post(rest, "/predict", WAYS[0].body(GOOD))

    found = samples(rest.get("/metrics").get_data(as_text=True))

    assert found[series("layerwise_loaded_models")] == 2
    assert 100 < found[series("layerwise_loaded_bytes")] < 100_000


def test_names_that_callers_invent_make_no_series(rest: FlaskClient) -> None:
    def invent() -> None:
        for number in range(50):
            body = b'{"model": "none-%d", "version": "v%d", "instances": [[0, 0]]}' % (number, number)
            assert post(rest, "/predict", body) == 404

    found = grown(rest, invent)

    assert found[series("layerwise_predict_errors_total", **NOBODY, reason="MODEL_NOT_FOUND")] == 50
    assert not any("none-" in value for _, labels in found for _, value in labels)


def test_addresses_that_do_not_predict_are_not_counted_as_predictions(rest: FlaskClient) -> None:
    def look() -> None:
        for path in ("/v1/models/xor", "/v1/models/nothing", "/v1/models/xor/metadata", "/predict/signature?model=x"):
            rest.get(path)

    found = grown(rest, look)

    assert not [name for name, _ in found if "predict" in name or name.startswith("nv_")]


def test_a_version_that_was_deleted_has_no_series_any_more(rest: FlaskClient) -> None:
    with closing(rest.get("/api/models/xor/versions/1/file")) as answer:
        file = answer.get_data()
    assert rest.post("/api/models/gone/versions", data=file).status_code == 201
    assert post(rest, "/predict", b'{"model": "gone", "instances": [[0, 1]]}') == 200

    def named() -> bool:
        return 'model="gone"' in rest.get("/metrics").get_data(as_text=True)

    assert named()
    assert rest.delete("/api/models/gone/versions/1").status_code == 204
    wait_until(lambda: not named())
