"""A web page cannot reach the service: neither by a name of its own for this machine, nor by sending across sites."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import msgspec
import pytest
from flask.testing import FlaskClient

from helpers.rest_clients import running_rest
from layerwise_service.domain.models import Version
from layerwise_service.settings import Settings, SettingsError, read_settings
from layerwise_service.wiring import Stores

ROWS = {"instances": [[0, 0]]}


@pytest.fixture
def rest(settings: Settings, stores: Stores, publish: Callable[..., Version]) -> Iterator[Callable[..., FlaskClient]]:
    publish()
    with ExitStack() as opened:
        yield lambda **changed: opened.enter_context(running_rest(msgspec.structs.replace(settings, **changed)))


LOOPBACK = ["localhost", "LOCALHOST:8000", "localhost.:80", "127.0.0.1:8000", "127.9.8.7", "[::1]", "[::1]:8000"]
OTHERS = ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1:8000"]
OTHERS += ["0.0.0.0:8000", "[2001:db8::1]:8000", "128.0.0.1", "localhost:evil", ":8000", "évil"]


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "[::1]:8000", "localhost:0"])
def test_a_service_of_this_machine_answers_to_its_names_alone(rest: Callable[..., FlaskClient], address: str) -> None:
    client = rest(rest_address=address)

    for host in LOOPBACK:
        assert client.get("/api/models", headers={"Host": host}).status_code == 200, host
        assert client.post("/predict", json=ROWS, headers={"Host": host}).status_code == 200, host
    for host in OTHERS:
        assert client.get("/readyz", headers={"Host": host}).status_code in (200, 503)  # as a kubelet asks, by address
        for path in ("/api/models", "/predict", "/metrics", "/nowhere"):
            answer = client.get(path, headers={"Host": host})
            assert (answer.status_code, answer.mimetype) == (421, "application/problem+json"), host
            assert answer.json["reason"] == "MISDIRECTED"
            assert "LAYERWISE_REST_HOSTS" in answer.json["detail"]
        assert client.post("/predict", json=ROWS, headers={"Host": host}).status_code == 421, host


def test_a_proxys_names_can_be_set(rest: Callable[..., FlaskClient]) -> None:
    client = rest(rest_hosts="models.example.com, Other.Example:443")

    for host in ("models.example.com", "MODELS.example.com:8443", "other.example", *LOOPBACK):
        assert client.get("/api/models", headers={"Host": host}).status_code == 200, host
    for host in OTHERS:
        assert client.get("/api/models", headers={"Host": host}).status_code == 421, host
    for host in (*OTHERS, *LOOPBACK):
        assert rest(rest_hosts="*").get("/api/models", headers={"Host": host}).status_code == 200, host


def test_a_service_of_a_network_answers_to_any_name_unless_names_are_set(rest: Callable[..., FlaskClient]) -> None:
    open_to_all = rest(rest_address="0.0.0.0:8000")
    named = rest(rest_address="10.0.0.1:8000", rest_hosts="models.example.com")

    assert open_to_all.get("/api/models", headers={"Host": "anything.example"}).status_code == 200
    for host in ("models.example.com", "10.0.0.1:8000", "127.0.0.1:8000"):
        assert named.get("/api/models", headers={"Host": host}).status_code == 200, host
    assert named.get("/api/models", headers={"Host": "anything.example"}).status_code == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8000", 200),
        ("https://127.0.0.1:8000", 200),  # a proxy speaks TLS
        ("https://models.example.com", 200),
        ("http://127.0.0.1:3000", 403),
        ("http://evil.example", 403),
        ("https://models.example.com.evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_pages_of_other_sites_cannot_send(rest: Callable[..., FlaskClient], origin: str, status: int) -> None:
    client = rest(rest_hosts="models.example.com")
    headers = {"Host": "127.0.0.1:8000", "Origin": origin}

    answer = client.post("/predict", json=ROWS, headers=headers)

    assert answer.status_code == status
    if status == 403:
        assert (answer.json["reason"], answer.mimetype) == ("FORBIDDEN", "application/problem+json")
    assert client.get("/api/models", headers=headers).status_code == 200  # the browser shows them to their site alone


@pytest.mark.parametrize("wrong", ["https://models.example.com", "a b", "a,,b", ","])
def test_names_that_are_none_are_refused(wrong: str) -> None:
    with pytest.raises(SettingsError, match="rest_hosts: expected host names, separated by commas"):
        read_settings(environment={"LAYERWISE_REST_HOSTS": wrong})
