"""What grows without bound is stored apart and told in pages: every answer fits a message, and all of it can be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from helpers.databases import database_at
from helpers.rpc_requests import error_of
from layerwise import MLP, Architecture, DateParts, Layer, TableEncoder
from layerwise_proto.v1 import models_pb2, training_pb2
from layerwise_proto.v1.models_pb2_grpc import ModelServiceStub
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain.columns import column_counts
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.job_states import JobState
from layerwise_service.domain.jobs import Failure, JobSummary, NewJob, Start
from layerwise_service.domain.models import MOST_ALIASES, Version
from layerwise_service.domain.pages import MOST, PAGE_BYTES, fitting, page_start
from layerwise_service.domain.specs import check_manifest
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.rpc.job_converters import write_job_summary
from layerwise_service.settings import Settings
from layerwise_service.stores.encoder_store import EncoderStore
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.leases import NewVersion
from layerwise_service.stores.migrations import migrate
from layerwise_service.stores.pending import Artifact, PendingArtifacts
from layerwise_service.stores.version_store import VersionStore
from layerwise_service.wiring import Stores

LARGEST = 4 * Settings().max_message_bytes // 8
"""What the answers here may have: an eighth of what the service may send by default."""
PLAIN: tuple[Any, ...] = ("m", {}, {}, "f", "accuracy", "f")
ORDER = [f"{index:0200}" for index in range(30_000)]


def form(*, columns: int = 300) -> dict[str, Any]:
    """A fitted encoder of 64 categories of 256 bytes in each column, and one column of 6 MB in a given order."""
    one_hot = {"kind": "one_hot", "missing": "own", "most": 64, "unseen": "none"}
    fitted: list[dict[str, Any]] = [
        {"name": f"c{index}", "encoding": one_hot, "categories": [f"{index}-{each}".ljust(256) for each in range(64)]}
        for index in range(columns)
    ]
    ordinal = {"kind": "ordinal", "missing": "error", "order": ORDER, "unseen": "none"}
    fitted.append({"name": "size", "encoding": ordinal, "categories": ORDER})
    number = {"kind": "standardize", "missing": "error"}
    fitted.append({"name": "n", "encoding": number, "fill": None, "shift": 0.1, "scale": 3.0})
    fitted.append({"name": "h", "encoding": {"kind": "hashing", "missing": "own", "buckets": 8}})
    return {"columns": {"size": ordinal}, "ignore": ["id"], "rest": "infer", "extra": "error", "fitted": fitted}


@pytest.fixture
def submit(stores: Stores, dataset: Dataset) -> Callable[..., str]:
    """Queues a job whose encoder is `preprocessing`, and gives its id."""

    def make(preprocessing: dict[str, Any] | None, *, model: str = "wide") -> str:
        new = NewJob(
            model,
            {"inputs": 2, "layers": [{"units": 2}]},
            {"epochs": 1},
            dataset.sha256,
            "accuracy",
            fingerprint="f",
            preprocessing=preprocessing,
        )
        return stores.jobs.submit(new, dataset, max_open=1000).id

    return make


def publish_one(stores: Stores, labels: tuple[str, ...]) -> None:
    """Ends the next job with a version, whose file nobody needs."""
    PendingArtifacts(stores.database).register(Artifact.MODEL, "f" * 64)
    claim = stores.leases.claim("w")
    assert claim is not None
    stores.leases.publish(claim, NewVersion("f" * 64, 9, {}, 6, labels))


def paged(call: Callable[..., Any], request: Any, items: str) -> list[Any]:
    """The items of all pages, each of a size that fits."""
    found: list[Any] = []
    while True:
        page = call(request, timeout=30)
        assert page.ByteSize() < LARGEST
        found += getattr(page, items)
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def test_a_large_encoder_is_told_in_pages_and_lists_do_without_it(
    stores: Stores, channel: grpc.Channel, submit: Callable[..., str]
) -> None:
    large = form()
    jobs = [submit(large) for _ in range(2)]
    publish_one(stores, ("no", "yes"))
    training, models = TrainingServiceStub(channel), ModelServiceStub(channel)

    listed = training.ListJobs(training_pb2.ListJobsRequest(), timeout=10)
    job = training.GetJob(training_pb2.GetJobRequest(job_id=jobs[0]), timeout=10)
    versions = models.ListVersions(models_pb2.ListVersionsRequest(model="wide"), timeout=10)
    version = models.GetVersion(models_pb2.GetVersionRequest(model="wide"), timeout=10)
    request = models_pb2.ListColumnsRequest(model="wide", page_size=1000, with_categories=True)
    columns = paged(models.ListColumns, request, "columns")
    names = models.ListColumns(models_pb2.ListColumnsRequest(job_id=jobs[1], page_size=1000), timeout=10)
    request_ = models_pb2.ListCategoriesRequest(model="wide", column="size", page_size=1000)
    categories = paged(models.ListCategories, request_, "categories")

    assert [each.id for each in listed.jobs] == jobs[::-1]
    assert max(listed.ByteSize(), job.ByteSize(), versions.ByteSize(), version.ByteSize()) < 4096
    assert (job.columns.numbers, job.columns.categories, job.columns.with_gaps) == (1, 302, 301)
    assert version.columns == job.columns
    assert [column.name for column in columns] == [item["name"] for item in large["fitted"]]
    assert [list(column.categories) for column in columns[:300]] == [i["categories"] for i in large["fitted"][:300]]
    assert (list(columns[300].categories), columns[300].category_count) == (ORDER[:256], len(ORDER))
    assert list(columns[300].encoding.ordinal.order) == []
    assert [column.name for column in names.columns] == [column.name for column in columns]
    assert names.ByteSize() < 20_000
    assert categories == ORDER
    assert stores.jobs.encoders.load(jobs[0]) == large


def test_a_page_ends_before_its_items_are_too_large_and_has_one_at_least() -> None:
    assert fitting([], limit=10) == 0
    assert fitting([1] * 20, limit=10) == 10
    assert fitting([PAGE_BYTES // 2] * 4, limit=10) == 2
    assert fitting([PAGE_BYTES * 2] * 4, limit=10) == 1


@pytest.mark.parametrize("token", ["x", "-1", "1.5", "9" * 20, "\u0663"])
def test_a_page_token_that_nobody_gave_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequest, match="page_token: expected the next_page_token of the page before"):
        page_start(token)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ListVersions", models_pb2.ListVersionsRequest(model="a", page_token="x")),
        ("ListClasses", models_pb2.ListClassesRequest(model="a", page_token="x")),
        ("ListColumns", models_pb2.ListColumnsRequest(model="a", page_token="x")),
        ("ListCategories", models_pb2.ListCategoriesRequest(model="a", page_token="x")),
        ("ListColumns", models_pb2.ListColumnsRequest(model="b")),
        ("ListVersions", models_pb2.ListVersionsRequest(model="b")),
        ("ListClasses", models_pb2.ListClassesRequest(model="a", version="7")),
        ("ListColumns", models_pb2.ListColumnsRequest(job_id="none")),
        ("ListCategories", models_pb2.ListCategoriesRequest(model="a", column="none")),
    ],
)
def test_a_page_of_what_is_not_there_is_refused(
    channel: grpc.Channel, publish: Callable[..., Version], method: str, request_: Any
) -> None:
    publish("a")

    code, _, reason, pointer = error_of(lambda: getattr(ModelServiceStub(channel), method)(request_, timeout=10))

    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
    assert reason != "INTERNAL"
    assert pointer in ("page_token", "model", "version", "job_id", "column")


def test_a_version_of_many_classes_comes_with_the_first_and_tells_the_others_in_pages(
    stores: Stores, channel: grpc.Channel, submit: Callable[..., str]
) -> None:
    classes = tuple(f"{index:0256}" for index in range(20_000))
    submit(None)
    publish_one(stores, classes)
    models = ModelServiceStub(channel)

    version = models.GetVersion(models_pb2.GetVersionRequest(model="wide"), timeout=10)
    found: list[str] = []
    request = models_pb2.ListClassesRequest(model="wide", page_size=1000)
    while not found or request.page_token:
        page = models.ListClasses(request, timeout=10)
        assert page.ByteSize() < LARGEST
        found += page.classes.strings.values
        request.page_token = page.next_page_token

    assert tuple(version.labels.strings.values) == classes[:100]
    assert version.class_count == len(classes)
    assert version.ByteSize() < 64_000
    assert tuple(found) == classes


def test_the_longest_page_of_jobs_fits_a_message() -> None:
    failure = Failure("X" * 64, "😀" * 10_000)
    start = Start("m" * 63, 2**31, "f" * 64)
    fields: dict[str, Any] = {"id": "j" * 26, "model": "m" * 63, "dataset": "f" * 64, "metric": "x" * 32}
    numbers: dict[str, Any] = {"attempt": 2**31, "created": 1e9, "progress": 0.5, "version": 2**31}
    longest = JobSummary(**fields, **numbers, state=JobState.FAILED, failure=failure, start=start)

    assert write_job_summary(longest).ByteSize() * MOST < Settings().max_message_bytes


def test_a_list_of_jobs_is_one_query_that_reads_nothing_large(stores: Stores, submit: Callable[..., str]) -> None:
    for _ in range(5):
        submit(form(columns=1))
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(stores.database.engine, "before_cursor_execute", note)
    page = stores.jobs.page(limit=1000)
    sa.event.remove(stores.database.engine, "before_cursor_execute", note)

    queries = [statement for statement in statements if "SELECT" in statement]
    assert len(page) == 5
    assert len(queries) == 1
    assert not any(name in queries[0] for name in ("architecture", "plan", "findings", "job_events", "encoder"))


def test_a_model_has_a_bounded_number_of_aliases(stores: Stores, channel: grpc.Channel, publish: Any) -> None:
    publish("a")
    for index in range(MOST_ALIASES):
        stores.aliases.set("a", f"alias-{index}", 1)
    models = ModelServiceStub(channel)

    stores.aliases.set("a", "alias-3", 1)  # one that is there may move
    request = models_pb2.SetAliasRequest(model="a", alias="one-more", version=1)
    code, details, reason, _ = error_of(lambda: models.SetAlias(request, timeout=10))

    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ALIASES")
    assert "100 aliases" in details


def test_what_a_model_file_cannot_hold_is_refused_before_it_is_trained() -> None:
    large = form()
    large["fitted"][0]["categories"] = ["x" * 4096] * 4096
    job = NewJob("m", {}, {}, "f", "accuracy", fingerprint="f", preprocessing=large)

    with pytest.raises(TooLarge, match=r"Column 'c0' takes most, \d+ bytes: encode it by hashing") as caught:
        check_manifest(job, ("no", "yes"))
    assert (caught.value.pointer, caught.value.reason) == ("encoder", "MODEL_TOO_LARGE")
    with pytest.raises(TooLarge, match="use shorter labels"):
        check_manifest(NewJob(*PLAIN), [f"{index:0256}" for index in range(65_536)])


def test_what_passes_the_check_of_a_model_file_can_be_saved(tmp_path: Path) -> None:
    """The check and the file agree: labels of just under the bound are saved."""
    labels = tuple(f"{index:0247}" for index in range(65_536))
    job = NewJob(*PLAIN)
    check_manifest(job, labels)
    model = MLP(Architecture(inputs=1, layers=(Layer(len(labels)),)))
    model.labels = labels

    model.save(tmp_path / "m.npz")


def test_the_encoders_of_an_older_database_move_into_tables_of_their_own(tmp_path: Path) -> None:
    rows = {"carrier": ["AA", "DL", None, "AA"], "distance": [1.0, None, 3.0, 4.0], "at": ["2013-01-01"] * 4}
    refuses = TableEncoder({"at": DateParts(missing="error")})
    encoders = [refuses.fit(rows).to_json(), form(columns=2)]  # type: ignore[arg-type]
    database = database_at("0006", tmp_path / "old.db")
    schema = sa.MetaData()
    schema.reflect(database.engine)
    datasets, jobs, versions = (schema.tables[name] for name in ("datasets", "jobs", "model_versions"))
    with database.write() as connection:
        dataset = {"sha256": "d", "rows": 4, "features": 3, "outputs": 1, "size_bytes": 9, "created": 0.0}
        connection.execute(sa.insert(datasets).values(dataset))
        for number, encoder in enumerate([*encoders, None], start=1):
            row: dict[str, Any] = {"architecture": {}, "plan": {}, "dataset": "d", "created": 0.0}
            if encoder is not None:
                row["preprocessing"] = encoder
            job = {
                "id": f"j{number}",
                "number": number,
                "model": "m",
                "state": "SUCCEEDED",
                "metric": "accuracy",
                "fingerprint": "f",
            }
            connection.execute(sa.insert(jobs).values(job | row))
            version = {"model": "m", "number": number, "job": f"j{number}", "sha256": "f" * 64, "size_bytes": 1}
            connection.execute(sa.insert(versions).values(version | {"metrics": {}, "parameters": 1} | row))
    migrate(database)

    store = EncoderStore(database)
    assert [store.load(f"j{number}") for number in (1, 2, 3)] == [*encoders, None]
    assert JobStore(database).get("j1").columns == column_counts(encoders[0])
    assert VersionStore(database).find("m", "2").columns == column_counts(encoders[1])
    assert VersionStore(database).find("m", "3").columns is None
    database.close()
