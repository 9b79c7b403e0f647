"""`layerwise healthcheck`, `adopt` and `config`: what they print, and their exit status."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores, open_stores


def layerwise(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit status, output and error output of a command."""
    command = [sys.executable, "-m", "layerwise_service.commands", *arguments]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | environment
    )
    return ended.returncode, ended.stdout, ended.stderr


@contextmanager
def answering(status: int, body: bytes, *, protocol: str = "HTTP/1.0") -> Generator[str]:
    """A server that answers every request in this way; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = protocol

        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("body", "protocol", "said"),
    [
        (
            b'{"checks": {"database": "away", "loops": "ok", "disk": "full"}}',
            "HTTP/1.0",
            "not ready: database: away; disk: full",
        ),
        (b"no JSON", "HTTP/1.0", "no JSON"),
        (b'{"checks": 3}', "HTTP/1.0", '{"checks": 3}'),
        (b"", "SSH-2.0", "no answer from http://{address}/readyz: SSH-2.0 503 Service Unavailable"),
    ],
)
def test_healthcheck_tells_why_rest_is_not_ready(body: bytes, protocol: str, said: str) -> None:
    with answering(503, body, protocol=protocol) as address:
        status, _, errors = layerwise("healthcheck", "--rest", address)

    assert status == 1
    assert errors.strip() == f"layerwise: {said.replace('{address}', address)}"


def test_healthcheck_tells_that_grpc_is_not_ready() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    servicer = HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    add_HealthServicer_to_server(servicer, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()

    status, _, errors = layerwise("healthcheck", "rpc", "--rpc", address)

    server.stop(0)
    assert status == 1
    assert errors == f"layerwise: gRPC at {address} is not ready; the event not_ready in its log says why\n"


def test_healthcheck_asks_whether_a_worker_runs(settings: Settings, stores: Stores) -> None:
    command = ["healthcheck", "worker", "--home", str(settings.home_path)]

    status, _, errors = layerwise(*command)
    assert status == 1
    assert "no worker on this machine was seen in the last" in errors

    stores.leases.report_alive("w")
    assert layerwise(*command) == (0, "ok\n", "")


def test_healthcheck_of_a_worker_tells_that_the_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "layerwise.db").write_bytes(b"not a database" * 100)

    status, _, errors = layerwise("healthcheck", "worker", "--home", str(tmp_path))

    assert status == 1
    assert errors.startswith(
        f"layerwise: the database {tmp_path}/layerwise.db cannot be opened (file is not a database)"
    )


def test_adopt_lets_a_folder_of_another_database_be_used(settings: Settings, stores: Stores, tmp_path: Path) -> None:
    stores.database.close()
    other = settings.home_path / "other.db"
    url = f"sqlite:///{other}"

    status, said, _ = layerwise("adopt", "--home", str(settings.home_path), LAYERWISE_DATABASE_URL=url)

    assert status == 0
    assert said == f"{other} and {settings.home_path}/artifacts belong together from now on.\n"
    open_stores(Settings(home=settings.home, database_url=url)).database.close()


def test_config_prints_the_settings_without_the_password_of_the_database() -> None:
    status, said, _ = layerwise(
        "config", LAYERWISE_DATABASE_URL="postgresql://me:secret@host/db", LAYERWISE_WORKERS="3"
    )

    assert status == 0
    assert "workers = 3" in said.splitlines()
    assert 'database_url = "postgresql+psycopg://me:***@host/db"' in said.splitlines()
    assert "secret" not in said


@pytest.mark.parametrize(
    ("arguments", "url", "said"),
    [
        (["config"], "mysql://secret@host/db", "database_url"),
        (["config", "--config", "missing.toml"], "", "missing.toml"),
        (["adopt"], "sqlite://", "in memory"),
    ],
)
def test_settings_that_cannot_be_used_are_told_in_one_line(
    arguments: list[str], url: str, said: str, tmp_path: Path
) -> None:
    status, _, errors = layerwise(*arguments, LAYERWISE_DATABASE_URL=url, LAYERWISE_HOME=str(tmp_path / "home"))

    assert status == 1
    assert errors.startswith("layerwise: ")
    assert said in errors
    assert len(errors.splitlines()) == 1
    assert "secret" not in errors
