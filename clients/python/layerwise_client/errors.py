"""Errors of the SDK, by what a caller can do about them.

LayerwiseError
├── InvalidRequest      correct the argument that `pointer` names
├── NotFound            no model, version or job of this name
├── Conflict            something that exists is in the way: a request id used for other content, a taken name
├── PermissionDenied    a gateway in front of the service asks for credentials
├── ResourceExhausted   send less, or try later
├── Unavailable         no service answers at the address: start it, or try again
├── DeadlineExceeded    no answer in time: the call may have had its effect or not
│   └── WaitTimeout     `wait` ended before the job, which goes on
├── JobFailed           the job failed; `reason` and the message say why
├── JobCancelled        the job was cancelled
└── ServiceFault        the service has a bug: report it with the request id
"""

from __future__ import annotations

from typing import ClassVar


class LayerwiseError(Exception):
    """Base of all errors of this package. The message says what was expected, what was got and where.

    Parameters
    ----------
    message : str
        The whole message.
    reason : str
        A stable word in upper case, such as WRONG_SHAPE; by default that of the class.
    pointer : str or tuple of str and int
        Names and indices that lead to the wrong part, such as ("X", 17, "distance"). The attribute `place` has them as
        a tuple, empty if no part is wrong.
    request_id : str
        Id of the call in the service's log; "" if unknown.
    detail : str
        The message without the place.
    """

    default_reason: ClassVar[str] = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        pointer: str | tuple[str | int, ...] = "",
        request_id: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.reason = reason or self.default_reason
        self.place = (pointer,) if isinstance(pointer, str) and pointer else tuple(pointer)
        self.request_id = request_id
        self.detail = detail or message.removeprefix(f"{self.pointer}: " if self.place else "")

    @property
    def pointer(self) -> str:
        """The place as text, such as "X[17].distance" or "plan.epochs", or "X['distance']" for a whole column."""
        from layerwise.errors import Place

        match self.place:
            case ("X", str(column)):
                return f"X[{column!r}]"
            case steps:
                return str(Place(steps))


class InvalidRequest(LayerwiseError):
    """An argument is wrong, found by the SDK before it sent anything, or by the service."""

    default_reason = "INVALID_ARGUMENT"


class NotFound(LayerwiseError):
    """There is no such model, version or job."""

    default_reason = "NOT_FOUND"


class Conflict(LayerwiseError):
    """Something that already exists, or its state, does not allow the call."""

    default_reason = "CONFLICT"


class PermissionDenied(LayerwiseError):
    """A proxy or gateway in front of the service refuses the call; the service itself asks for no credentials."""

    default_reason = "PERMISSION_DENIED"


class ResourceExhausted(LayerwiseError):
    """A limit of the service is reached, such as the length of a queue, disk space or the size of an answer."""

    default_reason = "RESOURCE_EXHAUSTED"


class Unavailable(LayerwiseError):
    """No service answers at the address, or it is starting or stopping."""

    default_reason = "UNAVAILABLE"


class DeadlineExceeded(LayerwiseError):
    """The service did not answer within the client's `timeout`."""

    default_reason = "DEADLINE_EXCEEDED"


class WaitTimeout(DeadlineExceeded):
    """A job did not end within the `timeout` of `wait`; the job goes on."""

    default_reason = "WAIT_TIMEOUT"


class JobFailed(LayerwiseError):
    """A job failed. `job_id` is its id, `reason` a stable word such as DIVERGED."""

    default_reason = "JOB_FAILED"
    job_id: str = ""


class JobCancelled(LayerwiseError):
    """A job was cancelled. `job_id` is its id."""

    default_reason = "JOB_CANCELLED"
    job_id: str = ""


class ServiceFault(LayerwiseError):
    """The service failed unexpectedly, or gave an answer that the SDK cannot read."""

    default_reason = "INTERNAL"
