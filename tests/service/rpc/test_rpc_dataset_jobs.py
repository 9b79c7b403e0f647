"""CreateJob: what a target is taken for, which rows and columns a job has, and how wrong requests are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import grpc
import numpy as np
import pytest

from helpers.dataset_requests import file_requests
from helpers.rpc_requests import error_info, error_of, running_rpc
from helpers.waiting import wait_until
from layerwise import TableEncoder
from layerwise_proto.json_form import to_message
from layerwise_proto.v1 import datasets_pb2, models_pb2, profiles_pb2, tables_pb2, training_pb2, types_pb2
from layerwise_proto.v1.datasets_pb2_grpc import DatasetServiceStub
from layerwise_proto.v1.models_pb2_grpc import PredictionServiceStub
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain.models import Version
from layerwise_service.domain.table_datasets import DatasetColumn
from layerwise_service.domain.targets import TrueValues
from layerwise_service.errors import Conflict, InvalidRequest
from layerwise_service.rpc.limited_threads import MOST_WAITING
from layerwise_service.settings import Settings
from layerwise_service.stores.table_reader import StoredTable
from layerwise_service.usecases.dataset_jobs import DatasetJobs
from layerwise_service.usecases.training import TrainingJobs
from layerwise_service.wiring import Stores, build_worker, open_stores

ROWS = 60
HEADER = "id,size,day,big,colour,sold,count,price,weight,at"
FILE = "\n".join(
    [
        HEADER,
        *(
            f"{i},{i / 10},2024-01-{i % 28 + 1:02},{'yes' if i % 2 else 'no'},{('red', 'blue', 'green', '')[i % 4]},"
            f"{'' if i % 10 == 9 else i % 3},{i},{i / 4},{1 + i % 2},{i % 24}:30"
            for i in range(ROWS)
        ),
    ]
).encode()
PLAN = to_message({"epochs": 2}, types_pb2.Plan)
NETWORK = to_message({"layers": [{"units": 4, "activation": "relu"}]}, types_pb2.Architecture)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=str(tmp_path_factory.mktemp("jobs") / "home"), rpc_address="127.0.0.1:0", refresh_seconds=0.05)


@pytest.fixture(scope="module")
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def channel(settings: Settings) -> Iterator[grpc.Channel]:
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as opened:
        yield opened


@pytest.fixture(scope="module")
def dataset(channel: grpc.Channel) -> str:
    """The id of FILE's dataset."""
    return str(DatasetServiceStub(channel).UploadDataset(file_requests(FILE), timeout=60).id)


def create(channel: grpc.Channel, dataset: str, **request: Any) -> training_pb2.Job:
    given = {"model": "m", "target": "sold", "plan": PLAN, "architecture": NETWORK} | request
    return TrainingServiceStub(channel).CreateJob(training_pb2.CreateJobRequest(dataset=dataset, **given), timeout=60)


