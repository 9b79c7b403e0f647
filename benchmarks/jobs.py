"""What the service around a training costs: the queue, long lists, the training itself, a tiny job, many watchers.

    python -m benchmarks.jobs OUT.json [--rounds 5] [--mnist FOLDER] [--only queue,lists,training,tiny,watchers]

The queue and the lists are measured on SQLite, and on PostgreSQL if one is installed. A job and `fit` train the same
network on the same rows with the same threads, in turns; the time of a job is that from its claim to its version.
docs/performance.md has the table.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from benchmarks.documents import put_between
from benchmarks.mnist_files import mnist
from layerwise_client import Client, Job
from layerwise_service.domain.datasets import Batch, Dataset
from layerwise_service.domain.job_notes import Notes
from layerwise_service.domain.jobs import JobFilter, NewJob
from layerwise_service.settings import Settings
from layerwise_service.stores.schema import jobs
from layerwise_service.wiring import Stores, open_stores

BEGIN, END = "<!-- figures of benchmarks/jobs.py -->\n", "<!-- end of the figures of jobs -->\n"
QUEUED, ENDED = 10_000, 100_000
ARCHITECTURE: dict[str, Any] = {
    "layers": [{"units": 512, "activation": "relu"}, {"units": 512, "activation": "relu"}, {}]
}
PLAN: dict[str, Any] = {"epochs": 10, "batch_size": 128, "optimizer": {"kind": "adam", "learning_rate": 1e-3}}
WATCHERS = 200
WATCHED: dict[str, Any] = {"layers": [{"units": 64}, {}]}


@contextmanager
def opened(database_url: str = "") -> Iterator[tuple[Stores, Dataset]]:
    """Open new stores with a small dataset."""
    with tempfile.TemporaryDirectory() as folder:
        stores = open_stores(Settings(home=folder, database_url=database_url))
        limits = {"max_features": 9, "max_outputs": 9, "max_label_bytes": 9, "max_columns": 9}
        writer = stores.artifacts.new_dataset(classes=None, **limits, max_text_bytes=9, max_bytes=9_999)
        writer.add(Batch(np.zeros((4, 2), np.float32), ["a", "b", "a", "b"]))
        dataset = writer.finish()
        stores.artifacts.keep(writer, dataset)
        yield stores, dataset
        stores.close()


def new_job(dataset: Dataset, **notes: Any) -> NewJob:
    architecture = {"inputs": 2, "layers": [{"units": 8, "activation": "relu"}, {"units": 2}]}
    return NewJob("m", architecture, {"epochs": 3}, dataset.sha256, "accuracy", "f", notes=Notes(**notes))


def rate(act: Callable[[], object], *, seconds: float = 3.0) -> float:
    """Return how often a second `act` can be done."""
    count, begin = 0, time.perf_counter()
    while (taken := time.perf_counter() - begin) < seconds:
        act()
        count += 1
    return count / taken


def queue(database_url: str) -> dict[str, float]:
    """Measure submissions and claims."""
    with opened(database_url) as (stores, dataset):
        new = new_job(dataset)
        submits = rate(lambda: stores.jobs.submit(new, dataset, max_open=10**9))
        claims = rate(lambda: stores.leases.claim("w"))
    return {"submits": submits, "claims": claims}


def lists(database_url: str) -> dict[str, float]:
    """Measure pages of 50 among many jobs, and a submission and a claim among them, in milliseconds."""
    with opened(database_url) as (stores, dataset):
        first = stores.jobs.submit(new_job(dataset, labels={"team": "blue"}), dataset, max_open=10**9)
        with stores.database.write() as connection:
            row = dict(connection.execute(sa.select(jobs).where(jobs.c.id == first.id)).mappings().one())
            for start in range(0, QUEUED + ENDED, 5_000):
                connection.execute(
                    sa.insert(jobs),
                    [
                        {
                            **row,
                            "id": f"{number:026}",
                            "number": number + 2,
                            "turn": number + 2,
                            "model": f"m{number % 20}",
                            "state": "SUCCEEDED" if number < ENDED else "QUEUED",
                            "finished": float(number) if number < ENDED else None,
                            "labels": {"team": "red"},
                        }
                        for number in range(start, start + 5_000)
                    ],
                )
            connection.execute(sa.text("UPDATE registry SET newest_job = 1000000"))
            if stores.database.file is None:
                connection.execute(sa.text("ANALYZE"))
        middle = f"{(QUEUED + ENDED) // 2:026}"
        pages: dict[str, Callable[[], object]] = {
            "first page": lambda: stores.jobs.page(limit=50),
            "a page in the middle": lambda: stores.jobs.page(limit=50, before=middle),
            "of a model": lambda: stores.jobs.page(JobFilter(model="m7"), limit=50),
            "of a state": lambda: stores.jobs.page(JobFilter(state=first.state), limit=50),
            "of a label that one has": lambda: stores.jobs.page(JobFilter(labels={"team": "blue"}), limit=50),
            "by the beginning of an id": lambda: stores.jobs.get(first.id[:20]),
            "submit": lambda: stores.jobs.submit(new_job(dataset), dataset, max_open=10**9),
            "claim": lambda: stores.leases.claim("w"),
        }
        return {name: 1000 * statistics.median(timed(act) for _ in range(15)) for name, act in pages.items()}


def timed(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


@contextmanager
def served(**environment: str) -> Iterator[Client]:
    """Yield a client of a service of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "layerwise_service.commands", "serve", "--home", f"{folder}/home"]
        command += ["--rest", "127.0.0.1:0", "--rpc", "127.0.0.1:0"]
        with (Path(folder) / "log").open("w") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | environment
            )
        try:
            assert process.stdout is not None
            rpc = ""
            for line in process.stdout:
                rpc = line.split()[1] if line.strip().startswith("gRPC") else rpc
                if line.startswith("Ctrl-C"):
                    break
            with Client(rpc, timeout=120) as client:
                yield client
        finally:
            process.terminate()
            process.wait()


