"""Whether the service is being stopped, as the process that stops it tells those that were forked from it."""

from __future__ import annotations

import mmap

_STOPPING = mmap.mmap(-1, 1)  # memory that forked processes share


def begin_to_stop() -> None:
    """Note that the service is being stopped."""
    _STOPPING[0] = 1


def is_stopping() -> bool:
    """Return whether this process, or the one that it was forked from, has begun to stop the service."""
    return _STOPPING[0] == 1
