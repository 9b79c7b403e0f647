"""The pulse of a process, by which its supervisor notices that it is frozen, even while it holds the database locked.

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
_MOST_GAP = 1.0  # seconds between two looks that count: the whole machine may have been asleep


def start_pulse() -> None:
    """Begin to write the pulse, if the supervisor gave this process a pipe for it."""
    descriptor = os.environ.pop(PULSE, "")
    if not descriptor:
        return
    pipe = int(descriptor)
    os.set_blocking(pipe, False)
    os.set_inheritable(pipe, False)

    def beat() -> None:
        with suppress(BlockingIOError, BrokenPipeError):  # the pipe is full, or has no reader any more
            os.write(pipe, b".")

    Loop("pulse", beat, every=_BEAT_SECONDS).start()


class Pulse:
    """The supervisor's end of the pipe; `writable` is the end for the child process."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._silence = Silence(most_gap=_MOST_GAP, clock=clock)
        self._beats = 0
        self._readable, self.writable = os.pipe()
        os.set_blocking(self._readable, False)

    def seconds_silent(self) -> float:
        """Return the seconds since the last beat, without time in which this process slept; 0 before the first beat."""
        with suppress(BlockingIOError):
            self._beats += len(os.read(self._readable, 65_536))
        return self._silence.look({"pulse": self._beats})["pulse"] if self._beats else 0.0

    def close(self) -> None:
        """Close the reading end."""
        os.close(self._readable)
