"""A real gRPC server and a real HTTP server whose answers the test writes, and clients of them."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
import pytest
from click.testing import CliRunner
from google.protobuf.any_pb2 import Any as AnyMessage

from helpers.scripted_files import ScriptedFiles
from layerwise.errors import Place
from layerwise_client import Client
from layerwise_client.cli.group import layerwise
from layerwise_proto.v1 import (
    datasets_pb2,
    datasets_pb2_grpc,
    errors_pb2,
    models_pb2,
    models_pb2_grpc,
    tables_pb2,
    training_pb2,
    training_pb2_grpc,
)


class ScriptedService:
    """Answers each call by the function set for its name; keeps the requests, streams as lists."""

    def __init__(self) -> None:
        self.address = ""
        self.answers: dict[str, Callable[..., Any]] = {"GetSignature": self._signature}
        self.requests: dict[str, list[Any]] = {}
        self.stop: Callable[[], object] = lambda: None

    def start(self) -> None:
        server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 8 << 20)])
        training_pb2_grpc.add_TrainingServiceServicer_to_server(self, server)
        models_pb2_grpc.add_ModelServiceServicer_to_server(self, server)
        models_pb2_grpc.add_PredictionServiceServicer_to_server(self, server)
        datasets_pb2_grpc.add_DatasetServiceServicer_to_server(self, server)
        server.add_insecure_port(self.address)
        server.start()
        self.stop = lambda: server.stop(grace=0).wait(5)

    def called(self, name: str) -> int:
        return len(self.requests.get(name, []))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The servicer's method `name`, such as GetJob."""

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self.requests.setdefault(name, []).append(request)
            return self.answers[name](request, context)

        return answer

    @staticmethod
    def _signature(request: models_pb2.GetSignatureRequest, context: grpc.ServicerContext) -> models_pb2.Signature:
        """That of a version that takes rows of numbers."""
        number = int(request.version) if request.version.isdecimal() else 1
        return models_pb2.Signature(model=request.model or "digits", version=number)

    @staticmethod
    def fail(
        context: grpc.ServicerContext,
        code: grpc.StatusCode,
        message: str,
        reason: str = "",
        *,
        place: tuple[str | int, ...] = (),
        **metadata: str,
    ) -> None:
        """Ends the call with a status; with a `reason`, also with the service's ErrorInfo.

        `message` is without the `place`, which is put before it.
        """
        if place:
            metadata |= {"place": json.dumps(place), "pointer": str(Place(place))}
            message = f"{Place(place)}: {message}"
        if reason:
            info = errors_pb2.ErrorInfo(reason=reason, domain="layerwise", metadata=metadata)
            packed = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info.SerializeToString())
            status = errors_pb2.ErrorStatus(code=code.value[0], message=message, details=[packed])
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, message)

    @staticmethod
    def job(state: str = "RUNNING", **fields: Any) -> training_pb2.Job:
        """A job of the model "digits" that trains for 3 epochs."""
        fields = {"id": "job-1", "model": "digits", "metric": "accuracy", **fields}
        job = training_pb2.Job(state=training_pb2.JobState.Value(f"JOB_STATE_{state}"), **fields)
        job.plan.epochs = 3
        return job

    def publishes(
        self, *versions: models_pb2.ModelVersion, columns: Sequence[tables_pb2.ColumnInfo] = (), **aliases: int
    ) -> None:
        """Knows one model, of these versions, newest first, which take these columns."""
        newest = versions[0]
        by_number = {str(version.version): version for version in versions}
        signature = models_pb2.Signature(model=newest.model, version=newest.version)
        for column in columns:
            signature.columns.add(name=column.name, kind=column.kind)
        model = models_pb2.Model(name=newest.model, latest=newest.version, aliases=aliases)
        self.answers |= {
            "GetModel": lambda request, context: model,
            "ListVersions": lambda request, context: models_pb2.ListVersionsResponse(versions=versions),
            "GetVersion": lambda request, context: by_number[request.version],
            "GetSignature": lambda request, context: signature,
            "ListColumns": lambda request, context: models_pb2.ListColumnsResponse(columns=columns),
        }

    @staticmethod
    def record(step: int) -> training_pb2.TrainEvent:
        """The record of an epoch that is one step long."""
        return training_pb2.TrainEvent(
            record=training_pb2.TrainRecord(step=step, epoch=step, loss=1 / step, metric=0.5)
        )


@pytest.fixture
def late() -> Iterator[ScriptedService]:
    """A service at an address where nobody answers before its `start`."""
    script = ScriptedService()
    with socket.socket() as kept:  # bound, not listening: no other process gets the port meanwhile
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        script.address = f"127.0.0.1:{kept.getsockname()[1]}"
        yield script
        script.stop()


@pytest.fixture
def service(late) -> ScriptedService:
    late.start()
    return late


