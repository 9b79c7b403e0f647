"""Models, their versions and aliases, and what every call has in common."""

from __future__ import annotations

import dataclasses
import threading

import grpc
import pytest

from layerwise import Evaluation
from layerwise.evaluation.result import ClassEvaluation
from layerwise_client import Client, InvalidRequest, NotFound, Unavailable
from layerwise_proto.v1 import models_pb2, tables_pb2, tensors_pb2


def test_models_are_listed_over_all_pages(service, client):
    pages = {
        "": models_pb2.ListModelsResponse(models=[models_pb2.Model(name="a", latest=1)], next_page_token="2"),
        "2": models_pb2.ListModelsResponse(models=[models_pb2.Model(name="b", latest=3, aliases={"champion": 2})]),
    }
    service.answers["ListModels"] = lambda request, context: pages[request.page_token]

    first, second = client.models()

    assert (first.name, first.latest, first.aliases) == ("a", 1, {})
    assert (second.name, second.latest, second.aliases) == ("b", 3, {"champion": 2})


def labels(*texts):
    return tensors_pb2.Labels(strings=tensors_pb2.StringLabels(values=texts))


def test_a_model_tells_its_versions(service, client):
    version = models_pb2.ModelVersion(
        model="iris", version=2, job_id="j", sha256="ff", size_bytes=9, metrics={"accuracy": 0.5}, parameters=26
    )
    version.labels.CopyFrom(labels("setosa", "virginica"))
    version.class_count = 2
    version.plan.epochs = 7
    service.publishes(version, models_pb2.ModelVersion(model="iris", version=1))

    newest, oldest = client.model("iris").versions

    assert (newest.version, newest.job_id, newest.sha256, newest.size_bytes) == (2, "j", "ff", 9)
    assert (newest.metrics, newest.parameters, newest.labels) == ({"accuracy": 0.5}, 26, ("setosa", "virginica"))
    assert newest.plan == {"epochs": 7}
    assert oldest.labels is None
    assert dataclasses.asdict(newest)["size_bytes"] == 9  # what travels apart is no obstacle to a copy


def test_a_version_has_its_evaluation_or_none(service, client):
    evaluation = Evaluation(
        "classes", 4, 4, "hinge", 0.5, accuracy=1.0, classes=(ClassEvaluation(7, 1.0, 1.0, 1.0, None, 4),)
    )
    version = models_pb2.ModelVersion(model="iris", version=2)
    version.evaluation.update(evaluation.to_json())
    service.publishes(version, models_pb2.ModelVersion(model="iris", version=1))

    newest, oldest = client.model("iris").versions

    assert newest.evaluation == evaluation
    assert oldest.evaluation is None


def test_what_is_long_of_a_version_comes_in_pages_when_it_is_read(service, client):
    version = models_pb2.ModelVersion(model="iris", version=1, class_count=3)
    version.labels.CopyFrom(labels("a", "b"))
    service.publishes(version)

    def paged(make, **pages):
        return lambda request, context: make(**pages[request.page_token or "first"])

    column = tables_pb2.ColumnInfo(name="x", kind=2, encoding={"one_hot": {}}, categories=["u"], category_count=2)
    service.answers |= {
        "ListVersions": paged(
            models_pb2.ListVersionsResponse,
            first={"versions": [models_pb2.ModelVersion(model="iris", version=2)], "next_page_token": "p"},
            p={"versions": [version]},
        ),
        "ListClasses": paged(
            models_pb2.ListClassesResponse,
            first={"classes": labels("a", "b"), "next_page_token": "p"},
            p={"classes": labels("c")},
        ),
        "ListColumns": paged(
            models_pb2.ListColumnsResponse,
            first={"columns": [column], "next_page_token": "p"},
            p={"columns": [tables_pb2.ColumnInfo(name="y", kind=1, encoding={"log": {}})]},
        ),
        "ListCategories": paged(
            models_pb2.ListCategoriesResponse,
            first={"categories": ["u"], "next_page_token": "p"},
            p={"categories": ["v"]},
        ),
    }

    model = client.model("iris")
    assert service.called("ListVersions") == 0
    found = model.versions[1]

    assert [each.version for each in model.versions] == [2, 1]
    assert service.called("GetVersion") == service.called("ListColumns") == 0
    assert found.labels == ("a", "b", "c")
    assert [each.name for each in found.columns] == ["x", "y"]
    assert found.column_names == ("x", "y")
    assert found.categories("x") == ("u", "v")
    sent = [request.with_categories for request in service.requests["ListColumns"]]
    assert sent == [True, True, False, False]


