"""Bodies as they come over a real connection: in chunks, too long, cut off."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import urllib.request
import zlib
from collections.abc import Callable, Iterator
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


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_body_may_be_packed(service: Service, coding: str, pack: Callable[[bytes], bytes]) -> None:
    status, answer = post(service, pack(BODY), **{"Content-Encoding": coding})

    assert (status, answer["model"]) == (200, "bodies")


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("gzip", b"\x1f\x8b", 400),
        ("gzip", BODY, 400),
        ("gzip", gzip.compress(BODY)[:-9], 400),
        ("deflate", gzip.compress(BODY), 400),
        ("br", BODY, 415),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY)), 415),
    ],
    ids=["header-alone", "not-packed", "cut-off", "other-coding", "unknown-coding", "packed-twice"],
)
def test_a_packed_body_that_cannot_be_unpacked_is_refused(
    service: Service, coding: str, body: bytes, status: int
) -> None:
    found, problem = post(service, body, **{"Content-Encoding": coding})

    assert found == status
    assert coding.partition(",")[0] in problem["detail"]


@pytest.mark.parametrize("megabytes", [33, 100])
def test_60_the_sender_of_a_body_beyond_the_limit_can_read_the_answer(service: Service, megabytes: int) -> None:
    body = bytes(megabytes * 2**20)

    status, problem = post(service, body)

    assert (status, problem["reason"]) == (413, "BODY_TOO_LARGE")


def test_62_a_gzip_bomb_is_refused_before_it_is_unpacked_whole(service: Service) -> None:
    status, problem = post(service, gzip.compress(bytes(20 * LIMIT), 1), **{"Content-Encoding": "gzip"})

    assert (status, problem["reason"]) == (413, "BODY_TOO_LARGE")
    assert "unpacked" in problem["detail"]


def test_a_long_answer_is_packed_for_a_caller_that_asks_for_it(service: Service) -> None:
    body = json.dumps({"model": "bodies", "instances": [[0.0, 1.0]] * 100})
    for coding, unpack in (("gzip", gzip.decompress), ("deflate", zlib.decompress), ("identity", bytes)):
        request = urllib.request.Request(f"{service.rest}/predict", body.encode(), {"Accept-Encoding": coding})
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as response:
            assert response.headers.get("Content-Encoding", "identity") == coding
            assert len(json.loads(unpack(response.read()))["predictions"]) == 100


def test_a_body_that_is_cut_off_harms_nobody(service: Service) -> None:
    host, _, port = service.rest.removeprefix("http://").rpartition(":")
    head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    for _ in range(100):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head.encode() + BODY)

    assert post(service, BODY)[0] == 200


@pytest.mark.parametrize("chunks", [b"-5\r\nabc\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n", b"0\r\n\r\n"])
def test_chunks_that_cannot_be_read_are_not_taken_for_an_empty_body(service: Service, chunks: bytes) -> None:
    head = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    )

    answer = send(service, head + b"Connection: close\r\n\r\n" + chunks)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"an empty body, or one whose chunks cannot be read" in answer


@pytest.mark.parametrize("host", [b"", b"Host:\r\n", b"Host: \xff\xfe\r\n", b"Host: localhost:\xef\xbc\x98\r\n"])
def test_a_request_without_a_readable_host_is_refused(service: Service, host: bytes) -> None:
    answer = send(service, b"GET /api/models HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"expected a header Host" in answer
    assert send(service, b"GET /livez HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert send(service, b"GET /api/models HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")


def send(service: Service, request: bytes) -> bytes:
    host, _, port = service.rest.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(2**16), b""))
