"""Files that commands write: whole or not at all."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, TextIO

from layerwise_client.cli.output import say
from layerwise_client.errors import InvalidRequest

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

_CSV = frozenset({".csv"})
_JSON = frozenset({".json"})
_OTHERS = frozenset({".jsonl", ".ndjson", ".tsv", ".parquet", ".arrow", ".feather", ".npy", ".npz", ".xls", ".xlsx"})


def check_ending(path: Path, *, as_json: bool) -> None:
    """Raise `InvalidRequest` for a name with the ending of another format than JSON, or else CSV; .gz is left out."""
    ending = Path(path.stem if path.suffix == ".gz" else path.name).suffix.lower()
    if ending in _OTHERS | (_CSV if as_json else _JSON):
        written = "JSON, without --json as CSV" if as_json else "CSV, with --json as JSON"
        detail = f"predictions are written as {written}; {path.name} has the ending of another format"
        raise InvalidRequest(f"--output: {detail}", pointer="output", detail=detail)


@contextmanager
def written_whole(path: Path) -> Generator[TextIO]:
    """Yield a text file that becomes `path` when the block ends, packed if that ends with .gz.

    If the block raises, what was at `path` stays, and nothing is left. A device or a pipe is written as it is. Raises
    OSError, which names `path`.
    """
    given, path = path, path.resolve()  # a link goes on pointing at the file
    if path.exists() and not path.is_file():
        with io.BufferedWriter(_File(path, given)) as file, _text(file, packed=False) as stream:
            yield stream
        return
    with _naming(given):
        descriptor, made = mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.", suffix=".part")
    part = Path(made)
    try:
        with io.BufferedWriter(_File(descriptor, given)) as file:
            with _text(file, packed=path.suffix == ".gz") as stream:
                yield stream
            file.flush()
            with _naming(given):
                os.fsync(file.fileno())
        with _naming(given):
            part.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
            part.replace(path)
    except BaseException:
        part.unlink()
        raise


@contextmanager
def told_if_interrupted(path: Path) -> Generator[None]:
    """After Ctrl-C, say on stderr that the file at `path` was not written; it is written whole or not at all."""
    try:
        yield
    except KeyboardInterrupt:
        if path.is_file():
            say(f"interrupted: {path} is as it was", err=True)
        elif not path.exists():
            say(f"interrupted: {path} was not written", err=True)
        raise


class _File(io.FileIO):
    """A file to write whose errors name it `given`, as the user did."""

    def __init__(self, file: Path | int, given: Path) -> None:
        super().__init__(file, "w")
        self._given = given

    def write(self, data: Buffer, /) -> int:
        with _naming(self._given):
            return super().write(data)


@contextmanager
def _naming(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(path)) from exc


@contextmanager
def _text(file: io.BufferedWriter[_File], *, packed: bool) -> Generator[TextIO]:
    """Yield a text file that writes into `file`, which it leaves open."""
    binary = gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6) if packed else file
    stream = io.TextIOWrapper(binary, encoding="utf-8", newline="")
    try:
        yield stream
        stream.flush()
    finally:
        stream.detach()
        if packed:
            binary.close()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
