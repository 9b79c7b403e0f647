"""`layerwise models`: what can be asked, and which version a name stands for."""

from __future__ import annotations

import click

from layerwise_client.cli.options import ListGroup, connect, json_option, rpc_option
from layerwise_client.cli.output import emit, facts, table
from layerwise_client.column import Column
from layerwise_client.results import Model

_SHOWN = 6  # categories of a column


@click.group(cls=ListGroup, short_help="List and show models, name their versions.")
def models() -> None:
    """List and show models, name their versions; by itself, lists them."""


@models.command("list", short_help="All models.")
@rpc_option
@json_option
def list_models(rpc: str, as_json: bool) -> None:
    """List the models by name."""
    with connect(rpc) as client:
        found = client.models()
    if as_json:
        emit(found)
    else:
        table(("model", "latest", "aliases"), ((each.name, each.latest, _aliases(each)) for each in found))


@models.command(short_help="One model with its versions.")
@click.argument("name")
@rpc_option
@json_option
def show(name: str, rpc: str, as_json: bool) -> None:
    """Show a model and its versions, newest first, and the columns that the newest takes."""
    with connect(rpc) as client:
        model = client.model(name)
    if as_json:
        emit(model)
        return
    facts({"model": model.name, "latest": model.latest, "aliases": _aliases(model) or None})
    table(
        ("version", "created", "parameters", "bytes", "metrics", "job"),
        (
            (each.version, each.created, each.parameters, each.size_bytes, _metrics(each.metrics), each.job_id)
            for each in model.versions
        ),
    )
    if model.versions and model.versions[0].columns:
        click.echo(f"\ncolumns of version {model.versions[0].version}")
        table(
            ("column", "kind", "encoding", "categories", "may be missing"),
            (
                (each.name, each.kind, each.encoding_kind, _categories(each), "yes" if each.allows_missing else "no")
                for each in model.versions[0].columns
            ),
        )


@models.command(short_help="Point an alias at a version.")
@click.argument("name")
@click.argument("alias")
@click.argument("version", type=click.IntRange(min=1))
@rpc_option
@json_option
def alias(name: str, alias: str, version: int, rpc: str, as_json: bool) -> None:
    """Point ALIAS of the model NAME at VERSION; makes the alias if it is new."""
    with connect(rpc) as client:
        model = client.set_alias(name, alias, version)
    if as_json:
        emit(model)
    else:
        click.echo(f"{model.name}: {alias} is version {model.aliases.get(alias, version)}")


def _aliases(model: Model) -> str:
    return ", ".join(f"{alias} = {version}" for alias, version in sorted(model.aliases.items()))


def _categories(column: Column) -> str:
    shown = column.categories[:_SHOWN]
    more = column.category_count - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _metrics(metrics: object) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in sorted(dict(metrics).items()))  # type: ignore[call-overload]
