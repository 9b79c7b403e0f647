"""Profiles of tables that a test writes as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from layerwise_service.domain.profiles import Profile
from layerwise_service.domain.table_datasets import TableDataset, TableDatasetSummary, read_schema
from layerwise_service.profiling.profile import ProfileRequest, StoredDataset, profile
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.exchange import FILE, TABLE, ReadingLimits
from layerwise_service.reading.read_file import read_file

_LIMITS = ReadingLimits(60, 2**30, 2**30, 1000, 256, 4096)


def csv(columns: Mapping[str, Sequence[object]]) -> str:
    """Return columns as a CSV file; None is a gap."""
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join("" if cell is None else str(cell) for cell in row))
    return "\n".join(lines) + "\n"


@contextmanager
def stored(columns: Mapping[str, Sequence[object]]) -> Iterator[StoredDataset]:
    """The dataset that the service makes of these columns, sent as CSV."""
    with TemporaryDirectory() as folder:
        Path(folder, FILE).write_text(csv(columns))
        found = read_file(Path(folder), _LIMITS, ReadingChoices())
        own, doubts = read_schema(found["schema"])
        summary = TableDatasetSummary(found["id"], "", found["rows"], len(own), found["size_bytes"], "", 0.0, False)
        dataset = TableDataset(**asdict(summary), columns=own, doubts=doubts)
        yield StoredDataset(dataset, str(Path(folder, TABLE)))


def profiled(
    columns: Mapping[str, Sequence[object]], *, validation: Mapping[str, Sequence[object]] | None = None, **asked: Any
) -> Profile:
    """Return the profile of a table."""
    with stored(columns) as dataset:
        if validation is None:
            return profile(ProfileRequest(dataset, **asked))
        with stored(validation) as held_out:
            return profile(ProfileRequest(dataset, validation=held_out, **asked))


def findings(columns: Mapping[str, Sequence[object]], target: str = "", **asked: Any) -> list[tuple[str, ...]]:
    """Return the reason and the columns of each finding."""
    return [(each.reason, *each.columns) for each in profiled(columns, target=target, **asked).findings]
