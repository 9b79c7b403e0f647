"""Errors of an attempt as the failure of its job."""

from __future__ import annotations

from layerwise import Diverged, InvalidInput
from layerwise_service.domain.job_states import Reason
from layerwise_service.domain.jobs import Failure
from layerwise_service.errors import ServiceError


def failure_of(error: Exception) -> Failure:
    """Return the failure that an error means."""
    match error:
        case Diverged():
            return Failure(Reason.DIVERGED, str(error))
        case InvalidInput():
            return Failure(Reason.DATA, str(error))
        case MemoryError():
            return Failure(Reason.OUT_OF_MEMORY, "the worker has too little memory for this network and batch size")
        case ServiceError():
            return Failure(Reason.STORAGE, error.detail)
        case _:
            return Failure(Reason.INTERNAL, "internal error; search the worker's log for the id of the job")
