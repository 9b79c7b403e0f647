"""The same value means the same: from a DataFrame, in JSON, as the text of a file, in an exported program."""

from __future__ import annotations

import csv
import io
import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pytest

from helpers.dataset_requests import file_requests
from helpers.running import Service
from layerwise import MLP
from layerwise.standalone import to_standalone
from layerwise_client import Client
from layerwise_proto.json_form import to_message
from layerwise_proto.v1 import tables_pb2, training_pb2, types_pb2
from layerwise_proto.v1.datasets_pb2_grpc import DatasetServiceStub
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub

NETWORK = {"layers": [{"units": 8, "activation": "tanh"}]}
PLAN = {"epochs": 1, "seed": 1}
CATEGORIES = dict.fromkeys(("gate", "share", "year", "cancelled"), "one_hot")
FILE = "carrier,remark,gate,share,year,late,cancelled,y\n" + "".join(
    f"{'AA' if i % 3 else 'UA'}, {'red' if i % 2 else 'blue'},{i % 4 + 1},{i % 3 / 10},{2007 + i % 2},"
    f"{'True' if i % 5 else 'False'},{'True' if i % 4 else 'False'},{'True' if i % 7 < 3 else 'False'}\n"
    if i % 10
    else f"AA,None,,0.1,2007,True,False,{'True' if i % 20 else 'False'}\n"
    for i in range(80)
)
"""Blanks after commas, gaps among whole numbers, the word None, booleans."""
USUAL: dict[str, Any] = {
    "carrier": "AA",
    "remark": "red",
    "gate": 1,
    "share": 0.1,
    "year": 2007,
    "late": True,
    "cancelled": True,
}
MEAN_THE_SAME: list[tuple[str, list[Any]]] = [
    ("carrier", ["UA", " UA", "UA "]),
    ("remark", ["blue", " blue"]),
    ("remark", [None, "None", "NA", "", float("nan"), pd.NA]),
    ("gate", [2, 2.0, "2", "2.0", " 2", np.float32(2), np.int8(2)]),
    ("gate", [None, "", "NA", float("nan")]),
    ("share", [0.2, "0.2", np.float32(0.2), np.float16(0.2), " 0.20"]),
    ("year", [2008, "2008", "2008.0", 2008.0]),
    ("late", [False, 0, 0.0, "0", "false", "FALSE", " False", "no", np.False_]),
    ("cancelled", [False, 0, 0.0, "0", "false", "FALSE", "False ", np.False_]),
]


@dataclass
class Version:
    """A version, and all ways to ask it."""

    ways: dict[str, Callable[[dict[str, Any]], Any]]
    labels: list[Any]


def frame() -> pd.DataFrame:
    return pd.read_csv(io.StringIO(FILE))


def texts() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(FILE)))


def in_json(value: Any) -> Any:
    """What JSON can say of a value."""
    if value is None or value is pd.NA or value != value:  # noqa: PLR0124
        return None
    if isinstance(value, np.generic):
        return value.item() if not isinstance(value, np.floating) else float(str(value))
    return value


def asked_over_rest(service: Service, model: str, row: dict[str, Any]) -> Any:
    body = {"model": model, "instances": [{name: in_json(value) for name, value in row.items()}]}
    request = urllib.request.Request(
        f"{service.rest}/predict", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)["probabilities"][0]


