"""Waiting in tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator


def wait_until(condition: Callable[[], object], *, seconds: float = 60.0, what: str = "") -> None:
    """Wait for `condition` to hold; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.01)


def every(pause: float, *, seconds: float) -> Iterator[None]:
    """Yield for `seconds`, with a pause after each time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(pause)
