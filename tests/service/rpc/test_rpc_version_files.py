"""ImportVersion and DownloadVersion: model files in, published, and out again."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from helpers.bad_model_files import CANARY, bad_files, flipped_files, good_file
from helpers.memory import peak_growth
from helpers.rpc_requests import batch, error_of, header, kinds, table, table_batch
from layerwise import MLP, Architecture, Layer, TableEncoder
from layerwise_proto.v1 import datasets_pb2, models_pb2, training_pb2
from layerwise_proto.v1.datasets_pb2_grpc import DatasetServiceStub
from layerwise_proto.v1.models_pb2_grpc import ModelServiceStub
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.settings import Settings
from layerwise_service.stores.schema import encoder_categories, encoder_columns, encoders, pending_artifacts
from layerwise_service.wiring import Stores

INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture
def service(channel: grpc.Channel) -> ModelServiceStub:
    return ModelServiceStub(channel)


def requests(
    data: bytes, model: str = "mine", *, start: int = 0, stop: int | None = None, chunk: int = 2**18, **more: Any
) -> Iterator[models_pb2.ImportVersionRequest]:
    """The header of a file, and its chunks from byte `start` to `stop`."""
    given = {"size": len(data), "model": model} | more
    yield models_pb2.ImportVersionRequest(header=models_pb2.ModelFileHeader(**given))
    for offset in range(start, len(data) if stop is None else stop, chunk):
        part = data[offset : min(offset + chunk, len(data) if stop is None else stop)]
        yield models_pb2.ImportVersionRequest(chunk=datasets_pb2.FileChunk(offset=offset, data=part))


def refused(service: ModelServiceStub, stream: Iterator[models_pb2.ImportVersionRequest]) -> tuple[Any, str, str]:
    code, message, reason, pointer = error_of(lambda: service.ImportVersion(stream, timeout=30))
    assert "artifacts" not in message
    return code, reason, pointer


def downloaded(service: ModelServiceStub, model: str, version: str = "", offset: int = 0) -> tuple[Any, bytes]:
    request = models_pb2.DownloadVersionRequest(model=model, version=version, offset=offset)
    first, *rest = service.DownloadVersion(request, timeout=30)
    at = offset
    for response in rest:
        assert response.chunk.offset == at
        at += len(response.chunk.data)
    return first.version, b"".join(response.chunk.data for response in rest)


def files(settings: Settings) -> list[str]:
    root = settings.home_path / "artifacts"
    return sorted(path.name for kind in ("models", "uploads", "incoming") for path in (root / kind).iterdir())


def test_a_file_becomes_a_version_once_and_is_the_same_file_again(service: ModelServiceStub) -> None:
    data = good_file()
    sha256 = hashlib.sha256(data).hexdigest()

    first = service.ImportVersion(requests(data, sha256=sha256), timeout=30)
    again = service.ImportVersion(requests(data, chunk=100), timeout=30)

    assert (first.created, again.created) == (True, False)
    assert first.version == again.version == service.GetVersion(models_pb2.GetVersionRequest(model="mine"))
    assert (first.version.version, first.version.job_id, first.version.dataset) == (1, "", "")
    assert (first.version.sha256, first.version.size_bytes) == (sha256, len(data))
    assert list(first.version.labels.strings.values) == ["a", "b", "c"]
    assert not first.version.HasField("evaluation")
    version, found = downloaded(service, "mine")
    assert (version.version, found) == (1, data)
    assert downloaded(service, "mine", "1", offset=1000)[1] == data[1000:]
    for offset in (-1, len(data) + 1):
        with pytest.raises(grpc.RpcError, match="offset: expected an offset of 0 to"):
            downloaded(service, "mine", offset=offset)


def test_ten_callers_that_send_the_same_file_at_once_make_one_version(
    service: ModelServiceStub, settings: Settings
) -> None:
    found: list[Any] = []

    def send() -> None:
        found.append(service.ImportVersion(requests(good_file()), timeout=30))

    threads = [threading.Thread(target=send) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {each.version.version for each in found} == {1}
    assert [each.created for each in found].count(True) == 1
    assert files(settings) == [f"{found[0].version.sha256}{end}" for end in (".npz", ".probes.json")]


def test_an_upload_that_broke_off_goes_on_where_it_was(
    service: ModelServiceStub, channel: grpc.Channel, settings: Settings
) -> None:
    data, half = good_file(), len(good_file()) // 2

    assert refused(service, requests(data, stop=half, upload_id="u")) == (INVALID, "UPLOAD_INCOMPLETE", "size")
    offset = DatasetServiceStub(channel).GetUpload(datasets_pb2.GetUploadRequest(upload_id="u"), timeout=30).offset
    done = service.ImportVersion(requests(data, start=offset, upload_id="u"), timeout=30)

    assert offset == half
    assert (done.version.sha256, done.created) == (hashlib.sha256(data).hexdigest(), True)


def test_37_to_46_bad_files_are_refused_with_a_typed_error_nothing_is_left_and_memory_stays_flat(
    service: ModelServiceStub, settings: Settings
) -> None:
    CANARY.unlink(missing_ok=True)
    service.ImportVersion(requests(good_file(), "warm"), timeout=30)
    before = files(settings)

    for fault, data in bad_files():
        with peak_growth() as growth:
            found = refused(service, requests(data))
        # more bytes than are allowed, in the tests' settings: files of many members
        assert found in {(INVALID, "INVALID_MODEL_FILE", "file"), (INVALID, "MODEL_TOO_LARGE", "file")}, fault
        assert growth() < (60_000_000 if "16 MB" in fault else 20_000_000), (fault, growth())

    assert files(settings) == before
    assert not CANARY.exists()
    with pytest.raises(grpc.RpcError, match="there is no model 'mine'"):
        service.GetModel(models_pb2.GetModelRequest(name="mine"), timeout=30)


def test_38_a_flipped_bit_is_seen_by_the_hash(service: ModelServiceStub, settings: Settings) -> None:
    sha256 = hashlib.sha256(good_file()).hexdigest()

    for at, data in flipped_files(50):
        assert refused(service, requests(data, sha256=sha256)) == (INVALID, "UPLOAD_DAMAGED", "sha256"), at

    assert files(settings) == []


@pytest.mark.parametrize("name", ["..", "../a", "a/b", "", "\0", "a" * 5000, "раypal", ".hidden", "a#b", "A"])
def test_47_a_bad_name_is_refused_and_no_file_is_made(service: ModelServiceStub, settings: Settings, name: str) -> None:
    assert refused(service, requests(good_file(), name)) == (INVALID, "INVALID_NAME", "model")
    with pytest.raises(grpc.RpcError) as caught:
        downloaded(service, name)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert files(settings) == []


def test_a_stream_that_is_no_upload_is_refused(service: ModelServiceStub, settings: Settings) -> None:
    start, chunk = list(requests(good_file()))
    empty = models_pb2.ImportVersionRequest()

    assert refused(service, iter([])) == (INVALID, "INVALID_ARGUMENT", "header")
    assert refused(service, iter([chunk])) == (INVALID, "INVALID_ARGUMENT", "header")
    assert refused(service, iter([start, start])) == (INVALID, "INVALID_ARGUMENT", "header")
    assert refused(service, iter([start, empty])) == (INVALID, "INVALID_ARGUMENT", "")
    assert refused(service, iter([start, chunk, chunk])) == (INVALID, "WRONG_OFFSET", "offset")
    assert refused(service, requests(good_file(), size=0)) == (INVALID, "EMPTY_FILE", "size")
    assert refused(service, requests(good_file(), size=2**40)) == (INVALID, "MODEL_TOO_LARGE", "size")
    assert refused(service, requests(good_file(), size=10)) == (INVALID, "TOO_MANY_BYTES", "size")
    assert refused(service, requests(good_file(), upload_id="a/b")) == (INVALID, "INVALID_ARGUMENT", "upload_id")
    assert files(settings) == []


def test_training_goes_on_from_an_imported_version(
    service: ModelServiceStub, training: TrainingServiceStub, worker: None, tmp_path: Any
) -> None:
    network = MLP(Architecture(2, (Layer(8, "relu"), Layer(2))), seed=5)
    network.labels = ("no", "yes")
    network.save(tmp_path / "m.npz")
    imported = service.ImportVersion(requests((tmp_path / "m.npz").read_bytes()), timeout=30).version
    assert not imported.HasField("plan")
    start = training_pb2.StartFrom(model="mine")

    events = list(training.Train(iter([header("mine", architecture={}, start_from=start), batch()]), timeout=30))

    published = events[-1].published
    assert (published.version, published.job_id != "") == (2, True)
    job = training.GetJob(training_pb2.GetJobRequest(job_id=published.job_id), timeout=30)
    assert job.start_from == "mine/1"
    versions = service.ListVersions(models_pb2.ListVersionsRequest(model="mine"), timeout=30).versions
    assert [(each.version, each.job_id) for each in versions] == [(2, published.job_id), (1, "")]


def test_a_version_of_a_table_is_imported_with_its_columns_and_training_goes_on_from_it(
    service: ModelServiceStub, training: TrainingServiceStub, worker: None
) -> None:
    sent = table(colour=["red", "blue", "red", "green"], size=[1.0, 2.0, 3.0, None])
    events = list(training.Train(iter([header("made"), table_batch(sent)]), timeout=30))
    assert kinds(events)[-1] == "published", events[-1]
    _, data = downloaded(service, "made")

    imported = service.ImportVersion(requests(data), timeout=30)

    assert imported.created
    assert imported.version.dataset == events[-1].published.dataset
    assert (imported.version.columns.categories, imported.version.columns.numbers) == (1, 1)
    for model in ("made", "mine"):
        request = models_pb2.ListColumnsRequest(model=model, with_categories=True)
        columns = service.ListColumns(request, timeout=30).columns
        assert [(each.name, sorted(each.categories)) for each in columns] == [
            ("colour", ["blue", "green", "red"]),
            ("size", []),
        ]
    categories = service.ListCategories(models_pb2.ListCategoriesRequest(model="mine", column="colour"), timeout=30)
    assert sorted(categories.categories) == ["blue", "green", "red"]
    more = header("mine", architecture={}, start_from=training_pb2.StartFrom(model="mine"))
    assert kinds(training.Train(iter([more, table_batch(sent)]), timeout=30))[-1] == "published"


def test_a_deleted_version_that_was_imported_leaves_nothing_but_its_number(
    service: ModelServiceStub, stores: Stores, settings: Settings, tmp_path: Path
) -> None:
    encoder = TableEncoder().fit({"colour": ["red", "blue", "red"], "size": [1.0, 2.0, 3.0]})
    network = MLP(Architecture(encoder.width, (Layer(2),)))
    network.encoder = encoder
    network.save(tmp_path / "m.npz")
    data = (tmp_path / "m.npz").read_bytes()
    assert service.ImportVersion(requests(data), timeout=30).version.HasField("columns")
    tables = (encoders, encoder_columns, encoder_categories)

    def rows() -> list[int]:
        with stores.database.read() as connection:
            return [connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables]

    assert min(rows()) > 0
    service.DeleteVersion(models_pb2.DeleteVersionRequest(model="mine", version=1), timeout=30)

    assert rows() == [0, 0, 0]
    with stores.database.write() as connection:  # as if a day had passed
        older = sa.update(pending_artifacts).values(registered=pending_artifacts.c.registered - 90_000)
        connection.execute(older)
    stores.artifacts.sweep()
    assert files(settings) == []
    assert service.ImportVersion(requests(data), timeout=30).version.version == 2


def test_34_a_damaged_file_is_not_sent_and_sending_it_again_mends_the_store(
    service: ModelServiceStub, settings: Settings
) -> None:
    sha256 = service.ImportVersion(requests(good_file()), timeout=30).version.sha256
    place = settings.home_path / "artifacts" / "models" / f"{sha256}.npz"
    lost = grpc.StatusCode.DATA_LOSS

    place.write_bytes(good_file()[:-1])
    assert error_of(lambda: downloaded(service, "mine"))[::2] == (lost, "MODEL_DAMAGED")
    place.unlink()
    assert error_of(lambda: downloaded(service, "mine"))[::2] == (lost, "MODEL_MISSING")

    assert not service.ImportVersion(requests(good_file()), timeout=30).created
    assert downloaded(service, "mine")[1] == good_file()