FIT = """
import sys, time, json
import numpy as np
from threadpoolctl import threadpool_limits
from layerwise import MLP, Architecture, Plan, fit
X, y = np.load(sys.argv[1]), np.load(sys.argv[2])
architecture, plan = Architecture.from_json(json.loads(sys.argv[3])), Plan.from_json(json.loads(sys.argv[4]))
with threadpool_limits(int(sys.argv[5])):
    begin = time.perf_counter()
    for record in fit(MLP(architecture, seed=plan.seed), X, y, plan=plan):
        pass
    print(time.perf_counter() - begin, record.loss)
"""


def training(folder: Path, rounds: int) -> dict[str, Any]:
    """Measure a job beside `fit` in a process of its own, in turns."""
    X, y, _, _ = mnist(folder)
    ratios, seconds = [], []
    with served() as client, tempfile.TemporaryDirectory() as place:
        np.save(f"{place}/X.npy", X)
        np.save(f"{place}/y.npy", y)
        threads = str(Settings().effective_worker_threads)
        for _ in range(rounds):
            job = client.train("mnist", ARCHITECTURE, X, y, plan=PLAN, progress=False).wait()
            taken = spent(job)
            arguments = [
                f"{place}/X.npy",
                f"{place}/y.npy",
                json.dumps(dict(job.architecture)),
                json.dumps(dict(job.plan)),
            ]
            environment = os.environ | {"OPENBLAS_NUM_THREADS": threads}
            command = [sys.executable, "-c", FIT, *arguments, threads]
            told = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
            assert job.record is not None
            ratios.append(taken / float(told[0]))
            seconds.append((taken, float(told[0])))
    return {"ratio": statistics.median(ratios), "rounds": seconds}


def spent(job: Job) -> float:
    """Return the seconds from the first claim of a job to its version."""
    begin = next(change.time for change in job.transitions if change.state == "RUNNING")
    return (job.transitions[-1].time - begin).total_seconds()


