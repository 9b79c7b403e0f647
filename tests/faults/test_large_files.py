"""A table file of hundreds of megabytes is read in flat memory."""

from __future__ import annotations

import threading
from pathlib import Path

from layerwise_service.reading.exchange import ReadingLimits
from layerwise_service.reading.reader import read_in_process

LIMITS = ReadingLimits(
    seconds=200.0,
    memory_bytes=600 * 2**20,
    max_bytes=2**34,
    max_columns=1_000,
    max_name_bytes=1_000,
    max_text_bytes=10_000,
)
LINES = b"".join(b"%d,%d.5,colour %d,2020-01-%02d\n" % (i, i, i % 7, 1 + i % 28) for i in range(100_000))


def test_a_file_of_six_hundred_megabytes_is_read_in_as_much_memory(tmp_path: Path) -> None:
    times = -(-600 * 2**20 // len(LINES))
    with (tmp_path / "upload").open("wb") as file:
        file.write(b"a,b,c,d\n")
        for _ in range(times):
            file.write(LINES)

    read = read_in_process(tmp_path, LIMITS, threading.Event())

    assert read.rows == times * 100_000
    assert [column.kind for column in read.columns] == ["number", "number", "category", "date"]
