"""A table's whole path: columns over gRPC, objects by the names of columns over REST, and a worker that is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import urllib.error
import urllib.request
from typing import Any

import grpc
import numpy as np

from helpers.running import Service
from helpers.waiting import wait_until
from layerwise_proto.json_form import to_message
from layerwise_proto.v1 import tables_pb2, tensors_pb2, training_pb2, types_pb2
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub

ROWS, BATCH = 1_200, 500
ARCHITECTURE = {"layers": [{"units": 16, "activation": "relu", "dropout": 0.1}]}


def flights() -> tuple[list[list[Any]], list[str]]:
    """Distance, origin and hour, each with gaps; late are the flights from JFK of more than 1,000 miles."""
    draw = random.Random(0)
    rows: list[list[Any]] = []
    labels = []
    for _ in range(ROWS):
        distance, origin = draw.uniform(100, 2500), draw.choice(["JFK", "LGA", "EWR"])
        labels.append("late" if origin == "JFK" and distance > 1000 else "in time")
        gaps = [draw.random() < 0.02 for _ in range(3)]
        hour = f"2013-{draw.randint(1, 12):02}-01T{draw.randint(0, 23):02}:00"
        rows.append([float("nan") if gaps[0] else distance, "" if gaps[1] else origin, "" if gaps[2] else hour])
    return rows, labels


def table(rows: list[list[Any]]) -> tables_pb2.Table:
    distance, origin, hour = zip(*rows, strict=True)
    return tables_pb2.Table(
        columns=[
            tables_pb2.Column(name="distance", numbers=tables_pb2.Numbers(values=distance)),
            tables_pb2.Column(name="origin", texts=tables_pb2.Texts(values=origin)),
            tables_pb2.Column(name="hour", texts=tables_pb2.Texts(values=hour)),
        ]
    )


def requests(model: str, plan: dict[str, Any]) -> list[training_pb2.TrainRequest]:
    rows, labels = flights()
    header = training_pb2.TrainHeader(
        model=model,
        rows=ROWS,
        architecture=to_message(ARCHITECTURE, types_pb2.Architecture),
        plan=to_message(plan, types_pb2.Plan),
        encoder=to_message({"columns": {"distance": {"kind": "quantile"}}}, tables_pb2.Encoder),
    )
    batches = [
        training_pb2.TrainBatch(
            table=table(rows[start : start + BATCH]),
            labels=tensors_pb2.Labels(strings=tensors_pb2.StringLabels(values=labels[start : start + BATCH])),
        )
        for start in range(0, ROWS, BATCH)
    ]
    return [training_pb2.TrainRequest(header=header), *(training_pb2.TrainRequest(batch=batch) for batch in batches)]


def predict(service: Service, **body: Any) -> tuple[int, Any]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{service.rest}/predict", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_columns_are_learnt_and_objects_predicted(service: Service) -> None:
    plan = {"epochs": 20, "batch_size": 32, "optimizer": {"kind": "adam", "learning_rate": 0.01}}
    with grpc.insecure_channel(service.rpc) as channel:
        events = list(TrainingServiceStub(channel).Train(iter(requests("flights", plan)), timeout=60))
    version = events[-1].published
    row = {"distance": 1400, "origin": "JFK", "hour": "2013-05-01T05:15:00Z"}

    status, answer = predict(service, model="flights", instances=[
        row,
        {**row, "distance": 300},
        {**row, "origin": "LGA"},
        {**row, "origin": "ORD"},  # never seen
        {**row, "hour": None},
    ])  # fmt: skip
    with service.client() as client:
        columns = client.model("flights").versions[0].columns
    wrong, problem = predict(service, model="flights", instances=[row, {**row, "distance": "far"}])
    other, kind = predict(service, model="flights", instances=[[1400, "JFK"]])

    assert version.metrics["accuracy"] > 0.95
    assert [column.name for column in columns] == ["distance", "origin", "hour"]
    assert all(column.allows_missing for column in columns)
    assert status == 200
    assert answer["predictions"][:3] == ["late", "in time", "in time"]
    assert answer["predictions"][4] == "late"
    assert sum(answer["probabilities"][3]) > 0.999
    assert (wrong, problem["detail"]) == (400, "instances[1].distance: expected a number, got 'far'")
    assert (other, kind["errors"][0]["pointer"]) == (400, "#/instances/0")
    assert "3 values in the order of the columns distance, origin, hour; got 2" in kind["detail"]


def test_a_killed_workers_job_on_a_table_ends_with_the_same_bits(service: Service) -> None:
    plan = {"epochs": 150, "batch_size": 8}

    with grpc.insecure_channel(service.rpc) as channel, service.client() as client:
        training = TrainingServiceStub(channel)
        calm = list(training.Train(iter(requests("calm", plan)), timeout=60))[-1].published
        shaken = training.Train(iter(requests("shaken", plan)), timeout=60)
        job = client.job(next(iter(shaken)).accepted.id)
        wait_until(lambda: job.refresh().record is not None)
        (pid,) = service.pids("worker")
        os.kill(pid, signal.SIGKILL)
        version = list(shaken)[-1].published

        assert job.refresh().attempt == 2
        assert arrays(service, version.sha256) == arrays(service, calm.sha256)
        assert version.columns == calm.columns


def arrays(service: Service, sha256: str) -> dict[str, bytes]:
    with np.load(service.home / "artifacts" / "models" / f"{sha256}.npz") as file:
        return {name: file[name].tobytes() for name in file.files if name != "manifest"}
