"""Readiness tells the truth, over REST, over gRPC and by the command, ability by ability."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from flask.testing import FlaskClient
from grpc_health.v1 import health_pb2, health_pb2_grpc

from helpers.rest_clients import running_rest
from helpers.rpc_requests import batch, error_of, header
from helpers.waiting import wait_until
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain.models import Version
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.usecases.readiness import Readiness
from layerwise_service.wiring import Stores

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def remove_datasets(home: Path) -> None:
    shutil.rmtree(home / "artifacts" / "datasets")


def remove_models(home: Path) -> None:
    shutil.rmtree(home / "artifacts" / "models")


def unlink_database(home: Path) -> None:
    (home / "layerwise.db").unlink()


def replace_database(home: Path) -> None:
    path = home / "layerwise.db"
    shutil.copy(path, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def exchange_folder(home: Path) -> None:
    (home / "artifacts" / "store-id").write_text("0" * 32)


@pytest.fixture
def rest(settings: Settings, publish: Callable[..., Version]) -> Iterator[FlaskClient]:
    """REST over a model that it has loaded."""
    publish("loaded")
    with running_rest(settings) as client:
        assert client.post("/predict", json={"model": "loaded", "instances": [[0, 0]]}).status_code == 200
        yield client


@pytest.mark.parametrize(
    ("change", "check", "message", "predicts"),
    [
        (remove_datasets, "artifacts", "the folder datasets of the artefacts is missing", True),
        (remove_models, "artifacts", "the folder models of the artefacts is missing", False),
        (exchange_folder, "artifacts", "the folder of the artefacts was replaced", True),
        (unlink_database, "database", "the file of the database was removed", True),
        (replace_database, "database", "the file of the database was replaced", True),
    ],
)
def test_what_is_missing_is_told_and_no_rows_are_taken_in_for_nothing(
    settings: Settings,
    rest: FlaskClient,
    channel: grpc.Channel,
    change: Callable[[Path], None],
    check: str,
    message: str,
    predicts: bool,
) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)

    def status(name: str) -> Any:
        return health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10).status

    change(settings.home_path)

    def told() -> bool:
        answer = rest.get("/readyz").get_json()
        found = answer["checks"].pop(check)
        return answer["status"] == "not ready" and message in found and set(answer["checks"].values()) == {"ok"}

    wait_until(told)
    wait_until(lambda: rest.get("/readyz/predictions").status_code == (200 if predicts else 503))
    assert rest.post("/predict", json={"model": "loaded", "instances": [[0, 0]]}).status_code == 200
    wait_until(lambda: status("") == NOT_SERVING)
    assert status("layerwise.v1.TrainingService") == NOT_SERVING
    assert status("layerwise.v1.PredictionService") == (SERVING if predicts else NOT_SERVING)
    upload = [header(rows=2), batch()]
    code, text, _, _ = error_of(lambda: list(TrainingServiceStub(channel).Train(iter(upload), timeout=10)))
    assert (code, message in text) == (grpc.StatusCode.UNAVAILABLE, True)


def test_the_service_is_ready_again_when_what_was_missing_is_back(settings: Settings, rest: FlaskClient) -> None:
    path = settings.home_path / "layerwise.db"
    moved = path.rename(path.with_suffix(".moved"))
    wait_until(lambda: rest.get("/readyz").status_code == 503)

    moved.rename(path)

    wait_until(lambda: rest.get("/readyz").status_code == 200)


def test_however_many_ask_the_disk_is_tried_once_a_second(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []
    check = type(stores.artifacts).check

    def noted(store: ArtifactStore) -> None:
        tried.append(store)
        check(store)

    monkeypatch.setattr(type(stores.artifacts), "check", noted)
    seconds = 0.0
    readiness = Readiness(stores.database, stores.artifacts, clock=lambda: seconds, patience=60)

    for _ in range(50):
        assert set(readiness.report().whole.values()) == {"ok"}
    assert len(tried) == 1

    seconds = 1.0
    readiness.report()
    assert len(tried) == 2


def test_a_locked_database_is_told_when_it_lasts_and_predictions_stay_ready(rest: FlaskClient, stores: Stores) -> None:
    wait_until(lambda: rest.get("/readyz").status_code == 200)

    with stores.database.write():
        wait_until(lambda: rest.get("/readyz").status_code == 503)
        answer = rest.get("/readyz").get_json()
        assert re.search("keeps the database locked|the database does not answer", answer["checks"]["database"])
        assert answer["checks"]["artifacts"] == "ok"
        wait_until(lambda: rest.get("/readyz/predictions").status_code == 200)

    wait_until(lambda: rest.get("/readyz").status_code == 200)


class Held:
    """A check that takes until it is let go, in the place of the database or the artefacts."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.tried = 0

    def check(self) -> None:
        self.tried += 1
        assert self.go.wait(60)

    def check_models(self) -> None:
        pass


