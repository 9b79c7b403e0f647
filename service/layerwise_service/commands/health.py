"""`layerwise healthcheck`: whether a process of the service does its work, as an exit status."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any

import click

from layerwise_service.commands.options import CommandFailed, with_settings
from layerwise_service.settings import Settings

_SECONDS = 8.0  # the service looks for its database for 5 s


@click.command()
@click.argument("process", type=click.Choice(["rest", "rpc", "worker"]), default="rest")
@with_settings("home", "rest", "rpc")
def healthcheck(settings: Settings, process: str) -> None:
    """Exit with 0 if the process here does its work, with 1 and the reason if not."""
    checks = {"rest": _rest, "rpc": _rpc, "worker": _worker}
    checks[process](settings)
    click.echo("ok")


def _rest(settings: Settings) -> None:
    import http.client

    host, port = _here(settings.rest_address)
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz", headers={"Host": "localhost"})  # which no setting excludes
        response = connection.getresponse()
        body = response.read(10_000).decode(errors="replace")
    except OSError as error:
        raise CommandFailed(f"no answer from http://{host}:{port}/readyz: {error}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise CommandFailed(_what_is_wrong(body))


def _what_is_wrong(body: str) -> str:
    """What /readyz said, in one line."""
    import json

    try:
        checks: dict[str, str] = json.loads(body)["checks"]
        return "not ready: " + "; ".join(f"{name}: {said}" for name, said in checks.items() if said != "ok")
    except (ValueError, KeyError, TypeError, AttributeError):
        return body


def _rpc(settings: Settings) -> None:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    host, port = _here(settings.rpc_address)
    direct = [("grpc.enable_http_proxy", 0)]  # this very host is not reached through a proxy
    with grpc.insecure_channel(f"{host}:{port}", options=direct) as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer: Any = stub.Check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
        except grpc.RpcError as error:
            raise CommandFailed(f"no answer from gRPC at {host}:{port}") from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise CommandFailed(f"gRPC at {host}:{port} is not ready: its log says why, at not_ready")


def _worker(settings: Settings) -> None:
    from layerwise_service.errors import DatabaseUnusable, ServiceError
    from layerwise_service.stores.database import Database
    from layerwise_service.stores.database_url import read_database_url
    from layerwise_service.stores.files import check_writable, storage_errors
    from layerwise_service.stores.job_store import JobStore

    if not settings.database_url and not (settings.home_path / "layerwise.db").is_file():
        raise CommandFailed(f"there is no database in {settings.home_path}")
    try:
        with closing(Database(read_database_url(settings.database_url, settings.home_path))) as database:
            database.check()
            with storage_errors():
                check_writable(settings.home_path / "artifacts" / "incoming")
            seen = JobStore(database).workers_seen(seconds=settings.worker_silent_seconds, host=socket.gethostname())
    except (DatabaseUnusable, ServiceError) as error:
        raise CommandFailed(str(error)) from error
    if not seen:
        raise CommandFailed("no worker of this host has given a sign of life lately")


def _here(address: str) -> tuple[str, int]:
    """The address as it is reached from the same host: a wildcard is reached at the loopback address."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)  # noqa: S104 - read, not bound
