"""A clock for tests."""

from __future__ import annotations


class Clock:
    """A clock that stands still until a test moves its `seconds`."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds
