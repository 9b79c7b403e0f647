"""A request that waits for a pass through a network, and what it gets."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from layerwise_service.process.prediction_request import PredictionRequest, current_request

Floats = NDArray[Any]


@dataclass(slots=True)
class Computed:
    """The outputs (n, k) for the rows of a request, the seconds that it waited and that its pass took.

    `executions` is 1 for one of the requests of a pass, and 0 for the others.
    """

    outputs: Floats
    queue_seconds: float
    infer_seconds: float
    executions: int


@dataclass(eq=False, slots=True)
class Waiter:
    """A request that waits: in a thread, or in the event loop `loop`."""

    rows: Floats
    since: float
    loop: asyncio.AbstractEventLoop | None = None
    told: threading.Event | asyncio.Event = field(default_factory=threading.Event)
    """Whether there are outputs, or the request is to compute, or was given up."""
    request: PredictionRequest = field(default_factory=current_request)
    group: Sequence[Waiter] = ()
    """The requests whose rows this one, in a thread, shall compute, its own first; empty if another did so."""
    found: Computed | None = None
    """None if the pass failed: then each request computes for itself, and has its own error; or if it was given up."""


def seconds_left(waiter: Waiter) -> float | None:
    """Return for how long the caller still waits; None: for however long it takes."""
    deadline = waiter.request.deadline
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def tell(group: Sequence[Waiter]) -> None:
    """Tell requests, those of one event loop all at once."""
    in_loops: dict[asyncio.AbstractEventLoop, list[Waiter]] = {}
    for each in group:
        if each.loop is None:
            each.told.set()
        else:
            in_loops.setdefault(each.loop, []).append(each)
    for loop, waiters in in_loops.items():
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(_set, waiters)


def _set(waiters: Sequence[Waiter]) -> None:
    for each in waiters:
        each.told.set()
