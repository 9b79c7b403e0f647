"""Errors for an address of the wrong interface: REST's where gRPC's is expected, or the other way round."""

from __future__ import annotations

import socket

from layerwise_client.errors import InvalidRequest

# What gRPC says when it could not connect to any address of a target because the server answers in HTTP/1, or hangs up
# on HTTP/2. It says something else of a connection that breaks later.
_NO_CONNECTION = "failed to connect to all addresses"
_NO_HTTP2 = ("Socket closed", "Failed parsing HTTP/2", "http1.x")
_SETTINGS_FRAME = "\x04"  # every HTTP/2 server starts with three bytes of length and this type
_PROBE_SECONDS = 1.0


def rest_as_target(target: str, details: str) -> InvalidRequest | None:
    """Return the error for a `target` that speaks HTTP/1. It is asked only if `details`, of gRPC, suggest it."""
    refused = _NO_CONNECTION in details and any(words in details for words in _NO_HTTP2)
    if not refused or not _speaks_http1(target):
        return None
    return InvalidRequest(
        f"{target} speaks HTTP, not gRPC, and may be the REST address; "
        "expected the address of the training API, gRPC, such as 127.0.0.1:50051",
        reason="WRONG_ADDRESS",
        pointer="target",
    )


def target_as_rest(address: str, status_line: str) -> InvalidRequest | None:
    """Return the error for an `address` whose `status_line` is the start of HTTP/2; None for another one."""
    if status_line[3:4] != _SETTINGS_FRAME:
        return None
    return InvalidRequest(
        f"{address} speaks gRPC and may be the address of the training API; "
        "expected the address of the prediction endpoint, REST, such as http://127.0.0.1:8000",
        reason="WRONG_ADDRESS",
        pointer="rest",
    )


def url_as_target(target: str) -> InvalidRequest | None:
    """Return the error for a `target` that is a URL; None if it is none."""
    if not target.lower().startswith(("http://", "https://")):
        return None
    return InvalidRequest(
        f"target: expected host:port of the training API, gRPC, such as 127.0.0.1:50051, got the URL {target}; "
        "a REST address goes into rest=",
        reason="WRONG_ADDRESS",
        pointer="target",
    )


def _speaks_http1(target: str) -> bool:
    host, _, port = target.rpartition("/")[2].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS) as probe:
            probe.settimeout(_PROBE_SECONDS)
            probe.sendall(f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            return probe.recv(5).startswith(b"HTTP/")
    except (OSError, ValueError):
        return False
