"""Sending files: what travels, how an upload goes on, and what a dataset tells."""

from __future__ import annotations

import hashlib

import grpc
import pytest

from layerwise import NumberFormat
from layerwise_client import InvalidRequest, NotFound, Unavailable
from layerwise_proto.json_form import to_json, to_message
from layerwise_proto.v1 import datasets_pb2, models_pb2, tables_pb2

MIB = 2**20
CONTENT = b"a,b\n" + b"1,2\n" * MIB  # 4 MiB


@pytest.fixture
def path(tmp_path):
    written = tmp_path / "a.csv"
    written.write_bytes(CONTENT)
    return written


class Disk:
    """What a service has of one file, in `streams`: the offset and the bytes of each; it breaks them at `breaks`."""

    def __init__(self, service, *breaks):
        self.content = b""
        self.headers = []
        self.breaks = list(breaks)
        service.answers |= {"UploadDataset": self.upload, "GetUpload": self.offset}

    def upload(self, requests, context):
        first, *chunks = requests
        self.headers.append(first.header)
        for request in chunks:
            assert request.chunk.offset == len(self.content)
            self.content += request.chunk.data
            assert len(request.chunk.data) <= MIB
            if self.breaks and len(self.content) >= self.breaks[0]:
                self.breaks.pop(0)
                context.abort(grpc.StatusCode.UNAVAILABLE, "going away")
        return datasets_pb2.Dataset(id="d", file_sha256=hashlib.sha256(self.content).hexdigest())

    def offset(self, request, context):
        assert request.upload_id == self.headers[0].upload_id
        return datasets_pb2.Upload(offset=len(self.content))


class Seen:
    """A display that keeps what it is told."""

    def __init__(self):
        self.sizes = []
        self.ended = 0

    def sent(self, size, of):
        assert of == len(CONTENT)
        self.sizes.append(size)

    def uploaded(self, rows, of): ...

    def accepted(self, job): ...

    def trained(self, record): ...

    def closed(self):
        self.ended += 1


def test_a_file_travels_as_it_is_with_what_the_caller_says_of_it(client, service, path):
    disk, seen = Disk(service), Seen()

    dataset = client.upload_dataset(
        path,
        columns={"a": "category", "b": NumberFormat(decimal=",")},
        gaps=["-"],
        read_as="m/champion",
        transient=True,
        progress=seen,
    )

    (header,) = disk.headers
    assert disk.content == CONTENT
    assert dataset.id == "d"
    assert (header.size, header.name, list(header.gaps)) == (len(CONTENT), "a.csv", ["-"])
    assert (header.read_as_model, header.read_as_version, header.transient) == ("m", "champion", True)
    assert {name: form.WhichOneof("kind") for name, form in header.formats.items()} == {"a": "category", "b": "number"}
    assert to_json(header.formats["b"].number)["decimal"] == ","
    assert seen.sizes == [MIB, 2 * MIB, 3 * MIB, 4 * MIB, len(CONTENT)]
    assert seen.ended == 1


def test_an_upload_that_breaks_off_goes_on_where_it_was(client, service, path):
    disk = Disk(service, MIB, 3 * MIB, len(CONTENT))

    client.upload_dataset(path)

    assert disk.content == CONTENT
    assert len(disk.headers) == 4
    assert {header.upload_id for header in disk.headers} == {disk.headers[0].upload_id} != {""}


def test_a_stream_that_an_older_one_overtook_is_tried_again(client, service, path):
    disk = Disk(service, MIB)
    answer = service.answers["UploadDataset"]
    wrong = [1]

    def upload(requests, context):
        if disk.headers and wrong:
            wrong.pop()
            service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "expected the bytes from 9 on", "WRONG_OFFSET")
        return answer(requests, context)

    service.answers["UploadDataset"] = upload

    client.upload_dataset(path)

    assert disk.content == CONTENT
    assert wrong == []


def test_a_file_that_changes_while_it_is_sent_is_told(client, service, path):
    disk = Disk(service)
    answer = service.answers["UploadDataset"]

    def upload(requests, context):
        disk.content = b"other"
        return answer(iter([next(requests)]), context)

    service.answers["UploadDataset"] = upload

    with pytest.raises(InvalidRequest, match="changed while it was sent"):
        client.upload_dataset(path)


