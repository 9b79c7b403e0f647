"""The text of a file: its encoding and its line ends, which are made UTF-8 and uniform."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path

from layerwise.checks import counted, shown
from layerwise.errors import Place
from layerwise.tables.doubt import Doubt
from layerwise_service.errors import InvalidRequest

CHUNK = 2**20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MOST_STRAY = 0.1
"""If a larger share of the characters beyond ASCII are no UTF-8, the text is taken for Windows-1252."""
_LOST = "\ufffd"


def make_text(path: Path, start: bytes) -> tuple[Doubt, ...]:
    """Make the text at `path`, which begins with `start`, one in UTF-8 without a mark and with uniform line ends.

    Return what is doubtful about it. Raises `InvalidRequest` for a NUL byte.
    """
    encoding = encoding_of(start)
    doubts: tuple[Doubt, ...] = ()
    if encoding in ("utf-16-le", "utf-16-be"):
        doubts = (Doubt("ENCODING", f"read as {encoding.upper()}, which it seems to be"),)
    found = _Looked(path)
    if encoding in ("", "utf-8-sig") and found.is_broken:
        encoding, doubts = _guessed(path)
    if encoding:
        replace_file(path, _recoded(path, encoding))
        found = _Looked(path)
    if found.nul:
        detail = "expected text, got a NUL byte: remove it"
        raise InvalidRequest(detail, pointer=Place("line", found.nul), reason="BAD_LINE")
    if found.is_mixed:
        replace_file(path, _with_newlines(path))
    return doubts


def encoding_of(start: bytes) -> str:
    """Return the encoding of a text that begins with `start`, or "" if neither a mark nor NUL bytes show it."""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    if 0 not in start[:512]:
        return ""
    for encoding in ("utf-16-le", "utf-16-be"):
        text = start[: len(start) // 2 * 2].decode(encoding, "replace").rstrip(_LOST)
        ends = text.count("\r") + text.count("\n")
        alike = start.count(b"\r") + start.count(b"\n")
        if 2 * ends > alike and text.translate(dict.fromkeys(map(ord, "\r\n\t"))).isprintable():
            return encoding
    return ""


def replace_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace the file at `path` by `chunks`, which may be read from it."""
    new = path.with_name(f"{path.name}.text")
    try:
        with new.open("wb") as file:
            file.writelines(chunks)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    new.replace(path)


class _Looked:
    """What one look at all of a file finds: whether it is UTF-8, its kinds of line ends, the line of a NUL byte."""

    def __init__(self, path: Path) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        pairs = feeds = returns = self.nul = 0
        self.is_broken = False
        last = b""
        for chunk in _chunks(path):
            if not self.nul and 0 in chunk:
                before = chunk[: chunk.index(0)]
                self.nul = 1 + max(feeds, returns) + max(before.count(b"\n"), before.count(b"\r"))
            pairs += chunk.count(b"\r\n") + (last == b"\r" and chunk[:1] == b"\n")
            feeds += chunk.count(b"\n")
            returns += chunk.count(b"\r")
            last = chunk[-1:]
            if not self.is_broken and not (chunk.isascii() and not decoder.getstate()[0]):
                self.is_broken = not _decodes(decoder, chunk)
        self.is_broken = self.is_broken or not _decodes(decoder, b"", final=True)
        self.is_mixed = sum(map(bool, (pairs, feeds - pairs, returns - pairs))) > 1


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _guessed(path: Path) -> tuple[str, tuple[Doubt, ...]]:
    """Return the encoding of a text that is not UTF-8 throughout, and the doubt about it."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    stray = beyond = lines = first = 0
    for chunk in (*_chunks(path), b""):
        text = decoder.decode(chunk, final=not chunk)
        if not first and _LOST in text:
            first = 1 + lines + text.count("\n", 0, text.index(_LOST))
        stray += text.count(_LOST)
        beyond += len(text) - len(text.encode("ascii", "ignore"))
        lines += text.count("\n")
    if stray <= _MOST_STRAY * beyond:
        message = (
            f"read as UTF-8, except for {counted(stray, 'character')}, the first in line {first}, shown as {_LOST}"
        )
        return "utf-8", (Doubt("ENCODING", message),)
    with path.open("rb") as file:
        example = next((line for line in file if not line.isascii()), b"").decode("cp1252", "replace").strip()[:60]
    message = f"read as Windows-1252, which includes Latin 1, since it is not UTF-8, as in {shown(example)}"
    return "cp1252", (Doubt("ENCODING", f"{message}; if letters are wrong, save the file as UTF-8"),)


def _recoded(path: Path, encoding: str) -> Iterator[bytes]:
    """Yield the text of the file in UTF-8. Bytes that `encoding` does not have become replacement characters."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for chunk in _chunks(path):
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()


def _with_newlines(path: Path) -> Iterator[bytes]:
    """Yield the text with one kind of line end, also within cells."""
    cut = b""
    for chunk in _chunks(path):
        data = cut + chunk
        cut = data[-1:] if data.endswith(b"\r") else b""
        yield data[: len(data) - len(cut)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    yield cut.replace(b"\r", b"\n")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
