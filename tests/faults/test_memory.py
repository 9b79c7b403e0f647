"""The memory of the serving processes goes back to what it was, whatever was asked of them, and however often.

LAYERWISE_SOAK is the number of requests of each kind, and LAYERWISE_SOAK_BYTES their size: `make soak` sends many.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.rpc_requests import batch, header, integers, table, table_batch, tensor
from helpers.running import Service, running_service
from helpers.waiting import wait_until
from layerwise_client import Client
from layerwise_proto.oip import grpc_service_pb2 as oip
from layerwise_proto.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from layerwise_proto.v1 import models_pb2, training_pb2
from layerwise_proto.v1.models_pb2_grpc import PredictionServiceStub
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub

COUNT = int(os.environ.get("LAYERWISE_SOAK", "50"))
BYTES = int(os.environ.get("LAYERWISE_SOAK_BYTES", "1_000_000"))
MORE = 100 + 8 * BYTES / 1e6  # MB that may stay beyond what one request of each kind needs: eight are sent at a time

ROWS = min(30_000, BYTES // 32)
NUMBERS = [[round(row * 0.001, 3), 1.25, -0.5, 3.0] for row in range(ROWS)]
CELLS = [{"a": row * 0.5, "b": "x" * max(1, BYTES // ROWS - 20)} for row in range(ROWS)]
MATRIX = np.array(NUMBERS, np.float32)
NAN = MATRIX.copy()
NAN[-1, -1] = np.nan
LABELS = integers(*([0, 1] * (ROWS // 2)), *([0] * (ROWS % 2)))
COLUMNS = table(a=[cell["a"] for cell in CELLS], b=[str(cell["b"])[:4000] for cell in CELLS])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("memory") / "home"
    with running_service(
        home, "--rest-processes", "1", "--rpc-processes", "1", LAYERWISE_MAX_QUEUED_JOBS="100000"
    ) as service:
        with service.client() as client:
            train(client)
        yield service


def train(client: Client) -> None:
    """The models `numbers` and `table`."""
    data = {"a": [float(row % 7) for row in range(40)], "b": ["xy"[row % 2] for row in range(40)]}
    hidden = {"layers": [{"units": 8, "activation": "relu"}]}
    labels = [row % 2 for row in range(40)]
    jobs = [
        client.train("numbers", hidden, np.resize(MATRIX, (40, 4)), labels, plan={"epochs": 1}, progress=False),
        client.train("table", hidden, data, labels, plan={"epochs": 1}, progress=False),
    ]
    for job in jobs:
        job.wait(timeout=60)


def post(service: Service, instances: object, expected: int, *, model: str) -> Callable[[], None]:
    body = json.dumps({"model": model, "instances": instances}).encode()
    return send(service, "/predict", body, expected)


def infer(service: Service, rows: NDArray[np.float32], expected: int, *, binary: bool) -> Callable[[], None]:
    """An inference by the Open Inference Protocol, as JSON or with the bytes of the rows after it."""
    tensor: dict[str, object] = {"name": "input", "datatype": "FP32", "shape": rows.shape}
    tensor |= {"parameters": {"binary_data_size": rows.nbytes}} if binary else {"data": rows.ravel().tolist()}
    header = json.dumps({"inputs": [tensor]}).encode()
    body = header + rows.tobytes() if binary else header
    length = {"Inference-Header-Content-Length": str(len(header))} if binary else {}
    return send(service, "/v2/models/numbers/infer", body, expected, **length)


def send(service: Service, path: str, body: bytes, expected: int, **headers: str) -> Callable[[], None]:
    def call() -> None:
        connection = http.client.HTTPConnection(service.rest.removeprefix("http://"), timeout=60)
        connection.request("POST", path, body, {"Content-Type": "application/json"} | headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        assert response.status == expected, answer[:300]

    return call


def status(pid: int, name: str) -> float:
    """A line of /proc/…/status, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def rest_process(service: Service) -> int:
    (pid,) = service.rest_pids()
    return pid


