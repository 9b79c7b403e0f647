"""Whether the service says the truth about itself on a disk that is full or read-only, and without its database."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest

from helpers.disks import read_only, small_disk
from helpers.running import Service, running_service
from helpers.waiting import wait_until
from layerwise_client import Client, LayerwiseError, ResourceExhausted, Unavailable, datasets

SMALL = {"layers": [{"units": 4, "activation": "relu"}]}


def status(service: Service, path: str) -> int:
    try:
        with urlopen(f"{service.rest}{path}", timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def train(client: Client) -> str:
    X, y = datasets.load("iris")
    return client.train("iris", SMALL, X, y, plan={"epochs": 2}, progress=False).wait(timeout=60).state


def refusal_of_healthcheck(service: Service, process: str) -> str:
    """Returns what `layerwise healthcheck` says as soon as it fails: what a process found counts for a second."""
    addresses = {"rest": ["--rest", service.rest.removeprefix("http://")], "rpc": ["--rpc", service.rpc], "worker": []}
    command = [sys.executable, "-m", "layerwise_service.commands", "healthcheck", process, "--home", str(service.home)]
    refusals: list[str] = []

    def fails() -> bool:
        ended = subprocess.run([*command, *addresses[process]], capture_output=True, text=True, timeout=60, check=False)
        if ended.returncode:
            refusals.append(ended.stderr)
        return bool(refusals)

    wait_until(fails, what=f"healthcheck {process} fails")
    return refusals[0]


def check_that_it_predicts_and_takes_nothing_in(
    service: Service, client: Client, error: type[LayerwiseError], message: str
) -> None:
    wait_until(lambda: status(service, "/readyz") == 503, what="not ready")
    assert status(service, "/readyz/predictions") == 200
    assert status(service, "/livez") == 200
    assert client.predict("iris", np.zeros((1, 4), np.float32)).version >= 1
    with Client(service.rpc, timeout=2) as impatient, pytest.raises(error, match=message):  # others try for longer
        train(impatient)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount the small disk that is to fill up")
def test_a_service_that_cannot_write_says_so_and_predicts_and_is_ready_again_when_it_can(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        running_service(disk / "home") as service,
        service.client(over_rest=True) as client,
    ):
        assert train(client) == "SUCCEEDED"
        wait_until(lambda: status(service, "/readyz") == 200, what="ready")

        with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(4_096))
        check_that_it_predicts_and_takes_nothing_in(service, client, ResourceExhausted, "full")
        for process in ("rest", "rpc", "worker"):
            said = refusal_of_healthcheck(service, process)
            assert len(said.splitlines()) == 1, said
        (disk / "filler").unlink()
        wait_until(lambda: status(service, "/readyz") == 200, what="ready again")

        with read_only(disk):
            check_that_it_predicts_and_takes_nothing_in(service, client, Unavailable, "read-only")
        wait_until(lambda: status(service, "/readyz") == 200, what="ready again")

        database = service.home / "layerwise.db"
        moved = database.rename(database.with_suffix(".moved"))
        check_that_it_predicts_and_takes_nothing_in(
            service, client, Unavailable, "the file of the database was removed"
        )
        moved.rename(database)
        wait_until(lambda: status(service, "/readyz") == 200, what="ready again")

        assert train(client) == "SUCCEEDED"
        assert "Traceback" not in service.log.read_text()
