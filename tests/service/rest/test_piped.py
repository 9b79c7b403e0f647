"""Answers that go through a pipe, to a reader in place of granian."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from helpers.waiting import wait_until
from layerwise_service.errors import DataLoss, StorageUnavailable, Unavailable
from layerwise_service.rest.piped import Pipes, new_pipe, remove_old_pipes, remove_own_pipes


class Reader:
    """Notes the pipe that it is told to send, and reads it."""

    def __init__(self) -> None:
        self.path = Path()

    def response_file(self, status: int, headers: list[tuple[str, str]], path: str) -> None:
        self.path = Path(path)


def test_an_answer_is_made_as_it_is_read_and_its_pipe_is_gone_afterwards() -> None:
    made: list[int] = []
    closed = threading.Event()
    reader: Any = Reader()

    def chunks() -> Iterator[bytes]:
        for number in range(100):
            made.append(number)
            yield bytes(2**16)

    Pipes(1).piped(chunks(), closed.set).send(reader, 200, [])
    with reader.path.open("rb") as pipe:
        assert len(pipe.read(2**16)) == 2**16
        assert len(made) < 10  # a pipe and buffers hold no more
        wait_until(lambda: not reader.path.parent.exists())  # nothing is left, whatever ends the process
        assert len(pipe.read()) == 99 * 2**16
    assert closed.wait(20)
    wait_until(lambda: not reader.path.parent.exists())


def test_folders_of_processes_that_were_killed_are_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine, killed, new = new_pipe().parent, tmp_path / "layerwise-answer-1-x", tmp_path / "layerwise-answer-2-x"
    (tmp_path / "other").mkdir()
    for folder in (killed, new):
        folder.mkdir()
    for folder in (killed, tmp_path / "other"):
        os.utime(folder, (0, 0))

    remove_old_pipes()
    assert sorted(tmp_path.iterdir()) == sorted([mine, new, tmp_path / "other"])
    remove_own_pipes()
    assert sorted(tmp_path.iterdir()) == [new, tmp_path / "other"]


def test_an_answer_that_can_have_no_pipe_is_an_error_and_gives_its_thread_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    pipes, closed, reader = Pipes(1), threading.Event(), Reader()

    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            pipes.piped([b"a"], closed.set).send(cast("Any", reader), 200, [])

    assert closed.is_set()


def test_an_answer_whose_reader_goes_away_is_made_no_further() -> None:
    closed = threading.Event()
    reader: Any = Reader()

    def chunks() -> Iterator[bytes]:
        while True:
            yield bytes(2**16)

    Pipes(1).piped(chunks(), closed.set).send(reader, 200, [])
    with reader.path.open("rb") as pipe:
        pipe.read(10)
    assert closed.wait(20)


def test_more_answers_than_there_are_threads_are_refused_until_one_is_read() -> None:
    pipes, reader = Pipes(1), Reader()
    protocol: Any = reader
    pipes.piped(iter([bytes(2**20)]), None).send(protocol, 200, [])

    with pytest.raises(Unavailable, match="1 answers of many rows are being read already"):
        pipes.piped(iter([b"next"]), None)

    assert len(reader.path.read_bytes()) == 2**20

    def next_may_come() -> bool:
        with suppress(Unavailable):
            return bool(pipes.piped(iter([b"next"]), None))
        return False

    wait_until(next_may_come)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataLoss("the dataset is damaged"), "the dataset is damaged"),
        (OSError(5, "Input/output error"), "internal error; the service's log has more"),
    ],
)
def test_an_answer_that_breaks_off_says_so(error: Exception, said: str) -> None:
    reader: Any = Reader()

    def chunks() -> Iterator[bytes]:
        yield b"a,b\n1,2\n"
        raise error

    Pipes(1).piped(chunks(), None).send(reader, 200, [])
    with reader.path.open("rb") as pipe:
        assert pipe.read() == f"a,b\n1,2\n\nthe answer breaks off here: {said}\n".encode()
