"""The process that reads a table file: what it loads, and how it ends."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import CapturingLogger

from helpers.running import alive, family
from helpers.waiting import wait_until
from layerwise.tables.formats import NumberFormat
from layerwise_service.errors import ErrorKind, ServiceError
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.exchange import ReadingLimits
from layerwise_service.reading.reader import read_in_process

LIMITS = ReadingLimits(60, 2**30, 2**30, 1_000, 256, 4_096)
PARENT = """
import sys, threading
from pathlib import Path
from layerwise_service.reading.exchange import ReadingLimits
from layerwise_service.reading.reader import read_in_process
read_in_process(Path(sys.argv[1]), ReadingLimits(60, 2**30, 2**30, 1_000, 256, 4_096), threading.Event())
"""


def test_duckdb_is_loaded_by_the_reader_alone() -> None:
    modules = "layerwise_service.wiring, layerwise_service.rpc.server, layerwise_service.rest.app"
    code = f"import sys, {modules}; print('duckdb' in sys.modules)"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert ended.stdout == "False\n"


def test_the_reader_loads_no_library_of_the_other_processes() -> None:
    modules = "layerwise_service.reading.__main__, layerwise_service.reading.read_file"
    others = ("asyncio", "grpc", "msgspec", "sqlalchemy", "structlog")
    code = f"import sys, {modules}; print([name for name in {others} if name in sys.modules])"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert ended.stdout == "[]\n"


def test_a_reader_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"a,b,c,d,e,f\n" + b"1.5,2.5,3.5,4.5,x,y\n" * 2_000_000)
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)]) as parent:
        wait_until((tmp_path / "table").exists)
        (reader,) = family(parent.pid) - {parent.pid}
        parent.kill()

        wait_until(lambda: not alive(reader), seconds=20)


def test_a_fault_of_the_reader_is_logged_and_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "upload").write_bytes(b"a\n1\n")
    logged = CapturingLogger()
    monkeypatch.setattr("layerwise_service.reading.reader.log", logged)

    with pytest.raises(ServiceError) as caught:
        read_in_process(tmp_path, replace(LIMITS, max_text_bytes=None, max_bytes=None), threading.Event())

    assert caught.value.kind is ErrorKind.INTERNAL
    assert "TypeError" not in str(caught.value)
    (call,) = logged.calls
    assert call.args == ("reader_failed",)
    assert "TypeError" in call.kwargs["stderr"]


def test_a_reader_that_was_ended_asks_for_the_file_again(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"a\n1\n")
    stopping = threading.Event()
    stopping.set()

    with pytest.raises(ServiceError) as caught:
        read_in_process(tmp_path, LIMITS, stopping)

    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "READER_KILLED")
    assert caught.value.detail == "the process that was reading was ended: send the file or table again"


def test_choices_for_many_columns_reach_the_reader(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"price\n1\n2\n")
    others = {f"{number} {'long' * 50}": NumberFormat() for number in range(2_000)}

    read = read_in_process(tmp_path, LIMITS, threading.Event(), ReadingChoices(known=others))

    assert [column.name for column in read.columns] == ["price"]