def tiny(rounds: int) -> dict[str, list[float]]:
    """Measure a job on 200 rows from the call to the version, in milliseconds, with NumPy and compiled loops."""
    X, y = np.random.default_rng(0).normal(size=(200, 10)), ["a", "b"] * 100
    found: dict[str, list[float]] = {}
    for name, environment in (("numpy", {"LAYERWISE_KERNELS": "numpy"}), ("fast", {})):
        with served(**environment) as client:
            network = {"layers": [{"units": 16, "activation": "relu"}, {}]}

            def train(client: Client = client, network: Any = network) -> None:
                client.train("tiny", network, X, y, progress=False).wait()

            found[name] = [1000 * timed(train) for _ in range(3 * rounds)]
            time.sleep(1)
    return found


def watchers(rounds: int) -> dict[str, float]:
    """Measure the rows a second of a job, and unary calls, with 200 watchers and with none."""
    X, y = np.random.default_rng(0).normal(size=(20_000, 50)), ["a", "b"] * 10_000
    plan = {"epochs": 60, "batch_size": 64}
    ratios, calls = [], []
    with served() as client:
        for _ in range(rounds):
            alone = spent(client.train("watched", WATCHED, X, y, plan=plan, progress=False).wait())
            job = client.train("watched", WATCHED, X, y, plan=plan, progress=False)
            threads = [threading.Thread(target=watch, args=(job,), daemon=True) for _ in range(WATCHERS)]
            for thread in threads:
                thread.start()
            while not job.refresh().summary.ended:
                calls.append(timed(client.models))
                time.sleep(0.05)
            ratios.append(spent(job) / alone)
            for thread in threads:
                thread.join()
    calls.sort()
    return {"ratio": statistics.median(ratios), "p99_ms": 1000 * calls[int(len(calls) * 0.99)]}


def watch(job: Job) -> None:
    for _ in job.watch():
        pass


def written(found: dict[str, Any]) -> str:
    """Return the figures as a table in Markdown."""
    lines = ["| what | measured | goal |", "|---|---|---|"]
    for name, kind in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
        if measured := found.get(f"queue_{name}"):
            told = f"{measured['submits']:,.0f} submissions, {measured['claims']:,.0f} claims a second"
            lines.append(f"| {kind}: the queue | {told} | ≥ 200; ≥ 100 |")
        if measured := found.get(f"lists_{name}"):
            told = ", ".join(f"{what} {value:.1f}" for what, value in measured.items())
            lines.append(f"| {kind}: 10,000 queued and 100,000 ended jobs, pages of 50 | {told} ms | < 50 ms |")
    if measured := found.get("training"):
        lines.append(f"| a job beside `fit`, MNIST, 10 epochs, checkpoints | {measured['ratio']:.3f} × | ≤ 1.05 × |")
    if measured := found.get("tiny"):
        told = "; ".join(
            f"{name} {statistics.median(each):.0f} ms (the first {each[0]:.0f})" for name, each in measured.items()
        )
        lines.append(f"| 200 rows, from the call to the version | {told} | < 500 ms |")
    if measured := found.get("watchers"):
        told = f"{measured['ratio']:.3f} × the time of none; unary calls p99 {measured['p99_ms']:.0f} ms"
        lines.append(f"| a job with {WATCHERS} watchers | {told} | ≤ 1.02 ×; < 200 ms |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--postgresql", default="", help="URL of an empty database")
    parser.add_argument("--only", default="queue,lists,training,tiny,watchers")
    given = parser.parse_args()
    only = given.only.split(",")
    found: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    for name, url in (("sqlite", ""), ("postgresql", given.postgresql)):
        if name == "sqlite" or url:
            if "queue" in only:
                found[f"queue_{name}"] = queue(url)
            if "lists" in only:
                found[f"lists_{name}"] = lists(url)
    if "training" in only and given.mnist:
        found["training"] = training(given.mnist, given.rounds)
    if "tiny" in only:
        found["tiny"] = tiny(given.rounds)
    if "watchers" in only:
        found["watchers"] = watchers(given.rounds)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    put_between(Path("docs/performance.md"), BEGIN, END, written(found))
    print(written(found))


if __name__ == "__main__":
    main()
