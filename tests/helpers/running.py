"""A whole service for a test: `layerwise serve` in a process of its own, on free ports of the loopback address."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from layerwise_client import Client

START_SECONDS = 120.0


@dataclass
class Service:
    """A service that runs."""

    process: subprocess.Popen[str]
    home: Path
    log: Path
    rest: str
    rpc: str
    output: list[str] = field(default_factory=list)

    def client(self, *, over_rest: bool = False) -> Client:
        return Client(self.rpc, rest=self.rest if over_rest else None)

    def pids(self, command: str) -> list[int]:
        """Processes that the service started to run `layerwise <command>`, without those that these started."""
        return [pid for pid in children(self.process.pid) if _name(pid) == f"lw-{command}"]

    def rest_pids(self) -> list[int]:
        """The processes that answer REST."""
        return [pid for rest in self.pids("rest") for pid in children(rest)]

    def stop(self, number: int = signal.SIGTERM, *, seconds: float = 20.0) -> int:
        """Ends the service and gives its exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextmanager
def running_service(
    home: Path, *arguments: str, stderr: int | None = None, python: str = sys.executable, **environment: str
) -> Iterator[Service]:
    """`layerwise serve` with its data in `home`; ended, with all that it started, at the end of the block.

    Its log is the file beside `home`, or whatever the descriptor `stderr` leads to.
    """
    home.mkdir(parents=True, exist_ok=True)
    log = home.parent / f"{home.name}.log"
    command = [python, "-m", "layerwise_service.commands", "serve", "--home", str(home)]
    command += ["--rest", "127.0.0.1:0", "--rpc", "127.0.0.1:0"]
    with log.open("a") as stream:
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=stream if stderr is None else stderr,
            text=True,
            env=os.environ | environment,
        )
    try:
        lines = _read_banner(process, log)
        banner = "\n".join(lines)
        rest, rpc = re.search(r"REST +(\S+)", banner), re.search(r"gRPC +(\S+)", banner)
        assert rest, banner
        assert rpc, banner
        yield Service(process, home, log, rest[1], rpc[1], lines)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert process.stdout is not None
        process.stdout.close()


def sessions_are_groups() -> bool:
    """Return whether this system shares the processor between sessions, so that niceness counts in each alone."""
    switch = Path("/proc/sys/kernel/sched_autogroup_enabled")
    return switch.exists() and switch.read_text().strip() == "1"


def children(parent: int) -> list[int]:
    """The processes that a process has started, whichever of its threads did."""
    try:
        tasks = list(Path(f"/proc/{parent}/task").glob("*/children"))
        return [int(pid) for task in tasks for pid in task.read_text().split()]
    except OSError:
        return []  # it has just ended


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def family(pid: int) -> set[int]:
    """The process and all that it started, directly or not."""
    return {pid}.union(*map(family, children(pid)))


def get(service: Service, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"{service.rest}{path}", timeout=10) as response:
        answer: dict[str, object] = json.load(response)
        return answer


def answers(service: Service) -> bool:
    try:
        with service.client() as client:
            client.models()
        return get(service, "/readyz")["status"] == "ok"
    except Exception:
        return False


def alive(pid: int) -> bool:
    """Whether the process runs: a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _read_banner(process: subprocess.Popen[str], log: Path) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("Ctrl-C"):
            timer.cancel()
            return lines
    timer.cancel()
    raise AssertionError(f"the service did not start: {lines}\n{log.read_text()}")
