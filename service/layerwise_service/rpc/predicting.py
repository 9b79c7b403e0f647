"""Calls that predict: they are counted, and not computed once their caller has given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any, TypeVar

from grpc import aio

from layerwise_service.process.prediction_request import PredictionRequest, current_request

Result = TypeVar("Result")


def prediction_request(context: aio.ServicerContext[Any, Any]) -> PredictionRequest:
    """Return a request that the call behind `context` makes, with its deadline."""
    return PredictionRequest(seconds=context.time_remaining())


async def run_predicting(threads: Executor, call: Callable[[], Result]) -> Result:
    """Return the result of `call`, made in a thread as part of the request that this task answers.

    Raises `DeadlineExceeded`, without making the call, if the deadline of the request passed before a thread was free.
    """
    request, context, asked = current_request(), copy_context(), time.perf_counter()

    def run() -> Result:
        request.waited(time.perf_counter() - asked)
        request.check()
        return context.run(call)

    return await asyncio.get_running_loop().run_in_executor(threads, run)