def test_a_call_is_tried_again_while_the_service_restarts(service, client):
    def list_models(request, context):
        if service.called("ListModels") < 3:
            service.fail(context, grpc.StatusCode.UNAVAILABLE, "restarting")
        return models_pb2.ListModelsResponse()

    service.answers["ListModels"] = list_models

    assert client.models() == []
    assert service.called("ListModels") == 3


def test_a_service_that_starts_within_the_timeout_is_waited_for(late):
    late.answers["ListModels"] = lambda request, context: models_pb2.ListModelsResponse()
    told = []
    timer = threading.Timer(2.5, late.start)

    with Client(late.address, timeout=20, on_waiting=told.append) as client:
        timer.start()
        assert client.models() == []

    timer.join()
    assert told == [late.address]


def test_trying_again_ends_within_the_timeout(service):
    service.answers["ListModels"] = lambda request, context: service.fail(context, grpc.StatusCode.UNAVAILABLE, "no")

    with Client(service.address, timeout=0.25) as client, pytest.raises(Unavailable):
        client.models()

    assert service.called("ListModels") == 2


def test_a_closed_client_says_that_it_is_closed(client):
    client.close()

    with pytest.raises(RuntimeError, match="the client is closed"):
        client.models()


@pytest.mark.parametrize("call", ["model", "job"])
@pytest.mark.parametrize("name", [3, None, "a\nb", "\ud800"])
def test_a_name_that_cannot_travel_is_refused(client, call, name):
    with pytest.raises(InvalidRequest):
        getattr(client, call)(name)


def test_a_client_shows_where_it_points():
    with Client("127.0.0.1:1", rest="127.0.0.1:2") as client:
        assert repr(client) == "Client('127.0.0.1:1', rest='http://127.0.0.1:2')"


@pytest.mark.parametrize("arguments", [{"timeout": 0}, {"rest": "ftp://x"}, {"rest": "http://"}])
def test_connection_details_that_make_no_sense_are_refused(arguments):
    with pytest.raises(InvalidRequest):
        Client("127.0.0.1:1", **arguments)


def test_a_version_in_the_name_of_a_model_is_told_where_it_goes(service, client, tmp_path):
    def refuse(request, context):
        name = getattr(request, "model", "") or request.name
        service.fail(context, grpc.StatusCode.NOT_FOUND, f"there is no model {name!r}", "MODEL_NOT_FOUND")

    service.answers |= dict.fromkeys(("GetModel", "GetSignature", "DownloadVersion"), refuse)
    calls = (
        lambda name, **version: client.predict(name, [[1.0]], **version),
        lambda name, **version: client.predict_file(name, __file__, **version),
        client.signature,
        lambda name, **version: client.download(name, tmp_path / "m.npz", **version),
        client.local_model,
    )

    for call in calls:
        with pytest.raises(NotFound, match=r"^there is no model 'm/2'; write 'm', version='2'$") as caught:
            call("m/2")
        assert caught.value.reason == "MODEL_NOT_FOUND"
        for name, version in (("m", None), ("m/2", 3)):
            with pytest.raises(NotFound, match=f"^there is no model '{name}'$"):
                call(name, version=version)
    with pytest.raises(NotFound, match=r"^there is no model 'm/2'; write model\('m'\)\.at\('2'\)$"):
        client.model("m/2")
