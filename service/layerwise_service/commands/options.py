"""The options and the error that the service's commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from layerwise_service.process.lifecycle import PARENT, end_quietly_on_sigterm
from layerwise_service.settings import Settings, SettingsError, misspelt_variables, read_settings

_HOME = click.option(
    "--home", metavar="FOLDER", help="Folder of the database, the datasets and the models.  [default: layerwise-data]"
)
_REST = click.option(
    "--rest",
    "rest_address",
    metavar="HOST:PORT",
    help="Address of REST; port 0 takes a free one.  [default: 127.0.0.1:8000]",
)
_RPC = click.option(
    "--rpc",
    "rpc_address",
    metavar="HOST:PORT",
    help="Address of gRPC; port 0 takes a free one.  [default: 127.0.0.1:50051]",
)
_WORKERS = click.option(
    "--workers", type=int, metavar="N", help="Worker processes: jobs that train at the same time.  [default: 1]"
)
_PROCESSES = click.option("--rest-processes", type=int, metavar="N", help="Processes that answer REST.  [default: 2]")
_RPC_PROCESSES = click.option(
    "--rpc-processes", type=int, metavar="N", help="Processes that answer gRPC.  [default: 2]"
)
_REFLECTION = click.option(
    "--reflection/--no-reflection",
    default=None,
    help="Whether gRPC server reflection is on, which grpcurl needs.  [default: off]",
)
_LOG = click.option(
    "--log",
    type=click.Choice(["auto", "text", "json"]),
    help="Format of the log; auto: text on a terminal, else json.  [default: auto]",
)
_CONFIG = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File of settings.  [default: ./layerwise.toml, if there is one]",
)

OPTIONS = {
    "home": _HOME,
    "rest": _REST,
    "rpc": _RPC,
    "workers": _WORKERS,
    "rest_processes": _PROCESSES,
    "rpc_processes": _RPC_PROCESSES,
    "reflection": _REFLECTION,
}


class CommandFailed(click.ClickException):
    """One line on the error stream, and exit status 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"layerwise: {self.message}", err=True, file=file)


def with_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the named options, --log and --config, and call it with the resulting settings."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(*, file: Path | None, **given: Any) -> None:
            known = set(Settings.__struct_fields__)
            flags = {name: value for name, value in given.items() if name in known}
            own = {name: value for name, value in given.items() if name not in known}
            try:
                settings = read_settings(flags=flags, file=file)
            except SettingsError as error:
                raise CommandFailed(str(error)) from error
            if PARENT not in os.environ:  # else the supervisor has warned
                for warning in misspelt_variables(os.environ):
                    click.echo(f"layerwise: {warning}", err=True)
            end_quietly_on_sigterm()
            command(settings, **own)

        decorated: Callable[..., None] = run
        for option in (_CONFIG, _LOG, *(OPTIONS[name] for name in reversed(names))):
            decorated = option(decorated)
        return decorated

    return decorate
