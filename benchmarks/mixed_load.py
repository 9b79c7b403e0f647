"""A service under mixed load: what its processes hold after the first minute and at the end (Linux).

    python -m benchmarks.mixed_load [--minutes 10]

Callers predict over REST and gRPC, by numbers and by tables, and some of what they send must be refused. Meanwhile
jobs are trained and published, others cancelled, uploads refused, and /metrics and /readyz read. Every answer is
checked. The exit status is 1 if one was wrong, or if a process holds 100 MB more at the end than after the first
minute, or a quarter more threads or open files.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kills import Service
from layerwise_client import Client, LayerwiseError, datasets

HIDDEN = {"layers": [{"units": 32, "activation": "relu"}]}
PLAN = {"epochs": 20, "batch_size": 32}
MOST_GROWTH = 100.0
"""MB."""
MOST_SHARE = 1.25
"""Of the threads and open files."""
PREDICTORS = 4
"""Threads of each kind of prediction."""

X, Y = datasets.load("digits")
TABLE: dict[str, list[Any]] = {
    "size": [float(i % 9) for i in range(400)],
    "colour": [("red", "green", "blue")[i % 3] for i in range(400)],
}
FLAGS = [("no", "yes")[i % 2] for i in range(400)]


class Load:
    """Callers in threads until `stop`: `counts` are the calls of each kind, `wrong` what was not as it should be."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        kinds: dict[str, tuple[int, Callable[[Client], None]]] = {
            "REST numbers": (
                PREDICTORS,
                lambda client: self._post({"model": "digits", "instances": X[:8].tolist()}, 200),
            ),
            "REST table": (PREDICTORS, lambda client: self._post({"model": "shop", "instances": _objects(8)}, 200)),
            "REST 2 MB": (1, lambda client: self._post({"model": "digits", "instances": X.tolist() * 2}, 200)),
            "REST refused": (1, lambda client: self._post({"model": "digits", "instances": [[1, 2, "x"]] * 5000}, 400)),
            "gRPC numbers": (PREDICTORS, self._predict),
            "gRPC refused": (1, self._refused),
            "published": (1, self._publish),
            "cancelled": (1, self._cancel),
            "upload refused": (1, self._upload_refused),
            "metrics": (1, lambda client: self._get("/metrics")),
            "readiness": (1, lambda client: self._get("/readyz")),
        }
        self._threads = [
            threading.Thread(target=self._repeat, args=(kind, call), daemon=True)
            for kind, (count, call) in kinds.items()
            for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the callers after their calls."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(120)

    def _repeat(self, kind: str, call: Callable[[Client], None]) -> None:
        with self._service.client() as client:
            while not self._stopped.is_set():
                try:
                    call(client)
                except Exception as error:  # noqa: BLE001 - whatever is wrong is what is looked for
                    with self._lock:
                        self.wrong.append(f"{kind}: {error!r}")
                    time.sleep(0.5)
                else:
                    with self._lock:
                        self.counts[kind] += 1
                if kind in ("published", "cancelled", "upload refused", "metrics", "readiness"):
                    self._stopped.wait(0.2)

    def _post(self, body: dict[str, Any], expected: int) -> None:
        request = urllib.request.Request(
            f"http://{self._service.rest}/predict", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, answer = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, answer = error.code, error.read()
        if status != expected:
            raise AssertionError(f"expected {expected}, got {status}: {answer[:200]!r}")

    def _get(self, path: str) -> None:
        with urllib.request.urlopen(f"http://{self._service.rest}{path}", timeout=60) as response:
            response.read()

    def _predict(self, client: Client) -> None:
        answer = client.predict("digits", X[:200])
        assert answer.labels is not None
        if np.mean(answer.labels == Y[:200]) < 0.9:
            raise AssertionError("the wrong rows were answered")

    def _refused(self, client: Client) -> None:
        try:
            client.predict("digits", np.full((2000, 64), np.nan))
        except LayerwiseError:
            return
        raise AssertionError("NaN was accepted")

    def _publish(self, client: Client) -> None:
        client.train("digits", HIDDEN, X, Y, plan=PLAN, progress=False).wait(timeout=300)

    def _cancel(self, client: Client) -> None:
        job = client.train("left", HIDDEN, X, Y, plan=PLAN | {"epochs": 5000}, progress=False)
        time.sleep(0.5)
        job.cancel()

    def _upload_refused(self, client: Client) -> None:
        try:
            client.train("digits", HIDDEN, np.vstack([X, np.full((1, 64), np.nan)]), [*Y, 0], progress=False)
        except LayerwiseError:
            return
        raise AssertionError("NaN was accepted")


def held(service: Service) -> dict[str, tuple[float, int, int]]:
    """Resident megabytes, threads and open files of each process, by its part and id."""
    found = {}
    parts = {"supervisor": [service.process.pid], "rest parent": service.pids("rest"), "rest": service.granian()}
    for part, pids in (parts | {part: service.pids(part) for part in ("rpc", "worker")}).items():
        for pid in pids:
            status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            found[f"{part} {pid}"] = (int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), files)
    return found


def table(before: dict[str, tuple[float, int, int]], after: dict[str, tuple[float, int, int]]) -> str:
    """The two beside each other, as Markdown."""
    lines = ["| process | MB | threads | open files |", "|---|---|---|---|"]
    for name, then in before.items():
        now = after.get(name)
        cells = [f"{a:.0f} → {b:.0f}" for a, b in zip(then, now, strict=True)] if now else ["ended"] * 3
        lines.append(f"| {name.rpartition(' ')[0]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def grew(before: dict[str, tuple[float, int, int]], after: dict[str, tuple[float, int, int]]) -> list[str]:
    """Which processes hold more than they may, or have ended."""
    found = []
    for name, (memory, threads, files) in before.items():
        if name not in after:
            found.append(f"{name} has ended")
            continue
        own = after[name]
        if own[0] > memory + MOST_GROWTH or own[1] > threads * MOST_SHARE + 2 or own[2] > files * MOST_SHARE + 8:
            found.append(f"{name} grew")
    return found


def _objects(rows: int) -> list[dict[str, object]]:
    return [{"size": TABLE["size"][i], "colour": TABLE["colour"][i]} for i in range(rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder) / "home")
        try:
            service.wait_until_ready()
            with service.client() as client:
                client.train("digits", HIDDEN, X, Y, plan=PLAN, progress=False).wait(timeout=120)
                client.train("shop", HIDDEN, TABLE, FLAGS, plan=PLAN, progress=False).wait(timeout=120)
            load = Load(service)
            time.sleep(60)
            before = held(service)
            for minute in range(2, round(minutes) + 1):
                time.sleep(60)
                print(f"minute {minute}: {sum(load.counts.values())} calls, {len(load.wrong)} wrong", flush=True)
            after = held(service)
            load.stop()
        finally:
            service.stop()
        print(table(before, after))
        print(dict(load.counts))
        failures = load.wrong[:20] + grew(before, after)
        print("\n".join(failures) or "every answer was right, and no process grew")
        sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
