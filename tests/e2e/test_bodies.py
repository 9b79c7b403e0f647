"""Bodies as they come over a real connection: in chunks, too long, cut off."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from helpers.running import Service, running_service
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


@pytest.mark.parametrize("chunks", [b"-5\r\nabc\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n"])
def test_chunks_that_cannot_be_read_are_not_taken_for_an_empty_body(service: Service, chunks: bytes) -> None:
    head = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    )

    answer = send(service, head + b"Connection: close\r\n\r\n" + chunks)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"its chunks cannot be read" in answer


@pytest.mark.parametrize("host", [b"", b"Host:\r\n", b"Host: \xff\xfe\r\n", b"Host: localhost:\xef\xbc\x98\r\n"])
def test_a_request_without_a_readable_host_is_refused(service: Service, host: bytes) -> None:
    answer = send(service, b"GET /api/models HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"expected a header Host" in answer
    assert send(service, b"GET /livez HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert send(service, b"GET /api/models HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")


def send(service: Service, request: bytes, *, end: bool = False) -> bytes:
    """Send a request; at its `end`, nothing more can come."""
    host, _, port = service.rest.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(2**16), b""))


def test_the_members_of_a_packed_body_are_read_as_one(service: Service) -> None:
    middle = len(BODY) // 2
    packed = gzip.compress(BODY[:middle]) + gzip.compress(BODY[middle:])

    assert post(service, packed, **{"Content-Encoding": "gzip"})[0] == 200
    status, problem = post(service, gzip.compress(BODY) + b"more", **{"Content-Encoding": "gzip"})
    assert (status, "is not in gzip" in problem["detail"]) == (400, True)


CSV = b"a,b\n0,1\n1,1\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 1000\r\n\r\n" + CSV,
        b"Content-Length: 100000\r\n\r\n" + CSV + b"0,1\n" * 20_000,
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nZZ\r\n0,1\n" % (len(CSV), CSV),
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n5\r\n0" % (len(CSV), CSV),
    ],
)
@pytest.mark.parametrize("path", [b"/predict?model=bodies", b"/models/bodies/invocations"])
def test_rows_that_are_cut_off_are_not_predicted(service: Service, path: bytes, rest: bytes) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nConnection: close\r\n" % path

    answer = send(service, head + rest, end=True)

    assert answer.startswith(b"HTTP/1.1 400 "), answer[:300]


def test_a_header_with_an_underscore_is_not_one_with_a_hyphen(service: Service) -> None:
    head = b"POST /predict?model=bodies HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nConnection: close\r\n"

    answer = send(service, head + b"Content-Length: %d\r\nContent_Length: 4\r\n\r\n" % len(CSV) + CSV)

    assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]


def test_a_caller_that_waits_to_send_is_told_at_once_that_its_body_is_too_large(service: Service) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"

    answer = send(service, head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (2 * LIMIT))

    assert answer.startswith(b"HTTP/1.1 413 "), answer[:300]


@pytest.mark.parametrize("path", ["/predict?wrong=1", "/nothing", "/v2/models/none/infer"])
def test_the_sender_of_a_large_body_reads_why_it_is_refused(service: Service, path: str) -> None:
    connection = http.client.HTTPConnection(service.rest.removeprefix("http://"), timeout=30)
    connection.request("POST", path, b" " * (LIMIT - 1), {"Content-Type": "application/json"})

    assert connection.getresponse().status in (400, 404)
    connection.close()


def test_bodies_that_pause_for_too_long_are_given_up_and_probes_are_answered_meanwhile(tmp_path: Path) -> None:
    head = "{} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n"
    with running_service(tmp_path / "home", "--rest-processes", "1", LAYERWISE_UPLOAD_IDLE_SECONDS="2") as service:
        host, _, port = service.rest.removeprefix("http://").rpartition(":")
        with ExitStack() as stack:
            for line in ["POST /predict", "PUT /api/models/m/aliases/a"] * 80:
                waiting = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
                waiting.sendall(head.format(line).encode())
            for path in ("/livez", "/readyz", "/api/models"):
                with urllib.request.urlopen(f"{service.rest}{path}", timeout=1.5) as response:
                    assert response.status == 200
            small = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            small.sendall(
                head.format("POST /predict").replace("Transfer-Encoding: chunked", "Content-Length: 9").encode()
            )
            assert b"BODY_STALLED" in waiting.recv(2**16)
            assert b"BODY_STALLED" in small.recv(2**16)


def test_large_answers_are_sent_also_where_there_is_no_temporary_folder(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    body = json.dumps({"instances": [[0, 1]] * 10_000}).encode()
    with running_service(tmp_path / "home", "--rest-processes", "1", TMPDIR=str(temporary)) as service:
        with service.client() as client:
            client.train("xor", {"layers": [{"units": 2}]}, [[0, 1], [1, 0]] * 4, [0, 1] * 4, plan={"epochs": 1}).wait(
                timeout=60
            )
        temporary.rmdir()
        asked = urllib.request.Request(f"{service.rest}/predict", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=60) as response:
            assert len(json.load(response)["predictions"]) == 10_000
