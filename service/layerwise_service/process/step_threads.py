"""Threads for the steps of requests for predictions that take long."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

_TURNS = (os.cpu_count() or 1) + 1  # more would share the cores, and all keep their memory meanwhile


class StepThreads(ThreadPoolExecutor):
    """`most` threads. Those steps that only compute take one of its few `turns`; others may wait for something."""

    def __init__(self, most: int, *, name: str) -> None:
        super().__init__(most, thread_name_prefix=name)
        self.turns = asyncio.Semaphore(_TURNS)
