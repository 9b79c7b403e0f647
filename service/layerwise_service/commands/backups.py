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
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@with_settings("home")
def backup(settings: Settings, archive: Path, *, force: bool) -> None:
    """Write the models, datasets and jobs of --home into FILE, a tar file; - writes it to stdout.

    The service may run meanwhile, also that of an older release, and workers train: the copy is of one moment, and
    nothing is changed. `layerwise restore` puts it into a new home. The exit code is 1 if a file that the database
    knows is lost or damaged; all others are in the backup.
    """
    configure_logs(settings.log, process="backup", serves=False)
    if not settings.database_url and not (settings.home_path / "layerwise.db").is_file():
        raise CommandFailed(f"there is no database in {settings.home_path}; give the service's folder with --home")
    if archive.is_file() and not force:
        raise CommandFailed(f"{archive} exists; --force replaces it")
    from layerwise_service.stores.backup import write_backup
    from layerwise_service.stores.database import Database
    from layerwise_service.stores.database_url import read_database_url

    root = settings.home_path / "artifacts"
    with _errors(archive):
        url = read_database_url(settings.database_url, settings.home_path)
        with closing(Database(url)) as database, _replaced(archive) as out:
            made = write_backup(database, root, out, on_file=_show(archive))
    _done(f"{archive}: {made.summary()}", made, verb="are not in it")


@click.command(short_help="Put a backup into a new home.")
@click.argument(
    "archive", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True)
)
@with_settings("home")
def restore(settings: Settings, archive: Path) -> None:
    """Put FILE, which `layerwise backup` wrote, into --home, and into `database_url` if one is set; - reads stdin.

    Both must be new. The database may be of another kind than the one that was backed up. FILE may be packed, such as
    with gzip. All hashes are compared before anything is used. Jobs that were training go on when a service is started.
    """
    configure_logs(settings.log, process="restore", serves=False)
    from layerwise_service.stores.database_url import read_database_url
    from layerwise_service.stores.files import tighten_home
    from layerwise_service.stores.restoring import restore as put_back

    with _errors(archive):
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
    """Yield a file that takes the place of `file` when the block has ended without an error; - is stdout.

    What is not a plain file, such as a pipe or a device, is written to.
    """
    if str(file) == _STREAM:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    place = file.resolve()
    if place.exists() and not place.is_file():
        with place.open("wb") as out:
            yield out
        return
    draft = place.with_name(f".{place.name}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _errors(archive: Path) -> Generator[None]:
    """Turn errors into one line."""
    from layerwise_service.errors import DatabaseUnusable, NoSpace, ServiceError

    try:
        yield
    except NoSpace as error:
        raise CommandFailed("the disk is full; nothing was restored") from error
    except (DatabaseUnusable, ServiceError) as error:
        raise CommandFailed(str(error)) from error
    except OSError as error:
        raise CommandFailed(f"{archive}: {error.strerror or error}") from error