def test_without_a_service_the_upload_ends_with_the_timeout(service, client, path):
    service.answers["UploadDataset"] = lambda requests, context: context.abort(grpc.StatusCode.UNAVAILABLE, "away")
    service.answers["GetUpload"] = lambda request, context: datasets_pb2.Upload()
    client._connection.timeout = 0.3

    with pytest.raises(Unavailable):
        client.upload_dataset(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"data": 1}, "data: expected the path of a file, or a table, got int"),
        ({"data": "/nowhere.csv"}, "data: there is no file /nowhere.csv"),
        ({"gaps": "NA"}, "gaps: expected a list of words"),
        ({"read_as": "m/"}, "read_as: expected a model, or model/version, got 'm/'"),
        ({"columns": {"a": "nmber"}}, "columns.a: expected one of number, .*; did you mean number"),
        ({"columns": {"a": {"kind": "number", "decmal": ","}}}, "columns.a.decmal: unknown field"),
        ({"columns": ["a"]}, "columns: expected an object, got a list"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(client, service, path, arguments, words):
    with pytest.raises(InvalidRequest, match=words):
        client.upload_dataset(**{"data": path} | arguments)

    assert not service.requests


def test_a_column_tells_how_it_was_read_in_words(client, service):
    forms = {
        "usual": "number",
        "german": {"kind": "number", "decimal": ",", "thousands": " ", "unit": "%"},
        "us": {"kind": "date", "day_first": False},
        "words": {"kind": "boolean", "gaps": ["", "NA", "?", "-"], "true": ["ja"], "false": ["nein", "nö"]},
        "inferred": {"kind": "boolean", "true": ["Ja", "true"], "false": ["Nein", "false"]},
        "as it is": {"kind": "category", "strip": False, "numeric": True},
    }
    service.answers["GetDataset"] = lambda request, context: datasets_pb2.Dataset(
        id=request.id,
        columns=[
            datasets_pb2.DatasetColumn(name=name, format=to_message(form, tables_pb2.Format))
            for name, form in forms.items()
        ],
    )

    dataset = client.dataset("d")

    assert {column.name: column.reading for column in dataset.columns} == {
        "usual": "",
        "german": "decimal comma, thousands blank, unit %",
        "us": "month first",
        "words": "true: ja, false: nein nö, no value: ? -",
        "inferred": "Ja, Nein",
        "as it is": "blanks kept, numbers",
    }
    assert dataset.columns[0].format == {"kind": "number"}


def test_a_list_fetches_the_columns_of_a_dataset_when_they_are_read(client, service):
    def page(request, context):
        start = int(request.page_token or 0)
        found = [datasets_pb2.Dataset(id=f"d{i}") for i in range(start, start + request.page_size)]
        return datasets_pb2.ListDatasetsResponse(datasets=found, next_page_token=str(start + request.page_size))

    columns = [datasets_pb2.DatasetColumn(name="a", doubts=[datasets_pb2.Doubt(reason="CODES", row=3)])]
    service.answers |= {
        "ListDatasets": page,
        "GetDataset": lambda request, context: datasets_pb2.Dataset(id=request.id, columns=columns),
    }

    found = list(client.datasets(limit=150))

    assert [dataset.id for dataset in found] == [f"d{i}" for i in range(150)]
    assert service.called("GetDataset") == 0
    (doubt,) = found[1].columns[0].doubts
    assert (doubt.reason, doubt.row, doubt.column, found[1].doubts) == ("CODES", 3, None, ())
    assert service.called("GetDataset") == 1


def test_a_dataset_is_deleted_by_its_id(client, service):
    def delete(request, context):
        service.fail(context, grpc.StatusCode.NOT_FOUND, f"there is no dataset {request.id}", "DATASET_NOT_FOUND")

    service.answers |= {
        "DeleteDataset": delete,
        "GetDataset": lambda request, context: datasets_pb2.Dataset(id=request.id),
    }

    with pytest.raises(NotFound, match="there is no dataset d7"):
        client.dataset("d7").delete()


def test_the_evaluation_of_many_rows_may_take_longer(client, service):
    left = []

    def evaluate(request, context):
        left.append(context.time_remaining())
        return models_pb2.EvaluateDatasetResponse()

    sizes = iter((10, 20_000, 10_000_000))
    service.answers |= {
        "GetDataset": lambda request, context: datasets_pb2.Dataset(id=request.id, rows=next(sizes)),
        "EvaluateDataset": evaluate,
    }
    for versions in (["m"], ["m", "m/1"], ["m"]):
        client.evaluate(versions, client.dataset("d"))

    assert [round((each - left[0]) / 100) for each in left] == [0, 2, 5]


def test_a_cell_that_may_be_missing_is_told_with_the_argument_for_such_words(service, client, path):
    def refuse(requests, context):
        list(requests)
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "got '?'", "BAD_CELL", place=("rows", 1, "b"))

    service.answers["UploadDataset"] = refuse

    for call, write in (
        (lambda: client.upload_dataset(path), "upload_dataset(…, gaps=[…])"),
        (lambda: client.train("m", {}, path, "b"), "upload_dataset(…, gaps=[…])"),
        (lambda: client.predict_file("m", path), "predict_file(…, gaps=[…])"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            call()
        assert str(caught.value).endswith(f"got '?'; {write} names such words")
        assert (caught.value.detail, caught.value.reason) == ("got '?'", "BAD_CELL")
