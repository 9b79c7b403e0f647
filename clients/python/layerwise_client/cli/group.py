"""The group `layerwise` of its own commands and of plugins, which are loaded when they are used."""

from __future__ import annotations

import os
import sys
from errno import EPIPE
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from layerwise_client.errors import LayerwiseError, ServiceFault
from layerwise_client.wording import printable

PLUGINS = "layerwise.commands"  # the entry-point group of plugins
_OWN = (
    "train",
    "predict",
    "evaluate",
    "jobs",
    "models",
    "datasets",
)  # each is a module here with a command of this name


class OneLine(click.ClickException):
    """An error shown in one line on stderr; exit code 1."""

    def show(self, file: object = None) -> None:
        click.echo(f"layerwise: {printable(self.format_message())}", err=True)


class Layerwise(click.Group):
    """Finds commands by name; shows an error of the SDK or of a broken plugin in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_OWN, *sorted(set(_plugins()) - set(_OWN))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _OWN:
            command: click.Command = getattr(import_module(f"layerwise_client.cli.{cmd_name}"), cmd_name)
            return command
        plugin = _plugins().get(cmd_name)
        return None if plugin is None else _load(plugin)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # on a full disk this is an error here, and not a traceback at the end of Python
            return result
        except click.UsageError as exc:
            raise click.UsageError(printable(exc.format_message()), exc.ctx) from exc
        except LayerwiseError as exc:
            known = f" (request {exc.request_id})" if isinstance(exc, ServiceFault) and exc.request_id else ""
            raise OneLine(f"{exc}{known}") from exc
        except OSError as exc:
            if exc.errno == EPIPE:  # the reader of our output has gone; click handles that
                raise
            _flush_or_drop_output()
            problem = exc.strerror or str(exc)
            raise OneLine(f"{exc.filename}: {problem}" if exc.filename else problem) from exc
        except KeyboardInterrupt as exc:
            raise click.exceptions.Exit(130) from exc  # the exit code of shells after SIGINT


@click.group(cls=Layerwise, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="layerwise", message="%(prog)s %(version)s")
def layerwise() -> None:
    """Train multilayer perceptrons on a Layerwise service, and predict with them."""


def _flush_or_drop_output() -> None:
    """Flush stdout; if that fails, drop its content, since Python would try again as it ends and report that."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _plugins() -> dict[str, EntryPoint]:
    return {plugin.name: plugin for plugin in entry_points(group=PLUGINS)}


def _load(plugin: EntryPoint) -> click.Command:
    """Return the plugin's command; for a broken plugin, a command that reports the problem."""
    try:
        command = plugin.load()
    except Exception as exc:  # noqa: BLE001 – a plugin may raise anything
        if isinstance(exc, ModuleNotFoundError) and plugin.extras and plugin.dist:
            wanted = f"needs pip install '{plugin.dist.name}[{','.join(plugin.extras)}]'"
            return _unusable(plugin, f"the command {plugin.name} {wanted}", f"({wanted})")
        return _broken(plugin, f"{type(exc).__name__}: {exc}")
    return command if isinstance(command, click.Command) else _broken(plugin, "not a click command")


def _broken(plugin: EntryPoint, problem: str) -> click.Command:
    message = f"the command {plugin.name} ({plugin.value}) cannot be loaded: {problem}"
    return _unusable(plugin, message, f"(cannot be loaded: {problem})")


def _unusable(plugin: EntryPoint, message: str, short_help: str) -> click.Command:
    def report() -> None:
        raise OneLine(message)

    return click.Command(plugin.name, callback=report, short_help=short_help)