@pytest.fixture
def client(service: ScriptedService) -> Iterator[Client]:
    with Client(service.address, timeout=5) as client:
        yield client


class RestService:
    """A real HTTP server; `answer(question)` gives (status, body), `questions` are the bodies that came.

    `signature` is the answer about what a version takes, by default rows of numbers; `looks` are the addresses that
    were asked for it.
    """

    def __init__(self) -> None:
        self.questions: list[dict] = []
        self.headers: list[dict] = []
        self.connections: set[tuple] = set()
        self.sockets: list[socket.socket] = []
        self.open: set[tuple] = set()
        self.answer = lambda question: (200, {})
        self.signature: dict[str, Any] = {"model": "m", "version": 1, "columns": []}
        self.looks: list[str] = []
        rest = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                rest.questions.append(json.loads(body) | {"path": self.path, "size": len(body)})
                rest.headers.append(dict(self.headers))
                rest.connections.add(self.client_address)
                self.say(*rest.answer(rest.questions[-1]))

            def do_GET(self) -> None:
                rest.looks.append(self.path)
                self.say(200, rest.signature)

            def say(self, status: int, said: object) -> None:
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def setup(self) -> None:
                super().setup()
                rest.sockets.append(self.connection)
                rest.open.add(self.client_address)

            def finish(self) -> None:
                super().finish()
                rest.open.discard(self.client_address)

            def log_message(self, *arguments: object) -> None: ...

        class Server(ThreadingHTTPServer):
            def handle_error(self, *arguments: object) -> None:
                """A client that has gone is part of the tests."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def hang_up(self) -> None:
        """Closes the connections that clients keep, as servers do after a while."""
        for connection in self.sockets:
            connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def rest() -> Iterator[RestService]:
    service = RestService()
    thread = threading.Thread(target=service.server.serve_forever, args=(0.05,))
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


@pytest.fixture
def asking(rest) -> Iterator[Client]:
    with Client("127.0.0.1:1", rest=rest.address, timeout=2) as client:
        yield client


@pytest.fixture
def run(service, tmp_path, monkeypatch):
    """Runs `layerwise` in a directory of its own, against the scripted service."""
    monkeypatch.chdir(tmp_path)
    runner = CliRunner(env={"LAYERWISE_RPC_ADDRESS": service.address, "LAYERWISE_REST_ADDRESS": ""})
    return lambda *arguments, **options: runner.invoke(layerwise, [str(each) for each in arguments], **options)


def values_of(column):
    """The numbers or texts of a column, as they travel."""
    return list(getattr(column, column.WhichOneof("values")).values)


def columns_of(batches):
    """The columns of the batches' tables, by name, one batch after the other."""
    columns: dict[str, list] = {}
    for batch in batches:
        for column in batch.table.columns:
            columns.setdefault(column.name, []).extend(values_of(column))
    return columns


@pytest.fixture
def sent(service):
    """(header, rows or the columns of a table, labels or targets) of what was trained; the jobs succeed.

    Of a file: (request, the header of the file, its content).
    """
    uploads = []

    def train(requests, context):
        header, *parts = list(requests)
        batches = [each.batch for each in parts]
        if batches[0].WhichOneof("data") == "table":
            rows = columns_of(batches)
        else:
            rows = np.concatenate(
                [np.frombuffer(each.rows.data, "<f4").reshape(tuple(each.rows.shape)) for each in batches]
            )
        uploads.append((header.header, rows, batches[0]))
        yield training_pb2.TrainEvent(accepted=service.job())

    def watch(request, context):
        yield from (service.record(step) for step in (1, 2, 3))

    files = []

    def upload(requests, context):
        first, *chunks = list(requests)
        content = b"".join(each.chunk.data for each in chunks)
        files.append((first.header, content))
        names, *lines = content.decode().splitlines()
        columns = [
            datasets_pb2.DatasetColumn(name=name, format=tables_pb2.Format(number={})) for name in names.split(",")
        ]
        sha256 = hashlib.sha256(content).hexdigest()
        return datasets_pb2.Dataset(
            id="d", name=first.header.name, rows=len(lines), columns=columns, column_count=len(columns),
            file_sha256=sha256,
        )  # fmt: skip

    def create(request, context):
        uploads.append((request, *(files[-1] if files else ())))
        return service.job(source=training_pb2.TableSource(dataset="d", target=request.target, task=1, why="as asked"))

    ended = service.job("SUCCEEDED", version=2, record=training_pb2.TrainRecord(step=3, epoch=3, loss=0.1, metric=0.9))
    service.answers |= {
        "UploadDataset": upload,
        "CreateJob": create,
        "Train": train,
        "WatchJob": watch,
        "GetJob": lambda request, context: ended,
    }
    return uploads


@pytest.fixture
def files(service: ScriptedService) -> ScriptedFiles:
    return ScriptedFiles(service.answers)
