from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.running import sessions_are_groups

GROUP = Path("/proc/self/autogroup")
GIVE_WAY = "import os; from layerwise_service.process.lifecycle import give_way_to_serving as give_way; "


def last_word(program: str, *, new_session: bool) -> str:
    """Return the last word that the program says."""
    command = [sys.executable, "-c", GIVE_WAY + program]
    done = subprocess.run(command, start_new_session=new_session, capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def test_a_process_that_gives_way_is_nicer_than_the_one_that_started_it() -> None:
    program = "before = os.nice(0); give_way(); print(os.nice(0) - before)"
    assert last_word(program, new_session=True) == "15"


@pytest.mark.skipif(not sessions_are_groups(), reason="this system does not group processes by session")
def test_its_session_gives_way_too_but_not_one_that_others_share() -> None:
    program = f"give_way(); print('nice', open({str(GROUP)!r}).read())"
    before = GROUP.read_text()  # empty, where what started this session made none of its own
    assert last_word(program, new_session=False) == ("nice " + before).split()[-1]
    assert last_word(program, new_session=True) == "15"
    assert GROUP.read_text() == before


@pytest.mark.skipif(not sessions_are_groups(), reason="this system does not group processes by session")
def test_two_sessions_give_way_at_once() -> None:
    """The system refuses a second change within a tenth of a second, unless root makes it."""
    program = f"give_way(); print(open({str(GROUP)!r}).read())"
    command = [sys.executable, "-c", GIVE_WAY + program]
    started = [subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=60)[0].split()[-1] for process in started] == ["15"] * 4
