"""Errors in the words of the command: its options and arguments, where the SDK and the service name their own."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import click

from layerwise_client.errors import LayerwiseError, NotFound

_OTHER_NAMES = {"model": "name", "target": "rpc"}
"""Names that parameters of commands have for arguments of the SDK."""


@contextmanager
def told_by_parameter() -> Generator[None]:
    """Name the option or argument of the running command in errors about it: `--start-from`, not `start_from`."""
    try:
        yield
    except LayerwiseError as exc:
        if exc.place and (parameter := _parameter_of(exc.place[0])) is not None:
            raise reworded(exc, _name_of(parameter, exc)) from exc
        raise


def reworded(exc: LayerwiseError, where: str, *, hint: str = "") -> LayerwiseError:
    """Return the error with the words `where` for its place, which is then nowhere else made into text."""
    message = f"{where}: {exc.detail}{hint}" if where else f"{exc.detail}{hint}"
    return type(exc)(message, reason=exc.reason, request_id=exc.request_id)


def flag_of(name: str) -> str:
    """Return the option for the setting of this name: `--batch-size` for batch_size."""
    return f"--{name.replace('_', '-')}"


def _parameter_of(root: str | int) -> click.Parameter | None:
    parameters = {each.name: each for each in click.get_current_context().command.params}
    # The SDK's `target` is the address of the service; the command's --target is a column.
    found = None if root == "target" else parameters.get(str(root))
    return found or parameters.get(_OTHER_NAMES.get(str(root), ""))


def _name_of(parameter: click.Parameter, exc: LayerwiseError) -> str:
    if isinstance(parameter, click.Option):
        return parameter.opts[0]
    # "there is no model 'x'" needs no more words
    return "" if isinstance(exc, NotFound) else parameter.make_metavar(click.get_current_context())
