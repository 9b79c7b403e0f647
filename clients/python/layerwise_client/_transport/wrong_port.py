"""Errors for the address of the wrong interface: of REST instead of gRPC, or the reverse."""

from __future__ import annotations

import socket
import time

from layerwise_client._transport.proxy import host_and_port
from layerwise_client.errors import InvalidRequest

_SETTINGS_FRAME = "\x04"  # every HTTP/2 server starts with three bytes of length and this type
_MOST_PORT = 65_535
_PROBE_SECONDS = 1.0
_HTTP1 = b"HTTP/"


def rest_as_target(target: str, left: float) -> InvalidRequest | None:
    """Return the error for a `target` that answers HTTP/1, tried for at most `left` seconds; else None."""
    if not _speaks_http1(target, min(left, _PROBE_SECONDS)):
        return None
    return InvalidRequest(
        f"{target} speaks HTTP, not gRPC, and may be the REST address; "
        "expected the address of the training API, gRPC, such as 127.0.0.1:50051",
        reason="WRONG_ADDRESS",
        pointer="target",
    )


def target_as_rest(address: str, status_line: str) -> InvalidRequest | None:
    """Return the error for an `address` whose `status_line` is the start of HTTP/2; else None."""
    if status_line[3:4] != _SETTINGS_FRAME:
        return None
    return InvalidRequest(
        f"{address} speaks gRPC and may be the address of the training API; "
        "expected the address of the prediction endpoint, REST, such as http://127.0.0.1:8000",
        reason="WRONG_ADDRESS",
        pointer="rest",
    )


def check_target(target: str) -> None:
    """Raise `InvalidRequest` if `target` is a URL, or has no port.

    A Unix socket, such as unix:/run/layerwise.sock, needs no port.
    """
    if target.lower().startswith(("http://", "https://")):
        raise InvalidRequest(
            f"target: expected host:port of the training API, gRPC, such as 127.0.0.1:50051, got the URL {target}; "
            "a REST address goes into rest=",
            reason="WRONG_ADDRESS",
            pointer="target",
        )
    if target.startswith(("unix:", "unix-abstract:")):
        return
    host, _, port = target.rpartition(":")
    if not host or not port:
        raise InvalidRequest(f"target: expected host:port, got {target!r}", pointer="target")
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= _MOST_PORT):
        raise InvalidRequest(f"target: expected a port of 1 to {_MOST_PORT}, got {target!r}", pointer="target")


def _speaks_http1(target: str, seconds: float) -> bool:
    """Return whether `target` answers HTTP/1 within `seconds`."""
    end = time.monotonic() + seconds
    host, port = host_and_port(target)
    answer = b""
    try:
        with socket.create_connection((host, int(port)), seconds) as probe:
            probe.sendall(f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            while len(answer) < len(_HTTP1):
                probe.settimeout(max(0.001, end - time.monotonic()))
                if not (part := probe.recv(len(_HTTP1) - len(answer))):
                    break
                answer += part
    except (OSError, ValueError):
        return False
    return answer == _HTTP1
