"""The whole path in one command: starts the service, trains a network over gRPC, asks it over REST.

`make demo` runs it. The model stays in ./layerwise-data, so that `make serve` serves it afterwards.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from layerwise_client import Client, datasets

MODEL = "digits"
ARCHITECTURE = {"layers": [{"units": 64, "activation": "relu", "dropout": 0.1}]}
PLAN = {"epochs": 30, "batch_size": 32, "validation": 0.1, "seed": 0}
WANTED = 0.96
SHADES = " .:-=+*#%@"


def main() -> int:
    print("Layerwise: train a network over gRPC, ask it over REST\n")
    os.environ["no_proxy"] = "127.0.0.1"  # for curl and urllib: the service runs on this host
    X, y = datasets.load("digits")
    order = np.random.default_rng(0).permutation(len(X))
    unseen, seen = order[:360], order[360:]
    with running_service() as (rest, rpc), Client(rpc) as client:
        print(f"1. The service runs.  REST http://{rest}  gRPC {rpc}\n")
        version = train(client, X[seen], y[seen])
        accuracy = measure(rest, version, X[unseen], y[unseen])
        ask_by_curl(rest, version, X[unseen[0]], y[unseen[0]])
    print(NEXT)
    if accuracy < WANTED:
        print(f"The network should know at least {WANTED:.0%} of the unseen digits.", file=sys.stderr)
    return int(accuracy < WANTED)


def train(client: Client, X: np.ndarray, y: np.ndarray) -> int:
    print(f"2. It trains 64-64-10 on {len(X)} handwritten digits (UCI, 8 × 8 pixels) …")
    start = time.monotonic()
    job = client.train(MODEL, ARCHITECTURE, X, y, plan=PLAN, progress=False)
    for record in job.watch():
        if record.epoch in (1, 2, 3, 5, 10, 20, 30):
            held_out = f"held out {record.validation_metric:6.1%}"
            print(f"   epoch {record.epoch:2}  loss {record.loss:.4f}  accuracy {record.metric:6.1%}  {held_out}")
    job.wait(timeout=60)
    print(f"   … and publishes it as {MODEL} version {job.version}, {time.monotonic() - start:.1f} s after the call.\n")
    assert job.version is not None
    return job.version


def measure(rest: str, version: int, X: np.ndarray, y: np.ndarray) -> float:
    predictions = json.loads(post(rest, json.dumps({"model": MODEL, "version": version, "instances": X.tolist()})))[
        "predictions"
    ]
    accuracy = float(np.mean(np.array(predictions) == y))
    print(f"3. POST /predict with {len(X)} digits that it has never seen: {accuracy:.1%} are right.\n")
    return accuracy


def ask_by_curl(rest: str, version: int, pixels: np.ndarray, digit: int) -> None:
    print(f"4. One of them, a {digit}:")
    for line in pixels.reshape(8, 8):
        print("      " + "".join(2 * SHADES[min(9, int(value) * 10 // 17)] for value in line))
    body = json.dumps({"model": MODEL, "version": version, "instances": [[int(value) for value in pixels]]})
    print(f"\n   $ curl -s http://{rest}/predict -H 'Content-Type: application/json' -d '{body}'")
    if shutil.which("curl"):
        command = ["curl", "-s", f"http://{rest}/predict", "-H", "Content-Type: application/json", "-d", body]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout
    else:
        print("   (curl is not installed; Python sends the same request)")
        answer = post(rest, body)
    print(f"   {answer}\n")


def post(rest: str, body: str) -> str:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{rest}/predict", data=body.encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(response.read(), "utf-8")


@contextmanager
def running_service() -> Iterator[tuple[str, str]]:
    """`layerwise serve` on free ports; gives the addresses of REST and gRPC."""
    command = [str(Path(sys.executable).with_name("layerwise")), "serve"]
    command += ["--rest", "127.0.0.1:0", "--rpc", "127.0.0.1:0"]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as service,
    ):
        try:
            banner = read_banner(service, log)
            rest, rpc = re.search(r"REST +http://(\S+)", banner), re.search(r"gRPC +(\S+)", banner)
            assert rest, banner
            assert rpc, banner
            yield rest[1], rpc[1]
        finally:
            service.terminate()
            service.wait(20)


def read_banner(service: subprocess.Popen[str], log: TextIO) -> str:
    assert service.stdout is not None
    banner = ""
    while "Ctrl-C" not in banner:
        if not (line := service.stdout.readline()):
            log.seek(0)
            raise SystemExit(f"The service did not start:\n{log.read()}")
        banner += line
    return banner


NEXT = """What to try next
   make serve                                   the service, with this model, at its usual ports
   .venv/bin/layerwise models                   what it serves
   .venv/bin/layerwise train iris --epochs 50   train on another built-in data set, or on your own data.csv --target …
   docs/                                        architectures, plans, the SDK, the REST API, deployment"""


if __name__ == "__main__":
    sys.exit(main())
