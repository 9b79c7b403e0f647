"""The database and the folder of the artefacts belong together, or the service does not start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.running import running_service
from helpers.waiting import wait_until
from layerwise_client import datasets

SMALL = {"layers": [{"units": 4, "activation": "relu"}]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one model, old enough to be swept if nobody knew it; each test copies it."""
    home = tmp_path_factory.mktemp("trained") / "home"
    X, y = datasets.load("xor")
    with running_service(home) as service, service.client() as client:
        client.train("xor", SMALL, X, y, plan={"epochs": 2}, progress=False).wait(timeout=30)
        made = [path for path in home.rglob("*") if path.stat().st_mode & 0o077]
        assert made == []  # nothing is open to other users
    for path in (home / "artifacts").rglob("*"):
        os.utime(path, (0, 0))
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "home"
    shutil.copytree(trained, copied)
    return copied


def files(home: Path) -> dict[str, bytes]:
    """What is stored, by name."""
    folders = [home / "artifacts" / kind for kind in ("datasets", "models")]
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def layerwise(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "layerwise_service.commands", *words]
    env = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


def serve(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    flags = ["--home", str(home), "--rest", "127.0.0.1:0", "--rpc", "127.0.0.1:0"]
    return layerwise("serve", *flags, *words, **environment)


def test_a_service_without_its_database_does_not_start_and_finds_all_models_when_it_is_restored(home: Path) -> None:
    database, saved, before = home / "layerwise.db", home.parent / "saved.db", files(home)
    database.rename(saved)

    missing = serve(home)
    database.touch()
    zeroed = serve(home)

    for ended, state in ((missing, "is missing"), (zeroed, "is empty (0 bytes)")):
        assert ended.returncode == 1
        assert f"the database {database} {state}" in ended.stderr
        assert "restore layerwise.db from a backup" in ended.stderr
        assert f"layerwise adopt --home {home}" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
    assert database.stat().st_size == 0
    assert files(home) == before

    saved.rename(database)
    with running_service(home) as service, service.client() as client:
        assert client.predict("xor", datasets.load("xor")[0]).version == 1


def test_a_service_whose_models_are_not_mounted_does_not_start_until_they_are_back(home: Path) -> None:
    models, saved = home / "artifacts" / "models", home.parent / "models"
    models.rename(saved)

    refused = serve(home)

    assert refused.returncode == 1
    assert f"the folder {models} is missing: is its disk mounted?" in refused.stderr
    assert f"layerwise adopt --home {home}" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not models.exists()

    saved.rename(models)
    with running_service(home) as service, service.client() as client:
        assert client.predict("xor", datasets.load("xor")[0]).version == 1


def test_another_database_is_used_with_the_folder_on_purpose_alone_and_nothing_is_deleted_then(home: Path) -> None:
    before = files(home)
    url = f"sqlite:///{home.parent / 'other.db'}"

    refused = serve(home, LAYERWISE_DATABASE_URL=url)
    assert (refused.returncode, "other.db is missing" in refused.stderr) == (1, True)

    adopted = layerwise("adopt", "--home", str(home), LAYERWISE_DATABASE_URL=url)
    assert adopted.returncode == 0, adopted.stderr
    X, y = datasets.load("iris")
    with running_service(home, LAYERWISE_DATABASE_URL=url) as service, service.client() as client:
        client.train("iris", SMALL, X, y, plan={"epochs": 2}, progress=False).wait(timeout=30)
    assert before.items() <= files(home).items()

    refused = serve(home)  # the first database
    assert (refused.returncode, "belongs to another folder" in refused.stderr) == (1, True)
    assert before.items() <= files(home).items()


def test_a_process_of_rest_that_cannot_open_the_store_says_so_in_a_line_and_answers_when_it_can(home: Path) -> None:
    models, saved = home / "artifacts" / "models", home.parent / "models"
    with running_service(home) as service:
        (rest,) = service.pids("rest")
        before = service.rest_pids()
        models.rename(saved)
        os.kill(before[0], signal.SIGKILL)

        wait_until(lambda: "rest_not_started" in service.log.read_text())
        assert service.pids("rest") == [rest]
        assert before[1] in service.rest_pids()

        saved.rename(models)
        with service.client() as client:
            wait_until(lambda: len(service.rest_pids()) == 2)
            assert client.predict("xor", datasets.load("xor")[0]).version == 1
        assert service.pids("rest") == [rest]
        assert service.stop() == 0
    log = service.log.read_text()
    assert (log.count("rest_not_started"), "Traceback" in log) == (1, False)
