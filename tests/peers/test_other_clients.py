"""The clients of MLflow and KServe work with a service, unchanged. Run by `make test-clients`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.dialect_models import publish_models
from helpers.running import Service, running_service
from layerwise_service.settings import Settings

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-clients/bin/python"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("other_clients") / "home"
    publish_models(Settings(home=str(home)))
    with running_service(home) as running:
        yield running


@pytest.mark.parametrize("client", ["mlflow", "deployments", "kserve", "requests"])
def test_a_client_of_another_server_works(client: str, service: Service) -> None:
    command = [str(PYTHON), str(HERE / "other_clients.py"), client, service.rest]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert (ended.stdout.splitlines()[-1:], ended.returncode) == ([f"{client} works"], 0), ended.stdout + ended.stderr
