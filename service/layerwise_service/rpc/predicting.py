"""Calls that predict: they are counted, and not computed once their caller has given up."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

from grpc import aio

from layerwise_service.process.prediction_request import PredictionRequest


def prediction_request(context: aio.ServicerContext[Any, Any], threads: Executor) -> PredictionRequest:
    """Return a request that the call behind `context` makes, with its deadline, and the threads for its long steps."""
    return PredictionRequest(seconds=context.time_remaining(), threads=threads)
