"""The same table means the same by every way in: files × ways to train and to predict, against a running service.

Each file is trained on by the command, as a DataFrame and as mappings of texts; and its rows are predicted by the
command, the SDK, REST, and exported programs and models. All answers are equal.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from helpers.odd_tables import ODD_TABLES, OddTable
from helpers.running import Service
from layerwise import MLP, InvalidInput
from layerwise.onnx import to_onnx
from layerwise.standalone import export_standalone
from layerwise_client.cli.group import layerwise as command

ASKED = 12
"""Rows that are predicted by every way."""
OF_WORDS = {"identifiers", "line breaks"}
"""Their columns are hashed, which ONNX has no operator for."""
TABLES = (
    "plain", "whole numbers with gaps", "decimal comma", "thousands", "percent", "currency", "minus sign",
    "question marks", "None", "NA", "slashed dates", "US dates", "German dates", "compact dates", "names of months",
    "times", "currency codes", "booleans", "yes and no", "codes", "long identifiers", "blanks after commas", "quotes",
    "identifiers", "line breaks", "gzip", "UTF-16", "Latin 1", "a header's blanks", "JSON Lines", "units",
    "ja and nein", "points that divide thousands",
)  # fmt: skip
"""Every kind of column. The others differ in their dialects or encodings alone: see tests/service/reading."""


@dataclass(frozen=True)
class File:
    """A table file, its cells as texts by column, and a DataFrame of it as pandas makes it."""

    path: Path
    cells: dict[str, list[str]]
    frame: pd.DataFrame
    head: Path
    """A file of the same kind with the first row alone, of which little can be guessed."""

    @property
    def columns(self) -> list[str]:
        """The columns to predict from."""
        return [name for name in self.cells if name != "y"]


def written(odd: OddTable, folder: Path) -> File:
    text = _text(odd)
    if odd.name == "JSON Lines":
        path, head = folder / "table.jsonl", folder / "head.jsonl"
        rows = [json.loads(line) for line in text.splitlines()]
        cells = {name: [str(row[name]) for row in rows] for name in rows[0]}
        frame = pd.DataFrame(rows)
        head.write_text(text.splitlines()[0] + "\n")
    else:
        path, head = folder / "table.csv", folder / "head.csv"
        mark = next(mark for mark in ";\t|," if mark in text.partition("\n")[0])
        rows = list(csv.reader(io.StringIO(text), delimiter=mark))
        cells = {name: [row[i] for row in rows[1:]] for i, name in enumerate(odd.columns)}
        # pandas takes codes for numbers, and loses their zeros, unless it is told that they are texts
        frame = pd.read_csv(io.StringIO(text), sep=mark, dtype={"a": str} if odd.name == "codes" else None)
        frame.columns = list(odd.columns)  # without the blanks and the invisible characters that no name may have
        with head.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=mark).writerows(rows[:2])
    path.write_bytes(odd.content)
    return File(path, cells, frame, head)


def _text(odd: OddTable) -> str:
    content = gzip.decompress(odd.content) if odd.name == "gzip" else odd.content
    encoding = {"UTF-16": "utf-16", "UTF-16 without a mark": "utf-16-le", "Latin 1": "latin-1"}.get(odd.name)
    return content.decode(encoding or "utf-8-sig")


@pytest.mark.parametrize("odd", [each for each in ODD_TABLES if each.name in TABLES], ids=lambda each: each.name)
def test_a_table_means_the_same_by_every_way_in(odd: OddTable, service: Service, tmp_path: Path) -> None:
    file = written(odd, tmp_path)
    name = "ways-" + "".join(sign if sign.isalnum() else "-" for sign in odd.name.lower())
    options = ["--target", "y", "--model", name, "--hidden", "4", "--epochs", "2", "--validation", "0", "--seed", "7"]
    layerwise(service, "train", str(file.path), *options)
    network = {"layers": [{"units": 4, "activation": "relu"}, {}]}
    plan = {"epochs": 2, "seed": 7}
    with service.client() as client:
        for X in (file.frame, file.cells | {"y": list(range(len(file.frame)))}):
            columns: Any = X
            client.train(name, network, columns, "y", plan=plan, task="regression", progress=False).wait(timeout=60)
        columns = {each: file.cells[each][:ASKED] for each in file.columns}
        wanted = values(client.predict(name, columns, version=1))
        answers = {
            "trained as a DataFrame": values(client.predict(name, columns, version=2)),
            "trained as texts": values(client.predict(name, columns, version=3)),
            "a DataFrame": values(client.predict(name, file.frame[file.columns].head(ASKED), version=1)),
            "a DataFrame with the target": values(client.predict(name, file.frame.head(ASKED), version=1)),
            "mappings": values(client.predict(name, rows_of(file), version=1)),
        }
    answers["the command, a file"] = predicted_by_command(service, name, file.path)[:ASKED]
    answers["the command, one row"] = predicted_by_command(service, name, file.head)
    by_name = rows_of(file)
    answers["REST by name"] = predicted_by_rest(service, name, by_name)
    answers["REST by position"] = predicted_by_rest(service, name, [list(row.values()) for row in by_name])
    answers["REST, a file"] = predicted_by_rest_file(service, name, file.path)[:ASKED]
    exported = tmp_path / "model.npz"
    layerwise(service, "export", name, "--version", "1", "--out", str(exported))
    model = MLP.load(exported)
    answers["the library"] = np.asarray(model.predict(by_name))
    answers["an exported program"] = predicted_by_program(model, by_name, tmp_path)
    if odd.name not in OF_WORDS:
        answers["ONNX"] = predicted_by_onnx(model, file)
    else:
        with pytest.raises(InvalidInput, match="hash"):
            to_onnx(model)

    assert wanted.std() > 0 or odd.name == "times with a zone", "the rows are told apart"
    for way, answer in answers.items():
        np.testing.assert_allclose(answer, wanted[: len(answer)], rtol=1e-4, atol=1e-4, err_msg=way)


def test_a_number_that_means_no_value_means_it_by_every_way_in(service: Service, tmp_path: Path) -> None:
    spellings = ["-999", "-999.0", "1.5", "2", "-999.00", "3"]
    path = tmp_path / "sentinels.csv"
    path.write_text("a,y\n" + "".join(f"{spellings[i % 6]},{i}\n" for i in range(60)))
    options = ["--target", "y", "--epochs", "2", "--validation", "0", "--seed", "7", "--missing", "-999"]
    layerwise(service, "train", str(path), *options)
    rows = [{"a": text} for text in spellings]
    numbers = [{"a": float(text)} for text in spellings]
    parquet = tmp_path / "sentinels.parquet"
    pl.DataFrame(numbers).write_parquet(parquet)
    exported = tmp_path / "model.npz"
    layerwise(service, "export", "sentinels", "--out", str(exported))
    model = MLP.load(exported)
    with service.client() as client:
        wanted = values(client.predict("sentinels", {"a": ["", "", "1.5", "2", "", "3"]}))
        answers = {
            "texts": values(client.predict("sentinels", {"a": spellings})),
            "a DataFrame": values(client.predict("sentinels", pd.DataFrame(numbers))),
            "a DataFrame of texts": values(client.predict("sentinels", pd.DataFrame(rows))),
        }
    answers["REST, texts"] = predicted_by_rest(service, "sentinels", rows)
    answers["REST, numbers"] = predicted_by_rest(service, "sentinels", numbers)
    answers["a file"] = predicted_by_command(service, "sentinels", path)[: len(spellings)]
    answers["a file of numbers"] = predicted_by_command(service, "sentinels", parquet)
    answers["an exported program, texts"] = predicted_by_program(model, rows, tmp_path)
    answers["an exported program, numbers"] = predicted_by_program(model, numbers, tmp_path)
    answers["the library"] = np.asarray(model.predict(numbers))
    answers["ONNX"] = run_onnx(model, {"a": np.array([[row["a"]] for row in numbers])})

    for way, answer in answers.items():
        np.testing.assert_allclose(answer.ravel(), wanted.ravel(), rtol=1e-4, atol=1e-4, err_msg=way)


def layerwise(service: Service, *arguments: str) -> str:
    """Run the command, and return what it writes."""
    where = ["--home", str(service.home)] if arguments[0] == "export" else ["--rpc", service.rpc]
    ran = CliRunner().invoke(command, [*arguments, *where])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def values(answer: Any) -> NDArray[Any]:
    return np.asarray(answer.values, np.float64)


def rows_of(file: File) -> list[dict[str, str]]:
    return [{name: file.cells[name][row] for name in file.columns} for row in range(ASKED)]


def predicted_by_command(service: Service, model: str, path: Path) -> NDArray[Any]:
    answer = json.loads(layerwise(service, "predict", model, str(path), "--version", "1", "--json"))
    return np.array(answer["predictions"])


def predicted_by_rest(service: Service, model: str, instances: list[Any]) -> NDArray[Any]:
    body = json.dumps({"model": model, "version": 1, "instances": instances}).encode()
    return _posted(f"{service.rest}/predict", body, "application/json")


def predicted_by_rest_file(service: Service, model: str, path: Path) -> NDArray[Any]:
    return _posted(f"{service.rest}/predict?model={model}&version=1", path.read_bytes(), "application/octet-stream")


def _posted(url: str, body: bytes, kind: str) -> NDArray[Any]:
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": kind}), timeout=60) as response:
        return np.array(json.load(response)["predictions"])


def predicted_by_program(model: MLP, rows: Sequence[dict[str, Any]], folder: Path) -> NDArray[Any]:
    export_standalone(model, folder / "program.py")
    spec = importlib.util.spec_from_file_location("program", folder / "program.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return np.asarray(program.predict(rows))


def predicted_by_onnx(model: MLP, file: File) -> NDArray[Any]:
    """Predict the values of the cells, since ONNX reads no texts of numbers, booleans, dates and times."""
    assert model.encoder is not None
    tensors: dict[str, NDArray[Any]] = {}
    for column in model.encoder.columns:
        read = [column.format.read(cell) for cell in file.cells[column.name][:ASKED]]
        match column.kind:
            case "number":
                tensor = np.array([np.nan if value is None else value for value in read], np.float64)
            case "date":
                tensor = np.array([np.iinfo(np.int64).min if value is None else value for value in read], np.int64)
            case _:
                tensor = np.array([value or "" for value in read], object)
        tensors[column.name] = tensor[:, None]
    return run_onnx(model, tensors)


def run_onnx(model: MLP, tensors: dict[str, NDArray[Any]]) -> NDArray[Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    return np.asarray(session.run(["values"], tensors)[0])
