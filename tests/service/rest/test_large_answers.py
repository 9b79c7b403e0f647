"""Large answers go through a named pipe, and have room until they are read."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest

from layerwise_service.rest import large_answers, room
from layerwise_service.rest.large_answers import LargeAnswers


class Reader:
    """Notes the pipe that it is told to send."""

    def __init__(self) -> None:
        self.path = Path()

    def response_file(self, status: int, headers: list[tuple[str, str]], path: str) -> None:
        self.path = Path(path)


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(room, "_LOOK_SECONDS", 0.05)


BODY = bytes(range(256)) * 4_000


def free(answers: LargeAnswers) -> bool:
    return not answers._room._held


async def settled(answers: LargeAnswers) -> None:
    async with asyncio.timeout(20):
        while not free(answers):
            await asyncio.sleep(0.01)


def test_an_answer_is_read_whole_and_leaves_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        answers, reader = LargeAnswers(2**20, seconds=20), Reader()
        await answers.send(cast_to_any(reader), 200, [], BODY)
        assert await asyncio.to_thread(reader.path.read_bytes) == BODY
        await settled(answers)

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_an_answer_whose_caller_has_gone_gives_its_room_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(large_answers, "_OPEN_SECONDS", 0.2)

    async def run() -> None:
        answers, reader = LargeAnswers(2**20, seconds=20), Reader()
        await answers.send(cast_to_any(reader), 200, [], BODY)  # its pipe is never opened
        await settled(answers)

        await answers.send(cast_to_any(reader), 200, [], BODY)
        with await asyncio.to_thread(reader.path.open, "rb") as pipe:
            pipe.read(10)
        await settled(answers)

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_is_cut_off_before_it_begins_gives_its_room_back(tmp_path: Path) -> None:
    async def run() -> None:
        answers, reader = LargeAnswers(2**20, seconds=20), Reader()
        await answers.send(cast_to_any(reader), 200, [], BODY)
        for sending in answers._sending:
            sending.cancel()  # before its first step
        await settled(answers)

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def cast_to_any(reader: Reader) -> Any:
    return reader
