"""The datasets of files in a real service, listed and deleted by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from helpers.running import Service


def command(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    called = [str(Path(sys.executable).parent / "layerwise"), "datasets", *arguments]
    environment = os.environ | {"LAYERWISE_RPC_ADDRESS": service.rpc, "COLUMNS": "200"}
    return subprocess.run(called, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_the_datasets_of_files_are_listed_newest_first_and_deleted(service: Service, tmp_path: Path) -> None:
    ids: list[str] = []
    with service.client() as client:
        for name, first in (("red.csv", 1), ("green.csv", 2)):
            path = tmp_path / name
            path.write_text(f"size,sold\n{first},yes\n0,no\n")
            ids.append(client.upload_dataset(path).id)
        looked_at = tmp_path / "looked at.csv"
        looked_at.write_text("size\n3\n")
        client.upload_dataset(looked_at, transient=True)
    red, green = ids

    lines = command(service, "stored").stdout.splitlines()
    assert lines[0].split() == ["dataset", "file", "rows", "columns", "size", "created"]
    assert lines[1].startswith(green)
    assert lines[1].split()[1:6] == ["green.csv", "2", "2", "0.0", "MB"]
    assert lines[2].split()[:2] == [red, "red.csv"]
    assert "looked at" not in "".join(lines)

    one = command(service, "stored", "--limit", "1")
    assert [line.split()[0] for line in one.stdout.splitlines()[1:]] == [green]
    assert one.stderr == "there are more: --limit 2 lists more of them, --json all\n"

    deleted = command(service, "delete", red)
    assert (deleted.stdout, deleted.returncode) == (f"deleted {red}, of red.csv\n", 0)
    assert red not in [dataset["id"] for dataset in json.loads(command(service, "stored", "--json").stdout)]

    again = command(service, "delete", red)
    assert again.returncode == 1
    assert again.stderr == f"layerwise: id: there is no dataset '{red}'\n"
