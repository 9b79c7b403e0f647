"""The errors that callers see, and the one table that says which status each kind is on gRPC and on HTTP.

    ServiceError
    ├── InvalidRequest     a value is wrong: says which one, what was expected and what it is
    │   ├── TooLarge       a size is beyond a limit
    │   └── UnsupportedMedia
    ├── NotFound
    ├── AlreadyExists      the name is taken
    ├── Conflict           not possible in the present state
    ├── Outdated           another caller was first: look at what has changed, and decide again
    ├── MethodNotAllowed
    ├── Unsupported        the protocol knows it, this service does not do it
    ├── Misdirected        the request is for another host
    ├── Forbidden          the sender is not allowed to
    ├── Exhausted          a limit of the service is reached
    ├── TimedOut           the caller took too long
    ├── Unavailable        try again in a moment
    │   └── StorageUnavailable
    ├── NoSpace            the disk is full
    ├── DataLoss           a stored file is damaged or lost
    └── OutputNotFinite    a model answered with NaN or infinity

Whatever else is raised reaches callers as "internal error" with a request id, and the log with its traceback.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerwise.errors import Place


class ErrorKind(Enum):
    """What went wrong, as far as a status code can say it."""

    INVALID = "invalid"
    TOO_LARGE = "too large"
    NOT_FOUND = "not found"
    ALREADY_EXISTS = "already exists"
    CONFLICT = "conflict"
    OUTDATED = "outdated"
    TIMED_OUT = "timed out"
    UNAVAILABLE = "unavailable"
    EXHAUSTED = "exhausted"
    NO_SPACE = "no space"
    DATA_LOSS = "data loss"
    UNPROCESSABLE = "unprocessable"
    UNSUPPORTED_MEDIA = "unsupported media"
    METHOD_NOT_ALLOWED = "method not allowed"
    NOT_AS_REQUIRED = "not as required"
    OUT_OF_RANGE = "out of range"
    UNSUPPORTED = "unsupported"
    MISDIRECTED = "misdirected"
    FORBIDDEN = "forbidden"
    INTERNAL = "internal"


# kind -> (google.rpc.Code, HTTP status). gRPC's numbers stand here so that a REST process need not load gRPC.
STATUS: Mapping[ErrorKind, tuple[int, int]] = {
    ErrorKind.INVALID: (3, 400),
    ErrorKind.TOO_LARGE: (3, 413),
    ErrorKind.NOT_FOUND: (5, 404),
    ErrorKind.ALREADY_EXISTS: (6, 409),
    ErrorKind.CONFLICT: (9, 409),
    ErrorKind.OUTDATED: (10, 409),
    ErrorKind.TIMED_OUT: (4, 408),
    ErrorKind.UNAVAILABLE: (14, 503),
    ErrorKind.EXHAUSTED: (8, 429),
    ErrorKind.NO_SPACE: (8, 507),
    ErrorKind.DATA_LOSS: (15, 500),
    ErrorKind.UNPROCESSABLE: (9, 422),
    ErrorKind.UNSUPPORTED_MEDIA: (3, 415),
    ErrorKind.METHOD_NOT_ALLOWED: (12, 405),
    ErrorKind.NOT_AS_REQUIRED: (9, 412),
    ErrorKind.OUT_OF_RANGE: (11, 416),
    ErrorKind.UNSUPPORTED: (12, 501),
    ErrorKind.MISDIRECTED: (9, 421),
    ErrorKind.FORBIDDEN: (7, 403),
    ErrorKind.INTERNAL: (13, 500),
}


MOST_DETAIL = 700
"""Most bytes of an error's sentence in UTF-8. gRPC allows 8 KiB of headers, which hold the sentence three times."""
MOST_NAME = 256
"""Most bytes of a name in a place: enough for the longest name of a column."""
MOST_POINTER = 320
"""Most bytes of a place as text."""


class ServiceError(Exception):
    """An error that the caller sees.

    `reason` is a stable UPPER_SNAKE word and `detail` a sentence for people. `place` is the part of the request that
    is wrong; it is given as `pointer`, a `Place` or the name of one field. `pointer` is its text: `instances[3][1]`.
    """

    kind = ErrorKind.INTERNAL
    reason = "INTERNAL"

    def __init__(
        self, detail: str, *, pointer: Place | str = "", reason: str = "", retry_after: int | None = None
    ) -> None:
        from layerwise.errors import Place  # noqa: PLC0415 – the commands that ask and say little need no NumPy

        self.detail = cut(detail, MOST_DETAIL)
        self.place = Place(*(cut(step, MOST_NAME) if isinstance(step, str) else step for step in Place(pointer)))
        self.pointer = cut(str(self.place), MOST_POINTER)
        super().__init__(f"{self.pointer}: {self.detail}" if self.pointer else self.detail)
        self.retry_after = retry_after
        if reason:
            self.reason = reason

    @property
    def grpc_code(self) -> int:
        return STATUS[self.kind][0]

    @property
    def http_status(self) -> int:
        return STATUS[self.kind][1]


