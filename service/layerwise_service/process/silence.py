"""Who has fallen silent: by counters that the others raise, and by the clock of whoever looks at them.

The counters are compared with nothing but what was seen before, and the time is this process's own monotonic clock. So
no wall clock, here or elsewhere, makes anybody look silent.
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
    """For how long each counter has not changed, as far as this process has seen.

    A look that comes more than `most_gap` seconds after the one before counts for only so many: this process may have
    been asleep, and those that it watches with it.
    """

    def __init__(self, *, most_gap: float = float("inf"), clock: Clock = time.monotonic) -> None:
        self._most_gap = most_gap
        self._clock = clock
        self._seen: dict[str, tuple[Hashable, float]] = {}
        self._looked_at = clock()
        self._lock = threading.Lock()

    def look(self, counters: Mapping[str, Hashable]) -> dict[str, float]:
        """Seconds of silence by key; keys that are missing here are forgotten."""
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
        """Begins anew."""
        with self._lock:
            self._seen = {}


def milliseconds_here() -> int:
    """The monotonic clock, which all processes of one boot of a machine share."""
    return time.monotonic_ns() // 1_000_000


@cache
def this_boot() -> str:
    """Names the boot of this machine; where the system has no name for it, the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()
