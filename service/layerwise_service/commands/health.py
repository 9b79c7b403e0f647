"""`layerwise healthcheck`: whether a process of the service works, as an exit status."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any

import click

from layerwise_service.commands.options import CommandFailed, with_settings
from layerwise_service.settings import Settings

_SECONDS = 8.0  # more than the 5 s for which the service waits for its database


@click.command(short_help="Check whether a process of the service is ready.")
@click.argument("process", type=click.Choice(["rest", "rpc", "worker"]), default="rest")
@with_settings("home", "rest", "rpc")
def healthcheck(settings: Settings, process: str) -> None:
    """Check a process of the service on this machine: exit with 0 if it is ready, else print why and exit with 1.

    The process is rest (the default), rpc or worker.
    """
    checks = {"rest": _rest, "rpc": _rpc, "worker": _worker}
    checks[process](settings)
    click.echo("ok")


def _rest(settings: Settings) -> None:
    import http.client

    host, port = _here(settings.rest_address)
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz", headers={"Host": "localhost"})  # a host that is always allowed
        response = connection.getresponse()
        body = response.read(10_000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise CommandFailed(f"no answer from http://{host}:{port}/readyz: {error}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise CommandFailed(_what_is_wrong(body))


def _what_is_wrong(body: str) -> str:
    """Return the failed checks in the answer of /readyz, in one line."""
    import json

    try:
        checks: dict[str, str] = json.loads(body)["checks"]
        return "not ready: " + "; ".join(f"{name}: {outcome}" for name, outcome in checks.items() if outcome != "ok")
    except (ValueError, KeyError, TypeError, AttributeError):
        return body


def _rpc(settings: Settings) -> None:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    host, port = _here(settings.rpc_address)
    direct = [("grpc.enable_http_proxy", 0)]  # no proxy leads to this machine itself
    with grpc.insecure_channel(f"{host}:{port}", options=direct) as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer: Any = stub.Check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
        except grpc.RpcError as error:
            raise CommandFailed(f"no answer from gRPC at {host}:{port}") from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise CommandFailed(f"gRPC at {host}:{port} is not ready; the event not_ready in its log says why")


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
        raise CommandFailed(
            f"no worker on this machine was seen in the last {settings.worker_silent_seconds:g} s; is one running?"
        )


def _here(address: str) -> tuple[str, int]:
    """Return host and port under which this machine itself reaches `address`: for a wildcard the loopback address."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)  # noqa: S104 - read, not bound
