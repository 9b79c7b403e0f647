"""Calls that predict: they are counted, and not computed once their caller has given up."""

from __future__ import annotations

from typing import Any

from grpc import aio

from layerwise_service.process.prediction_request import PredictionRequest
from layerwise_service.process.step_threads import StepThreads


def prediction_request(context: aio.ServicerContext[Any, Any], threads: StepThreads) -> PredictionRequest:
    """Return a request that the call behind `context` makes, with its deadline, and the threads for its long steps."""
    return PredictionRequest(seconds=context.time_remaining(), threads=threads)
