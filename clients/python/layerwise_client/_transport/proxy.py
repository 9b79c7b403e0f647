"""The HTTP proxy that gRPC uses to reach a service, according to the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")  # those that gRPC reads, in this order
_EXCEPTIONS = ("no_grpc_proxy", "no_proxy", "NO_PROXY")


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy at `address`, "host:port", from the environment variable `variable`."""

    variable: str
    address: str

    def around(self, target: str) -> str:
        """Return how to call `target` without the proxy."""
        return f"set no_proxy={host_and_port(target)[0]} to avoid it"

    def __str__(self) -> str:
        return f"the proxy {self.address} that {self.variable} names"


def proxy_to(target: str) -> Proxy | None:
    """Return the proxy for calls to `target`; None if there is none. This host itself never has one."""
    variable = next((name for name in _VARIABLES if os.environ.get(name)), None)
    if variable is None or _is_exempt(*host_and_port(target)):
        return None
    url = urlsplit(os.environ[variable])
    if url.scheme != "http":  # gRPC supports no others
        return None
    return Proxy(variable, url.netloc.rpartition("@")[2])  # without a password


def _is_exempt(host: str, port: str) -> bool:
    if not host or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        address = None
    if address is not None:
        own = getattr(address, "ipv4_mapped", None) or address
        if own.is_loopback or own.is_unspecified:
            return True
    listed = next((value for name in _EXCEPTIONS if (value := os.environ.get(name))), "")
    return any(_covers(each.strip().lower(), host, port) for each in listed.split(","))


def _covers(exception: str, host: str, port: str) -> bool:
    """Return whether `exception`, an item of no_proxy, includes `host`.

    An item is *, a host, a domain, host:port, or a network such as 10.0.0.0/8.
    """
    if "/" in exception:
        try:
            return ip_address(host) in ip_network(exception, strict=False)
        except ValueError:
            return False
    name = exception.removesuffix(f":{port}").removeprefix("*").strip("[]").lstrip(".")
    return exception == "*" or (bool(name) and (host == name or host.endswith(f".{name}")))


def host_and_port(target: str) -> tuple[str, str]:
    """Return host and port of a target, with or without a scheme such as dns:///; ("", "") for a Unix socket."""
    if target.startswith(("unix:", "unix-abstract:")):
        return "", ""
    host, _, port = target.rpartition("/")[2].rpartition(":")
    host = host.removeprefix("dns:").removeprefix("ipv4:").removeprefix("ipv6:")
    return host.strip("[]").rstrip(".").lower(), port
