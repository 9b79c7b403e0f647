"""The gRPC face: training from the first batch to the published version, watching, cancelling, predicting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import msgspec
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from helpers.rpc_requests import ROWS, accepted, batch, error_of, header, kinds, running_rpc, strings, tensor
from helpers.waiting import wait_until
from layerwise import MLP, fit
from layerwise_proto.v1 import models_pb2, training_pb2
from layerwise_proto.v1.models_pb2_grpc import ModelServiceStub, PredictionServiceStub
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain.models import Version
from layerwise_service.process.gathering import Reporter
from layerwise_service.process.loops import Loop
from layerwise_service.rpc.server import RpcServer
from layerwise_service.settings import Settings
from layerwise_service.stores.job_store import JobStore
from layerwise_service.usecases.aliases import Aliases
from layerwise_service.usecases.dataset_jobs import DatasetJobs
from layerwise_service.usecases.datasets import Datasets
from layerwise_service.usecases.evaluations import Evaluations
from layerwise_service.usecases.file_prediction import FilePredictor
from layerwise_service.usecases.loaded_models import LoadedModels
from layerwise_service.usecases.model_files import ModelFiles
from layerwise_service.usecases.prediction import VersionPredictor
from layerwise_service.usecases.profiles import Profiles
from layerwise_service.usecases.readiness import Readiness
from layerwise_service.usecases.registry import Registry, VersionResolver
from layerwise_service.usecases.training import TrainingJobs
from layerwise_service.wiring import Stores, build_oip


@pytest.mark.usefixtures("worker")
def test_a_stream_tells_the_whole_story(training: TrainingServiceStub) -> None:
    plan = {"epochs": 3, "batch_size": 2, "validation": 0.25}

    events = list(training.Train(iter([header(plan=plan, rows=8), batch(), batch()]), timeout=30))

    changes = [event.transition for event in events if event.HasField("transition")]
    records = [event.record for event in events if event.HasField("record")]
    job, version = events[0].accepted, events[-1].published
    assert kinds(events)[0] == "accepted"
    assert kinds(events)[-1] == "published"
    assert [change.reason for change in changes] == ["SUBMITTED", "CLAIMED", "PUBLISHED"]
    assert [record.epoch for record in records] == [1, 2, 3]
    assert [record.step for record in records] == [3, 6, 9]  # 6 of 8 rows, 2 a step
    assert all(record.HasField("validation_metric") and record.learning_rate == 0.001 for record in records)
    assert job.metric == "accuracy"
    assert [layer.units for layer in job.architecture.layers] == [8, 2]
    assert job.architecture.inputs == 2
    assert job.plan.loss.WhichOneof("kind") == "softmax_cross_entropy"
    assert (version.version, version.job_id, version.parameters) == (1, job.id, 2 * 8 + 8 + 8 * 2 + 2)
    assert list(version.labels.strings.values) == ["no", "yes"]
    assert version.metrics["accuracy"] == pytest.approx(records[-1].metric)
    assert version.metrics["validation_loss"] == pytest.approx(records[-1].validation_loss)


@pytest.mark.usefixtures("worker")
def test_a_regression_is_trained_on_targets(channel: grpc.Channel, training: TrainingServiceStub) -> None:
    request = batch(targets=tensor([[0, 1], [1, 2], [1, 3], [2, 4]]))

    events = list(training.Train(iter([header("sum"), request]), timeout=30))
    answer = PredictionServiceStub(channel).Predict(
        models_pb2.PredictRequest(model="sum", rows=tensor(ROWS)), timeout=10
    )

    assert events[0].accepted.metric == "r2"
    assert events[0].accepted.plan.loss.WhichOneof("kind") == "squared_error"
    assert list(answer.values.shape) == [4, 2]
    assert not answer.HasField("probabilities")


WHOLE_ARCHITECTURE = {
    "layers": [
        {
            "units": 8,
            "activation": {"kind": "elu", "alpha": 0.5},
            "normalization": "batch",
            "initializer": "orthogonal",
        },
        {"units": 8, "activation": "gelu", "normalization": "layer", "residual": True, "dropout": 0.1},
        {},
    ],
    "input_scale": 0.5,
    "input_shift": -0.1,
}
WHOLE_PLAN = {
    "epochs": 6,
    "batch_size": 2,
    "loss": {"kind": "softmax_cross_entropy", "label_smoothing": 0.1},
    "optimizer": {"kind": "nadam", "learning_rate": 0.01},
    "schedule": {"kind": "cosine", "end": 0.1},
    "warmup": 1.0,
    "l1": 1e-4,
    "weight_decay": 0.01,
    "max_norm": 3.0,
    "clip_norm": 1.0,
    "clip_value": 0.5,
    "average": 0.9,
    "max_steps": 9,
    "early_stopping": {"watch": "loss", "patience": 50, "restore": False},
    "class_weight": {"kind": "per_class", "weights": [1.0, 2.0]},
}


@pytest.mark.usefixtures("worker")
def test_a_job_may_use_all_that_the_library_has(training: TrainingServiceStub, settings: Settings) -> None:
    weights = np.array([1, 2, 1, 0.5], np.float32)
    request = batch(labels=strings("no", "yes", "yes", "no"), weights=tensor(weights))

    events = list(training.Train(iter([header(architecture=WHOLE_ARCHITECTURE, plan=WHOLE_PLAN), request]), timeout=30))

    version = events[-1].published
    local = MLP.load(settings.home_path / "artifacts" / "models" / f"{version.sha256}.npz", sha256=version.sha256)
    again = MLP(local.architecture, seed=0)
    assert local.plan is not None
    *_, last = fit(again, ROWS, [0, 1, 1, 0], plan=local.plan, weights=weights)
    records = [event.record for event in events if event.HasField("record")]
    assert records[-1].stopped == last.stopped == "max_steps"
    assert [record.learning_rate for record in records][:2] != [0.01, 0.01]
    assert again.parameters.tobytes() == local.parameters.tobytes()
    assert again.statistics.tobytes() == local.statistics.tobytes()


@pytest.mark.usefixtures("worker")
def test_flags_of_several_labels_are_trained_on_and_answered(
    channel: grpc.Channel, training: TrainingServiceStub
) -> None:
    flags = tensor([[0, 1], [1, 1], [1, 0], [0, 0]])
    plan = {"loss": "sigmoid_cross_entropy", "epochs": 3}

    events = list(training.Train(iter([header("flags", plan=plan), batch(targets=flags)]), timeout=30))
    answer = PredictionServiceStub(channel).Predict(
        models_pb2.PredictRequest(model="flags", rows=tensor(ROWS)), timeout=10
    )

    assert kinds(events)[-1] == "published"
    assert events[0].accepted.metric == "accuracy"
    assert list(answer.values.shape) == list(answer.probabilities.shape) == [4, 2]
    assert set(np.frombuffer(answer.values.data, "<f4").tolist()) <= {0.0, 1.0}


@pytest.mark.usefixtures("worker")
def test_two_classes_may_be_told_apart_by_one_output(channel: grpc.Channel, training: TrainingServiceStub) -> None:
    plan = {"loss": "sigmoid_cross_entropy", "epochs": 3}
    architecture = {"layers": [{"units": 4, "activation": "relu"}, {"units": 1}]}

    events = list(training.Train(iter([header("one", architecture, plan), batch()]), timeout=30))
    answer = PredictionServiceStub(channel).Predict(
        models_pb2.PredictRequest(model="one", rows=tensor(ROWS)), timeout=10
    )

    assert kinds(events)[-1] == "published"
    assert set(answer.labels.strings.values) <= {"no", "yes"}
    assert list(answer.probabilities.shape) == [4, 2]


@pytest.mark.usefixtures("worker")
def test_a_job_may_start_with_the_weights_of_a_version(training: TrainingServiceStub, settings: Settings) -> None:
    first = list(training.Train(iter([header(), batch()]), timeout=30))[-1].published
    start = training_pb2.StartFrom(model="xor")
    still = {"epochs": 1, "optimizer": {"kind": "sgd", "learning_rate": 1e-30}}

    events = list(training.Train(iter([header("tuned", {}, still, start_from=start), batch()]), timeout=30))

    tuned = events[-1].published
    folder = settings.home_path / "artifacts" / "models"
    before, after = (MLP.load(folder / f"{version.sha256}.npz") for version in (first, tuned))
    assert events[0].accepted.start_from == "xor/1"
    assert after.architecture == before.architecture
    assert after.parameters.tobytes() == before.parameters.tobytes()
    assert after.lineage["parent"] == first.sha256


@pytest.mark.usefixtures("worker")
def test_a_job_whose_plan_keeps_its_optimiser_goes_on_with_that_of_a_version(
    channel: grpc.Channel, training: TrainingServiceStub, settings: Settings
) -> None:
    start = training_pb2.StartFrom(model="xor")
    keeping = {"epochs": 2, "keep_optimizer": True}

    first = list(training.Train(iter([header(plan=keeping), batch()]), timeout=30))
    PredictionServiceStub(channel).Predict(models_pb2.PredictRequest(model="xor", rows=tensor(ROWS)), timeout=10)
    second = list(training.Train(iter([header("more", {}, keeping, start_from=start), batch()]), timeout=30))

    assert first[0].accepted.plan.keep_optimizer
    folder = settings.home_path / "artifacts" / "models"
    kept = [MLP.load(folder / f"{events[-1].published.sha256}.npz").kept_optimizer for events in (first, second)]
    assert [(each.kind, each.updates) for each in kept if each] == [("adam", 2), ("adam", 4)]


def test_a_start_that_does_not_fit_is_told(
    training: TrainingServiceStub, publish: Callable[..., Version], settings: Settings
) -> None:
    publish("xor", labels=("no", "yes"))
    cases: list[tuple[Any, Any, str, str]] = [
        ({"model": "nothing"}, [batch()], "MODEL_NOT_FOUND", "start_from"),
        ({"model": "xor", "version": "7"}, [batch()], "VERSION_NOT_FOUND", "start_from"),
        ({"model": "xor"}, [batch(labels=strings(*"abab"))], "LABEL_OUT_OF_RANGE", "batches[0].labels[0]"),
        ({"model": "xor"}, [batch(targets=tensor([1, 2, 3, 4]))], "INVALID_ARGUMENT", "batches[0].targets"),
    ]
    for start, batches, reason, pointer in cases:
        sent = [header(architecture={}, start_from=training_pb2.StartFrom(**start)), *batches]
        found = error_of(lambda sent=sent: list(training.Train(iter(sent), timeout=10)))  # type: ignore[misc]
        assert (found[2], found[3]) == (reason, pointer)

    publish("values", labels=None, outputs=2)
    for model, given, words in (
        ("values", {}, "values/1 is a regression and continues with targets; got labels"),
        (
            "xor",
            {"classes": strings("a", "b")},
            "expected the classes of xor/1: 'no', 'yes'; got 'a', 'b'",
        ),
    ):
        labels = batch(labels=strings(*"abab"))
        start_from = training_pb2.StartFrom(model=model)
        sent = [header(architecture={}, start_from=start_from, **given), labels]
        found = error_of(lambda sent=sent: list(training.Train(iter(sent), timeout=10)))  # type: ignore[misc]
        assert found[3] == "start_from"
        assert words in found[1]

    other = {"layers": [{"units": 9, "activation": "relu"}]}
    sent = [header(architecture=other, start_from=training_pb2.StartFrom(model="xor")), batch()]
    found = error_of(lambda: list(training.Train(iter(sent), timeout=10)))
    assert found[3] == "architecture.layers"
    assert "the same layers as xor/1" in found[1]


@pytest.mark.usefixtures("worker")
def test_what_the_doctor_finds_is_told_as_an_event_and_stays_with_the_job(training: TrainingServiceStub) -> None:
    rows = ROWS * 1000  # far from standardised

    events = list(training.Train(iter([header(), batch(rows)]), timeout=30))

    found = [event.finding for event in events if event.HasField("finding")]
    job = training.GetJob(training_pb2.GetJobRequest(job_id=events[0].accepted.id), timeout=10)
    assert [finding.kind for finding in found].count("inputs") == 1  # once, however long it stands
    assert "bring every column to zero mean" in next(f.message for f in found if f.kind == "inputs")
    assert "inputs" in [finding.kind for finding in job.findings]
    assert any(event.record.layers for event in events if event.HasField("record"))


@pytest.mark.usefixtures("worker")
def test_grpc_answers_as_the_file_itself_does(
    channel: grpc.Channel, training: TrainingServiceStub, settings: Settings
) -> None:
    events = list(training.Train(iter([header(), batch()]), timeout=30))
    version = events[-1].published
    local = MLP.load(settings.home_path / "artifacts" / "models" / f"{version.sha256}.npz", sha256=version.sha256)

    answer = PredictionServiceStub(channel).Predict(models_pb2.PredictRequest(rows=tensor(ROWS)), timeout=10)

    probabilities = np.frombuffer(answer.probabilities.data, "<f4").reshape(answer.probabilities.shape)
    assert list(answer.labels.strings.values) == local.predict(ROWS).tolist()
    assert probabilities.tolist() == local.predict_proba(ROWS).tolist()
    assert local.lineage["dataset"] == events[0].accepted.dataset
    assert local.lineage["job"] == events[0].accepted.id


@pytest.mark.parametrize(
    ("architecture", "units"),
    [
        ({"layers": [{"units": 8, "activation": "relu"}]}, [8, 2]),
        ({"layers": [{"units": 8, "activation": "relu"}, {}]}, [8, 2]),
        ({"layers": [{"units": 8, "activation": "relu"}, {"units": 2}]}, [8, 2]),
        ({"layers": [{}]}, [2]),
        ({"layers": [{"units": 4, "activation": "tanh"}, {"activation": "sigmoid"}]}, [4, 2]),
        ({"inputs": 2, "layers": [{"units": 4, "activation": "tanh"}, {"units": 2, "activation": "tanh"}]}, [4, 2]),
        ({"inputs": 2, "layers": [{"units": 4, "activation": {"kind": "maxout", "pieces": 3}}, {}]}, [4, 2]),
    ],
)
def test_what_an_architecture_leaves_out_follows_from_the_data(
    training: TrainingServiceStub, architecture: Any, units: list[int]
) -> None:
    job = accepted(training, header(architecture=architecture), batch())

    assert [layer.units for layer in job.architecture.layers] == units
    assert job.architecture.inputs == 2


def test_a_wrong_header_is_refused_while_rows_are_still_coming(training: TrainingServiceStub) -> None:
    sent = threading.Event()

    def endless() -> Iterator[training_pb2.TrainRequest]:
        yield header("Not A Name")
        while not sent.wait(0.01):
            yield batch()

    code, *_ = error_of(lambda: list(training.Train(endless(), timeout=20)))
    sent.set()

    assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_beyond_the_limit_is_refused(training: TrainingServiceStub) -> None:
    request = batch(np.zeros((60_000, 10)), labels=strings("a"))

    with pytest.raises(grpc.RpcError) as caught:
        list(training.Train(iter([header(), request]), timeout=20))

    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_caller_that_vanishes_in_the_upload_leaves_nothing(
    training: TrainingServiceStub, settings: Settings, stores: Stores
) -> None:
    incoming = settings.home_path / "artifacts" / "incoming"
    gone = threading.Event()

    def requests() -> Iterator[training_pb2.TrainRequest]:
        yield header(rows=8)
        yield batch()
        gone.wait(20)

    stream = training.Train(requests())
    wait_until(lambda: any(incoming.iterdir()))
    stream.cancel()
    gone.set()

    wait_until(lambda: not any(incoming.iterdir()))
    assert stores.jobs.page(limit=1) == []


def test_callers_that_vanish_at_any_moment_leave_nothing_or_a_whole_job(
    training: TrainingServiceStub, settings: Settings, stores: Stores
) -> None:
    artifacts = settings.home_path / "artifacts"

    for delay in np.linspace(0, 0.03, 40):
        stream = training.Train(iter([header(rows=20), *[batch()] * 5]))
        time.sleep(delay)
        stream.cancel()

    wait_until(lambda: not any((artifacts / "incoming").iterdir()))
    jobs = stores.jobs.page(limit=100)
    for job in jobs:
        stores.artifacts.open_dataset(job.dataset, stores.jobs.dataset_shape(job.dataset))
    for folder in (artifacts / "datasets").iterdir():
        assert {path.name for path in folder.iterdir()} == {"rows.npy", "targets.npy"}


@pytest.mark.usefixtures("worker")
def test_a_job_continues_without_its_caller_and_watching_continues_without_a_gap(training: TrainingServiceStub) -> None:
    stream = training.Train(iter([header(plan={"epochs": 400, "batch_size": 1}), batch()]), timeout=60)
    seen: list[int] = []
    job = next(iter(stream)).accepted.id
    for event in stream:
        if event.HasField("record"):
            seen.append(event.record.step)
        if len(seen) >= 5:
            break
    stream.cancel()

    request = training_pb2.WatchJobRequest(job_id=job, from_step=seen[-1])
    events = list(training.WatchJob(request, timeout=60))

    steps = seen + [event.record.step for event in events if event.HasField("record")]
    assert steps == [4 * epoch for epoch in range(1, 401)]
    assert kinds(events)[-1] == "published"


@pytest.mark.usefixtures("worker")
def test_an_ended_job_is_told_from_its_start(training: TrainingServiceStub) -> None:
    live = list(training.Train(iter([header(), batch()]), timeout=30))

    told = list(training.WatchJob(training_pb2.WatchJobRequest(job_id=live[0].accepted.id), timeout=10))

    assert told[1:] == live[1:]
    assert training_pb2.JobState.Name(told[0].accepted.state) == "JOB_STATE_SUCCEEDED"


@pytest.mark.usefixtures("worker")
def test_a_running_job_is_cancelled_at_its_next_step(training: TrainingServiceStub) -> None:
    stream = training.Train(iter([header(plan={"epochs": 100_000, "batch_size": 1}), batch()]), timeout=60)
    events = iter(stream)
    job = next(events).accepted.id
    while not next(events).HasField("record"):
        pass

    training.CancelJob(training_pb2.CancelJobRequest(job_id=job), timeout=10)
    rest = list(events)

    assert training_pb2.JobState.Name(rest[-1].transition.state) == "JOB_STATE_CANCELLED"
    again = training.CancelJob(training_pb2.CancelJobRequest(job_id=job), timeout=10)
    assert again.state == training_pb2.JOB_STATE_CANCELLED


@pytest.mark.usefixtures("worker")
def test_a_job_that_diverges_fails_with_the_reason(training: TrainingServiceStub, stores: Stores) -> None:
    plan = {"epochs": 50, "optimizer": {"kind": "sgd", "learning_rate": 1e6}}
    request = batch(targets=tensor([0, 1, 1, 0]))

    events = list(training.Train(iter([header(plan=plan), request]), timeout=30))

    assert kinds(events)[-1] == "failure"
    assert events[-1].failure.reason == "DIVERGED"
    assert "step" in events[-1].failure.message
    assert stores.versions.served()[1] == {}


def test_the_same_request_id_gives_the_same_job(training: TrainingServiceStub) -> None:
    first = accepted(training, header(request_id="r"), batch())
    second = accepted(training, header(request_id="r"), batch())

    assert first.id == second.id


def test_a_request_id_with_anything_else_is_refused(
    training: TrainingServiceStub, publish: Callable[..., Version]
) -> None:
    publish("origin")
    layers = publish("origin").architecture
    first = accepted(training, header("xor", layers, {"epochs": 3}, request_id="r"), batch())
    wider = {"layers": [{"units": 9, "activation": "relu"}]}

    for other in (
        [header("other", layers, {"epochs": 3}, request_id="r"), batch()],
        [header("xor", wider, {"epochs": 3}, request_id="r"), batch()],
        [header("xor", layers, {"epochs": 4}, request_id="r"), batch()],
        [header("xor", layers, {"epochs": 3}, request_id="r"), batch(ROWS + 1)],
        [header("xor", layers, {"epochs": 3}, request_id="r"), batch(labels=strings("no", "yes", "no", "no"))],
        [header("xor", layers, {"epochs": 3}, request_id="r", start_from=start("1")), batch()],
    ):
        code, message, reason, pointer = error_of(lambda other=other: list(training.Train(iter(other), timeout=10)))  # type: ignore[misc]
        assert (code, reason, pointer) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED", "request_id")
        assert first.id in message

    from_1 = accepted(training, header("xor", layers, request_id="s", start_from=start("1")), batch())
    assert accepted(training, header("xor", layers, request_id="s", start_from=start("1")), batch()).id == from_1.id
    other = [header("xor", layers, request_id="s", start_from=start("2")), batch()]
    assert error_of(lambda: list(training.Train(iter(other), timeout=10)))[2] == "REQUEST_ID_REUSED"


def start(version: str) -> training_pb2.StartFrom:
    return training_pb2.StartFrom(model="origin", version=version)


def test_a_known_request_id_gives_its_job_though_there_is_no_room_for_another(
    settings: Settings, stores: Stores
) -> None:
    full = msgspec.structs.replace(settings, max_queued_jobs=1)
    with running_rpc(full) as (address, _), grpc.insecure_channel(address) as channel:
        training = TrainingServiceStub(channel)
        first = accepted(training, header(request_id="r"), batch())

        code, _, reason, _ = error_of(lambda: list(training.Train(iter([header(), batch()]), timeout=10)))

        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED")
        assert accepted(training, header(request_id="r"), batch()).id == first.id


def test_jobs_are_listed_in_pages(training: TrainingServiceStub) -> None:
    ids = [accepted(training, header(model), batch()).id for model in ("a", "b", "c")]

    first = training.ListJobs(training_pb2.ListJobsRequest(page_size=2), timeout=10)
    second = training.ListJobs(training_pb2.ListJobsRequest(page_size=2, page_token=first.next_page_token), timeout=10)
    queued = training.ListJobs(training_pb2.ListJobsRequest(state=training_pb2.JOB_STATE_QUEUED, model="b"), timeout=10)

    assert [job.id for job in [*first.jobs, *second.jobs]] == ids[::-1]
    assert second.next_page_token == ""
    assert [job.id for job in queued.jobs] == [ids[1]]


def test_models_are_listed_shown_and_given_aliases(channel: grpc.Channel, publish: Callable[..., Version]) -> None:
    models = ModelServiceStub(channel)
    for name in ("b", "a", "a"):
        publish(name)

    shown = models.SetAlias(models_pb2.SetAliasRequest(model="a", alias="champion", version=1), timeout=10)
    listed = models.ListModels(models_pb2.ListModelsRequest(), timeout=10).models

    assert [(model.name, model.latest, dict(model.aliases)) for model in listed] == [
        ("a", 2, {"champion": 1}),
        ("b", 1, {}),
    ]
    assert dict(shown.aliases) == {"champion": 1}
    page = models.ListVersions(models_pb2.ListVersionsRequest(model="a", page_size=1), timeout=10)
    last = models.ListVersions(models_pb2.ListVersionsRequest(model="a", page_token=page.next_page_token), timeout=10)
    assert [version.version for version in (*page.versions, *last.versions)] == [2, 1]
    assert last.next_page_token == ""
    champion = models.GetVersion(models_pb2.GetVersionRequest(model="a", version="champion"), timeout=10)
    assert (champion.version, champion.class_count, len(champion.architecture.layers)) == (1, 2, 2)


def test_an_internal_error_tells_nothing_but_a_request_id(
    training: TrainingServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(JobStore, "get", fail)

    code, message, reason, _ = error_of(lambda: training.GetJob(training_pb2.GetJobRequest(job_id="x"), timeout=10))

    assert (code, reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in message


def test_health_says_when_a_background_loop_hangs(settings: Settings, stores: Stores) -> None:
    hanging = Loop("hanging", lambda: None, every=0.0, late_after=-1.0)
    resolver = VersionResolver(stores.versions, refresh_seconds=1.0)
    predictor = VersionPredictor(resolver, LoadedModels(stores.artifacts, max_bytes=1), max_rows=1, max_values=1)

    def build(settings: Settings) -> RpcServer:
        training = TrainingJobs(stores.jobs, stores.job_control, stores.versions, stores.artifacts, settings)
        registry = Registry(stores.versions, stores.jobs)
        datasets = Datasets(stores.datasets, stores.uploads, stores.artifacts, predictor.formats, settings)
        file_predictor = FilePredictor(predictor, registry, datasets, stores.artifacts)
        profiles = Profiles(stores.datasets, stores.artifacts, settings)
        readiness = Readiness(stores.database, stores.artifacts)
        return RpcServer(
            training=training,
            model_files=ModelFiles(stores.versions, stores.uploads, stores.artifacts, settings),
            dataset_jobs=DatasetJobs(stores.datasets, stores.artifacts, training, profiles),
            datasets=datasets,
            profiles=profiles,
            registry=registry,
            aliases=Aliases(stores.aliases, stores.versions, stores.artifacts, changed=resolver.refresh),
            predictor=predictor,
            file_predictor=file_predictor,
            evaluations=Evaluations(file_predictor, registry),
            oip=build_oip(stores, resolver, predictor, readiness, Reporter(None)),
            sweep=lambda: None,
            readiness=readiness,
            loops=(resolver.loop, hanging),
            close=resolver.close,
            settings=settings,
        )

    with running_rpc(settings, build) as (address, _), grpc.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        request, not_serving = health_pb2.HealthCheckRequest(), health_pb2.HealthCheckResponse.NOT_SERVING

        wait_until(lambda: health.Check(request, timeout=10, wait_for_ready=True).status == not_serving)


def test_health_and_reflection_answer(channel: grpc.Channel) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    for name in ("", "layerwise.v1.TrainingService", "layerwise.v1.PredictionService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (listed,) = reflection.ServerReflectionInfo(iter([request]), timeout=10)
    names = {service.name for service in listed.list_services_response.service}
    assert {"layerwise.v1.TrainingService", "layerwise.v1.ModelService", "layerwise.v1.PredictionService"} <= names


def test_two_hundred_watchers_do_not_keep_other_calls_waiting(training: TrainingServiceStub) -> None:
    job = accepted(training, header(), batch())  # there is no worker: it stays queued
    request = training_pb2.WatchJobRequest(job_id=job.id)
    watchers = [training.WatchJob(request) for _ in range(200)]
    for watcher in watchers:
        next(iter(watcher))

    times = []
    for _ in range(30):
        start = time.perf_counter()
        training.GetJob(training_pb2.GetJobRequest(job_id=job.id), timeout=10)
        times.append(time.perf_counter() - start)
    for watcher in watchers:
        watcher.cancel()

    assert max(times) < 5  # without a thread or a connection of their own they would wait for the timeout, 10 s


def test_a_call_that_the_service_does_not_have_is_unimplemented(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/layerwise.v1.TrainingService/Guess")(b"", timeout=10)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
