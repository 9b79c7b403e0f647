"""What can go wrong, sorted by what a caller does about it.

LayerwiseError
├── InvalidRequest      mend the arguments; `pointer` says which
├── NotFound            no model, version or job of this name
├── Conflict            what is there does not allow it: a request id used for other content, a taken name
├── PermissionDenied    a gateway before the service asks for credentials
├── ResourceExhausted   send less, or send it later
├── Unavailable         nobody answers at the address: start the service, or try again
├── DeadlineExceeded    no answer in time: the service may have done it or not
│   └── WaitTimeout     the waiting ended; the job goes on
├── JobFailed           the job ended without a version; `reason` and the message say why
├── JobCancelled        somebody cancelled the job
└── ServiceFault        a fault of the service: report it, with the request id
"""

from __future__ import annotations

from typing import ClassVar


class LayerwiseError(Exception):
    """Base of every error of this package; the message says what was wanted, what came and where.

    `reason` is a stable UPPER_SNAKE word, `place` the names and indices that lead to what is wrong (none if no part is
    to blame), a column's name as one step, `pointer` their text, and `detail` the message without the place.
    `request_id` is what the service's log knows the call by ("" if it did not say).
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
        """The place as text: "X[17].distance", "plan.epochs"; a whole column is "X['distance']"."""
        from layerwise.errors import Place

        match self.place:
            case ("X", str(column)):
                return f"X[{column!r}]"
            case steps:
                return str(Place(steps))


class InvalidRequest(LayerwiseError):
    """An argument is wrong: found here before anything was sent, or by the service."""

    default_reason = "INVALID_ARGUMENT"


class NotFound(LayerwiseError):
    """There is no such model, version or job."""

    default_reason = "NOT_FOUND"


class Conflict(LayerwiseError):
    """What is already there, or the state it is in, does not allow the call."""

    default_reason = "CONFLICT"


class PermissionDenied(LayerwiseError):
    """A proxy or gateway before the service does not let the call pass; the service itself asks for no credentials."""

    default_reason = "PERMISSION_DENIED"


class ResourceExhausted(LayerwiseError):
    """A limit of the service is reached: the length of a queue, the room on a disk, the size of an answer."""

    default_reason = "RESOURCE_EXHAUSTED"


class Unavailable(LayerwiseError):
    """Nobody answers at the address, or the service is stopping or starting."""

    default_reason = "UNAVAILABLE"


class DeadlineExceeded(LayerwiseError):
    """No answer came within the client's `timeout`."""

    default_reason = "DEADLINE_EXCEEDED"


class WaitTimeout(DeadlineExceeded):
    """A job had not ended when the `timeout` of `wait` was over; the job goes on."""

    default_reason = "WAIT_TIMEOUT"


class JobFailed(LayerwiseError):
    """The job ended FAILED; `job_id` names it, `reason` is the service's word for it, such as DIVERGED."""

    default_reason = "JOB_FAILED"
    job_id: str = ""


class JobCancelled(LayerwiseError):
    """The job ended CANCELLED; `job_id` names it."""

    default_reason = "JOB_CANCELLED"
    job_id: str = ""


class ServiceFault(LayerwiseError):
    """The service failed where it should not, or gave an answer that makes no sense."""

    default_reason = "INTERNAL"
