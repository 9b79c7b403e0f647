"""The OpenAPI document: it names every route, and answers are as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from helpers.dataset_requests import WEATHER
from helpers.rest_clients import running_rest
from helpers.service_values import RECORD, new_job
from helpers.waiting import wait_until
from layerwise import Finding, LayerHealth
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.models import Version
from layerwise_service.rest.aliases import MoveBody
from layerwise_service.rest.openapi import OPENAPI
from layerwise_service.rest.predict import TableRequest
from layerwise_service.rest.predict_file import TABLE_TYPES
from layerwise_service.settings import Settings
from layerwise_service.stores.leases import Leases
from layerwise_service.wiring import Stores

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"
TENSOR = {"name": "input", "shape": [1, 2], "datatype": "FP32", "data": [0, 1]}
TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def mistakes(value: Any, schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """Where `value` is not as `schema` says; of the words of JSON Schema, those that the document uses of answers."""
    if "$ref" in schema:
        schema = OPENAPI["components"]["schemas"][schema["$ref"].removeprefix("#/components/schemas/")]
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices and all(any(mistakes(value, choice, at)) for choice in choices):
        yield f"{at}: {value!r} is none of {choices}"
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    if kinds and not any(TYPES[kind](value) for kind in kinds):
        yield f"{at}: {value!r} is no {kinds}"
    elif isinstance(value, str):
        if not re.search(schema.get("pattern", ""), value) or value not in schema.get("enum", [value]):
            yield f"{at}: {value!r} is not {schema}"
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from mistakes(item, schema.get("items", {}), f"{at}[{i}]")
    elif isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        yield from (f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value)
        for name, item in value.items():
            if name in properties:
                yield from mistakes(item, properties[name], f"{at}.{name}")
            elif isinstance(others, dict):
                yield from mistakes(item, others, f"{at}.{name}")
            elif not others:
                yield f"{at}.{name} is not in the document"


@pytest.fixture
def rest(settings: Settings, stores: Stores) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


def test_the_document_names_every_route_and_no_other(rest: FlaskClient) -> None:
    def spelled(rule: str) -> str:
        return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)

    routes = {
        (spelled(rule.rule), method.lower())
        for rule in rest.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    wsgi: Any = rest.application.wsgi_app
    routes |= {(route.pattern, route.method.lower()) for dialect in wsgi.gateway.dialects for route in dialect.routes}

    documented = {(path, method) for path, methods in OPENAPI["paths"].items() for method in methods}
    assert documented == routes
    assert rest.get("/openapi.json").get_json() == OPENAPI


def test_answers_have_every_documented_field_and_no_other(
    rest: FlaskClient, stores: Stores, dataset: Dataset, publish: Callable[..., Version]
) -> None:
    published = publish("xor")
    leases = Leases(stores.database, lease_seconds=60, max_losses=3)
    training = stores.jobs.submit(new_job(dataset), dataset, max_open=10)
    claim = leases.claim("w")
    assert claim is not None
    findings = (Finding("dead", 0, 0.5, 1, "half of its units"), Finding("overfitting", None, 1.5, 1, "it rises"))
    layers = (LayerHealth(0.5, None, 1.0, 2.0, 1e-3), LayerHealth(None, None, 1.0, 2.0, 1e-3))
    record = replace(RECORD, layers=layers, findings=findings)
    leases.add_records(claim, [record], progress=0.5, findings=findings)

    made = rest.post("/api/datasets", data=WEATHER)
    assert [*mistakes(made.get_json(), {"$ref": "#/components/schemas/TableDataset"})] == []
    named = {"dataset": made.get_json()["id"]}

    for path, names in (
        ("/api/datasets", {}),
        ("/api/datasets/{dataset}", named),
        ("/api/datasets/{dataset}/rows", named),
        ("/api/uploads/{upload_id}", {"upload_id": "u"}),
        ("/api/models", {}),
        ("/api/models/{model}", {"model": "xor"}),
        ("/api/models/{model}/versions", {"model": "xor"}),
        ("/api/models/{model}/versions/{version}", {"model": "xor", "version": "1"}),
        ("/api/models/{model}/versions/{version}/classes", {"model": "xor", "version": "1"}),
        ("/api/jobs", {}),
        ("/api/jobs/{job_id}", {"job_id": training.id}),
        ("/api/jobs/{job_id}", {"job_id": published.job}),
        ("/predict/signature", {}),
        ("/readyz/predictions", {}),
    ):
        response = rest.get(path.format(**names))
        documented = OPENAPI["paths"][path]["get"]["responses"][str(response.status_code)]["content"]

        assert [*mistakes(response.get_json(), documented["application/json"]["schema"], path)] == []
    assert rest.get(f"/api/jobs/{training.id}").get_json()["record"]["layers"][0]["dead"] == 0.5


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/models/{model}", "model"),
        ("/api/models/{model}/versions", "model"),
        ("/api/models/{model}/versions/{version}", "version"),
        ("/api/models/{model}/versions/{version}/classes", "model"),
        ("/api/models/{model}/versions/{version}/columns", "version"),
        ("/api/models/{model}/versions/{version}/categories", "column"),
        ("/api/jobs/{job_id}", "job_id"),
        ("/api/jobs/{job_id}/columns", "job_id"),
        ("/api/jobs/{job_id}/categories", "job_id"),
    ],
)
def test_a_parameter_has_one_name_in_the_address_the_document_and_the_error(
    rest: FlaskClient, publish: Callable[..., Version], path: str, parameter: str
) -> None:
    publish("xor")
    values = {"model": "xor", "version": "1", "job_id": "none", "column": "c"}
    values |= {"column": ""} if parameter == "column" else {parameter: "zz"}

    query = {"column": values["column"]} if path.endswith("categories") else {}
    answer = rest.get(path.format_map(values), query_string=query)

    documented = [each["name"] for each in OPENAPI["paths"][path]["get"]["parameters"]]
    assert answer.status_code in (400, 404)
    assert answer.get_json()["errors"][0]["parameter"] == parameter
    assert parameter in documented


@pytest.mark.parametrize(
    ("labels", "outputs", "loss"),
    [
        (("no", "yes"), 2, None),
        ((0, 1, 2), 3, "hinge"),
        (None, 1, None),
        (None, 2, None),
        (None, 2, "sigmoid_cross_entropy"),
    ],
)
@pytest.mark.parametrize("wrong", [{}, {"instances": [[1]]}, {"version": 9}, {"x": 1}, {"explain": True}])
def test_predictions_and_their_problems_are_as_the_document_says(
    rest: FlaskClient,
    publish: Callable[..., Version],
    labels: Any,
    outputs: int,
    loss: str | None,
    wrong: dict[str, Any],
) -> None:
    publish(labels=labels, outputs=outputs, loss=loss)
    wait_until(lambda: rest.get("/predict/signature").status_code == 200)

    response = rest.post("/predict", json={"model": "xor", "instances": [[0, 1], [1, 1]]} | wrong)

    assert (response.status_code == 200) == (not wrong or ("explain" in wrong and (labels is not None or outputs == 1)))
    documented = OPENAPI["paths"]["/predict"]["post"]["responses"][str(response.status_code)]["content"]
    assert [*mistakes(response.get_json(), documented[response.mimetype]["schema"])] == []


OF_DIALECTS: list[tuple[str, str, Any, int]] = [
    # method, address, body, status
    ("get", "/v1/models", None, 200),
    ("get", "/v1/models/{model}", None, 200),
    ("get", "/v1/models/{model}/versions/{version}", None, 200),
    ("get", "/v1/models/{model}/labels/{version}", None, 404),
    ("get", "/v1/models/{model}/metadata", None, 200),
    ("post", "/v1/models/{model}:predict", {"instances": [[0, 1]]}, 200),
    ("post", "/v1/models/{model}:predict", {"inputs": {"x": [[0, 1]]}}, 200),
    ("post", "/v1/models/{model}:predict", {"instances": [[0]]}, 400),
    ("post", "/v1/models/{model}/versions/{version}:classify", {"examples": [{"x": [0, 1]}]}, 200),
    ("post", "/v1/models/{model}:regress", {"examples": [{"x": [0, 1]}]}, 400),
    ("post", "/invocations", {"inputs": [[0, 1]]}, 200),
    ("post", "/models/{model}/invocations", {"dataframe_split": {"data": [[0, 1]]}}, 200),
    ("post", "/models/{model}/versions/{version}/invocations", {"inputs": [[0]]}, 400),
    ("get", "/v2", None, 200),
    ("get", "/v2/health/live", None, 200),
    ("get", "/v2/health/ready", None, 200),
    ("get", "/v2/models", None, 200),
    ("get", "/v2/models/{model}", None, 200),
    ("get", "/v2/models/{model}/versions/{version}/ready", None, 200),
    ("get", "/v2/models/{model}/config", None, 200),
    ("get", "/v2/models/{model}/stats", None, 200),
    ("post", "/v2/models/{model}/infer", {"inputs": [TENSOR]}, 200),
    ("post", "/v2/models/{model}/infer", {"inputs": []}, 400),
    ("post", "/v2/repository/index", {}, 200),
    ("get", "/v2/logging", None, 200),
    ("get", "/v2/trace/setting", None, 200),
    ("get", "/v2/systemsharedmemory/status", None, 200),
]


def test_answers_of_dialects_are_as_the_document_says(rest: FlaskClient, publish: Callable[..., Version]) -> None:
    publish("xor")
    wait_until(lambda: rest.get("/predict/signature").status_code == 200)

    for method, path, body, status in OF_DIALECTS:
        version = "nothing" if "labels" in path else "1"
        response = rest.open(path.format(model="xor", version=version), method=method.upper(), json=body)

        documented = OPENAPI["paths"][path][method]["responses"][str(status)]["content"]
        assert response.status_code == status, (path, response.get_data(as_text=True))
        assert [*mistakes(response.get_json(), documented[response.mimetype]["schema"], path)] == []


def test_predictions_of_a_file_are_as_the_document_says(rest: FlaskClient, publish: Callable[..., Version]) -> None:
    publish("xor")
    wait_until(lambda: rest.get("/predict/signature").status_code == 200)
    operation = OPENAPI["paths"]["/predict"]["post"]
    assert set(operation["requestBody"]["content"]) == TABLE_TYPES | {"application/json", "application/x-npy"}

    for query, status in (
        ("?keep=id", 200),
        ("?keep=id&explain=true", 200),
        ("?explain=1", 400),
        ("?keep=no", 400),
        ("?model=zz", 404),
        ("?x=1", 400),
    ):
        response = rest.post(f"/predict{query}", data=b"id,a,b\nr1,0,1\n", content_type="text/csv")

        documented = operation["responses"][str(response.status_code)]["content"]
        assert response.status_code == status
        assert [*mistakes(response.get_json(), documented[response.mimetype]["schema"])] == []


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ({"name": "a", "latest": 1}, ".aliases is missing"),
        ({"name": "a", "latest": 1, "aliases": {}, "x": 1}, ".x is not in the document"),
        ({"name": "a", "latest": None, "aliases": {}}, ".latest: None is no ['integer']"),
        ({"name": "a", "latest": 1, "aliases": {"b": "1"}}, ".aliases.b: '1' is no ['integer']"),
    ],
)
def test_the_document_refuses_other_answers(value: Any, mistake: str) -> None:
    assert [*mistakes(value, {"$ref": "#/components/schemas/Model"})] == [mistake]


def test_the_committed_document_is_that_of_the_service() -> None:
    assert json.loads(COMMITTED.read_text()) == OPENAPI, "make openapi renews docs/openapi.json"


def test_every_operation_has_an_id_of_its_own_and_a_group() -> None:
    operations = [about for methods in OPENAPI["paths"].values() for about in methods.values()]
    ids = [about["operationId"] for about in operations]
    groups = {tag["name"] for tag in OPENAPI["tags"]}

    assert len(set(ids)) == len(ids)
    assert all(len(about["tags"]) == 1 and groups.issuperset(about["tags"]) for about in operations)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(name := part.get("$ref"), str):
            yield name.removeprefix("#/components/schemas/")
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def test_every_schema_is_used_and_every_schema_that_is_used_is_there() -> None:
    assert set(references(OPENAPI)) == set(OPENAPI["components"]["schemas"])


def test_bodies_have_the_fields_that_are_decoded() -> None:
    schemas = OPENAPI["components"]["schemas"]

    assert list(schemas["PredictRequest"]["properties"]) == list(TableRequest.__struct_fields__)
    assert schemas["PredictRequest"]["required"] == ["instances"]
    assert list(schemas["AliasRequest"]["properties"]) == list(MoveBody.__struct_fields__)
    assert schemas["AliasRequest"]["required"] == ["version"]
