"""schemathesis finds no answer that the OpenAPI document does not allow. Run by `make test-openapi`.

What it sends follows from the document and the seed alone. Requests that take data away come last, so that all others
meet models, a job and a dataset that are there.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.running import Service, running_service
from layerwise_client import datasets

HERE = Path(__file__).parent
COMMAND = HERE.parents[1] / ".venv-openapi/bin/schemathesis"
TAKES_AWAY = ("--include-method", "DELETE"), ("--include-path-regex", "/unload$")
OTHERS = ("--exclude-method", "DELETE", "--exclude-path-regex", "/unload$")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A service, and what schemathesis is told of it."""
    home = tmp_path_factory.mktemp("openapi") / "home"
    with running_service(home, "--rest-processes", "1") as running, running.client() as client:
        X, y = datasets.load("iris")
        network = {"layers": [{"units": 8, "activation": "relu"}, {}]}
        client.train("iris", network, X, y, plan={"epochs": 5}, progress=False).wait()
        client.set_alias("iris", "champion", 1)
        table = {"colour": ["red", "blue"] * 20, "size": [*range(40)], "sold": ["yes", "no"] * 20}
        client.train("shirts", network, table, "sold", plan={"epochs": 5}, progress=False).wait()
        (dataset, *_), (job, *_) = client.datasets(), client.jobs()
        known = f'[parameters]\ndataset = "{dataset.id}"\njob_id = "{job.id}"\n'
        yield running, (HERE / "schemathesis.toml").read_text().replace("[parameters]\n", known)


@pytest.mark.parametrize("chosen", [OTHERS, *TAKES_AWAY], ids=["others", "delete", "unload"])
def test_schemathesis_finds_nothing(service: tuple[Service, str], tmp_path: Path, chosen: tuple[str, ...]) -> None:
    running, config = service
    (tmp_path / "schemathesis.toml").write_text(config)
    phases = "--phases", "examples,coverage,fuzzing"
    bounds = "--seed", "1", "--max-examples", "10", "--generation-database", "none"

    done = subprocess.run(
        [COMMAND, "run", f"{running.rest}/openapi.json", *phases, *bounds, "--continue-on-failure", *chosen],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )

    shutil.rmtree(tmp_path / ".hypothesis", ignore_errors=True)
    assert done.returncode == 0, done.stdout
