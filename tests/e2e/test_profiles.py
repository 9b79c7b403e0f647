"""Profiles by the SDK and the command, against a real service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from helpers.running import Service
from layerwise_client import DateSummary, InvalidRequest, LengthSummary, NotFound, TopValue
from layerwise_client.cli.group import layerwise

TABLE = "id,size,kind,day,price\n" + "".join(
    f"{i},{i * 37 % 101 / 8},{'ab'[i % 2]},{1 + i * 7 % 28}.{1 + i % 12}.2013,{i * 37 % 101}\n" for i in range(100)
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("files") / "shirts.csv"
    made.write_text(TABLE)
    return made


def command(service: Service, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    called = [str(Path(sys.executable).parent / "layerwise"), "datasets", "profile", *map(str, arguments)]
    environment = os.environ | {"LAYERWISE_RPC_ADDRESS": service.rpc}
    return subprocess.run(called, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_the_sdk_gives_the_profile_as_plain_data(service: Service, path: Path) -> None:
    with service.client() as client:
        dataset = client.upload_dataset(path, progress=False)
        found = dataset.profile("price", validation=dataset)
        assert found == dataset.profile("price", validation=dataset.id, quick=True)

        assert (found.dataset, found.rows, found.sampled_rows) == (dataset.id, 100, 100)
        assert (found.target, found.task) == ("price", "regression")
        assert found.why == "more than 20 different whole numbers are an amount"
        _, size, kind, day, _ = found.columns
        assert size.numbers is not None
        assert (size.numbers.minimum, size.numbers.maximum, size.lengths, size.top) == (0.0, 12.5, None, ())
        assert (kind.numbers, kind.lengths) == (None, LengthSummary(1, 1.0, 1))
        assert kind.top == (TopValue("a", 50, 0.5), TopValue("b", 50, 0.5))
        assert day.dates is not None
        assert DateSummary("2013-01-01", "2013-12-28").first <= day.dates.first < day.dates.last <= "2013-12-28"
        assert [(each.reason, each.columns, each.flag) for each in found.findings] == [
            ("ROWS_IN_BOTH", (), ""),
            ("ALL_DIFFERENT", ("id",), "--ignore id"),
            ("GIVES_TARGET_AWAY", ("size",), "--ignore size"),
        ]
        assert dataset.profile().target is None


def test_the_sdk_refuses_what_cannot_be_a_target(service: Service, path: Path) -> None:
    with service.client() as client:
        dataset = client.upload_dataset(path, progress=False)
        with pytest.raises(InvalidRequest, match="there is no column 'cost'") as caught:
            dataset.profile("cost")
        assert (caught.value.reason, caught.value.place) == ("COLUMN_NOT_FOUND", ("target",))
        with pytest.raises(InvalidRequest, match="task: expected classification or regression, got 'amount'"):
            dataset.profile("price", task="amount")
        with pytest.raises(NotFound, match="validation: there is no dataset"):
            dataset.profile(validation="0" * 64)


def test_the_command_profiles_a_file_and_a_dataset(service: Service, path: Path) -> None:
    with service.client() as client:
        dataset = client.upload_dataset(path, progress=False)

    of_file, by_id = command(service, path, "--target", "price"), command(service, dataset.id, "--json")

    assert of_file.returncode == 0, of_file.stderr
    lines = of_file.stdout.splitlines()
    assert lines[0] == "100 rows, 5 columns"
    assert "price is for regression: more than 20 different whole numbers are an amount" in lines
    assert "- id: differs in every row, so it says only which row it is (--ignore id)" in lines
    assert any(line.split()[:4] == ["kind", "category", "0", "2"] and "a (50 %), b (50 %)" in line for line in lines)
    assert any(line.split()[:2] == ["size", "0"] for line in lines)
    found = json.loads(by_id.stdout)
    assert (found["dataset"], found["task"], found["columns"][4]["numbers"]["maximum"]) == (dataset.id, None, 100.0)
    assert found["columns"][3]["dates"]["first"] == "2013-01-01"


def test_what_was_found_is_shown_with_the_job_and_the_version(service: Service, path: Path) -> None:
    noted = path.with_name("noted.csv")
    lines = TABLE.splitlines()
    rows = [f"same,0{i % 7},{line}" for i, line in enumerate(lines[1:])]
    noted.write_text("\n".join([f"fix,code,{lines[0]}", *rows]))
    layers = {"layers": [{"units": 4, "activation": "relu"}]}
    with service.client() as client:
        job = client.train("noted", layers, noted, "price", plan={"epochs": 2}, ignore=["id"], progress=False)
        job.wait(timeout=60)
        version = client.model("noted").at(None)
        numbers = client.train("plain", layers, [[1.0], [2.0]] * 9, [1.5, 2.5] * 9, plan={"epochs": 1}, progress=False)
        numbers.wait(timeout=60)
        nothing = client.model("plain").at(None).source
        kept = version.source

    assert job.source is not None
    constant = job.source.findings[[each.reason for each in job.source.findings].index("CONSTANT")]
    assert (constant.columns, constant.flag) == (("fix",), "--ignore fix")
    assert kept == job.source
    assert nothing is None
    notes = ["fix: the same in every row, so nothing can be learnt from it (--ignore fix)", "code: numbers such as 00"]
    for shown in (("jobs", "show", job.id), ("models", "show", "noted"), ("models", "show", "noted/1")):
        done = CliRunner().invoke(layerwise, [*shown, "--rpc", service.rpc])
        assert [note in done.stdout for note in notes] == [True, True], done.output
    done = CliRunner().invoke(layerwise, ["models", "show", "noted/1", "--json", "--rpc", service.rpc])
    told = json.loads(done.stdout)
    assert told["source"]["findings"] == json.loads(json.dumps([asdict(each) for each in job.source.findings]))
    with urllib.request.urlopen(f"{service.rest}/api/jobs/{job.id}", timeout=30) as answer:
        assert json.load(answer)["source"]["findings"] == told["source"]["findings"]


def test_the_command_names_what_is_wrong(service: Service, path: Path) -> None:
    for arguments, message in (
        ((path, "--target", "cost"), "layerwise: --target: there is no column 'cost'"),
        (("nowhere.csv",), "layerwise: there is no file nowhere.csv, and an id has 64 hexadecimal digits"),
        (("0" * 64,), "layerwise: there is no dataset"),
        (
            (path, "--target", "kind", "--task", "regression"),
            "layerwise: --task: 'kind' has values that are no numbers",
        ),
    ):
        ended = command(service, *arguments)
        assert (ended.returncode, ended.stderr.startswith(message)) == (1, True), ended.stderr
