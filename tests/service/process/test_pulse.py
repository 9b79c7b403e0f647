"""The pulse of a process: silence is told from a supervisor that slept, and from a process that has just begun."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from helpers.clock import Clock
from layerwise_service.process.pulse import PULSE, Pulse

IMPORT = "from layerwise_service.process.pulse import start_pulse"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pulse(clock: Clock) -> Iterator[Pulse]:
    made = Pulse(clock)
    yield made
    made.close()
    os.close(made.writable)


def test_silence_is_counted_from_the_first_beat_on(pulse: Pulse, clock: Clock) -> None:
    for _ in range(20):  # it starts
        clock.seconds += 0.5
        assert pulse.seconds_silent() == 0

    os.write(pulse.writable, b".")
    clock.seconds += 0.5
    assert pulse.seconds_silent() == 0
    for count in range(1, 20):
        clock.seconds += 0.5
        assert pulse.seconds_silent() == count * 0.5

    os.write(pulse.writable, b".")
    assert pulse.seconds_silent() == 0


def test_a_supervisor_that_slept_takes_nobody_for_frozen(pulse: Pulse, clock: Clock) -> None:
    os.write(pulse.writable, b".")
    assert pulse.seconds_silent() == 0

    clock.seconds += 3600

    assert pulse.seconds_silent() <= 1


def test_a_process_gives_its_pulse_whatever_its_main_thread_does() -> None:
    readable, writable = os.pipe()
    script = f"{IMPORT}; start_pulse(); import time; time.sleep(600)"
    environment = os.environ | {PULSE: str(writable)}
    with subprocess.Popen([sys.executable, "-c", script], env=environment, pass_fds=[writable]) as process:
        os.close(writable)

        beats = [os.read(readable, 1) for _ in range(3)]

        process.kill()
    assert beats == [b"."] * 3
    assert os.read(readable, 1) == b""
    os.close(readable)
