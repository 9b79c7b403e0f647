"""Figures in documents: what a benchmark wrote stands between two marks."""

from pathlib import Path


def put_between(document: Path, begin: str, end: str, text: str) -> None:
    """Write `text` between the marks `begin` and `end` of a document."""
    before, _, rest = document.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    document.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")
