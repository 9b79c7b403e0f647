"""`layerwise export`: a model as a file for other programs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from layerwise_service.commands.options import CommandFailed, with_settings
from layerwise_service.process.logs import configure_logs
from layerwise_service.settings import Settings

if TYPE_CHECKING:  # slow to import, and not needed for --help
    from layerwise import MLP

FORMATS = {".onnx": "onnx", ".py": "standalone", ".npz": "npz"}
"""Formats by the ending of the file's name."""


@click.command(short_help="Write a model as ONNX, as a Python file or as .npz.")
@click.argument("model")
@click.option(
    "--version", metavar="VERSION", help="Version number or alias, for a model of the service.  [default: latest]"
)
@click.option(
    "--format",
    "form",
    type=click.Choice(sorted(FORMATS.values())),
    help="Format of FILE.  [default: by its ending: .onnx, .py (standalone) or .npz]",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", required=True)
@with_settings("home")
def export(settings: Settings, model: str, version: str | None, form: str | None, out: Path) -> None:
    """Write MODEL as ONNX, as one Python file that needs only NumPy, or as .npz.

    MODEL is an .npz file, or the name of a model of the service on this machine (in --home).
    """
    chosen = form or FORMATS.get(out.suffix)
    if chosen is None:
        raise click.UsageError(f"the ending of {out.name} is none of {', '.join(FORMATS)}: give --format")
    if FORMATS.get(out.suffix, chosen) != chosen:
        raise click.UsageError(f"--format {chosen} does not fit the ending of {out.name}; leave one of them out")
    configure_logs(settings.log, process="export", serves=False)
    write = _writer(chosen)
    from layerwise import CorruptModel, InvalidInput

    try:
        if model.endswith(".npz"):
            digest = write(_of_file(model, version), out)
        else:
            digest = write(_of_service(settings, model, version), out)
    except CorruptModel as error:
        raise CommandFailed(str(error)) from error
    except InvalidInput as error:
        raise CommandFailed(f"{model}: {error}") from error
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error
    click.echo(f"{out}: {chosen}, {out.stat().st_size:,} bytes, SHA-256 {digest}")


def _of_file(path: str, version: str | None) -> MLP:
    from layerwise import MLP

    if version is not None:
        raise click.UsageError("--version is for models of the service; a file has one version only")
    return MLP.load(path)


def _of_service(settings: Settings, name: str, version: str | None) -> MLP:
    """Load a version of the model `name` from the stores of this machine."""
    from layerwise_service.errors import DatabaseUnusable, ServiceError
    from layerwise_service.usecases.registry import VersionResolver
    from layerwise_service.wiring import open_stores

    if not settings.database_url and not (settings.home_path / "layerwise.db").is_file():
        raise CommandFailed(f"there is no database in {settings.home_path}; give the service's folder with --home")
    try:
        with closing(open_stores(settings)) as stores:
            resolver = VersionResolver(stores.versions, refresh_seconds=settings.refresh_seconds)
            with closing(resolver):
                return stores.artifacts.load_model(resolver.resolve(name, version).artifact)
    except (DatabaseUnusable, ServiceError) as error:
        raise CommandFailed(str(error)) from error


def _writer(form: str) -> Callable[[MLP, Path], str]:
    """Return a function that writes a model in this format and returns the file's SHA-256."""
    if form == "npz":
        return lambda model, out: model.save(out)
    if form == "standalone":
        from layerwise.standalone import export_standalone

        return export_standalone
    try:
        from layerwise.onnx import export_onnx
    except ImportError as error:
        raise CommandFailed("export to ONNX needs the package onnx: pip install 'layerwise[onnx]'") from error
    return export_onnx