@pytest.mark.parametrize(
    ("target", "task", "decided", "labels", "words"),
    [
        ("colour", 0, "CLASSES", ("blue", "green", "red"), "texts are classes"),
        ("big", 0, "CLASSES", ("no", "yes"), "booleans are classes"),
        ("sold", 0, "CLASSES", (0, 1, 2), "3 different whole numbers are classes, as up to 20 are"),
        ("count", 0, "AMOUNT", None, "more than 20 different whole numbers are an amount"),
        ("price", 0, "AMOUNT", None, "numbers with fractions are an amount"),
        ("count", 1, "CLASSES", tuple(range(ROWS)), "as asked"),
        ("sold", 2, "AMOUNT", None, "as asked"),
    ],
)
def test_what_the_target_is_taken_for_is_told_in_the_job(
    stores: Stores, channel: grpc.Channel, dataset: str, target: str, task: Any, decided: str, labels: Any, words: str
) -> None:
    job = create(channel, dataset, target=target, task=task, ignore=["id"])

    source = job.source
    assert (source.dataset, source.target, source.why) == (dataset, target, words)
    assert types_pb2.Task.Name(source.task) == f"TASK_{decided}"
    assert list(source.ignored) == ["id"]
    shape = stores.jobs.dataset_shape(job.dataset)
    left_out = {"colour": ROWS // 4, "sold": ROWS // 10}.get(target, 0)
    assert (shape.rows, source.left_out, shape.labels) == (ROWS - left_out, left_out, labels)
    assert TrainingServiceStub(channel).GetJob(training_pb2.GetJobRequest(job_id=job.id), timeout=30) == job


def test_a_job_keeps_the_doubts_about_its_dataset(channel: grpc.Channel) -> None:
    content = "day,code,other,sold\n" + "".join(f"{1 + i % 9}/{1 + i % 8}/2020,00{i},0{i},{i % 2}\n" for i in range(30))
    dataset = DatasetServiceStub(channel).UploadDataset(file_requests(content.encode()), timeout=60)

    job = create(channel, dataset.id, target="sold", ignore=["other"])

    doubts = [(doubt.column, doubt.reason) for doubt in job.source.doubts]
    assert doubts == [("day", "DATE_ORDER"), ("code", "CODES")]
    assert TrainingServiceStub(channel).GetJob(training_pb2.GetJobRequest(job_id=job.id), timeout=30) == job


def test_a_job_keeps_the_findings_about_its_dataset_when_that_is_deleted(channel: grpc.Channel) -> None:
    lines = [f"{i},same,{i % 7},{i * 3 % 7},{'ab'[i % 2]}\n" for i in range(70)]
    content = "id,fix,size,twice,kind\n" + "".join(lines)
    service = DatasetServiceStub(channel)
    dataset = service.UploadDataset(file_requests(content.encode()), timeout=60)
    asked = profiles_pb2.GetProfileRequest(
        id=dataset.id, target="kind", ignore=["size"], task=types_pb2.TASK_CLASSES, quick=True
    )
    found = service.GetProfile(asked, timeout=30).findings

    job = create(channel, dataset.id, target="kind", ignore=["size"])
    TrainingServiceStub(channel).CancelJob(training_pb2.CancelJobRequest(job_id=job.id), timeout=30)
    service.DeleteDataset(datasets_pb2.DeleteDatasetRequest(id=dataset.id), timeout=30)

    assert [(each.reason, list(each.columns)) for each in job.source.findings][:2] == [
        ("CONSTANT", ["fix"]),
        ("ALL_DIFFERENT", ["id"]),
    ]
    assert list(job.source.findings) == list(found)
    kept = TrainingServiceStub(channel).GetJob(training_pb2.GetJobRequest(job_id=job.id), timeout=30)
    assert kept.source == job.source


def test_the_rows_of_the_job_are_those_of_the_dataset(stores: Stores, channel: grpc.Channel, dataset: str) -> None:
    job = create(channel, dataset, target="colour", ignore=["id", "price"], weight="weight")

    shape = stores.jobs.dataset_shape(job.dataset)
    table, targets, weights = stores.artifacts.open_dataset(job.dataset, shape)

    assert isinstance(table, StoredTable)
    assert weights is not None
    (block,) = table.blocks()
    rows = [i for i in range(ROWS) if i % 4 != 3]
    assert list(block) == ["size", "day", "big", "sold", "count", "at"]
    assert block["size"] == pytest.approx([i / 10 for i in rows])
    assert block["day"][:3] == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert block["big"][:3].tolist() == [0, 1, 0]
    assert block["at"][:2] == ["00:30:00", "01:30:00"]
    assert [None if np.isnan(value) else int(value) for value in block["sold"]] == [
        None if i % 10 == 9 else i % 3 for i in rows
    ]
    assert [shape.labels[code] for code in targets] == [("red", "blue", "green")[i % 4] for i in rows]
    assert weights.tolist() == [1 + i % 2 for i in rows]


def test_columns_without_any_value_are_left_out_unless_asked_for(channel: grpc.Channel) -> None:
    lines = [f"{i},,{'ab'[i % 2]}," for i in range(30)]
    content = "\n".join(["size,remark,kind,", *lines]).encode()
    made = DatasetServiceStub(channel).UploadDataset(file_requests(content), timeout=60)

    assert list(create(channel, made.id, target="kind").source.ignored) == ["remark", "column4"]
    assert list(create(channel, made.id, target="kind", ignore=["remark"]).source.ignored) == ["remark", "column4"]
    asked = to_message({"columns": {"remark": "one_hot"}}, tables_pb2.Encoder)
    assert error_of(partial(create, channel, made.id, target="kind", encoder=asked))[2] == "EMPTY_COLUMN"


def test_an_index_is_left_out_which_is_said_unless_it_is_chosen(stores: Stores, channel: grpc.Channel) -> None:
    content = "\n".join([",size,kind", *(f"{i},{i % 7},{'ab'[i % 2]}" for i in range(30))]).encode()
    made = DatasetServiceStub(channel).UploadDataset(file_requests(content), timeout=60)
    ways: dict[str, dict[str, Any]] = {
        "unasked": {},
        "ignored": {"ignore": ["column1"]},
        "target": {"target": "column1"},
        "weight": {"weight": "column1"},
        "encoding": {"encoder": to_message({"columns": {"column1": "log"}}, tables_pb2.Encoder)},
        "format": {"encoder": to_message({"formats": {"column1": "number"}}, tables_pb2.Encoder)},
    }

    found = {}
    for way, given in ways.items():
        job = create(channel, made.id, **{"target": "kind", **given})
        columns = [each["name"] for each in stores.jobs.encoders.load(job.id)["fitted"]]
        found[way] = columns, list(job.source.ignored), [(each.column, each.reason) for each in job.source.doubts]

    assert found == {
        "unasked": (["size"], ["column1"], [("column1", "INDEX")]),
        "ignored": (["size"], ["column1"], []),
        "target": (["size", "kind"], [], []),
        "weight": (["size"], [], []),
        "encoding": (["column1", "size"], [], []),
        "format": (["column1", "size"], [], []),
    }


def test_rows_to_hold_out_need_not_have_the_index_that_is_left_out(channel: grpc.Channel) -> None:
    rows = [f"{i},{i % 7},{'ab'[i % 2]}" for i in range(30)]
    contents = [
        "\n".join([",size,kind", *rows]),
        "\n".join(["size,kind", *(row.partition(",")[2] for row in rows[:8])]),
    ]
    service = DatasetServiceStub(channel)
    made, other = (service.UploadDataset(file_requests(each.encode()), timeout=60) for each in contents)

    assert create(channel, made.id, target="kind", validation_dataset=other.id).held_out == 8


def test_a_job_with_no_column_but_an_index_is_refused_saying_how_to_learn_from_it(channel: grpc.Channel) -> None:
    content = "\n".join([",kind", *(f"{i},{'ab'[i % 2]}" for i in range(30))]).encode()
    made = DatasetServiceStub(channel).UploadDataset(file_requests(content), timeout=60)

    found = error_of(partial(create, channel, made.id, target="kind"))

    assert (found[0], found[3]) == (grpc.StatusCode.INVALID_ARGUMENT, "target")
    assert "'column1' numbers the rows: to learn from it, choose its kind or an encoding" in found[1]


def test_a_version_reads_cells_as_those_of_the_file_were_read(stores: Stores, channel: grpc.Channel) -> None:
    lines = [f"{i + 1}.9.2012;{i},5;{'?' if i % 9 == 8 else i};{'yes' if i % 2 else 'no'};a" for i in range(30)]
    content = "\n".join(["day;size;count;big;sold", *lines, "1.10.2012;1.234,5;1;no;b"]).encode()
    made = DatasetServiceStub(channel).UploadDataset(file_requests(content), timeout=60)

    chosen = to_message({"columns": {"big": "one_hot"}}, tables_pb2.Encoder)
    jobs = [create(channel, made.id), create(channel, made.id, encoder=chosen)]

    forms = [stores.jobs.encoders.load(job.id) for job in jobs]
    for form in forms:
        encoder = TableEncoder.from_json(form)
        row = {"day": "2.9.2012", "size": "1.234,5", "count": "1", "sold": "a"}
        german = encoder.encode([row | {"big": "true"}])
        assert german.tolist() == encoder.encode([row | {"day": "2012-09-02", "size": 1234.5, "big": True}]).tolist()
    numbers = TableEncoder.from_json(forms[0])
    assert numbers.encode([row | {"big": "yes"}]).tolist() == numbers.encode([row | {"big": 1}]).tolist()


def test_the_same_request_is_the_same_job_and_another_under_its_id_is_refused(
    channel: grpc.Channel, dataset: str
) -> None:
    first = create(channel, dataset, request_id="r")

    assert create(channel, dataset, request_id="r").id == first.id
    found = error_of(partial(create, channel, dataset, request_id="r", target="count"))
    assert (found[0], found[2]) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


@pytest.mark.parametrize(
    ("request_of", "reason", "pointer"),
    [
        ({"target": "nothing"}, "COLUMN_NOT_FOUND", "target"),
        ({"ignore": ["nothing"]}, "COLUMN_NOT_FOUND", "ignore"),
        ({"weight": "nothing"}, "COLUMN_NOT_FOUND", "weight"),
        ({"ignore": ["sold"]}, "INVALID_ARGUMENT", "ignore"),
        ({"weight": "colour"}, "INVALID_ARGUMENT", "weight"),
        ({"weight": "sold"}, "INVALID_ARGUMENT", "weight"),
        ({"weight": "price", "ignore": ["price"]}, "INVALID_ARGUMENT", "weight"),
        ({"ignore": [name for name in HEADER.split(",") if name != "sold"]}, "INVALID_ARGUMENT", "ignore"),
        ({"target": "day"}, "NO_TARGET", "target"),
        ({"target": "colour", "task": 2}, "INVALID_ARGUMENT", "task"),
        ({"target": "price", "task": 1}, "INVALID_ARGUMENT", "task"),
        ({"task": 9}, "INVALID_ARGUMENT", "task"),
        ({"weight": "sold", "target": "price"}, "NOT_FINITE", "rows[9].sold"),
        ({"model": "No Name"}, "INVALID_NAME", "model"),
        ({"plan": to_message({"batch_size": 0}, types_pb2.Plan)}, "INVALID_ARGUMENT", "plan.batch_size"),
        (
            {
                "encoder": to_message(
                    {"columns": {"colour": {"kind": "one_hot", "missing": "error"}}}, tables_pb2.Encoder
                )
            },
            "INVALID_ARGUMENT",
            "rows[3].colour",
        ),
    ],
)
def test_a_wrong_request_is_refused_at_its_place(
    settings: Settings, channel: grpc.Channel, dataset: str, request_of: dict[str, Any], reason: str, pointer: str
) -> None:
    found = error_of(partial(create, channel, dataset, **request_of))

    assert (found[0], found[2], found[3]) == (grpc.StatusCode.INVALID_ARGUMENT, reason, pointer)
    assert list((settings.home_path / "artifacts" / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("yes", "every row has the same value in 'y', such as 'yes': nothing can be learnt"),
        ("3.5", "every row has the same value in 'y', such as '3.5': nothing can be learnt"),
        ("red", "every row has the same value in 'y', such as 'red': nothing can be learnt"),
        ("u{i}", "every row has another text in 'y', such as 'u0': each would be a class"),
    ],
)
def test_a_target_from_which_nothing_can_be_learnt_is_refused(channel: grpc.Channel, cell: str, words: str) -> None:
    content = "a,y\n" + "".join(f"{i},{cell.format(i=i)}\n" for i in range(30))
    found = DatasetServiceStub(channel).UploadDataset(file_requests(content.encode()), timeout=60)

    status, detail, reason, pointer = error_of(partial(create, channel, found.id, target="y"))

    assert (status, reason, pointer) == (grpc.StatusCode.INVALID_ARGUMENT, "NO_TARGET", "target")
    assert words in detail


def test_classes_that_are_numbers_beyond_those_of_float64_are_refused(channel: grpc.Channel) -> None:
    content = "a,y\n" + "".join(f"{i},{2**53 + i % 3}\n" for i in range(30))
    formats = {"y": to_message({"kind": "number"}, tables_pb2.Format)}
    requests = file_requests(content.encode(), formats=formats)
    found = DatasetServiceStub(channel).UploadDataset(requests, timeout=60)

    _, detail, _, pointer = error_of(partial(create, channel, found.id, target="y", task=1))

    assert pointer == "target"
    assert "expected numbers below 9007199254740992 as classes, the column 'y' has 9007199254740994" in detail


def test_a_version_whose_classes_are_such_numbers_is_not_evaluated() -> None:
    column = DatasetColumn("y", "number", {"kind": "number"}, 0, 2, "1", ())
    assert TrueValues(column, [2**53 - 1, 5]).read(np.array([2.0**53 - 1, 5, 2**53])).tolist() == [0, 1, -1]

    with pytest.raises(InvalidRequest, match="the version has 9007199254740992 or a number next to it"):
        TrueValues(column, [5, 2**53 + 1])


def test_a_job_on_no_dataset_is_refused(channel: grpc.Channel) -> None:
    made = DatasetServiceStub(channel).UploadDataset(file_requests(FILE), timeout=60).id
    for request, pointer in (
        ({"dataset": "0" * 64}, "dataset"),
        ({"dataset": made, "validation_dataset": "0" * 64}, "validation_dataset"),
    ):
        found = error_of(partial(create, channel, **request))
        assert (found[0], found[2:]) == (grpc.StatusCode.NOT_FOUND, ("DATASET_NOT_FOUND", pointer))


def test_an_amount_that_float32_does_not_hold_is_refused_with_its_row(channel: grpc.Channel) -> None:
    content = b"a,y\n" + b"".join(b"%d,%d.5\n" % (i, i) for i in range(30)) + b"30,1e300\n"
    made = DatasetServiceStub(channel).UploadDataset(file_requests(content), timeout=60)

    _, _, reason, pointer = error_of(partial(create, channel, made.id, target="y"))

    assert (reason, pointer) == ("NOT_FINITE", "rows[30].y")


def test_a_dataset_is_kept_while_a_job_needs_it_which_then_predicts_its_rows(
    settings: Settings, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets, training = DatasetServiceStub(channel), TrainingServiceStub(channel)
    made = datasets.UploadDataset(file_requests(FILE + b"\n60,6,2024-02-01,no,red,1,60,15,1,0:30\n"), timeout=60)
    job = create(channel, made.id, model="kept", ignore=["id"], weight="weight")
    delete = partial(datasets.DeleteDataset, datasets_pb2.DeleteDatasetRequest(id=made.id), timeout=30)

    code, words, reason, _ = error_of(delete)

    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "DATASET_IN_USE")
    assert job.id in words
    for each in training.ListJobs(training_pb2.ListJobsRequest(page_size=1000), timeout=30).jobs:
        if each.id != job.id:
            training.CancelJob(training_pb2.CancelJobRequest(job_id=each.id), timeout=30)
    runner = build_worker(settings, "worker-in-a-thread")
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        get = partial(training.GetJob, training_pb2.GetJobRequest(job_id=job.id), timeout=30)
        wait_until(lambda: get().state in (training_pb2.JOB_STATE_SUCCEEDED, training_pb2.JOB_STATE_FAILED))
    finally:
        runner.stop()
        thread.join(20)
    assert get().version == 1, get()
    rows = datasets.PreviewDataset(datasets_pb2.PreviewDatasetRequest(id=made.id), timeout=30).table
    request = models_pb2.PredictRequest(model="kept", table=rows)  # with the target and what was ignored
    answer = PredictionServiceStub(channel).Predict(request, timeout=30)
    assert set(answer.labels.integers.values) <= {0, 1, 2}
    asked: list[tuple[str, str]] = []
    found = TrainingJobs.origin

    def origin(self: TrainingJobs, model: str, version: str) -> Version:
        asked.append((model, version))
        return found(self, model, version)

    monkeypatch.setattr(TrainingJobs, "origin", origin)
    further = create(
        channel,
        made.id,
        model="kept",
        ignore=["id"],
        weight="weight",
        architecture=None,
        start_from=training_pb2.StartFrom(model="kept"),
    )
    assert further.start_from == "kept/1"
    assert asked[0] == ("kept", "")
    assert set(asked[1:]) == {("kept", "1")}  # the same version in all parts, whatever is published meanwhile
    training.CancelJob(training_pb2.CancelJobRequest(job_id=further.id), timeout=30)
    delete()
    assert get().source.dataset == made.id


def test_few_jobs_are_made_at_once_some_wait_and_more_are_refused(
    channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, free = threading.Semaphore(0), threading.Event()

    def made(*_: Any) -> Any:
        begun.release()
        free.wait(30)
        raise Conflict("made")

    monkeypatch.setattr(DatasetJobs, "create", made)
    request = training_pb2.CreateJobRequest(dataset="0" * 64, model="m", target="y")
    calls = [TrainingServiceStub(channel).CreateJob.future(request, timeout=60) for _ in range(4)]
    for _ in calls:
        assert begun.acquire(timeout=30)
    calls += [TrainingServiceStub(channel).CreateJob.future(request, timeout=60) for _ in range(MOST_WAITING + 3)]
    wait_until(lambda: sum(call.done() for call in calls) == 3)

    info = [error_info(call.result) for call in calls if call.done()]

    free.set()
    assert {each.metadata["retry_after_seconds"] for each in info} == {"10"}
    assert (
        sorted(call.code().name for call in calls) == ["FAILED_PRECONDITION"] * (4 + MOST_WAITING) + ["UNAVAILABLE"] * 3
    )