def cut(text: str, most: int) -> str:
    """Return `text` in at most `most` bytes of UTF-8, with an ellipsis where something was cut off.

    Half of a surrogate pair, which JSON can hold but UTF-8 cannot, is shown escaped.
    """
    data = text.encode(errors="backslashreplace")
    if len(data) <= most:
        return data.decode()
    return f"{data[: most - len('…'.encode())].decode(errors='ignore')}…"


def forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks of `error` and of the errors that led to it, once they were answered or logged.

    A traceback refers to frames, which refer to the rows of the request. If a frame also refers to the error, only a
    full garbage collection frees the rows, and that may take long to happen.
    """
    seen: set[int] = set()
    pending = [error]
    while pending:
        found = pending.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            found.__traceback__ = None
            pending += [found.__cause__, found.__context__]


class InvalidRequest(ServiceError):
    """A value of the request is wrong."""

    kind, reason = ErrorKind.INVALID, "INVALID_ARGUMENT"


class TooLarge(InvalidRequest):
    """A size of the request is beyond a limit."""

    kind, reason = ErrorKind.TOO_LARGE, "TOO_LARGE"


class UnsupportedMedia(InvalidRequest):
    """The body is not of the type that this address reads."""

    kind, reason = ErrorKind.UNSUPPORTED_MEDIA, "UNSUPPORTED_MEDIA_TYPE"


class NotFound(ServiceError):
    """Nothing has that name."""

    kind, reason = ErrorKind.NOT_FOUND, "NOT_FOUND"


class AlreadyExists(ServiceError):
    """The name is taken."""

    kind, reason = ErrorKind.ALREADY_EXISTS, "ALREADY_EXISTS"


class Conflict(ServiceError):
    """The present state does not allow it."""

    kind, reason = ErrorKind.CONFLICT, "FAILED_PRECONDITION"


class Outdated(ServiceError):
    """The state is not what the caller expects: another caller has changed it."""

    kind, reason = ErrorKind.OUTDATED, "ABORTED"


class NotAsRequired(ServiceError):
    """What is asked for is not in the state that the request requires."""

    kind, reason = ErrorKind.NOT_AS_REQUIRED, "NOT_AS_REQUIRED"


class OutOfRange(ServiceError):
    """The part that is asked for lies beyond the end."""

    kind, reason = ErrorKind.OUT_OF_RANGE, "OUT_OF_RANGE"


class Exhausted(ServiceError):
    """A limit of the service is reached; it may work later."""

    kind, reason = ErrorKind.EXHAUSTED, "RESOURCE_EXHAUSTED"


class TimedOut(ServiceError):
    """The caller took too long to send."""

    kind, reason = ErrorKind.TIMED_OUT, "TIMED_OUT"


class Unavailable(ServiceError):
    """A part of the service does not answer; the same call may work in a moment."""

    kind, reason = ErrorKind.UNAVAILABLE, "UNAVAILABLE"


class DeadlineExceeded(Unavailable):
    """The time that the caller gave a request was over before its turn came."""

    reason = "DEADLINE_EXCEEDED"


class CallTooLate(TimedOut):
    """The deadline of a call has passed."""

    reason = DeadlineExceeded.reason


class StorageUnavailable(Unavailable):
    """The disk or a folder that is needed cannot be used now."""

    reason = "STORAGE_UNAVAILABLE"


class NoSpace(ServiceError):
    """The disk is full."""

    kind, reason = ErrorKind.NO_SPACE, "NO_SPACE"


class DataLoss(ServiceError):
    """A stored file is missing or is not what was stored."""

    kind, reason = ErrorKind.DATA_LOSS, "DATA_LOSS"


class OutputNotFinite(ServiceError):
    """A model answered with NaN or infinity."""

    kind, reason = ErrorKind.UNPROCESSABLE, "OUTPUT_NOT_FINITE"


class Misdirected(ServiceError):
    """The request names a host that the service does not answer to."""

    kind, reason = ErrorKind.MISDIRECTED, "MISDIRECTED"


class Forbidden(ServiceError):
    """The sender is not allowed to do this."""

    kind, reason = ErrorKind.FORBIDDEN, "FORBIDDEN"


class Unsupported(ServiceError):
    """A part of a protocol that this service does not have."""

    kind, reason = ErrorKind.UNSUPPORTED, "UNSUPPORTED"


class MethodNotAllowed(ServiceError):
    """The address takes other methods, those in `allowed`."""

    kind, reason = ErrorKind.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"

    def __init__(self, detail: str, *, allowed: str) -> None:
        super().__init__(detail)
        self.allowed = allowed


class DatabaseUnusable(Exception):
    """The database cannot be used; the message says which, why, and what to do. It keeps a process from starting."""
