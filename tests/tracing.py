"""Allocations, traced while no garbage is collected: a collection empties the free lists of Python's objects."""

from __future__ import annotations

import gc
import tracemalloc


def start_tracing() -> None:
    """Begin to trace allocations; no garbage is collected until `stop_tracing`."""
    gc.disable()
    tracemalloc.start()


def stop_tracing() -> None:
    tracemalloc.stop()
    gc.enable()
