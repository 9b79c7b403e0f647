"""Requests of the training API as tests send them, and errors as any client reads them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from helpers.waiting import wait_until
from layerwise_proto.json_form import to_message
from layerwise_proto.v1 import tables_pb2, tensors_pb2, training_pb2, types_pb2
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.rpc.server import RpcServer
from layerwise_service.settings import Settings
from layerwise_service.wiring import build_rpc

ROWS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
HIDDEN = {"layers": [{"units": 8, "activation": "relu"}]}


@contextmanager
def running_loop() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """What runs a coroutine to its end in the event loop of another thread; at the end all tasks left are cancelled."""
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def stay() -> None:
        ended = asyncio.Event()
        begun.set_result((asyncio.get_running_loop(), ended))
        await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(stay(),))
    thread.start()
    loop, ended = begun.result(20)
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(20)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


@contextmanager
def running_rpc(
    settings: Settings, build: Callable[[Settings], RpcServer] = build_rpc
) -> Iterator[tuple[str, Callable[[], None]]]:
    """A gRPC server in a thread of its own: its address, and what stops it before the end of the block."""
    before = set(threading.enumerate())
    with running_loop() as run:

        async def start() -> tuple[RpcServer, str]:
            server = build(settings)
            return server, await server.start()

        server, address = run(start())
        stopped: list[None] = []

        def stop() -> None:
            if not stopped:
                stopped.append(None)
                run(server.stop())

        try:
            yield address, stop
        finally:
            stop()

    def left() -> list[str]:
        new = set(threading.enumerate()) - before
        return [thread.name for thread in new if not thread.name.startswith("Thread")]

    # what the server was built on ends with it; a check of readiness ends by itself, however slow the disk is
    wait_until(lambda: not left() or set(left()) != {"readiness"})
    assert left() == []


def tensor(array: Any) -> tensors_pb2.Tensor:
    values = np.asarray(array, dtype="<f4")
    return tensors_pb2.Tensor(data_type=tensors_pb2.DATA_TYPE_FLOAT32, shape=values.shape, data=values.tobytes())


def strings(*values: str) -> tensors_pb2.Labels:
    return tensors_pb2.Labels(strings=tensors_pb2.StringLabels(values=values))


def integers(*values: int) -> tensors_pb2.Labels:
    return tensors_pb2.Labels(integers=tensors_pb2.IntegerLabels(values=values))


def header(
    model: str = "xor", architecture: Any = HIDDEN, plan: Any = None, *, rows: int = 4, **more: Any
) -> training_pb2.TrainRequest:
    return training_pb2.TrainRequest(
        header=training_pb2.TrainHeader(
            model=model,
            rows=rows,
            architecture=to_message(architecture, types_pb2.Architecture),
            plan=to_message({"epochs": 3, "batch_size": 2} if plan is None else plan, types_pb2.Plan),
            **more,
        )
    )


def batch(rows: Any = ROWS, **expected: Any) -> training_pb2.TrainRequest:
    expected = expected or {"labels": strings("no", "yes", "yes", "no")}
    return training_pb2.TrainRequest(batch=training_pb2.TrainBatch(rows=tensor(rows), **expected))


def table(**columns: Any) -> tables_pb2.Table:
    """Columns of texts and of numbers, None where a number is missing."""
    return tables_pb2.Table(columns=[_column(name, values) for name, values in columns.items()])


def _column(name: str, values: Any) -> tables_pb2.Column:
    if any(isinstance(value, str) for value in values):
        return tables_pb2.Column(name=name, texts=tables_pb2.Texts(values=values))
    numbers = [float("nan") if value is None else value for value in values]
    return tables_pb2.Column(name=name, numbers=tables_pb2.Numbers(values=numbers))


def table_batch(sent: tables_pb2.Table, **expected: Any) -> training_pb2.TrainRequest:
    expected = expected or {"labels": strings("no", "yes", "yes", "no")}
    return training_pb2.TrainRequest(batch=training_pb2.TrainBatch(table=sent, **expected))


def encoder(value: Any) -> tables_pb2.Encoder:
    return to_message(value, tables_pb2.Encoder)


def accepted(training: TrainingServiceStub, *requests: training_pb2.TrainRequest) -> training_pb2.Job:
    """The job, as soon as it is accepted; the stream is left."""
    stream = training.Train(iter(requests), timeout=30)
    event = next(iter(stream))
    stream.cancel()
    return event.accepted


def kinds(events: Iterable[training_pb2.TrainEvent]) -> list[str]:
    return [str(event.WhichOneof("event")) for event in events]


def error_of(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str, str, str]:
    """Status, message, reason and pointer of a call that must fail; read as any client would read them."""
    error, info = _failed(call)
    return error.code(), error.details(), info.reason, info.metadata.get("pointer", "")


def error_info(call: Callable[[], Any]) -> error_details_pb2.ErrorInfo:
    """What is told of the error of a call that must fail."""
    return _failed(call)[1]


def _failed(call: Callable[[], Any]) -> tuple[Any, error_details_pb2.ErrorInfo]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    status = rpc_status.from_call(error)
    assert status is not None, error
    assert len(status.details) == 1
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "layerwise"
    assert "Traceback" not in error.details()
    assert "/home" not in error.details()
    return error, info


def field(number: int, data: bytes) -> bytes:
    """A field of bytes, as protobuf writes it."""
    size = len(data)
    encoded = b""
    while size > 127:
        encoded += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + encoded + bytes([size]) + data
