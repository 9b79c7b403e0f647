"""`layerwise backup` and `layerwise restore`: the whole store as one file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from layerwise_service.commands.options import CommandFailed, with_settings
from layerwise_service.process.logs import configure_logs
from layerwise_service.settings import Settings

if TYPE_CHECKING:
    from layerwise_service.stores.backup import Backup

_STREAM = "-"


@click.command(short_help="Write the whole store into a file, while the service runs.")
@click.argument("archive", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
@with_settings("home")
def backup(settings: Settings, archive: Path) -> None:
    """Write the models, datasets and jobs of --home into FILE, a tar file; - writes it to stdout.

    The service may run meanwhile, and workers train: the copy is of one moment. `layerwise restore` puts it into a new
    home. The exit code is 1 if a file that the database knows is lost or damaged; all others are in the backup.
    """
    configure_logs(settings.log, process="backup", serves=False)
    if not settings.database_url and not (settings.home_path / "layerwise.db").is_file():
        raise CommandFailed(f"there is no database in {settings.home_path}; give the service's folder with --home")
    from layerwise_service.stores.backup import write_backup
    from layerwise_service.wiring import open_stores

    with _errors(), closing(open_stores(settings)) as stores, _replaced(archive) as out:
        made = write_backup(stores.database, settings.home_path / "artifacts", out, on_file=_show(archive))
    _done(f"{archive}: {made.summary()}", made, verb="are not in it")


@click.command(short_help="Put a backup into a new home.")
@click.argument(
    "archive", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True)
)
@with_settings("home")
def restore(settings: Settings, archive: Path) -> None:
    """Put FILE, which `layerwise backup` wrote, into --home, and into `database_url` if one is set; - reads stdin.

    Both must be new. The database may be of another kind than the one that was backed up. All hashes are compared
    before anything is used. Jobs that were training go on when a service is started.
    """
    configure_logs(settings.log, process="restore", serves=False)
    from layerwise_service.stores.database_url import read_database_url
    from layerwise_service.stores.files import tighten_home
    from layerwise_service.stores.restoring import restore as put_back

    with _errors():
        tighten_home(settings.home_path)
        url = read_database_url(settings.database_url, settings.home_path)
        source = sys.stdin.buffer if str(archive) == _STREAM else archive.open("rb")
        with closing(source):
            found = put_back(url, settings.home_path / "artifacts", cast("BinaryIO", source), on_file=_show(archive))
    _done(f"{settings.home_path}: {found.summary()}", found, verb="were lost already when it was made")


def _done(line: str, found: Backup, *, verb: str) -> None:
    click.echo(line, err=True)
    for name in found.lost[:20]:
        click.echo(f"layerwise: {name} is lost or damaged", err=True)
    if found.lost:
        raise CommandFailed(f"{len(found.lost)} files {verb}")


def _show(archive: Path) -> Callable[[str], None]:
    """Return what shows the name of each file on a terminal."""
    if not sys.stderr.isatty():
        return lambda name: None
    return lambda name: click.echo(f"\r{name[-70:]:<70}\r", err=True, nl=False)


@contextmanager
def _replaced(file: Path) -> Generator[BinaryIO]:
    """Yield a file that takes the place of `file` when the block has ended without an error; - is stdout."""
    if str(file) == _STREAM:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    draft = file.with_name(f".{file.name}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _errors() -> Generator[None]:
    """Turn errors into one line."""
    from layerwise_service.errors import DatabaseUnusable, ServiceError

    try:
        yield
    except (DatabaseUnusable, ServiceError) as error:
        raise CommandFailed(str(error)) from error
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error
