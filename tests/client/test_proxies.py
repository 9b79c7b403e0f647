"""Where the environment names an HTTP proxy: when it is used, when not, and what is said when it is in the way."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from layerwise_client import Client, Unavailable
from layerwise_proto.v1 import models_pb2

NOBODY = "http://127.0.0.1:1"
NAMES = [
    name
    for lower in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "no_proxy", "no_grpc_proxy")
    for name in (lower, lower.upper())
]


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy on the loopback address that connects all who ask to `onward`; without one, refuses them."""

    daemon_threads = True

    def __init__(self, onward: str | None) -> None:
        self.onward = onward
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.url = f"http://user:secret@127.0.0.1:{self.server_address[1]}"


class _Tunnel(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        self.server.asked.append(self.rfile.readline().decode().split()[1])
        while self.rfile.readline().strip():
            pass
        if self.server.onward is None:
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return
        host, _, port = self.server.onward.rpartition(":")
        with socket.create_connection((host, int(port))) as onward:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_copy, args=(onward, self.connection), daemon=True)
            back.start()
            _copy(self.connection, onward)
            back.join()


def _copy(source: socket.socket, to: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:  # either side may hang up
        return


@contextmanager
def proxy(onward: str | None) -> Iterator[Proxy]:
    with Proxy(onward) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def models(service):
    service.answers["ListModels"] = lambda request, context: models_pb2.ListModelsResponse()
    return service


@pytest.mark.parametrize("variable", [name for name in NAMES if not name.lower().startswith("no")])
def test_a_service_on_this_host_is_never_reached_through_a_proxy(models, rest, monkeypatch, variable):
    rest.answer = lambda question: (200, {"model": "m", "version": 1, "predictions": [0]})

    with proxy(None) as refusing:
        for url in (refusing.url, NOBODY):
            monkeypatch.setenv(variable, url)
            with Client(models.address, rest=rest.address, timeout=5) as client:
                assert client.models() == []
                assert client.predict("m", [[1.0]]).version == 1

        assert refusing.asked == []


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_every_name_of_this_host_is_known(monkeypatch, host):
    with proxy(None) as refusing:
        monkeypatch.setenv("http_proxy", refusing.url)
        with Client(f"{host}:1", timeout=2) as client, pytest.raises(Unavailable, match="no Layerwise service"):
            client.models()

        assert refusing.asked == []


@pytest.mark.parametrize(
    ("variable", "exceptions"),
    [
        ("no_proxy", "a.example, .invalid"),
        ("no_proxy", "*.invalid"),
        ("no_proxy", "*"),
        ("NO_PROXY", "SERVICE.INVALID:50051"),
        ("no_grpc_proxy", "invalid"),
    ],
)
def test_a_host_in_no_proxy_is_not_reached_through_one(monkeypatch, variable, exceptions):
    with proxy(None) as refusing:
        monkeypatch.setenv("http_proxy", refusing.url)
        monkeypatch.setenv(variable, exceptions)
        with Client("service.invalid:50051", timeout=2) as client, pytest.raises(Unavailable) as caught:
            client.models()

        assert refusing.asked == []
        assert "proxy" not in str(caught.value)


def test_networks_in_no_proxy_are_known(monkeypatch):
    with proxy(None) as refusing:
        monkeypatch.setenv("http_proxy", refusing.url)
        monkeypatch.setenv("no_proxy", "192.0.2.0/24")
        with (
            Client("192.0.2.7:50051", timeout=0.2) as client,
            pytest.raises(Exception, match=r"192\.0\.2\.7") as caught,
        ):
            client.models()

        assert refusing.asked == []
        assert "proxy" not in str(caught.value)


def test_a_service_elsewhere_is_reached_through_the_proxy(models, monkeypatch):
    with proxy(models.address) as forwarding:
        monkeypatch.setenv("http_proxy", forwarding.url)
        monkeypatch.setenv("no_proxy", "localhost,127.0.0.1,other.invalid")
        with Client("service.invalid:50051", timeout=5) as client:
            assert client.models() == []

        assert forwarding.asked == ["service.invalid:50051"]


@pytest.mark.parametrize("variable", ["grpc_proxy", "https_proxy", "http_proxy"])
def test_a_proxy_that_is_in_the_way_is_named_without_its_password(monkeypatch, variable):
    with proxy(None) as refusing:
        port = refusing.server_address[1]
        monkeypatch.setenv(variable, refusing.url)
        with Client("service.invalid:50051", timeout=2) as client, pytest.raises(Unavailable) as caught:
            client.models()

    message = str(caught.value)
    assert message.startswith(
        f"service.invalid:50051 cannot be reached through the proxy 127.0.0.1:{port} that {variable} names ("
    )
    assert "403" in message
    assert message.endswith("; set no_proxy=service.invalid to avoid it")


def test_a_proxy_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("http_proxy", NOBODY)

    with Client("service.invalid:50051", timeout=2) as client, pytest.raises(Unavailable) as caught:
        client.models()

    assert "through the proxy 127.0.0.1:1 that http_proxy names (Connection refused)" in str(caught.value)


@pytest.mark.parametrize("value", ["127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_a_proxy_that_grpc_cannot_use_is_left_aside(monkeypatch, value):
    monkeypatch.setenv("http_proxy", value)

    with Client("service.invalid:50051", timeout=2) as client, pytest.raises(Unavailable) as caught:
        client.models()

    assert "proxy" not in str(caught.value)
