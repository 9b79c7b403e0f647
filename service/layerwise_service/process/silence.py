"""Detection of silent processes, by counters that they raise and the monotonic clock of the process that looks.

A counter is compared only with its last known value, so no wall clock, here or elsewhere, can make a process look
silent.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from pathlib import Path

Clock = Callable[[], float]


class Silence:
    """Tracks for how long each counter has not changed.

    Between two looks at most `most_gap` seconds are counted: this process may have been asleep, and the others with it.
    """

    def __init__(self, *, most_gap: float = float("inf"), clock: Clock = time.monotonic) -> None:
        self._most_gap = most_gap
        self._clock = clock
        self._seen: dict[str, tuple[Hashable, float]] = {}
        self._looked_at = clock()
        self._lock = threading.Lock()

    def look(self, counters: Mapping[str, Hashable]) -> dict[str, float]:
        """Return the seconds of silence by key. Keys that are not in `counters` are forgotten."""
        with self._lock:
            looked_at = self._clock()
            gap = min(looked_at - self._looked_at, self._most_gap)
            self._looked_at = looked_at
            seen: dict[str, tuple[Hashable, float]] = {}
            for key, counter in counters.items():
                known, silent = self._seen.get(key, (None, 0.0))
                seen[key] = (counter, silent + gap if known == counter else 0.0)
            self._seen = seen
            return {key: silent for key, (_, silent) in seen.items()}

    def forget(self) -> None:
        """Forget all counters."""
        with self._lock:
            self._seen = {}


def milliseconds_here() -> int:
    """Return the monotonic clock in milliseconds, which all processes share until the machine restarts."""
    return time.monotonic_ns() // 1_000_000


@cache
def this_boot() -> str:
    """Return the id of this boot of the machine, or the machine's name if the system has no such id."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()
