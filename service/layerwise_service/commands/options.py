"""What the commands have in common: their options, and how they fail."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from layerwise_service.process.lifecycle import end_quietly_on_sigterm
from layerwise_service.settings import Settings, SettingsError, read_settings

_HOME = click.option("--home", metavar="FOLDER", help="Folder of the database and the artefacts.")
_REST = click.option("--rest", "rest_address", metavar="HOST:PORT", help="Where REST listens.")
_RPC = click.option("--rpc", "rpc_address", metavar="HOST:PORT", help="Where gRPC listens.")
_WORKERS = click.option("--workers", type=int, metavar="N", help="Jobs that train at the same time.")
_PROCESSES = click.option("--rest-processes", type=int, metavar="N", help="Processes that answer REST.")
_REFLECTION = click.option("--reflection/--no-reflection", default=None, help="Whether gRPC tells its services.")
_LOG = click.option("--log", type=click.Choice(["auto", "text", "json"]), help="Style of the log.")
_CONFIG = click.option(
    "--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="Settings, instead of ./layerwise.toml."
)

OPTIONS = {
    "home": _HOME,
    "rest": _REST,
    "rpc": _RPC,
    "workers": _WORKERS,
    "rest_processes": _PROCESSES,
    "reflection": _REFLECTION,
}


class CommandFailed(click.ClickException):
    """One line on the error stream, and exit status 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"layerwise: {self.message}", err=True, file=file)


def with_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the named options, --log and --config, and calls it with the settings they lead to."""

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
            end_quietly_on_sigterm()
            command(settings, **own)

        decorated: Callable[..., None] = run
        for option in (_CONFIG, _LOG, *(OPTIONS[name] for name in reversed(names))):
            decorated = option(decorated)
        return decorated

    return decorate