def hold(pid: int, calls: list[Callable[[], None]]) -> None:
    """Make each of `calls` once and then many times, eight at a time; what stays must be within `MORE` of the first."""
    for call in calls:
        call()
    first = status(pid, "VmHWM")

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(call) for _ in range(COUNT) for call in calls]:
            done.result()

    what = f"resident memory of {first:.0f} MB and {MORE} more"
    wait_until(lambda: status(pid, "VmRSS") <= first + MORE, seconds=30, what=what)


def test_86_rest_keeps_nothing_of_accepted_and_refused_predictions(service: Service) -> None:
    odd_numbers = [*NUMBERS[:-1], [1, 2, 3]]
    odd_cells = [*CELLS[:-1], {"a": "no number", "b": "x"}]

    hold(
        rest_process(service),
        [
            post(service, NUMBERS, 200, model="numbers"),
            post(service, CELLS, 200, model="table"),
            post(service, odd_numbers, 400, model="numbers"),
            post(service, odd_cells, 400, model="table"),
            post(service, NUMBERS, 404, model="none"),
            post(service, [[1]] * (BYTES // 5), 413, model="numbers"),
            infer(service, MATRIX, 200, binary=False),
            infer(service, MATRIX, 200, binary=True),
            infer(service, NAN, 400, binary=True),
        ],
    )


def test_86_grpc_keeps_nothing_of_accepted_and_refused_calls(service: Service) -> None:
    (pid,) = service.pids("rpc")
    plan = {"epochs": 1}
    with grpc.insecure_channel(service.rpc) as channel:
        predict, training = PredictionServiceStub(channel).Predict, TrainingServiceStub(channel)
        inference = GRPCInferenceServiceStub(channel)

        def predicted(request: models_pb2.PredictRequest) -> Callable[[], None]:
            def call() -> None:
                with suppress(grpc.RpcError):
                    predict(request, timeout=60)

            return call

        def trained(*requests: training_pb2.TrainRequest, accepted: bool) -> Callable[[], None]:
            def call() -> None:
                stream = training.Train(iter(requests), timeout=60)
                if accepted:
                    job = next(iter(stream)).accepted
                    training.CancelJob(training_pb2.CancelJobRequest(job_id=job.id), timeout=60)
                    stream.cancel()
                else:
                    with pytest.raises(grpc.RpcError):
                        next(iter(stream))

            return call

        def inferred(rows: NDArray[np.float32]) -> Callable[[], None]:
            sent = oip.ModelInferRequest(model_name="numbers", raw_input_contents=[rows.tobytes()])
            sent.inputs.add(name="input", datatype="FP32", shape=rows.shape)

            def call() -> None:
                with suppress(grpc.RpcError):
                    inference.ModelInfer(sent, timeout=60)
                with suppress(grpc.RpcError):
                    assert len(list(inference.ModelStreamInfer(iter([sent, sent]), timeout=60))) == 2

            return call

        hold(
            pid,
            [
                inferred(MATRIX),
                inferred(NAN),
                predicted(models_pb2.PredictRequest(model="numbers", rows=tensor(MATRIX))),
                predicted(models_pb2.PredictRequest(model="numbers", rows=tensor(NAN))),
                predicted(models_pb2.PredictRequest(model="table", table=COLUMNS)),
                predicted(models_pb2.PredictRequest(model="numbers", table=COLUMNS)),
                trained(header("n", plan=plan, rows=ROWS), batch(MATRIX, labels=LABELS), accepted=True),
                trained(header("n", plan=plan, rows=ROWS), batch(NAN, labels=LABELS), accepted=False),
                trained(header("t", plan=plan, rows=ROWS), table_batch(COLUMNS, labels=LABELS), accepted=True),
                trained(header("t", plan=plan, rows=1), table_batch(COLUMNS, labels=LABELS), accepted=False),
            ],
        )
