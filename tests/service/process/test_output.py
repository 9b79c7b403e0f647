"""Streams that neither raise nor block: the log of every process goes through one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from helpers.waiting import wait_until
from layerwise_service.process.output import Output


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    readable, writable = os.pipe()
    yield readable, writable
    for descriptor in (readable, writable):
        with suppress(OSError):  # a test closed it
            os.close(descriptor)


def opened(descriptor: int, lost: list[int] | None = None) -> Output:
    return Output(
        descriptor, on_lost=(lost if lost is not None else []).append, notice=lambda lines: f"<{lines} lost>\n"
    )


def test_lines_are_written_whole_and_in_order(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("wb") as stream:
        output = opened(stream.fileno())
        for number in range(1000):
            output.write(f"line {number}")
            output.write(" ends\nand the next begins " if number == 7 else " ends\n")
        output.write("no end")
        output.drain()

    lines = file.read_text().splitlines()
    assert lines[:9] == [f"line {number} ends" for number in range(8)] + ["and the next begins line 8 ends"]
    assert lines[9:] == [f"line {number} ends" for number in range(9, 1000)] + ["no end"]


def test_a_full_disk_loses_lines_and_counts_them() -> None:
    lost: list[int] = []
    with Path("/dev/full").open("wb") as full:
        output = opened(full.fileno(), lost)

        output.write("one\n")
        output.write("two\nthree\n")
        output.drain()

    assert sum(lost) == 3


def test_a_reader_that_has_ended_loses_lines_and_counts_them(pipe: tuple[int, int]) -> None:
    readable, writable = pipe
    lost: list[int] = []
    os.close(readable)
    output = opened(writable, lost)

    output.write("one\n")
    output.drain()

    assert lost == [1]


def test_once_the_stream_works_again_a_line_says_how_many_were_lost(tmp_path: Path) -> None:
    """A descriptor that leads to /dev/full, and later to a file."""
    file = tmp_path / "log"
    with Path("/dev/full").open("wb") as full, file.open("wb") as good:
        descriptor = os.dup(full.fileno())
        output = opened(descriptor)
        output.write("lost\n" * 3)
        output.drain()

        os.dup2(good.fileno(), descriptor)
        output.write("kept\n")
        output.write("kept too\n")
        output.drain()
        os.close(descriptor)

    assert file.read_text() == "<3 lost>\nkept\nkept too\n"


def test_a_reader_that_stalls_blocks_nobody_and_finds_a_note_of_what_is_missing(pipe: tuple[int, int]) -> None:
    readable, writable = pipe
    lost: list[int] = []
    output = opened(writable, lost)
    line = "x" * 1023 + "\n"

    written = in_a_row = 0
    while in_a_row < 100:  # until the pipe and what is held back are full, and the last lines are lost
        before = sum(lost)
        output.write(line)
        written += 1
        in_a_row = in_a_row + 1 if sum(lost) > before else 0
    assert written < 3000

    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.extend(iter(lambda: os.read(readable, 65_536), b"")))
    reader.start()
    kept = written - sum(lost)
    wait_until(lambda: b"".join(read).count(line.encode()) == kept)
    output.write("the last\n")
    output.drain(20)
    os.close(writable)
    reader.join()

    lines = b"".join(read).decode().splitlines()
    notes = [int(found.removeprefix("<").removesuffix(" lost>")) for found in lines if found.startswith("<")]
    assert sum(notes) == sum(lost)
    assert lines[-2:] == [f"<{notes[-1]} lost>", "the last"]


def test_a_line_torn_by_a_full_disk_is_ended_before_the_next(tmp_path: Path) -> None:
    file = tmp_path / "log"
    limits = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))"
    script = f"""
import os, signal, sys
{limits}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from layerwise_service.process.output import Output
output = Output(1, on_lost=lambda lines: None, notice=lambda lines: f"<{{lines}} lost>\\n")
output.write("0123456789abc\\n")
output.drain()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
output.write("next\\n")
output.drain()
"""
    with file.open("wb") as stream:
        subprocess.run([sys.executable, "-c", script], stdout=stream, check=True, timeout=60)

    assert file.read_text() == "0123456789\n<1 lost>\nnext\n"


ENDINGS = {
    "an event": "structlog.get_logger().error('ending', rows=1)",
    "a library's warning": "logging.getLogger('library').warning('ending')",
    "a warning": "warnings.warn('ending')",
    "a traceback": "raise KeyError('ending')",
    "a thread's traceback": "t = threading.Thread(target=lambda: {}['ending']); t.start(); t.join()",
}
SCRIPT = """
import click, logging, structlog, threading, warnings
from layerwise_service.process.logs import configure_logs
configure_logs("json", process="test")
click.echo("banner")
{ending}
"""


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_all_that_a_process_says_is_written_before_it_ends(ending: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(ending=ending)], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.stdout == "banner\n"
    assert "ending" in ended.stderr


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_process_whose_readers_stall_ends_nevertheless(ending: str) -> None:
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writable, bytes(4096))
    os.set_blocking(writable, True)
    try:
        subprocess.run(
            [sys.executable, "-c", SCRIPT.format(ending=ending)],
            stdout=writable,
            stderr=writable,
            timeout=60,
            check=False,
        )
    finally:
        os.close(readable)
        os.close(writable)


def test_a_process_started_without_standard_streams_does_not_write_into_its_files(tmp_path: Path) -> None:
    script = SCRIPT.format(ending=f"f = open({str(tmp_path / 'data')!r}, 'w'); logging.warning('ending'); f.close()")
    command = 'exec 0<&- 1>&- 2>&-; exec "$0" -c "$1"'

    ended = subprocess.run(["sh", "-c", command, sys.executable, script], timeout=60, check=False)

    assert ended.returncode == 0
    assert (tmp_path / "data").read_text() == ""
