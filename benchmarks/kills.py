"""Kills every part of a running service at random moments: each job has to end as if nothing had happened (Linux).

    python -m benchmarks.kills [--kills 60] [--seed 0]

Each kill meets one job, between the begin of its upload and its publication. The job has to succeed with the weights of
a job that nobody disturbed, bit for bit, as the only version of its model. Prints a table by victim; the exit status
is 1 if a job did not.
"""

import argparse
import hashlib
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from layerwise_client import Client, LayerwiseError, datasets
from layerwise_service.stores.database import Database

ARCHITECTURE = {"layers": [{"units": 64, "activation": "relu", "dropout": 0.2}]}
PLAN = {"epochs": 30, "batch_size": 16, "validation": 0.1}
LEASE_SECONDS = 1.5
CHECKPOINT_SECONDS = 0.1
WORKERS = 2
SECONDS = 120.0
"""How long a job, or the service, may take to recover."""


class Service:
    """`layerwise serve` at addresses that stay the same however often it is started."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.rest, self.rpc = (f"127.0.0.1:{port}" for port in _free_ports(2))
        self.log = home.parent / "serve.log"
        self._starts = 0
        self.process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        self._starts += 1
        command = [sys.executable, "-m", "layerwise_service.commands", "serve", "--home", str(self.home)]
        command += ["--rest", self.rest, "--rpc", self.rpc, "--workers", str(WORKERS)]
        environment = os.environ | {
            "LAYERWISE_LEASE_SECONDS": str(LEASE_SECONDS),
            "LAYERWISE_CHECKPOINT_SECONDS": str(CHECKPOINT_SECONDS),
        }
        with self.log.open("ab") as log, self._banner.open("wb") as banner:
            return subprocess.Popen(command, env=environment, stdout=banner, stderr=log)

    @property
    def _banner(self) -> Path:
        """What the service says when it is ready."""
        return self.home.parent / f"banner-{self._starts}.txt"

    def client(self) -> Client:
        return Client(self.rpc, rest=f"http://{self.rest}", timeout=SECONDS)

    def start_again(self) -> None:
        """Starts the service after its supervisor was killed, as soon as what that one had started is gone."""
        self.process.wait()
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            self.process = self._started()
            while self.process.poll() is None:
                if "Ctrl-C" in self._banner.read_text():
                    return  # it is this one that listens, and no leftover of the one before
                time.sleep(0.1)
            time.sleep(0.5)
        raise TimeoutError(f"the service did not start again; its log is {self.log}")

    def wait_until_ready(self) -> None:
        """Waits until both faces answer."""
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise TimeoutError(f"the service does not answer; its log is {self.log}")
            time.sleep(0.1)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def _answers(self) -> bool:
        for address in (self.rest, self.rpc):
            host, _, port = address.rpartition(":")
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
            except OSError:
                return False
        return True

    def pids(self, part: str) -> list[int]:
        """Processes that run `layerwise <part>` for this service."""
        return [pid for pid in _children(self.process.pid) if _name(pid) == f"lw-{part}"]

    def holder(self) -> list[int]:
        """The worker that has a job in hand."""
        with closing(Database(f"sqlite:///{self.home / 'layerwise.db'}")) as database, database.read() as connection:
            held = connection.scalar(sa.text("SELECT worker FROM jobs WHERE worker IS NOT NULL"))
        return [pid for pid in self.pids("worker") if held is not None and held in _command(pid)]

    def granian(self) -> list[int]:
        """The processes that answer REST."""
        return [pid for rest in self.pids("rest") for pid in _children(rest)]


@dataclass
class Outcome:
    """What came of a job."""

    victim: str
    seconds: float
    attempts: int
    fault: str  # empty: none


def kill(service: Service, victim: str, rng: random.Random) -> None:
    """Kills one process that is such a victim, or freezes it beyond the lease."""
    if victim == "supervisor":
        service.process.kill()
        service.start_again()
        return
    found = {
        "worker": lambda: service.holder() or service.pids("worker"),
        "frozen worker": lambda: service.holder() or service.pids("worker"),
        "rpc": lambda: service.pids("rpc"),
        "rest": lambda: service.pids("rest"),
        "granian's child": service.granian,
    }[victim]
    pids = _until(found)
    with suppress(ProcessLookupError):  # it ended by itself in this very moment
        pid = rng.choice(pids)
        os.kill(pid, signal.SIGKILL if victim != "frozen worker" else signal.SIGSTOP)
        if victim == "frozen worker":
            time.sleep(LEASE_SECONDS * rng.uniform(1.5, 8.0))  # some are woken, some ended by the supervisor
            os.kill(pid, signal.SIGCONT)


VICTIMS = ("worker", "frozen worker", "rpc", "rest", "granian's child", "supervisor")


def disturb(service: Service, model: str, kill_one: Callable[[], None], expected: str) -> tuple[int, str]:
    """Trains `model` while `kill_one` does its work; gives the attempts, and what is wrong, if anything is."""
    X, y = datasets.load("digits")
    faults: list[str] = []

    def try_to_kill() -> None:
        try:
            kill_one()
        except (OSError, TimeoutError) as error:
            faults.append(f"not killed: {error}")

    killing = threading.Thread(target=try_to_kill)
    killing.start()
    attempts, fault = 0, ""
    try:
        with service.client() as client:
            job = client.train(model, ARCHITECTURE, X, y, plan=PLAN, progress=False).wait(timeout=SECONDS)
            attempts = job.attempt
            killing.join()
            service.wait_until_ready()
            versions = client.model(model).versions
            if len(versions) != 1:
                fault = f"{len(versions)} versions"
            elif weights(service.home, versions[0].sha256) != expected:
                fault = "other weights"
            elif client.predict(model, X[:1]).version != 1:
                fault = "another version answers"
    except LayerwiseError as error:
        fault = f"{type(error).__name__}: {error}"
    killing.join()
    return attempts, "; ".join([*faults, fault] if fault else faults)


def weights(home: Path, sha256: str) -> str:
    """SHA-256 of the arrays of a model file: its manifest tells of the job."""
    with np.load(home / "artifacts" / "models" / f"{sha256}.npz") as file:
        arrays = b"".join(file[name].tobytes() for name in sorted(file.files) if name != "manifest")
    return hashlib.sha256(arrays).hexdigest()


def undisturbed(service: Service) -> tuple[str, float]:
    """The weights of a job that nobody disturbs, and the seconds it takes."""
    X, y = datasets.load("digits")
    with service.client() as client:
        began = time.monotonic()
        client.train("undisturbed", ARCHITECTURE, X, y, plan=PLAN, progress=False).wait(timeout=SECONDS)
        seconds = time.monotonic() - began
        return weights(service.home, client.model("undisturbed").versions[0].sha256), seconds


def run(kills: int, seed: int, *, tell: Callable[[str], None] = print) -> list[Outcome]:
    """Kills so often; the victims take turns, the moments are chance."""
    rng = random.Random(seed)
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="layerwise-kills-") as folder:
        service = Service(Path(folder) / "home")
        try:
            service.wait_until_ready()
            undisturbed(service)  # the first job of a service is slower than those after it
            expected, seconds = undisturbed(service)
            for number in range(kills):
                victim, after = VICTIMS[number % len(VICTIMS)], rng.uniform(0, 1.1 * seconds)

                def kill_one(victim: str = victim, after: float = after) -> None:
                    time.sleep(after)
                    kill(service, victim, rng)

                began = time.monotonic()
                attempts, fault = disturb(service, f"m{number}", kill_one, expected)
                outcomes.append(Outcome(victim, time.monotonic() - began, attempts, fault))
                tell(f"{number + 1:3} {victim:16} after {after:4.1f} s: {fault or 'as undisturbed'}")
        finally:
            service.stop()
            if any(outcome.fault for outcome in outcomes):
                tell(service.log.read_text()[-20_000:])
    return outcomes


def table(outcomes: list[Outcome]) -> str:
    """A line for each victim."""
    lines = [f"{'victim':16} {'kills':>5} {'as undisturbed':>14} {'attempts':>8} {'median s':>8} {'longest s':>9}"]
    for victim in VICTIMS:
        of = [outcome for outcome in outcomes if outcome.victim == victim]
        if of:
            seconds = [outcome.seconds for outcome in of]
            lines.append(
                f"{victim:16} {len(of):5} {sum(not outcome.fault for outcome in of):14} "
                f"{sum(outcome.attempts for outcome in of):8} {statistics.median(seconds):8.1f} {max(seconds):9.1f}"
            )
    return "\n".join(lines)


def main() -> None:
    """Kills, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    outcomes = run(options.kills, options.seed)
    print(table(outcomes))
    sys.exit(any(outcome.fault for outcome in outcomes))


def _until(find: Callable[[], list[int]]) -> list[int]:
    deadline = time.monotonic() + SECONDS
    while not (found := find()):
        if time.monotonic() > deadline:
            raise TimeoutError("there is no such process")
        time.sleep(0.05)
    return found


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _children(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has just ended
                if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(folder.name))
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _command(pid: int) -> str:
    try:
        return re.sub("\0", " ", Path(f"/proc/{pid}/cmdline").read_text())
    except OSError:
        return ""


if __name__ == "__main__":
    main()
