"""The hosts that a request may name.

A web page can let a name of its own resolve to the address of this machine, and then read the service's answers (DNS
rebinding). Its requests still have that name in their header Host, so a service for this machine alone accepts only
this machine's names. gRPC needs no such check: no browser speaks HTTP/2 without TLS.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

from layerwise_service.errors import Forbidden, InvalidRequest, Misdirected
from layerwise_service.rest.messages import Request

PROBES = frozenset({"/livez", "/readyz", "/readyz/predictions"})
"""Addresses without this check: orchestrators call them by IP address, and they reveal next to nothing."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HELP = "to allow this name, add it to the setting rest_hosts (LAYERWISE_REST_HOSTS)"


class Hosts:
    """Checks the requests of a service that listens at `address`; `further` names are allowed as well.

    If it listens beyond this machine and `further` is empty, any host is allowed.
    """

    def __init__(self, address: str, further: frozenset[str]) -> None:
        own = host_of(address)
        self._further = frozenset(map(host_of, further))
        self._any = "*" in further or not (further or _is_loopback(own))
        self._own = own
        self._is_named = lru_cache(maxsize=256)(self._find)  # callers use few names, and every request is checked

    def check(self, request: Request) -> None:
        """Raise `Misdirected` for a host that is not allowed, `Forbidden` for a request from another site's page.

        Raises `InvalidRequest` if no host is named.
        """
        host = request.header("host") or None
        if host is None and not self._any and request.version == "1.1":  # 1.0 has no such header
            raise InvalidRequest("expected a header Host of ASCII characters, got none")  # granian drops others
        if host is not None and not self._any and not self._is_named(host):
            raise Misdirected(f"this service may not be called as {host[:100]!r}; {_HELP}")
        if "origin" in request.headers and request.method not in _SAFE:
            origin = request.header("origin")
            site = origin.partition("://")[2].lower()
            if site != (host or "").lower() and host_of(site) not in self._further and "*" not in self._further:
                raise Forbidden(f"pages of the site {origin[:100]!r} may not send this request; {_HELP}")

    def _find(self, host: str) -> bool:
        name = host_of(host)
        return _is_loopback(name) or name == self._own or name in self._further


def host_of(address: str) -> str:
    """Return the host of HOST or HOST:PORT, in lower case and without the brackets of IPv6."""
    host, colon, port = address.strip().lower().rpartition(":")
    if not colon or not port.isdecimal() or (":" in host and not host.endswith("]")):
        host = address.strip().lower()
    return host.strip("[]").removesuffix(".")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
