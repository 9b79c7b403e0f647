"""Bodies as they come over a real connection: in chunks, too long, cut off."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from helpers.running import Service
from layerwise_client import datasets

BODY = json.dumps({"model": "bodies", "instances": [[0.0, 1.0]]}).encode()
LIMIT = 32 * 2**20


@pytest.fixture(scope="module", autouse=True)
def model(service: Service) -> None:
    X, y = datasets.load("xor")
    with service.client() as client:
        client.train("bodies", {"layers": [{}]}, X, y, plan={"epochs": 1}, progress=False).wait(timeout=30)


def post(service: Service, body: bytes | Iterator[bytes], **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(service.rest.removeprefix("http://"), timeout=30)
    try:
        connection.request("POST", "/predict", body=body, headers={"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, json.load(response)
    finally:
        connection.close()


def test_a_body_may_come_in_chunks(service: Service) -> None:
    chunks = (BODY[start : start + 7] for start in range(0, len(BODY), 7))

    status, answer = post(service, chunks)

    assert (status, answer["model"]) == (200, "bodies")


def test_chunks_up_to_the_limit_are_read_and_one_byte_more_is_refused(service: Service) -> None:
    padding = LIMIT - len(BODY)
    block = b" " * 2**20

    def padded(extra: int) -> Iterator[bytes]:
        yield BODY
        left = padding + extra
        while left:
            yield block[:left]
            left -= min(left, len(block))

    assert post(service, padded(0))[0] == 200
    status, problem = post(service, padded(1))
    assert (status, problem["reason"]) == (413, "BODY_TOO_LARGE")


def test_a_packed_body_is_refused(service: Service) -> None:
    status, problem = post(service, b"\x1f\x8b", **{"Content-Encoding": "gzip"})

    assert status == 415
    assert "gzip" in problem["detail"]


def test_a_body_that_is_cut_off_harms_nobody(service: Service) -> None:
    host, _, port = service.rest.removeprefix("http://").rpartition(":")
    head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    for _ in range(100):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head.encode() + BODY)

    assert post(service, BODY)[0] == 200
