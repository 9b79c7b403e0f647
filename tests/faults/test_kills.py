"""Random kills: a short run of the benchmark that kills every part of a service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(1200)
def test_a_job_ends_as_undisturbed_whoever_is_killed() -> None:
    command = [sys.executable, "-m", "benchmarks.kills", "--kills", "6", "--seed", "7"]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1100, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count(": as undisturbed") == 6
