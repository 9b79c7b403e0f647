"""Background threads outlive errors that nobody expected."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from helpers.running import running_service
from helpers.waiting import wait_until
from layerwise_client import datasets

SMALL = {"layers": [{"units": 4, "activation": "relu"}]}


def test_new_versions_are_served_after_a_table_was_gone_for_a_moment(tmp_path: Path) -> None:
    X, y = datasets.load("iris")
    home = tmp_path / "home"
    with running_service(home) as service, service.client(over_rest=True) as client, service.client() as over_grpc:
        client.train("iris", SMALL, X, y, plan={"epochs": 1}, progress=False).wait(timeout=30)
        assert (client.predict("iris", X).version, over_grpc.predict("iris", X).version) == (1, 1)

        with closing(sqlite3.connect(home / "layerwise.db", timeout=20)) as database:
            database.execute("ALTER TABLE registry RENAME TO hidden")
            wait_until(lambda: failed(service.log, "rest") and failed(service.log, "rpc"))
            database.execute("ALTER TABLE hidden RENAME TO registry")
        client.train("iris", SMALL, X, y, plan={"epochs": 1}, progress=False).wait(timeout=30)

        wait_until(lambda: client.predict("iris", X).version == over_grpc.predict("iris", X).version == 2)


def failed(log: Path, process: str) -> bool:
    return any('"loop_failed"' in line and f'"process": "{process}"' in line for line in log.read_text().splitlines())
