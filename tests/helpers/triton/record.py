"""Record a running Triton's answers, and the names of its metrics.

`python -m helpers.triton.record http://127.0.0.1:8000 127.0.0.1:8001 http://127.0.0.1:8002/metrics`

The Triton must serve the models of `helpers.triton.served` with `--model-control-mode=explicit`.
"""

from __future__ import annotations

import http.client
import json
import sys
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

from helpers.triton.rest_case import Step, answers
from helpers.triton.rest_requests import REST_CASES
from helpers.triton.rpc_case import Stub, rpc_answers
from helpers.triton.rpc_requests import RPC_CASES

FOLDER = Path(__file__).parent / "recorded"


def load(name: str) -> dict[str, Any]:
    """The recorded answers, by the names of the cases."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def save(name: str, answers: dict[str, Any]) -> None:
    FOLDER.mkdir(exist_ok=True)
    lines = (f"{json.dumps(case)}: {json.dumps(answer, sort_keys=True)}" for case, answer in answers.items())
    (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def record_rest(address: str) -> None:
    where = urlsplit(address)

    def send(step: Step) -> tuple[int, Iterable[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
        try:
            connection.request(step.method, step.path, step.body, dict(step.headers))
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    save("rest", {case.name: answers(send, case) for case in REST_CASES})


def record_rpc(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = Stub(channel)
        save("rpc", {case.name: rpc_answers(stub, case) for case in RPC_CASES})


def form_of_metrics(text: str, model: str) -> list[str]:
    """Names, types and labels of the metrics of inference of version 1 of `model`, which is called MODEL; no numbers.

    Labels are in the order of their names, lines in that of the alphabet.
    """
    lines = [line.partition(" # ")[0] for line in text.splitlines() if "nv_inference_" in line]
    given = f'model="{model}"'
    own = [line.rpartition(" ")[0].replace(given, 'model="MODEL"') for line in lines if given in line]
    return sorted([line for line in lines if line.startswith("#")] + [each for each in own if 'version="1"' in each])


def record_metrics(address: str) -> None:
    with urllib.request.urlopen(address, timeout=20) as response:
        save("metrics", {"lines": form_of_metrics(response.read().decode(), "bench")})


if __name__ == "__main__":
    record_rest(sys.argv[1])
    record_rpc(sys.argv[2])
    record_metrics(sys.argv[3])
