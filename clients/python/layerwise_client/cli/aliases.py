"""`layerwise models alias`, `rollback` and `moves`: which version an alias points at."""

from __future__ import annotations

import click

from layerwise_client.cli.options import connect, json_option, rpc_option
from layerwise_client.cli.output import emit, say, table
from layerwise_client.models import Model

_expected_option = click.option(
    "--expected",
    type=click.IntRange(min=0),
    metavar="VERSION",
    help="Version that the alias must point at now, 0 for a new alias; else nothing is changed.",
)


@click.command(short_help="Point an alias at a version, or delete it.")
@click.argument("name")
@click.argument("alias")
@click.argument("version", type=click.IntRange(min=1), required=False)
@click.option("--delete", is_flag=True, help="Delete the alias; its version stays.")
@_expected_option
@rpc_option
@json_option
def alias(
    name: str, alias: str, version: int | None, *, delete: bool, expected: int | None, rpc: str, as_json: bool
) -> None:
    """Point ALIAS of the model NAME at the version with the number VERSION. A new alias is created.

    With --expected, several callers cannot overwrite each other's moves: the first one wins. `models rollback` undoes a
    move.
    """
    if (version is None) is not delete:
        raise click.UsageError("give the number of a version, or --delete")
    with connect(rpc) as client:
        if version is None:
            model = client.model(name).delete_alias(alias, expected=expected)
        else:
            model = client.set_alias(name, alias, version, expected=expected)
    _print_alias(model, alias, as_json=as_json)


@click.command(short_help="Point an alias at the version before.")
@click.argument("name")
@click.argument("alias")
@_expected_option
@rpc_option
@json_option
def rollback(name: str, alias: str, expected: int | None, rpc: str, as_json: bool) -> None:
    """Point ALIAS of the model NAME at the version that it pointed at before; repeated, it goes back further."""
    with connect(rpc) as client:
        model = client.model(name).rollback(alias, expected=expected)
    _print_alias(model, alias, as_json=as_json)


@click.command(short_help="List the moves of an alias.")
@click.argument("name")
@click.argument("alias")
@rpc_option
@json_option
def moves(name: str, alias: str, rpc: str, as_json: bool) -> None:
    """List the last 100 moves of ALIAS of the model NAME, newest first, also of an alias that was deleted."""
    with connect(rpc) as client:
        found = client.model(name).moves(alias)
    if as_json:
        emit(found)
    else:
        table(
            ("time", "from", "to", ""),
            ((each.time, each.before, each.after, "rollback" if each.rollback else "") for each in found),
        )


def _print_alias(model: Model, alias: str, *, as_json: bool) -> None:
    """Print what an alias points at since a move."""
    if as_json:
        emit(model)
    elif (version := model.aliases.get(alias)) is not None:
        say(f"{model.name}: {alias} is version {version}")
    else:
        say(f"{model.name}: {alias} is deleted")
