"""Ports that several processes of one service share, and no other service."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from layerwise_service.process.lifecycle import AddressInUse

SHARE = "LAYERWISE_RPC_SHARE"


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a process in answering at a port: it is number `place`, counted from 0, of `count` processes."""

    place: int = 0
    count: int = 1

    def __str__(self) -> str:
        return f"{self.place}/{self.count}"


def inherited_share() -> Share | None:
    """Return the share that the supervisor gave this process; None if the port is to be its own."""
    place, _, count = os.environ.pop(SHARE, "").partition("/")
    return Share(int(place), int(count)) if count else None


def reserve(address: str, option: str) -> tuple[str, int, socket.socket]:
    """Return host and port (for port 0 a free one), and a socket that holds the port without listening.

    Processes share the port by SO_REUSEPORT, and so could two services, unnoticed: the port is therefore first bound
    without that option. Raises `AddressInUse`, which names the `option` that chooses another address.
    """
    host, _, text = address.rpartition(":")
    host = host.strip("[]")
    try:
        family, _, _, _, place = socket.getaddrinfo(host, int(text), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(place)
            alone.listen(1)
            port = int(alone.getsockname()[1])
        held = socket.socket(family, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((place[0], port))
    except (OSError, OverflowError) as error:
        cause = getattr(error, "strerror", None) or error
        raise AddressInUse(
            f"cannot listen at {address}: {cause}. Choose another address with {option} HOST:PORT"
        ) from error
    return str(place[0]), port, held
