"""Load on a serving address, by the tools that people use for it: wrk for REST, perf_analyzer for gRPC."""

import http.client
import json
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SECONDS = 3
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True)
class Address:
    """A REST address, and what is sent to it."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Load:
    """Requests a second, and the time of a request in milliseconds: the median, and of the slowest in a hundred."""

    rate: float
    p50: float
    p99: float


def wrk(address: Address, connections: int, *, seconds: int = SECONDS) -> Load:
    """Load an address for some seconds. Ends the program if an answer is not 200."""
    lines = ['wrk.method="POST"', f"wrk.body={_lua(address.body.decode())}"]
    lines += [f"wrk.headers[{_lua(name)}]={_lua(value)}" for name, value in address.headers.items()]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name, address.url]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"{address.url}: not every request was answered\n{text}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate is not None
    return Load(float(rate[1]), _latency(text, 50), _latency(text, 99))


def perf_analyzer(command: str, model: str, address: str, connections: int, shape: str) -> Load:
    """Load a model over gRPC by Triton's perf_analyzer."""
    options = ["-m", model, "-u", address, "-i", "grpc", "-p", str(1000 * SECONDS), "--shape", shape]
    options += ["--concurrency-range", f"{connections}:{connections}", "--percentile", "99", "-s", "999", "-r", "3"]
    found = subprocess.run([*command.split(), *options], check=False, capture_output=True, text=True)
    rate = re.search(r"Throughput: ([\d.]+) infer/sec", found.stdout)
    if rate is None:
        raise SystemExit(f"perf_analyzer could not measure {address}:\n{found.stdout[-1500:]}{found.stderr[-500:]}")
    centiles = {int(at): float(value) / 1e3 for at, value in re.findall(r"p(50|99) latency: (\d+) usec", found.stdout)}
    return Load(float(rate[1]), centiles.get(50, float("nan")), centiles[99])


def median_of(loads: list[Load]) -> Load:
    """Return the medians over rounds."""
    return Load(*(statistics.median(values) for values in zip(*((x.rate, x.p50, x.p99) for x in loads), strict=True)))


def seconds_of(address: Address, times: int) -> list[float]:
    """Return the seconds of so many requests, one after the other through one connection."""
    host, _, path = address.url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        connection.request("POST", f"/{path}", address.body, dict(address.headers))
        answer = connection.getresponse()
        text = answer.read()
        seconds.append(time.perf_counter() - start)
        if answer.status >= http.HTTPStatus.MULTIPLE_CHOICES:
            raise SystemExit(f"{address.url}: {answer.status} {text[:500]!r}")
    connection.close()
    return seconds


def tool(name: str) -> Path | None:
    """Return where a program is, None if it is not installed."""
    found = subprocess.run(["which", name], check=False, capture_output=True, text=True).stdout.strip()
    return Path(found) if found else None


def _latency(text: str, centile: int) -> float:
    found = re.search(rf"^\s+{centile}%\s+([\d.]+)(us|ms|s)", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1]) * _UNITS[found[2]]


def _lua(text: str) -> str:
    return json.dumps(text).replace("\\/", "/")
