"""Predicting: its limits on either face, and the models that are kept loaded."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import grpc
import msgspec
import numpy as np
import pytest

from helpers.artifacts import new_artifact_store
from helpers.rest_clients import running_rest
from helpers.rpc_requests import error_of, running_rpc, tensor
from layerwise import MLP, Architecture, Layer, TableEncoder
from layerwise.tables.unusual import MOST_WARNINGS
from layerwise_proto.v1 import models_pb2
from layerwise_proto.v1.models_pb2_grpc import ModelServiceStub, PredictionServiceStub
from layerwise_service.domain.models import Version
from layerwise_service.errors import DataLoss
from layerwise_service.process.sizes import held_bytes
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.usecases.batching import Batches
from layerwise_service.usecases.loaded_models import LoadedModels, predict_once
from layerwise_service.usecases.loaded_version import Instances, LoadedVersion
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]


def test_warnings_about_many_columns_are_bounded() -> None:
    names = [f"c{i}" for i in range(MOST_WARNINGS + 20)]
    network = MLP(Architecture(2 * len(names), (Layer(1),)))
    network.encoder = TableEncoder().fit({name: ["a", "b"] for name in names})
    version = LoadedVersion("wide", 1, network, most_rows=10, batches=Batches(1))

    found = version.predict(Instances([dict.fromkeys(names, "c")] * 2), at="instances")

    assert len(found.warnings) == MOST_WARNINGS
    assert {warning.rows for warning in found.warnings} == {2}


def test_58_too_many_rows_at_once_are_refused_alike_on_either_face(
    settings: Settings, stores: Stores, publish: Publish
) -> None:
    publish("narrow", labels=("a", "b"))
    publish("wide", labels=None, outputs=50)
    limited = msgspec.structs.replace(settings, max_predict_rows=100, max_predict_values=1000)

    with (
        running_rest(limited) as rest,
        running_rpc(limited) as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        for model, most in (("narrow", 100), ("wide", 20)):
            rows = np.zeros((most, 2))
            assert rest.post("/predict", json={"model": model, "instances": rows.tolist()}).status_code == 200
            assert PredictionServiceStub(channel).Predict(
                models_pb2.PredictRequest(model=model, rows=tensor(rows)), timeout=10
            )

            more = np.zeros((most + 1, 2))
            refused = rest.post("/predict", json={"model": model, "instances": more.tolist()})
            request = models_pb2.PredictRequest(model=model, rows=tensor(more))
            code, message, reason, pointer = error_of(
                lambda request=request: PredictionServiceStub(channel).Predict(request, timeout=10)  # type: ignore[misc]
            )

            assert (refused.status_code, refused.get_json()["reason"]) == (413, "TOO_MANY_ROWS")
            assert (code, reason, pointer) == (grpc.StatusCode.INVALID_ARGUMENT, "TOO_MANY_ROWS", "rows")
            assert f"at most {most} rows at once, got {most + 1}" in message
            assert f"at most {most} rows" in refused.get_json()["detail"]


def test_the_largest_answer_allowed_fits_into_a_message(settings: Settings, stores: Stores, publish: Publish) -> None:
    defaults = Settings()
    names = tuple(f"{number:03d}".ljust(defaults.max_label_bytes, "x") for number in range(128))
    publish("largest", labels=names)
    served = msgspec.structs.replace(settings, max_message_bytes=defaults.max_message_bytes)

    with running_rpc(served) as (address, _):
        options = [("grpc.max_receive_message_length", -1)]
        with grpc.insecure_channel(address, options=options) as channel:
            rows = np.zeros((defaults.max_predict_rows, 2))
            assert defaults.max_predict_rows * len(names) == defaults.max_predict_values
            request = models_pb2.PredictRequest(model="largest", rows=tensor(rows))
            answer = PredictionServiceStub(channel).Predict(request, timeout=60)

    assert len(answer.labels.strings.values) == defaults.max_predict_rows


def test_an_answer_beyond_the_limit_says_so(settings: Settings, stores: Stores, publish: Publish) -> None:
    publish("small")

    asked = models_pb2.GetVersionRequest(model="small", version="1")
    limited = msgspec.structs.replace(settings, max_message_bytes=50)
    with running_rpc(limited) as (address, _), grpc.insecure_channel(address) as channel:
        code, message, reason, _ = error_of(lambda: ModelServiceStub(channel).GetVersion(asked, timeout=10))

    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TOO_LARGE")
    assert "ask for fewer items at once" in message


@pytest.fixture
def models(tmp_path: Path) -> tuple[ArtifactStore, list[str]]:
    """Three models of the same size."""
    artifacts = new_artifact_store(tmp_path / "artifacts")
    made = [MLP(Architecture(inputs=2, layers=(Layer(1),)), seed=seed) for seed in range(3)]
    return artifacts, [artifacts.keep_model(model)[0] for model in made]


def size_of_two(artifacts: ArtifactStore, name: str) -> int:
    model = artifacts.load_model(name)
    predict_once(model)
    return int(2.5 * held_bytes(model))


def test_the_least_recently_used_model_leaves(
    models: tuple[ArtifactStore, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts, (a, b, c) = models
    loaded: list[str] = []
    load = ArtifactStore.load_model

    def noted(store: ArtifactStore, name: str) -> MLP:
        loaded.append(name)
        return load(store, name)

    monkeypatch.setattr(ArtifactStore, "load_model", noted)
    cache = LoadedModels(artifacts, max_bytes=size_of_two(artifacts, a))
    loaded.clear()

    for name in (a, b, a, c, a, b):
        cache.get(name)

    assert loaded == [a, b, c, b]


def test_a_model_larger_than_the_cache_stays_until_the_next(
    models: tuple[ArtifactStore, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts, (a, b, _) = models
    loaded: list[str] = []
    load = ArtifactStore.load_model

    def noted(store: ArtifactStore, name: str) -> MLP:
        loaded.append(name)
        return load(store, name)

    monkeypatch.setattr(ArtifactStore, "load_model", noted)
    cache = LoadedModels(artifacts, max_bytes=1)

    for name in (a, a, b, a):
        cache.get(name)

    assert loaded == [a, b, a]


def test_many_threads_load_a_model_once_and_a_failure_is_no_trap(models: tuple[ArtifactStore, list[str]]) -> None:
    artifacts, (a, b, c) = models
    cache = LoadedModels(artifacts, max_bytes=size_of_two(artifacts, a))
    with pytest.raises(DataLoss):
        cache.get("0" * 64)
    with pytest.raises(DataLoss):
        cache.get("0" * 64)
    start = threading.Barrier(16)
    errors: list[BaseException] = []

    def use(order: list[str]) -> None:
        start.wait()
        try:
            for _ in range(200):
                for name in order:
                    assert cache.get(name).network.architecture.inputs == 2
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=use, args=([a, b, c][i % 3 :] + [a, b, c][: i % 3],)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert cache.get(a) is cache.get(a)


OURS = [tracemalloc.Filter(inclusive=True, filename_pattern="*/layerwise/*", all_frames=True)]


def test_a_model_counts_with_its_encoder_and_its_labels(tmp_path: Path) -> None:
    table = {f"column{index}": [f"category {index} {row}" for row in range(2000)] for index in range(4)}
    encoder = TableEncoder(dict.fromkeys(table, "one_hot")).fit(table)
    labels = tuple(f"label {index} of many" for index in range(1000))
    model = MLP(Architecture(inputs=encoder.width, layers=(Layer(1), Layer(len(labels)))), seed=0)
    model.encoder, model.labels = encoder, labels
    artifacts = new_artifact_store(tmp_path / "artifacts")
    name, _ = artifacts.keep_model(model)
    artifacts.load_model(name)  # what is made only once is there now

    tracemalloc.start(30)
    try:
        loaded = artifacts.load_model(name)
        loaded.kept_optimizer = None
        gc.collect()
        taken = tracemalloc.take_snapshot().filter_traces(OURS)  # other threads allocate as well
        holds = sum(trace.size for trace in taken.traces)
    finally:
        tracemalloc.stop()

    assert holds > 4 * loaded.parameters.nbytes
    assert 0.8 * holds < held_bytes(loaded) < 1.2 * holds
