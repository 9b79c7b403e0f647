"""Time measured side by side: every round runs all that is compared, so that a busy moment hits all alike."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec

from threadpoolctl import threadpool_limits

THREADS = 2
PAUSE = 0.02
"""Seconds between two runs: idle threads of the one before still spin for a while, and would disturb the next."""


def limit_threads() -> None:
    """Gives every library two threads."""
    threadpool_limits(THREADS)
    if find_spec("torch"):  # not every benchmark runs where PyTorch is
        import_module("torch").set_num_threads(THREADS)


def side_by_side(
    runs: Mapping[str, Callable[[], object]], *, rounds: int = 9, at_least: float = 0.1
) -> dict[str, list[float]]:
    """Seconds a call of each of `runs` takes, one number a round; each begins a round in its turn.

    In a round each is called as often as takes about `at_least` seconds, by two calls to warm up.
    """
    calls: dict[str, int] = {}
    for name, run in runs.items():
        run()
        calls[name] = max(1, math.ceil(at_least / timed(run)))
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            time.sleep(PAUSE)
            seconds[name].append(timed(runs[name], calls[name]))
    return seconds


def timed(run: Callable[[], object], calls: int = 1) -> float:
    """Seconds a call of `run` takes, by the mean of `calls`."""
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def ratio(seconds: Mapping[str, list[float]], of: str, to: str) -> float:
    """The median over the rounds of how many times as long `of` takes as `to`."""
    return statistics.median(a / b for a, b in zip(seconds[of], seconds[to], strict=True))
