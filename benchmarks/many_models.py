"""Many small models in one service: the time of the first prediction of each, and the memory of all processes (Linux).

    python -m benchmarks.many_models [--models 10000] [--json FILE]

Publishes models 30-64-64-2 without training them, starts `layerwise serve`, and asks for a prediction of each model:
twice over REST, through ever new connections so that each process is asked for most models, and once over gRPC.
"""

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from layerwise import MLP, Architecture, Layer, Plan
from layerwise_client import Client
from layerwise_service.domain.datasets import Batch
from layerwise_service.domain.jobs import NewJob
from layerwise_service.settings import Settings
from layerwise_service.stores.version_store import insert_version
from layerwise_service.wiring import open_stores

INPUTS = 30
CALLS = 200  # through one connection
THREADS = 16


def small_networks(count: int) -> Iterator[tuple[str, MLP]]:
    """Yield different networks 30-64-64-2, with the names model-0, model-1 and so on."""
    layers = Layer(64, "relu"), Layer(64, "relu"), Layer(2)
    for number in range(count):
        network = MLP(Architecture(INPUTS, layers), seed=number)
        network.plan, network.labels = Plan(), ("no", "yes")
        yield f"model-{number}", network


def publish(settings: Settings, networks: Iterator[tuple[str, MLP]], *, features: int = INPUTS) -> None:
    """Publish each network, which tells "no" from "yes" in rows of numbers, as a version of the model of its name."""
    stores = open_stores(settings)
    writer = stores.artifacts.new_dataset(
        classes=None,
        max_features=features,
        max_outputs=2,
        max_label_bytes=10,
        max_columns=10,
        max_text_bytes=10,
        max_bytes=1_000_000,
    )
    writer.add(Batch(np.zeros((2, features), np.float32), ["no", "yes"]))
    dataset = writer.finish()
    stores.artifacts.keep(writer, dataset)
    new = NewJob("none", {}, {}, dataset.sha256, "accuracy", fingerprint="f")
    job = stores.jobs.submit(new, dataset, max_open=settings.max_queued_jobs)
    stores.job_control.cancel(job.id)

    def keep(named: tuple[str, MLP]) -> tuple[str, int, tuple[str, int]]:
        name, network = named
        return name, network.parameters.size, stores.artifacts.keep_model(network)

    files: list[tuple[str, int, tuple[str, int]]] = []
    with ThreadPoolExecutor(THREADS) as threads:  # each waits for the disk most of the time
        while some := list(islice(networks, 100)):
            files += threads.map(keep, some)
    with stores.database.write() as connection:
        for name, parameters, (sha256, size) in files:
            insert_version(
                connection,
                replace(job, model=name),
                sha256=sha256,
                size_bytes=size,
                metrics={},
                parameters=parameters,
                labels=("no", "yes"),
                evaluation=None,
            )
    stores.close()


def memory_of(pid: int) -> float:
    """Return the megabytes of a process and of all that it started, where shared pages count once (PSS)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return own * 1024 / 1e6 + sum(memory_of(int(child)) for task in tasks for child in task.read_text().split())


@contextmanager
def started(home: Path) -> Iterator[tuple[int, str, str]]:
    """Run `layerwise serve`, and yield its process id and the addresses of REST and gRPC."""
    command = [sys.executable, "-m", "layerwise_service.commands", "serve", "--home", str(home)]
    command += ["--rest", "127.0.0.1:0", "--rpc", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        banner = "".join(iter(process.stdout.readline, "Ctrl-C stops it.\n"))
        rest, rpc = re.search(r"REST +http://(\S+)", banner), re.search(r"gRPC +(\S+)", banner)
        assert rest is not None
        assert rpc is not None
        try:
            yield process.pid, rest[1], rpc[1]
        finally:
            process.terminate()


def first_predictions(rest: str, models: int) -> list[float]:
    """Predict once with each model over REST, and return the seconds of each request."""
    row = [0.5] * INPUTS
    seconds = []
    for start in range(0, models, CALLS):
        connection = http.client.HTTPConnection(rest, timeout=60)
        connection.connect()
        for number in range(start, min(start + CALLS, models)):
            body = json.dumps({"model": f"model-{number}", "instances": [row]})
            began = time.perf_counter()
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            seconds.append(time.perf_counter() - began)
            if answer.status != http.HTTPStatus.OK:
                raise SystemExit(f"{answer.status}: {text.decode()}")
        connection.close()
    return seconds


def measure(models: int) -> Mapping[str, float]:
    """Run the service with so many models, and return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        publish(Settings(home=str(home)), small_networks(models))
        began = time.perf_counter()
        with started(home) as (pid, rest, rpc):
            ready = time.perf_counter() - began
            idle = memory_of(pid)
            cold = first_predictions(rest, models)
            again = first_predictions(rest, models)
            with Client(rpc) as client:
                for number in range(models):
                    client.predict(f"model-{number}", np.full((1, INPUTS), 0.5, np.float32))
            asked = memory_of(pid)
    centiles = statistics.quantiles(cold, n=100)
    return {
        "models": models,
        "ready_seconds": ready,
        "cold_p50_ms": centiles[49] * 1e3,
        "cold_p99_ms": centiles[98] * 1e3,
        "cold_most_ms": max(cold) * 1e3,
        "again_p99_ms": statistics.quantiles(again, n=100)[98] * 1e3,
        "idle_mb": idle,
        "asked_mb": asked,
    }


def row(found: Mapping[str, float]) -> str:
    """Return the figures as a row of a table in Markdown."""
    return (
        f"| {found['models']:,} models of 30-64-64-2 | first predict p50 {found['cold_p50_ms']:.1f}, "
        f"p99 {found['cold_p99_ms']:.1f}, most {found['cold_most_ms']:.1f} ms; "
        f"service {found['idle_mb']:.0f} MB before, {found['asked_mb']:.0f} MB after all were asked |"
    )


def main() -> None:
    """Measure, and print the row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    found = measure(options.models)
    print(row(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
