"""The pulse of a process: what its supervisor knows of it without the database, which a frozen process may hold locked.

The process writes a byte into a pipe every half second, from a thread of its own.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from layerwise_service.process.loops import Loop
from layerwise_service.process.silence import Clock, Silence

PULSE = "LAYERWISE_PULSE_FD"
_BEAT_SECONDS = 0.5
_MOST_GAP = 1.0  # seconds: the supervisor itself may have been asleep, with the whole machine


def give_pulse() -> None:
    """Begins to show the process that started this one, if it asked for it, that this one runs."""
    descriptor = os.environ.pop(PULSE, "")
    if not descriptor:
        return
    pipe = int(descriptor)
    os.set_blocking(pipe, False)
    os.set_inheritable(pipe, False)

    def beat() -> None:
        with suppress(BlockingIOError, BrokenPipeError):  # nobody has read for long, or nobody will
            os.write(pipe, b".")

    Loop("pulse", beat, every=_BEAT_SECONDS).start()


class Pulse:
    """The supervisor's end of the pipe; `writable` is for the process that is to be started."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._silence = Silence(most_gap=_MOST_GAP, clock=clock)
        self._beats = 0
        self._readable, self.writable = os.pipe()
        os.set_blocking(self._readable, False)

    def seconds_silent(self) -> float:
        """For how long no beat has come, counted from the first beat on, as far as this process was awake itself."""
        with suppress(BlockingIOError):
            self._beats += len(os.read(self._readable, 65_536))
        return self._silence.look({"pulse": self._beats})["pulse"] if self._beats else 0.0

    def close(self) -> None:
        """Lets the reading end go."""
        os.close(self._readable)
