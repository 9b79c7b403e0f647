"""Columns without a name, with the same name or with invisible characters: the same names by every way in."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from helpers.running import Service
from layerwise import MLP
from layerwise.standalone import to_standalone
from layerwise_client import Client, LayerwiseError, Version
from layerwise_client.cli.group import layerwise

LAYERS = {"layers": [{"units": 4, "activation": "relu"}]}
PLAN = {"epochs": 30, "batch_size": 8}
HEADER = ["", " size", "size", "si\u200bze ", "b\u00adee", "pay"]
NAMES = ("column1", "size", "size_2", "size_3", "bee")


def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    a, b, c, d = rng.normal(size=(4, 60)).round(3)
    return pd.DataFrame(np.array([np.arange(60), a, b, c, d, (a - 2 * b + 3 * c).round(3)]).T, columns=HEADER)


def train(client: Client, model: str, X: Any, y: str = "pay", **given: Any) -> Any:
    client.train(model, LAYERS, X, y, plan=PLAN, progress=False, **given).wait(timeout=60)
    return client.model(model).at(None)


def test_a_header_means_the_same_columns_by_every_way_in(service: Service, tmp_path: Path) -> None:
    given = table()
    given.to_csv(tmp_path / "train.csv", index=False)
    new = given[:5]
    new.to_csv(tmp_path / "new.csv", index=False)
    with service.client() as client:
        with pytest.warns(UserWarning, match="X: ") as told:
            versions = [train(client, "by-frame", given, ignore=["column1"])]
        versions.append(train(client, "by-file", tmp_path / "train.csv", ignore=["column1"]))
        doubts = [doubt.reason for doubt in client.upload_dataset(tmp_path / "train.csv").doubts]
        columns = [version.column_names for version in versions]
        for version in versions:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = [
                    client.predict(version.model, new.drop(columns="pay")).values,
                    client.predict(version.model, tmp_path / "new.csv").values,
                    posted(service, version.model, tmp_path / "new.csv"),
                    by_command(service, version.model, tmp_path / "new.csv"),
                    by_program(service, version, tmp_path / "new.csv"),
                ]
            for each in found[1:]:
                assert np.ravel(np.asarray(each)) == pytest.approx(np.ravel(np.asarray(found[0])), rel=1e-4)

    assert columns == [NAMES[1:], NAMES[1:]]
    messages = [str(each.message) for each in told]
    assert not [message for message in messages if "column1" in message]  # which is ignored
    assert "X: 3 columns are called 'size'; the others become 'size_2', 'size_3'" in messages
    assert doubts == ["RENAMED", "SAME_NAME"]  # the first column is an index, which is a doubt about it


def test_an_index_without_a_name_is_left_out_and_may_be_in_the_rows_to_predict(
    service: Service, tmp_path: Path
) -> None:
    given = sorted_by_target()
    given.sample(frac=1, random_state=1).to_csv(tmp_path / "train.csv")
    given[:5].to_csv(tmp_path / "new.csv")
    given[:5].to_csv(tmp_path / "plain.csv", index=False)
    frame = pd.read_csv(tmp_path / "new.csv")
    assert frame.columns[0] == "Unnamed: 0"
    files = [tmp_path / "new.csv", tmp_path / "plain.csv"]
    said = trained_by_command(service, "index", tmp_path / "train.csv")
    with service.client() as client:
        with pytest.warns(UserWarning, match="X: column1: has no name") as told:
            versions = [train(client, "index", pd.read_csv(tmp_path / "train.csv"))]
        versions += [client.model("index").at(1), train(client, "index", tmp_path / "train.csv")]
        columns = [version.column_names for version in versions]
        sources = [version.source for version in versions]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            in_memory = (frame, frame.rename(columns={"Unnamed: 0": "column1"}), given[:5])
            found = [client.predict("index", rows).values for rows in (*in_memory, *files)]
        evaluated = [client.evaluate("index", rows, "pay")[0].evaluation for rows in (frame, given[:5], *files)]
        program = by_program(service, versions[-1], files[0])
    for file in files:
        found += [posted(service, "index", file), by_command(service, "index", file)]
    for extra in ({}, {"Unnamed: 0": 7}, {"column1": 7}):
        rows = [{"size": row.size, "bee": row.bee} | extra for row in given[:5].itertuples()]
        found.append(posted_rows(service, "index", rows))

    assert "so it is left out unless it is chosen: --column column1=number" in said
    assert len([each for each in told if "column1" in str(each.message)]) == 1
    assert columns == [("size", "bee")] * 3
    for source in sources:
        assert source is not None
        assert source.ignored == ("column1",)
        assert [(doubt.column, doubt.reason) for doubt in source.doubts] == [("column1", "INDEX")]
    for each in (*found[1:], program):
        assert np.ravel(np.asarray(each)) == pytest.approx(np.ravel(np.asarray(found[0])), rel=1e-4)
    assert [(each.rows, each.loss) for each in evaluated] == [(5, evaluated[0].loss)] * 4


def test_an_index_that_is_chosen_is_trained_on(service: Service, tmp_path: Path) -> None:
    given = sorted_by_target()
    given.to_csv(tmp_path / "train.csv")
    frame = pd.read_csv(tmp_path / "train.csv")
    trained_by_command(service, "chosen-by-command", tmp_path / "train.csv", "--column", "column1=number")
    with service.client() as client, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = client.upload_dataset(tmp_path / "train.csv")
        versions = [
            client.model("chosen-by-command").at(None),
            train(client, "chosen-by-file", tmp_path / "train.csv", columns={"Unnamed: 0": "number"}),
            train(client, "chosen-by-frame", frame, columns={"Unnamed: 0": "number"}),
            train(client, "chosen-of-dataset", dataset, columns={"column1": "standardize"}),
        ]
        left_out = train(client, "left-out", dataset)
        for name in [each.model for each in (*versions, left_out)]:
            client.train(name, {}, dataset, "pay", plan=PLAN, start_from=name, progress=False).wait(timeout=60)
            versions.append(client.model(name).at(None))
        by_file = client.predict("chosen-by-file", tmp_path / "train.csv").values
        by_frame = client.predict("chosen-by-file", frame.drop(columns="pay")).values
        np.testing.assert_allclose(np.ravel(by_frame), np.ravel(by_file), rtol=1e-4)

        columns = [version.column_names for version in versions]
        ignored = [version.source and version.source.ignored for version in versions]

    assert columns == [("column1", "size", "bee")] * 8 + [("size", "bee")]
    assert ignored == [()] * 8 + [("column1",)]


def sorted_by_target() -> pd.DataFrame:
    given = table().set_axis([*NAMES, "pay"], axis=1)[["size", "bee", "pay"]]
    return given.sort_values("pay").reset_index(drop=True)


def trained_by_command(service: Service, model: str, file: Path, *options: str) -> str:
    """Train a version, and return what the command says on stderr."""
    given = ["train", str(file), "--model", model, "--target", "pay", "--epochs", "2", *options]
    done = CliRunner().invoke(layerwise, [*given, "--rpc", service.rpc])
    assert done.exit_code == 0, done.output
    return done.stderr


def posted_rows(service: Service, model: str, rows: list[dict[str, float]]) -> list[float]:
    body = json.dumps({"model": model, "instances": rows}).encode()
    request = urllib.request.Request(f"{service.rest}/predict", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found = json.load(answer)
    assert "warnings" not in found
    return list(found["predictions"])


def posted(service: Service, model: str, file: Path) -> list[float]:
    address = f"{service.rest}/predict?model={model}"
    request = urllib.request.Request(address, file.read_bytes(), {"Content-Type": "text/csv"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return list(json.load(answer)["predictions"])


def by_command(service: Service, model: str, file: Path) -> list[float]:
    done = CliRunner().invoke(layerwise, ["predict", model, str(file), "--json", "--rpc", service.rpc])
    assert done.exit_code == 0, done.output
    return list(json.loads(done.stdout)["predictions"])


def by_program(service: Service, version: Version, file: Path) -> list[float]:
    (path,) = service.home.rglob(f"models/{version.sha256}.npz")
    program = file.with_name("program.py")
    program.write_text(to_standalone(MLP.load(path)))
    done = subprocess.run([sys.executable, program, file], capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("names", "target", "columns"),
    [
        ([0, 1, 2], 2, ("0", "1")),
        ([0, None, "pay"], "pay", ("0", "column2")),
        ([("x", "a"), ("x", ""), ("pay", "")], "pay", ("x_a", "x")),
        ([2013, 2014.5, pd.Timestamp("2015-01-01")], "2015-01-01 00:00:00", ("2013", "2014.5")),
        ([" a ", "a", " pay "], " pay ", ("a", "a_2")),
    ],
)
def test_names_of_a_dataframe_that_are_no_texts_become_texts(
    service: Service, names: list[Any], target: Any, columns: tuple[str, ...]
) -> None:
    given = table().iloc[:, [1, 2, 5]].set_axis(names, axis=1)
    X = given.iloc[:, :2]
    with service.client() as client, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        version = train(client, "names", given, target)
        found = version.column_names
        answers = [
            client.predict("names", each, version=version.version).values
            for each in (X, X.to_numpy(), X.set_axis(columns, axis=1))
        ]

    assert found == columns
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


def test_an_error_shows_what_is_invisible_in_a_name(service: Service) -> None:
    given = table().iloc[:, [1, 5]].set_axis(["size", "pay"], axis=1)
    with service.client() as client:
        train(client, "visible", given)
    rows = [{"size\u200b": 1.0}, {" size": 1.0}]

    refused = [asked(service, "visible", row) for row in rows]

    assert refused == [
        f"instances[0].size: the column 'size' is missing; there are {name}; did you mean {name}?"
        for name in (r"'size\u200b'", "' size'")
    ]


def asked(service: Service, model: str, row: dict[str, float]) -> str:
    body = json.dumps({"model": model, "instances": [row]}).encode()
    request = urllib.request.Request(f"{service.rest}/predict", body, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    return str(json.load(refused.value)["detail"])


def test_a_target_that_is_no_column_is_named_with_those_there_are(service: Service) -> None:
    message = "y: X has no column '7'; its columns are 0, 1"
    with service.client() as client, pytest.raises(LayerwiseError, match=message):
        client.train("never", LAYERS, pd.DataFrame(np.ones((4, 2))), 7, progress=False)
