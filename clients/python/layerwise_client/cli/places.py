"""Errors that name options and arguments of the command instead of arguments of the SDK."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from contextlib import contextmanager

import click

from layerwise_client.errors import InvalidRequest, LayerwiseError, NotFound

_OTHER_NAMES = {"model": "name", "id": "source", "read_as": "start_from"}
"""Names of parameters of commands by argument of the SDK, where they differ."""


@contextmanager
def naming_parameters() -> Generator[None]:
    """Name, in errors about an argument of the SDK, the command's option or argument, such as `--start-from`."""
    try:
        yield
    except LayerwiseError as exc:
        if exc.place and (parameter := _parameter_of(exc)) is not None:
            raise reworded(exc, _name_of(parameter, exc)) from exc
        raise


@contextmanager
def told_by_row(file: str) -> Generator[None]:
    """Name, in errors about a file, the file with row and column; rows count from 1, without the header."""
    try:
        yield
    except InvalidRequest as exc:
        hint = ""
        match exc.place:
            case _ if exc.reason in ("WRONG_ADDRESS", "FILE_NOT_FOUND"):  # not about what is in the file
                raise
            case ("rows" | "X", int(row), str(column)):
                where = f"{file} row {row + 1}, column {column}"
                if exc.reason == "BAD_CELL" and "missing" in click.get_current_context().params:
                    hint = "; --missing WORD names such words"
            case ("rows" | "X", int(row), *_):
                where = f"{file} row {row + 1}"
            case ("line", int(line), *_):
                where = f"{file} line {line}"
            case ("columns", str(column), *rest) if rest or exc.reason in ("COLUMN_NOT_FOUND", "INVALID_COLUMNS"):
                where = f"--column {column}"
            case ("columns", str(column)) if exc.reason != "MISSING_COLUMN":
                where = f"{file} column {column}"
            case ("X", str(column)):
                where = f"{file} column {column}"
                if exc.reason == "EMPTY_COLUMN":
                    hint = f"; --ignore {shlex.quote(column)} leaves it out"
            case ("target" | "y",):
                where = "--target"
            case () | ("columns" | "size" | "file" | "X", *_):
                where = file
            case _:
                raise
        raise reworded(exc, where, hint=hint) from exc


def reworded(exc: LayerwiseError, where: str, *, hint: str = "") -> LayerwiseError:
    """Return the error with the text `where` instead of its place."""
    message = f"{where}: {exc.detail}{hint}" if where else f"{exc.detail}{hint}"
    return type(exc)(message, reason=exc.reason, request_id=exc.request_id)


def flag_of(name: str) -> str:
    """Return the option for the setting of this name: `--batch-size` for batch_size."""
    return f"--{name.replace('_', '-')}"


def _parameter_of(exc: LayerwiseError) -> click.Parameter | None:
    parameters = {each.name: each for each in click.get_current_context().command.params}
    root = str(exc.place[0])
    if root == "target" and exc.reason == "WRONG_ADDRESS":  # that of the client, the address, and not a column
        return parameters.get("rpc")
    return parameters.get(root) or parameters.get(_OTHER_NAMES.get(root, ""))


def _name_of(parameter: click.Parameter, exc: LayerwiseError) -> str:
    if isinstance(parameter, click.Option):
        return parameter.opts[0]
    # the message of a NotFound, such as "there is no model 'x'", names the argument already
    return "" if isinstance(exc, NotFound) else parameter.make_metavar(click.get_current_context())