def test_predictions_wait_for_the_models_alone() -> None:
    database, artifacts = Held(), Held()
    readiness = Readiness(cast(Any, database), cast(Any, artifacts), patience=60)

    assert readiness.predictions() == {"models": "ok", "predictions": "ok"}

    assert (database.tried, artifacts.tried) == (0, 0)


def test_a_check_that_takes_a_moment_is_no_unreadiness_and_one_that_lasts_is_told(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds, database = 0.0, Held()
    database.go.set()
    readiness = Readiness(cast(Any, database), stores.artifacts, clock=lambda: seconds, patience=0.0)
    wait_until(lambda: readiness.whole() == {"database": "ok", "artifacts": "ok"})

    database.go.clear()
    seconds = 2.0
    monkeypatch.setattr("layerwise_service.usecases.readiness._SLOW_SECONDS", 1e9)
    for _ in range(300):
        assert readiness.whole()["database"] == "ok"
    monkeypatch.setattr("layerwise_service.usecases.readiness._SLOW_SECONDS", 0.0)
    assert "keeps the database locked" in readiness.whole()["database"]
    assert database.tried == 2

    database.go.set()
    wait_until(lambda: readiness.whole()["database"] == "ok")


def test_many_that_ask_while_a_check_is_under_way_are_answered_from_its_last_result(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerwise_service.usecases.readiness._SLOW_SECONDS", 1e9)
    seconds, database = 0.0, Held()
    database.go.set()
    readiness = Readiness(cast(Any, database), stores.artifacts, clock=lambda: seconds, patience=60)
    assert readiness.whole()["database"] == "ok"
    database.go.clear()
    seconds = 2.0
    first = threading.Thread(target=readiness.whole)
    first.start()
    wait_until(lambda: database.tried == 2)

    answers = [readiness.whole()["database"] for _ in range(300)]  # each would wait for a minute

    assert set(answers) == {"ok"}
    assert first.is_alive()
    database.go.set()
    first.join()


def test_predictions_are_not_ready_while_the_only_model_cannot_be_loaded_and_are_ready_with_another(
    settings: Settings, publish: Callable[..., Version], channel: grpc.Channel
) -> None:
    damaged = publish("damaged")
    (settings.home_path / "artifacts" / "models" / f"{damaged.sha256}.npz").write_bytes(b"")
    health: Any = health_pb2_grpc.HealthStub(channel)

    def status() -> Any:
        request = health_pb2.HealthCheckRequest(service="layerwise.v1.PredictionService")
        return health.Check(request, timeout=10).status

    with running_rest(settings) as rest:
        wait_until(lambda: rest.get("/readyz/predictions").status_code == 503)
        answer = rest.get("/readyz/predictions").get_json()
        assert answer["checks"].keys() == {"models", "predictions", "loops"}
        assert answer["checks"]["predictions"].startswith("no model can be served; version 1 of damaged: the file of")
        wait_until(lambda: status() == NOT_SERVING)
        assert rest.get("/readyz").status_code == 200  # a training can mend it

        publish("whole", seed=1)
        wait_until(lambda: rest.get("/readyz/predictions").status_code == 200)
        answer = rest.get("/readyz/predictions").get_json()
        assert answer["unusable"].keys() == {"damaged"}
        assert answer["unusable"]["damaged"].startswith("version 1 cannot be loaded: the file of model")
        wait_until(lambda: status() == SERVING)
