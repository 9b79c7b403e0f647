"""Files that are not CSV but are often given as such, with what to do instead."""

from __future__ import annotations

from pathlib import Path

from layerwise_client.errors import InvalidRequest

_SDK = "load it in Python, and call `train` or `predict` of the SDK"
_PANDAS = "turn it into CSV with `DataFrame.to_csv(…, index=False)` of pandas"
_BY_FIRST_BYTES = {
    b"\x93NUMPY": ("an array of NumPy", _SDK),
    b"PAR1": ("a Parquet file", f"{_PANDAS} after `pandas.read_parquet`"),
    b"\x1f\x8b": ("a gzip file", "unpack it with `gunzip`"),
    b"PK\x03\x04": ("a zip file", "unpack it with `unzip`"),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", "save the sheet as CSV UTF-8"),
}
_BY_ENDING = {  # .npz and .xlsx are zip files too
    ".npz": ("arrays of NumPy", _SDK),
    ".xlsx": ("an Excel workbook", "save the sheet as CSV UTF-8"),
    ".json": ("JSON", f"{_PANDAS} after `pandas.read_json`"),
    ".jsonl": ("lines of JSON", f"{_PANDAS} after `pandas.read_json(…, lines=True)`"),
}


def check_is_csv(path: Path) -> None:
    """Raise `InvalidRequest` if the file is of another known format, with what to do."""
    with path.open("rb") as file:
        first = file.read(8)
    found = _BY_ENDING.get(path.suffix.lower()) or next(
        (what for mark, what in _BY_FIRST_BYTES.items() if first.startswith(mark)), None
    )
    if found is not None:
        what, advice = found
        raise InvalidRequest(f"{path.name}: expected a CSV file, got {what}; {advice}")
