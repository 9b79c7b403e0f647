"""tritonclient's four clients and perf_analyzer work with a service, unchanged. Run by `make test-clients`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.running import Service

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-clients/bin/python"
PERF_ANALYZER = os.environ.get("PERF_ANALYZER") or shutil.which("perf_analyzer")
"""The command; it comes with the wheel tritonclient 2.41.0, and needs libb64 and the wheel nvidia-cuda-runtime-cu12."""


def address(service: Service, protocol: str) -> str:
    return (service.rest if protocol.startswith("http") else service.rpc).removeprefix("http://")


@pytest.mark.parametrize("kind", ["http", "http.aio", "grpc", "grpc.aio"])
def test_every_method_of_tritonclient_works(kind: str, service: Service) -> None:
    command = [str(PYTHON), str(HERE / "every_method.py"), kind, address(service, kind)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (ended.stdout, ended.returncode) == (f"every method of {kind}\n", 0), ended.stderr


@pytest.mark.skipif(PERF_ANALYZER is None, reason="there is no perf_analyzer here; name its command by PERF_ANALYZER")
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_perf_analyzer_measures_the_service(protocol: str, service: Service) -> None:
    command = [*shlex.split(PERF_ANALYZER or ""), "-m", "bench", "-u", address(service, protocol), "-i", protocol]
    command += ["--concurrency-range", "4:4", "--measurement-interval", "500", "--stability-percentage", "999"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    counts = dict(re.findall(r"^ *(Request|Inference|Successful request) count: (\d+)", ended.stdout, re.MULTILINE))
    assert set(counts) == {"Request", "Inference", "Successful request"}, ended.stdout
    assert all(int(count) > 0 for count in counts.values())
