"""`layerwise models import` and `download`: model files in and out."""

from __future__ import annotations

from pathlib import Path

import click

from layerwise_client.cli.options import connect, json_option, rpc_option
from layerwise_client.cli.output import emit, say
from layerwise_client.cli.output_file import told_if_interrupted
from layerwise_client.cli.places import told_by_row
from layerwise_client.errors import InvalidRequest
from layerwise_client.wording import counted


@click.command("import", short_help="Publish a model file as the next version.")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--sha256", metavar="DIGITS", help="SHA-256 that FILE must have.")
@rpc_option
@json_option
def import_model(name: str, file: Path, *, sha256: str | None, rpc: str, as_json: bool) -> None:
    """Publish FILE, an .npz of the library, as the next version of the model NAME, which is created if it is new.

    If the newest version has the same file already, nothing is changed.
    """
    with connect(rpc) as client, told_by_row(file.name):
        version = client.import_model(name, file, sha256=sha256)
    if as_json:
        emit(version)
    else:
        parameters = counted(version.parameters, "parameter")
        say(f"{version.model}/{version.version}: {parameters}, SHA-256 {version.sha256}")


@click.command(short_help="Write the model file of a version.")
@click.argument("version", metavar="NAME[/VERSION]")
@click.option(
    "--out",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to write.  [default: NAME-VERSION.npz]",
)
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
@rpc_option
@json_option
def download(version: str, *, out: Path | None, force: bool, rpc: str, as_json: bool) -> None:
    """Write the model file of a version, the newest or one named by its number or an alias: iris/3, iris/champion.

    The file is verified against its SHA-256, and is there only when all of it is.
    """
    name, slash, own = version.partition("/")
    with connect(rpc) as client:
        found = client.model(name).at(own if slash else None)
        path = Path(f"{found.model}-{found.version}.npz") if out is None else out
        if path.exists() and not force:
            raise InvalidRequest(f"{path} exists; --force overwrites it")
        with told_if_interrupted(path):
            client.download(found.model, path, version=found.version)
    if as_json:
        emit({"file": str(path), "version": found})
    else:
        say(f"{path}: {found.model}/{found.version}, {counted(found.size_bytes, 'byte')}")
