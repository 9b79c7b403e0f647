"""The errors that callers see, and the one table that says which status each kind is on gRPC and on HTTP.

    ServiceError
    ├── InvalidRequest     a value is wrong: says which, what was wanted, what came
    │   ├── TooLarge       a size is beyond a limit
    │   └── UnsupportedMedia
    ├── NotFound
    ├── AlreadyExists      the name stands for something else
    ├── Conflict           the state of things forbids it
    ├── MethodNotAllowed
    ├── Misdirected        the request is for another host
    ├── Forbidden          whoever sends it may not
    ├── Exhausted          a bound of the service is reached
    ├── TimedOut           the caller took too long
    ├── Unavailable        try again in a moment
    │   └── StorageUnavailable
    ├── NoSpace            the disk is full
    ├── DataLoss           a stored file is damaged
    └── OutputNotFinite    a model answered with NaN or infinity

Whatever else is raised reaches callers as "internal error" with a request id, and the log with its traceback.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerwise.errors import Place


class Kind(Enum):
    """What went wrong, as far as a status code can say it."""

    INVALID = "invalid"
    TOO_LARGE = "too large"
    NOT_FOUND = "not found"
    ALREADY_EXISTS = "already exists"
    CONFLICT = "conflict"
    TIMED_OUT = "timed out"
    UNAVAILABLE = "unavailable"
    EXHAUSTED = "exhausted"
    NO_SPACE = "no space"
    DATA_LOSS = "data loss"
    UNPROCESSABLE = "unprocessable"
    UNSUPPORTED_MEDIA = "unsupported media"
    METHOD_NOT_ALLOWED = "method not allowed"
    MISDIRECTED = "misdirected"
    FORBIDDEN = "forbidden"
    INTERNAL = "internal"


# kind -> (google.rpc.Code, HTTP status). gRPC's numbers stand here so that a REST process need not load gRPC.
STATUS: Mapping[Kind, tuple[int, int]] = {
    Kind.INVALID: (3, 400),
    Kind.TOO_LARGE: (3, 413),
    Kind.NOT_FOUND: (5, 404),
    Kind.ALREADY_EXISTS: (6, 409),
    Kind.CONFLICT: (9, 409),
    Kind.TIMED_OUT: (4, 408),
    Kind.UNAVAILABLE: (14, 503),
    Kind.EXHAUSTED: (8, 429),
    Kind.NO_SPACE: (8, 507),
    Kind.DATA_LOSS: (15, 500),
    Kind.UNPROCESSABLE: (9, 422),
    Kind.UNSUPPORTED_MEDIA: (3, 415),
    Kind.METHOD_NOT_ALLOWED: (12, 405),
    Kind.MISDIRECTED: (9, 421),
    Kind.FORBIDDEN: (7, 403),
    Kind.INTERNAL: (13, 500),
}


MOST_DETAIL = 700
"""Bytes of an error's sentence, as UTF-8. gRPC takes 8 KiB of headers, where the sentence stands three times."""
MOST_NAME = 256
"""Bytes of a name in a place: the longest name of a column is whole."""
MOST_POINTER = 320
"""Bytes of a place as text."""


class ServiceError(Exception):
    """An error that a caller is told.

    `reason` is a stable UPPER_SNAKE word, `detail` a sentence for people, `place` the part of the request that is
    wrong, given as `pointer`: a `Place`, or the name of one field. `pointer` is its text: `instances[3][1]`.
    """

    kind = Kind.INTERNAL
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
    """`text` in at most `most` bytes of UTF-8, with an ellipsis where something was cut off.

    What is no Unicode (half of a surrogate pair, as JSON can hold it) is shown escaped.
    """
    data = text.encode(errors="backslashreplace")
    if len(data) <= most:
        return data.decode()
    return f"{data[: most - len('…'.encode())].decode(errors='ignore')}…"


def forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks of `error` and of the errors that led to it, once they were answered or logged.

    A traceback holds the frames that it went through, and these hold the rows of the request. Where anything in them
    refers to the error in turn, only a full garbage collection would free the rows, and one may be a long time coming.
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

    kind, reason = Kind.INVALID, "INVALID_ARGUMENT"


class TooLarge(InvalidRequest):
    """A size of the request is beyond a limit."""

    kind, reason = Kind.TOO_LARGE, "TOO_LARGE"


class UnsupportedMedia(InvalidRequest):
    """The body is not of the type that this address reads."""

    kind, reason = Kind.UNSUPPORTED_MEDIA, "UNSUPPORTED_MEDIA_TYPE"


class NotFound(ServiceError):
    """There is nothing of that name."""

    kind, reason = Kind.NOT_FOUND, "NOT_FOUND"


class AlreadyExists(ServiceError):
    """The name stands for something else."""

    kind, reason = Kind.ALREADY_EXISTS, "ALREADY_EXISTS"


class Conflict(ServiceError):
    """The state of things forbids it."""

    kind, reason = Kind.CONFLICT, "FAILED_PRECONDITION"


class Exhausted(ServiceError):
    """A bound of the service is reached; later it may work."""

    kind, reason = Kind.EXHAUSTED, "RESOURCE_EXHAUSTED"


class TimedOut(ServiceError):
    """The caller took too long to send."""

    kind, reason = Kind.TIMED_OUT, "TIMED_OUT"


class Unavailable(ServiceError):
    """Something that is needed does not answer; the same call may work in a moment."""

    kind, reason = Kind.UNAVAILABLE, "UNAVAILABLE"


class StorageUnavailable(Unavailable):
    """The disk or a folder that is needed cannot be used now."""

    reason = "STORAGE_UNAVAILABLE"


class NoSpace(ServiceError):
    """The disk is full."""

    kind, reason = Kind.NO_SPACE, "NO_SPACE"


class DataLoss(ServiceError):
    """A stored file is missing or is not what was stored."""

    kind, reason = Kind.DATA_LOSS, "DATA_LOSS"


class OutputNotFinite(ServiceError):
    """A model answered with NaN or infinity."""

    kind, reason = Kind.UNPROCESSABLE, "OUTPUT_NOT_FINITE"


class Misdirected(ServiceError):
    """The request names a host that the service does not answer to."""

    kind, reason = Kind.MISDIRECTED, "MISDIRECTED"


class Forbidden(ServiceError):
    """Whoever sends the request may not."""

    kind, reason = Kind.FORBIDDEN, "FORBIDDEN"


class MethodNotAllowed(ServiceError):
    """The address does not take this method, but `allowed`."""

    kind, reason = Kind.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"

    def __init__(self, detail: str, *, allowed: str) -> None:
        super().__init__(detail)
        self.allowed = allowed


class DatabaseUnusable(Exception):
    """The database cannot be used; the message says which, why, and what to do. It keeps a process from starting."""
