"""Serving beside an empty Flask view, Triton and MLServer: all of it in one run, on one machine, in turns (Linux).

    python -m benchmarks.serving OUT.json [--document docs/performance.md] [--only NAME …] [--rounds 5]

Needs wrk. Peers are taken where they run, and named where they are absent: TRITON and TRITON_GRPC are the addresses of
a Triton that serves `bench` 30-64-64-2, TRITON_WIDE that of one that serves `bench` 784-64-64-10, MLSERVER and
MLSERVER_GRPC of an MLServer with `bench`; PERF_ANALYZER is the command that loads gRPC.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import simdjson

from benchmarks.documents import put_between
from benchmarks.many_models import measure as many_models
from benchmarks.many_models import memory_of, publish
from benchmarks.serving_load import Address, Load, median_of, perf_analyzer, seconds_of, tool, wrk
from benchmarks.serving_table import written
from layerwise import MLP, Architecture, Layer, Plan
from layerwise_client import Client
from layerwise_service.settings import Settings

JSON = {"Content-Type": "application/json"}
SMALL, WIDE, LARGE = (30, 64, 64, 2), (784, 64, 64, 10), (784, 2048, 2048, 10)
PEERS = ("TRITON", "TRITON_GRPC", "TRITON_WIDE", "MLSERVER", "MLSERVER_GRPC", "PERF_ANALYZER")
BEGIN, END = "<!-- figures of benchmarks/serving.py -->\n", "<!-- end of the figures -->\n"
START = "Ctrl-C stops it.\n"


def network(widths: tuple[int, ...], seed: int = 0) -> MLP:
    """Return an untrained network that is published as a classifier of two labels."""
    model = MLP(Architecture(widths[0], (*(Layer(units, "relu") for units in widths[1:-1]), Layer(2))), seed=seed)
    model.plan, model.labels = Plan(), ("no", "yes")
    return model


def rows(count: int, features: int) -> list[list[float]]:
    found: list[list[float]] = np.random.default_rng(0).standard_normal((count, features)).round(6).tolist()
    return found


def predict(rest: str, model: str, given: list[list[float]]) -> Address:
    return Address(f"{rest}/predict", json.dumps({"model": model, "instances": given}).encode(), JSON)


def infer(rest: str, model: str, given: list[list[float]], name: str = "input") -> Address:
    shape = [len(given), len(given[0])]
    tensor = {"name": name, "datatype": "FP32", "shape": shape, "data": [value for row in given for value in row]}
    return Address(f"{rest}/v2/models/{model}/infer", json.dumps({"inputs": [tensor]}).encode(), JSON)


def binary(rest: str, model: str, given: list[list[float]]) -> Address:
    """The same rows as a binary tensor, answered as one."""
    data = np.array(given, "<f4").tobytes()
    tensor = {"name": "input", "datatype": "FP32", "shape": [len(given), len(given[0])]}
    tensor["parameters"] = {"binary_data_size": len(data)}  # type: ignore[assignment]
    asked = {"inputs": [tensor], "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]}
    head = json.dumps(asked).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return Address(f"{rest}/v2/models/{model}/infer", head + data, headers)


@contextmanager
def service(
    home: Path, module: str = "layerwise_service.commands", **environment: str
) -> Iterator[tuple[int, str, str]]:
    """Run a service, and yield its process id, its REST address and its gRPC address."""
    command = [sys.executable, "-m", module, "serve", "--home", str(home)]
    command += ["--rest", "127.0.0.1:0", "--rpc", "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | environment
    ) as process:
        assert process.stdout is not None
        banner = "".join(iter(process.stdout.readline, START))
        words = banner.split()
        try:
            yield process.pid, words[words.index("REST") + 1], words[words.index("gRPC") + 1]
        finally:
            process.terminate()
            process.wait()


@contextmanager
def empty_view() -> Iterator[str]:
    """Run the empty Flask view on the same server, with as many processes and threads."""
    port = 18_431
    options = ["--workers", "2", "--blocking-threads", "64", "--no-ws", "--http", "1", "--log-level", "error"]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), *options]
    with subprocess.Popen([*command, "benchmarks.empty_view:app"]) as process:
        try:
            time.sleep(2)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


class Measured:
    """The figures of a run: `homes` has one with the models `bench`, `wide` and `large`."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.rounds = rounds
        self.folder = folder
        self.home = folder / "home"
        named = [("bench", SMALL), ("wide", WIDE), ("large", LARGE)]
        publish(Settings(home=str(self.home)), ((name, network(widths)) for name, widths in named), features=784)

    def rest(self, rest: str, connections: int) -> dict[str, Load]:
        """Load each address in turns, round after round."""
        row = rows(1, SMALL[0])
        with empty_view() as empty:
            addresses = {"empty": predict(empty, "bench", row), "predict": predict(rest, "bench", row)}
            addresses["v2"] = infer(rest, "bench", row)
            for peer in ("TRITON", "MLSERVER"):
                if at := os.environ.get(peer):
                    name = "input" if peer == "TRITON" else "predict"
                    addresses[peer.lower()] = infer(at, "bench", row, name)
            for each in addresses.values():
                wrk(each, connections, seconds=1)
            found: dict[str, list[Load]] = {name: [] for name in addresses}
            for _ in range(self.rounds):
                for name, each in addresses.items():
                    found[name].append(wrk(each, connections))
        return {name: median_of(loads) for name, loads in found.items()}

    def grpc(self, rpc: str) -> dict[str, Load]:
        """Load ModelInfer by perf_analyzer, in turns."""
        command = os.environ.get("PERF_ANALYZER")
        if not command:
            return {}
        addresses = {"ours": rpc}
        addresses |= {name.lower(): at for name in ("TRITON_GRPC",) if (at := os.environ.get(name))}
        found: dict[str, list[Load]] = {name: [] for name in addresses}
        for _ in range(max(1, self.rounds // 2)):
            for name, at in addresses.items():
                found[name].append(perf_analyzer(command, "bench", at, 16, f"input:{SMALL[0]}"))
        return {name: median_of(loads) for name, loads in found.items()}

    def large_bodies(self, rest: str) -> dict[str, float]:
        """Return the milliseconds of a request of 1,000 × 784 numbers, in each form, and those of the parser alone."""
        given = rows(1000, 784)
        body = predict(rest, "wide", given)
        addresses = {"json": body, "binary": binary(rest, "wide", given)}
        addresses["npy"] = Address(
            f"{rest}/predict?model=wide&outputs=probabilities",
            _npy(given),
            {"Content-Type": "application/x-npy", "Accept": "application/x-npy"},
        )
        if at := os.environ.get("TRITON_WIDE"):
            addresses["triton"] = binary(at, "bench", given)
        seconds: dict[str, list[float]] = {name: [] for name in (*addresses, "parser")}
        for each in addresses.values():
            seconds_of(each, 3)
        for _ in range(3 * self.rounds):
            for name, each in addresses.items():
                seconds[name] += seconds_of(each, 3)
            start = time.perf_counter()
            simdjson.Parser().parse(body.body)
            seconds["parser"].append(time.perf_counter() - start)
        return {name: statistics.median(each) * 1e3 for name, each in seconds.items()}

    def batching(self, rest: str) -> dict[str, Load]:
        """Load a large network with and without the joining of requests, in turns."""
        with service(self._copy(), "benchmarks.unbatched") as (_, without, _):
            found: dict[str, list[Load]] = {}
            for _ in range(self.rounds):
                for connections in (1, 64):
                    for name, at in (("with", rest), ("without", without)):
                        load = wrk(predict(at, "large", rows(1, 784)), connections)
                        found.setdefault(f"{name}_{connections}", []).append(load)
        return {name: median_of(loads) for name, loads in found.items()}

    def disturbed(self, rest: str, rpc: str) -> dict[str, Load]:
        """Load one model while it is quiet, while a version is published every second, and while a job trains."""
        address = predict(rest, "bench", rows(1, SMALL[0]))
        found: dict[str, list[Load]] = {"quiet": [], "publishing": [], "training": []}
        for turn in range(self.rounds):
            found["quiet"].append(wrk(address, 16))
            with _repeated(partial(self._publish, rest, 100 * turn), every=1.0):
                found["publishing"].append(wrk(address, 16))
            with Client(rpc) as client:
                X = np.random.default_rng(0).standard_normal((20_000, 100)).astype(np.float32)
                layers = {"layers": [{"units": 256, "activation": "relu"}, {"units": 256, "activation": "relu"}]}
                job = client.train("busy", layers, X, X[:, 0] > 0, plan={"epochs": 10_000}, progress=False)
                while job.state == "QUEUED":
                    time.sleep(0.1)
                found["training"].append(wrk(address, 16))
                job.cancel()
        return {name: median_of(loads) for name, loads in found.items()}

    def _publish(self, rest: str, turn: int, number: int) -> None:
        """Import another network as the next version of the model that is under load."""
        file = self.folder / "next.npz"
        network(SMALL, 1 + turn + number).save(file)
        address = f"{rest}/api/models/bench/versions"
        seconds_of(Address(address, file.read_bytes(), {"Content-Type": "application/octet-stream"}), 1)

    def start(self) -> dict[str, Any]:
        """Return the seconds from the start to the first answer, the slowest of the next 300, and the memory."""
        home = self.folder / "small"  # without the large network, which each process would hold
        publish(Settings(home=str(home)), iter([("bench", network(SMALL))]))
        first, later = [], []
        for _ in range(self.rounds):
            begin = time.perf_counter()
            with service(home) as (pid, rest, _):
                address = predict(rest, "bench", rows(1, SMALL[0]))
                seconds_of(address, 1)
                first.append(time.perf_counter() - begin)
                later.append(max(value for _ in range(30) for value in seconds_of(address, 10)))
                time.sleep(5)
                memory = memory_of(pid)
        return {
            "first_seconds": statistics.median(first),
            "later_ms": statistics.median(later) * 1e3,
            "idle_mb": memory,
        }

    def _copy(self) -> Path:
        """Return a home of its own with the same models."""
        home = Path(tempfile.mkdtemp(dir=self.folder)) / "home"
        subprocess.run(["cp", "-r", str(self.home), str(home)], check=True)
        subprocess.run(["rm", "-rf", str(home / "run")], check=True)
        return home


@contextmanager
def _repeated(work: Callable[[int], None], *, every: float) -> Iterator[None]:
    stopped = threading.Event()

    def run() -> None:
        number = 0
        while not stopped.wait(every if number else 0):
            work(number)
            number += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _npy(given: list[list[float]]) -> bytes:
    with tempfile.TemporaryFile() as file:
        np.save(file, np.array(given, np.float32))
        file.seek(0)
        return file.read()


def _plain(value: Any) -> Any:
    if isinstance(value, Load):
        return {"rate": round(value.rate, 1), "p50_ms": round(value.p50, 3), "p99_ms": round(value.p99, 3)}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--document", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if tool("wrk") is None:
        raise SystemExit("wrk is missing. On Debian: apt-get install wrk")
    found: dict[str, Any] = json.loads(given.out.read_text()) if given.only and given.out.exists() else {}
    found["absent"] = [name for name in PEERS if not os.environ.get(name)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        measured = Measured(Path(folder), given.rounds)
        _, rest, rpc = stack.enter_context(service(measured.home))
        parts: dict[str, Callable[[], Any]] = {
            "rest_16": lambda: measured.rest(rest, 16),
            "rest_1": lambda: measured.rest(rest, 1),
            "grpc_16": lambda: measured.grpc(rpc),
            "large_bodies": lambda: measured.large_bodies(rest),
            "batching": lambda: measured.batching(rest),
            "disturbed": lambda: measured.disturbed(rest, rpc),
            "many_models": lambda: many_models(10_000),
            "start": measured.start,
        }
        for name, measure in parts.items():
            if not given.only or name in given.only:
                found[name] = _plain(measure())
                print(name, json.dumps(found[name]), flush=True)
                given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(written(found))
    if given.document:
        put_between(given.document, BEGIN, END, written(found))


if __name__ == "__main__":
    main()
