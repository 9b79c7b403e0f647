"""`layerwise models`: list and show models, move aliases, import, download and delete versions."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

import click

from layerwise_client.cli.aliases import alias, moves, rollback
from layerwise_client.cli.model_files import download, import_model
from layerwise_client.cli.options import ListGroup, connect, json_option, rpc_option
from layerwise_client.cli.output import emit, facts, say, table
from layerwise_client.models import Model
from layerwise_client.version import Version
from layerwise_client.wording import source_notes

_SHOWN = 6  # classes, or categories of a column


@click.group(cls=ListGroup, short_help="List and show models, move aliases, import and download versions.")
def models() -> None:
    """List and show models, move aliases, import, download and delete versions; without a command, list the models."""


for command in (alias, rollback, moves, import_model, download):
    models.add_command(command)


@models.command("list", short_help="List all models.")
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


@models.command(short_help="Show a model with its versions, or one version in full.")
@click.argument("name", metavar="NAME[/VERSION]")
@click.option(
    "--version", metavar="VERSION", help="Number or alias of a version to show in full, as NAME/VERSION does."
)
@rpc_option
@json_option
def show(name: str, version: str | None, rpc: str, as_json: bool) -> None:
    """Show a model: its versions, newest first, and the columns and the evaluation of the newest.

    Or show one version in full, named by its number or an alias: iris/3, iris/champion.
    """
    name, slash, own = name.partition("/")
    if slash:
        if version is not None:
            raise click.UsageError("the version is given twice: write NAME/VERSION or --version VERSION")
        version = own
    with connect(rpc) as client:
        model = client.model(name)
        if version is not None:
            _show_version(model.at(version), as_json=as_json)
        elif as_json:
            emit({"name": model.name, "latest": model.latest, "aliases": model.aliases, "versions": model.versions})
        else:
            facts({"model": model.name, "latest": model.latest, "aliases": _aliases(model) or None})
            _print_versions(model.versions)
            newest = model.at(None)
            _print_columns(newest)
            _print_evaluation(newest)
            _print_source(newest)


def _show_version(version: Version, *, as_json: bool) -> None:
    large = {
        "architecture": version.architecture,
        "plan": version.plan,
        "labels": version.labels,
        "columns": version.columns,
        "source": version.source,
    }
    if as_json:
        evaluation = version.evaluation
        emit({**_fields(version), **large, "evaluation": None if evaluation is None else evaluation.to_json()})
        return
    shown = _fields(version) | {"created": version.created, "metrics": _metrics(version.metrics)}
    classes = None if version.labels is None else _listed(version.labels, len(version.labels))
    facts({**shown, "classes": classes, "architecture": version.architecture, "plan": version.plan})
    _print_columns(version)
    _print_evaluation(version)
    _print_source(version)


def _fields(version: Version) -> dict[str, object]:
    """Return the fields of a version's summary by name."""
    names = [each.name for each in dataclasses.fields(version) if not each.name.startswith("_")]
    return {name: getattr(version, name) for name in names}


def _print_versions(versions: Sequence[Version]) -> None:
    table(
        ("version", "created", "parameters", "bytes", "metrics", "job"),
        (
            (each.version, each.created, each.parameters, each.size_bytes, _metrics(each.metrics), each.job_id)
            for each in versions
        ),
    )


def _print_columns(version: Version) -> None:
    if not version.columns:
        return
    say("")
    say(f"columns of version {version.version}")
    table(
        ("column", "kind", "encoding", "categories", "may be missing"),
        (
            (
                each.name,
                each.kind,
                each.encoding_kind,
                _listed(each.categories, each.category_count),
                "yes" if each.allows_missing else "no",
            )
            for each in version.columns
        ),
    )


def _print_evaluation(version: Version) -> None:
    if version.evaluation is None:
        return
    say("")
    say(f"evaluation of version {version.version}")
    for line in str(version.evaluation).split("\n"):
        say(line)


def _print_source(version: Version) -> None:
    if version.source is None or not (notes := source_notes(version.source)):
        return
    say("")
    say(f"data of version {version.version}")
    for note in notes:
        say(note)


@models.command(short_help="Delete a version.")
@click.argument("version", metavar="NAME/VERSION")
@click.option("--yes", is_flag=True, help="Do not ask.")
@rpc_option
@json_option
def delete(version: str, *, yes: bool, rpc: str, as_json: bool) -> None:
    """Delete a version, such as iris/3, after asking. Its number is not given again.

    A version is not deleted while an alias points at it, or a job that has not ended starts from it. If it is the last
    version, the model is gone.
    """
    name, _, number = version.partition("/")
    if not (number.isascii() and number.isdecimal()):
        raise click.UsageError(f"expected NAME/VERSION with the number of a version, got {version!r}")
    if not yes and not sys.stdin.isatty():
        raise click.UsageError(f"--yes deletes {version} without asking; nothing was deleted")
    with connect(rpc) as client:
        found = client.model(name).at(number)
        if not yes:
            click.confirm(f"delete version {found.version} of {found.model}?", abort=True, err=True)
        found.delete()
    if as_json:
        emit(_fields(found))
    else:
        say(f"deleted version {found.version} of {found.model}")


def _aliases(model: Model) -> str:
    return ", ".join(f"{alias} = {version}" for alias, version in sorted(model.aliases.items()))


def _listed(texts: Sequence[object], count: int) -> str:
    """Return the first of `count` classes or categories, in one line."""
    shown = texts[:_SHOWN]
    more = count - len(shown)
    return ", ".join(map(str, shown)) + (f" and {more} more" if more > 0 else "")


def _metrics(metrics: object) -> str:
    from layerwise.wording import number_words

    return ", ".join(f"{name} {number_words(value)}" for name, value in sorted(dict(metrics).items()))  # type: ignore[call-overload]
