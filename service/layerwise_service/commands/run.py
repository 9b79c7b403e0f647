"""`layerwise serve`, `rest`, `rpc`, `worker`, `adopt`, `config`. Each loads only what its process runs."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from layerwise_service.commands.options import CommandFailed, with_settings
from layerwise_service.process.forking import share_memory
from layerwise_service.process.lifecycle import (
    AddressInUse,
    announce_ready,
    end_with_parent,
    give_way_to_serving,
    limit_blas_threads,
    make_files_private,
    name_process,
    predict_by_numpy,
)
from layerwise_service.process.logs import configure_logs
from layerwise_service.process.pulse import start_pulse
from layerwise_service.settings import Settings

if TYPE_CHECKING:
    from layerwise_service.process.gathering import Reporter


@click.command()
@with_settings("home", "rest", "rpc", "workers", "rest_processes", "rpc_processes", "reflection")
def serve(settings: Settings) -> None:
    """Run the whole service: REST, gRPC and workers."""
    configure_logs(settings.log, process="serve")
    name_process("serve")
    make_files_private()
    limit_blas_threads(1)
    from layerwise_service.supervisor import StartFailed, Supervisor
    from layerwise_service.wiring import open_stores

    forked = {"rest": partial(rest.main, []), "rpc": partial(rpc.main, [])}
    with _startup_errors():
        open_stores(settings).close()  # before several processes create or migrate them
        share_memory("layerwise_service.rest.app", "layerwise_service.rest.server", "layerwise_service.rpc.server")
        try:
            Supervisor(settings, forked).run(ready=lambda rest, rpc: _banner(settings, rest, rpc))
        except StartFailed as error:
            raise CommandFailed(str(error)) from error
    click.echo("Layerwise has stopped.")


@click.command()
@with_settings("home", "rest", "rest_processes")
def rest(settings: Settings) -> None:
    """Run the REST service alone."""
    configure_logs(settings.log, process="rest")
    name_process("rest")
    predict_by_numpy()
    make_files_private()
    limit_blas_threads(1)  # requests are many and small: their threads fill the cores
    end_with_parent()
    with _startup_errors():
        from layerwise_service.rest.server import serve_rest
        from layerwise_service.wiring import build_rest, open_stores

        open_stores(settings).close()  # reports errors before any process starts
        share_memory("layerwise_service.rest.app")
        with _counts_socket() as counts:
            try:
                serve_rest(settings, build_rest, counts=counts, ready=announce_ready)
            except AddressInUse as error:
                raise CommandFailed(str(error)) from error


@click.command()
@with_settings("home", "rpc", "reflection")
def rpc(settings: Settings) -> None:
    """Run the gRPC service alone."""
    configure_logs(settings.log, process="rpc")
    name_process("rpc")
    predict_by_numpy()
    make_files_private()
    limit_blas_threads(1)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # gRPC's own log lines do not help an operator
    end_with_parent()
    reporter = _report()
    start_pulse()
    from layerwise_service.process.memory import start_returning_memory
    from layerwise_service.process.ports import inherited_share
    from layerwise_service.rpc.server import serve_rpc
    from layerwise_service.wiring import build_rpc

    start_returning_memory()
    share = inherited_share()

    async def run() -> None:
        await serve_rpc(build_rpc(settings, reporter, share), ready=announce_ready)

    with _startup_errors():
        try:
            asyncio.run(run())
        except AddressInUse as error:
            raise CommandFailed(str(error)) from error


@click.command()
@with_settings("home")
@click.option("--id", "worker_id", default=None, hidden=True)
def worker(settings: Settings, worker_id: str | None) -> None:
    """Run one worker alone: it trains one job after the other."""
    configure_logs(settings.log, process="worker")
    name_process("worker")
    make_files_private()
    limit_blas_threads(settings.effective_worker_threads)
    give_way_to_serving()
    end_with_parent()
    _report()
    start_pulse()
    from layerwise_service.wiring import build_worker, new_worker_id

    with _startup_errors():
        runner = build_worker(settings, worker_id or new_worker_id())

        def stop(number: int, frame: FrameType | None) -> None:
            runner.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        announce_ready("")
        runner.run()


@click.command(short_help="Let a database and a folder of artefacts belong together.")
@with_settings("home")
def adopt(settings: Settings) -> None:
    """Make the database and the folder of the artefacts belong together.

    The service refuses to start with a database and a folder of artefacts that have different ids. This command gives
    both the same id. Files in the folder that the database does not know are kept, but not used.
    """
    configure_logs(settings.log, process="adopt", serves=False)
    make_files_private()
    from layerwise_service.wiring import open_stores

    with _startup_errors(), closing(open_stores(settings, adopt=True)) as stores:
        click.echo(f"{stores.database.name} and {settings.home_path / 'artifacts'} belong together from now on.")


@click.command()
@with_settings("home", "rest", "rpc", "workers", "rest_processes", "rpc_processes", "reflection")
def config(settings: Settings) -> None:
    """Print every setting with the value it has here, as TOML."""
    import msgspec

    values = msgspec.structs.asdict(settings)
    if settings.database_url:
        from layerwise_service.errors import DatabaseUnusable
        from layerwise_service.stores.database_url import parse_database_url, shown_database_url

        try:
            values["database_url"] = shown_database_url(parse_database_url(settings.database_url))
        except DatabaseUnusable as error:
            raise CommandFailed(str(error)) from error
    for name, value in values.items():
        click.echo(f"{name} = {msgspec.json.encode(value).decode()}")


@contextmanager
def _counts_socket() -> Generator[socket.socket]:
    """Give the socket for the counts of the REST processes: the supervisor's, or else one that this process reads."""
    from layerwise_service.process.gathering import Gatherer, Reporter, inherited_socket

    if inherited := inherited_socket():
        Reporter(inherited).start()
        yield inherited
        return
    gatherer = Gatherer()
    gatherer.start()
    Reporter(gatherer.socket).start()
    try:
        yield gatherer.socket
    finally:
        gatherer.close()


def _report() -> Reporter:
    """Report the counts of this process, if a supervisor gathers them."""
    from layerwise_service.process.gathering import Reporter, inherited_socket

    reporter = Reporter(inherited_socket())
    reporter.start()
    return reporter


@contextmanager
def _startup_errors() -> Generator[None]:
    """Turn errors that keep a process from starting into one line."""
    from layerwise_service.errors import DatabaseUnusable, ServiceError

    try:
        yield
    except (DatabaseUnusable, ServiceError) as error:
        raise CommandFailed(str(error)) from error
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error


def _banner(settings: Settings, rest_address: str, rpc_address: str) -> None:
    from layerwise.checks import counted

    workers = counted(settings.workers, "worker")
    lines: list[Any] = [
        "Layerwise is ready",
        f"  REST   http://{rest_address}    POST /predict, GET /api/models, /api/jobs, /readyz, /metrics",
        f"  gRPC   {rpc_address}    training: layerwise train, or the Python SDK",
        f"  data   {settings.home_path}    {workers}",
        "Ctrl-C stops it.",
    ]
    click.echo("\n".join(lines))
    sys.stdout.flush()
