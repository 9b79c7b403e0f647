"""Files from the SDK against a real service: a path and a dataset train the same, and errors name the arguments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.running import Service
from layerwise_client import Client, Conflict, InvalidRequest, NotFound

NETWORK = {"layers": [{"units": 4, "activation": "relu"}, {}]}
PLAN = {"epochs": 2, "seed": 0}
ROWS = 60
LINES = [
    f"{i + 1};{i},5;{'?' if i % 9 == 8 else i};{'red' if i % 2 else 'blue'};{'' if i % 10 == 9 else i % 3};{1 + i % 2}"
    for i in range(ROWS)
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("files") / "boxes.csv"
    written.write_text("\n".join(["id;size;count;colour;sold;weight", *LINES]), encoding="utf-8")
    return written


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with service.client() as opened:
        yield opened


def train(client: Client, X: Any, y: Any = "sold", **given: Any) -> Any:
    arguments = {"ignore": ["id"], "weights": "weight", "plan": PLAN, "progress": False} | given
    return client.train("boxes", NETWORK, X, y, **arguments)


def test_a_path_and_its_dataset_train_the_same_and_say_how(client: Client, path: Path) -> None:
    dataset = client.upload_dataset(path, progress=False)

    jobs = [train(client, X).wait(60) for X in (path, str(path), dataset)]

    assert {job.dataset for job in jobs} == {jobs[0].dataset}
    assert len({job.record.loss for job in jobs}) == 1
    source = jobs[0].source
    assert (source.dataset, source.target, source.task) == (dataset.id, "sold", "classification")
    assert source.why == "3 different whole numbers are classes, as up to 20 are"
    assert (source.left_out, source.ignored, source.weight) == (6, ("id",), "weight")
    assert [column.name for column in jobs[0].columns] == ["size", "count", "colour"]
    assert [each.name for each in client.datasets(limit=100) if each.id == dataset.id] == ["boxes.csv"]


def test_kinds_and_encodings_of_columns_are_chosen_together(client: Client, path: Path) -> None:
    job = train(client, path, columns={"count": "category", "size": "min_max"}, task="regression", weights=None)

    assert {column.name: column.encoding_kind for column in job.columns}["size"] == "min_max"
    kinds = {column.name: column.kind for column in client.dataset(job.source.dataset).columns}
    assert kinds["count"] == "category"
    assert (job.source.task, job.source.why) == ("regression", "as asked")
    job.cancel()


def test_the_loss_decides_what_the_target_is(client: Client, path: Path) -> None:
    job = train(client, path, plan=PLAN | {"loss": "squared_error"})

    assert job.source.task == "regression"
    job.cancel()


def test_a_training_that_goes_on_reads_the_file_as_its_version_did(client: Client, tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("\n".join(["zip,y", *(f"0{i % 4},{i % 2}" for i in range(20))]))
    second.write_text("\n".join(["zip,y", *(f"{1 + i % 3}1,{i % 2}" for i in range(20))]))
    client.train("zips", NETWORK, first, "y", plan=PLAN, progress=False).wait(60)

    job = client.train("zips", {}, second, "y", start_from="zips", plan=PLAN, progress=False).wait(60)

    assert client.dataset(job.source.dataset).columns[0].kind == "category"
    assert job.start_from == "zips/1"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"y": "slod"}, r"y: there is no column 'slod'; the columns are id, .*; did you mean sold\?"),
        ({"y": [1, 2]}, "y: expected the name of a column of X, a file or dataset, got list"),
        ({"weights": [1]}, "weights: expected the name of a column of X, a file or dataset, got list"),
        ({"weights": "colour"}, "weights: expected a column of numbers, 'colour' is one of kind category"),
        ({"ignore": ["nothing"]}, "ignore: there is no column 'nothing'"),
        ({"columns": {"colour": "number"}}, r"X row 0, column colour: expected a number, got 'blue'"),
        ({"columns": {"colour": "standardize"}}, r"X row 0, column colour: expected a number"),
        ({"columns": {"collour": "category"}}, "columns.collour: there is no column 'collour'.*did you mean colour"),
        ({"task": "classes"}, "task: expected classification or regression, got 'classes'"),
        ({"classes": [0, 1]}, "classes: expected none with a file or dataset"),
        ({"X": "nowhere.csv"}, "X: there is no file nowhere.csv"),
    ],
)
def test_a_wrong_argument_is_named(client: Client, path: Path, given: dict[str, Any], words: str) -> None:
    arguments = {"X": path} | given

    with pytest.raises(InvalidRequest, match=words):
        train(client, **arguments)


def test_a_dataset_that_was_read_is_not_read_anew(client: Client, path: Path) -> None:
    dataset = client.upload_dataset(path, progress=False)

    with pytest.raises(InvalidRequest, match=r"columns.count: expected an encoding: the dataset has been read"):
        train(client, dataset, columns={"count": "category"})


def test_a_dataset_that_a_job_needs_is_kept_and_then_deleted(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "gone.csv"
    file.write_text("a,y\n" + "1,2\n3,4\n" * 40)
    dataset = client.upload_dataset(file, progress=False)
    job = client.train("gone", NETWORK, dataset, "y", plan={"max_seconds": 60}, progress=False)

    with pytest.raises(Conflict, match=job.id):
        dataset.delete()
    job.cancel()
    with pytest.raises(Exception, match="cancelled"):
        job.wait(30)
    dataset.delete()

    with pytest.raises(NotFound):
        client.dataset(dataset.id)