def version_of(service: Service, client: Client, over_rest: Client, model: str) -> Version:
    (found,) = client.model(model).versions
    (path,) = service.home.rglob(f"models/{found.sha256}.npz")
    network = MLP.load(path)
    program: dict[str, Any] = {"__name__": "program"}
    exec(to_standalone(network), program)

    def of_client(client: Client, form: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        return lambda row: client.predict(model, form(row)).probabilities[0]

    def as_frame(row: dict[str, Any]) -> pd.DataFrame:
        return pd.DataFrame({name: pd.Series([value, value]) for name, value in row.items()})

    ways = {
        "SDK, mapping": of_client(client, lambda row: {name: [value] for name, value in row.items()}),
        "SDK, rows": of_client(client, lambda row: [row]),
        "SDK, DataFrame": of_client(client, as_frame),
        "SDK over REST": of_client(over_rest, as_frame),
        "REST": lambda row: asked_over_rest(service, model, row),
        "library": lambda row: network.predict_proba(as_frame(row))[0],
        "library, rows": lambda row: network.predict_proba([row])[0],
        "program": lambda row: program["predict_proba"]([row])[0],
    }
    assert network.labels is not None
    return Version(ways, list(network.labels))


def trained_on_a_file(service: Service, model: str) -> None:
    """A version of a job on a dataset, which the file became."""
    with grpc.insecure_channel(service.rpc) as channel:
        datasets: Any = DatasetServiceStub(channel)
        dataset = datasets.UploadDataset(file_requests(FILE.encode()))
        training: Any = TrainingServiceStub(channel)
        job = training.CreateJob(
            training_pb2.CreateJobRequest(
                model=model,
                dataset=dataset.id,
                target="y",
                architecture=to_message(NETWORK, types_pb2.Architecture),
                plan=to_message(PLAN, types_pb2.Plan),
                encoder=to_message({"columns": CATEGORIES}, tables_pb2.Encoder),
            )
        )
    with service.client() as client:
        client.job(job.id).wait(timeout=60)


@pytest.fixture(scope="module", params=["DataFrame", "texts", "file"])
def version(request: pytest.FixtureRequest, service: Service) -> Any:
    model = f"typed-{request.param.lower()}"
    with service.client() as client, service.client(over_rest=True) as over_rest:
        if request.param == "file":
            trained_on_a_file(service, model)
        else:
            data = frame()
            X: Any = data.drop(columns="y")
            columns = dict(CATEGORIES)
            if request.param == "texts":  # of which nobody knows that they are booleans, if they are to be categories
                X = [{name: row[name] for name in USUAL} for row in texts()]
                del columns["cancelled"]
            job = client.train(model, NETWORK, X, data["y"], plan=PLAN, columns=columns, progress=False)
            job.wait(timeout=60)
        yield version_of(service, client, over_rest, model)


@pytest.mark.parametrize(("column", "spellings"), MEAN_THE_SAME, ids=lambda each: str(each) if each else "")
def test_a_value_means_the_same_by_every_way_in(version: Version, column: str, spellings: list[Any]) -> None:
    usual = version.ways["REST"](USUAL)
    expected = version.ways["REST"](USUAL | {column: in_json(spellings[0])})

    assert np.abs(np.subtract(usual, expected)).max() > 1e-6  # the column matters
    for way, ask in version.ways.items():
        for spelled in spellings:
            answer = ask(USUAL | {column: spelled})
            np.testing.assert_allclose(answer, expected, atol=2e-6, err_msg=f"{way}: {spelled!r}")


def test_labels_of_true_and_false_are_booleans_by_every_way_in(version: Version) -> None:
    assert version.labels == [False, True]


def test_labels_are_those_of_the_file_by_every_way_in(service: Service) -> None:
    X = pd.DataFrame({"a": np.arange(40.0)})
    with service.client() as client:
        for model, y, labels in (
            ("typed-blanks", pd.Series([" yes", "no"] * 20), ("no", "yes")),
            ("typed-floats", pd.Series([0.0, 1.0] * 20), (0, 1)),
        ):
            with pytest.warns(UserWarning, match="^y: "):
                client.train(model, NETWORK, X, y, plan=PLAN, progress=False).wait(timeout=60)
            assert client.model(model).at("latest").labels == labels
        with pytest.warns(UserWarning, match="^y: more than 20 different whole numbers are an amount"):
            client.train("typed-prices", NETWORK, X, np.arange(40), plan=PLAN, progress=False).wait(timeout=60)

        assert client.predict("typed-prices", X).values is not None
