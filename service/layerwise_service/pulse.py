"""The pulse of a process: what its supervisor knows of it without the database, which a frozen process may hold locked.

The process writes a byte into a pipe every half second, from a thread of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

from layerwise_service.loops import Loop

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

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._readable, self.writable = os.pipe()
        os.set_blocking(self._readable, False)
        self._felt = False
        self._silent = 0.0
        self._looked_at = clock()

    def seconds_silent(self) -> float:
        """For how long no beat has come, counted from the first beat on, as far as this process was awake itself."""
        looked_at = self._clock()
        gap, self._looked_at = min(looked_at - self._looked_at, _MOST_GAP), looked_at
        try:
            beats = os.read(self._readable, 65_536)
        except BlockingIOError:
            beats = b""
        if beats:
            self._felt, self._silent = True, 0.0
        elif self._felt:
            self._silent += gap
        return self._silent

    def close(self) -> None:
        """Lets the reading end go."""
        os.close(self._readable)
