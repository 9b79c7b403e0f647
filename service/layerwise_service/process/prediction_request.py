"""The request for predictions that a thread or a task answers: how long its stages take, and when it is pointless."""

from __future__ import annotations

from contextvars import ContextVar, Token
from time import monotonic, perf_counter
from types import TracebackType

from layerwise_service.errors import CallTooLate, DeadlineExceeded, ServiceError
from layerwise_service.process.counts import COUNTS, FAILURES, WARNINGS
from layerwise_service.process.step_threads import StepThreads

_LONGEST = 86_400.0  # seconds that a caller waits; a thread cannot wait for a hundred years


class PredictionRequest:
    """A request for predictions, which is counted when the `with` block that answers it ends.

    Whoever takes part in the answer finds it by `current_request` and says what it did: the version that was found,
    the time spent waiting and in the network. What is before the outputs and is neither counts as decoding, what is
    after them as encoding. A request that failed counts for its reason, and for its version if that was known.
    """

    __slots__ = (
        "_compute",
        "_computed",
        "_ended",
        "_executions",
        "_of_call",
        "_queue",
        "_rows",
        "_start",
        "_token",
        "_warnings",
        "deadline",
        "threads",
        "version",
    )

    def __init__(self, *, seconds: float | None = None, threads: StepThreads | None = None) -> None:
        """Begin a request whose caller waits for `seconds`, None for however long it takes."""
        self._start = perf_counter()
        self.threads = threads
        """Where steps that take long are made while an event loop answers others; None: the request has a thread."""
        self.deadline = self._of_call = None if seconds is None else monotonic() + min(seconds, _LONGEST)
        """A time of `time.monotonic` until which the caller waits; None if it waits for however long it takes."""
        self.version = ("", "")
        """The names of model and version; empty until the version is found."""
        self._queue = self._compute = self._computed = 0.0
        self._rows = self._executions = 0.0
        self._warnings: list[tuple[str, float]] = []
        self._ended = False
        self._token: Token[PredictionRequest] | None = None

    def found(self, model: str, version: int | None = None) -> None:
        """Note which version is to predict; None: it cannot, but the model is known."""
        self.version = model, "" if version is None else str(version)

    def limit(self, seconds: float) -> None:
        """Note that the caller waits for `seconds` from now at most."""
        deadline = monotonic() + min(seconds, _LONGEST)
        self.deadline = deadline if self.deadline is None else min(self.deadline, deadline)

    def waited(self, seconds: float) -> None:
        """Note time spent waiting: for a thread, for other requests, for a batch."""
        self._queue += seconds

    def computed(self, *, rows: int, seconds: float, executions: float = 1.0) -> None:
        """Note that there are outputs of `rows`, for which the network took `seconds`.

        `executions` is 0 for a request whose rows were computed with those of another, which has 1.
        """
        self._rows += rows
        self._compute += seconds
        self._executions += executions
        self._computed = perf_counter()

    def give_up(self) -> None:
        """Note that nobody waits for the answer any more."""
        self._ended = True

    def warned(self, reason: str, rows: int) -> None:
        """Note that so many cells of the rows are unusual."""
        self._warnings.append((reason, float(rows)))

    @property
    def is_pointless(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._ended or (self.deadline is not None and monotonic() >= self.deadline)

    def check(self) -> None:
        """Raise `DeadlineExceeded` or `CallTooLate` if nobody waits for the answer any more."""
        if self.is_pointless:
            raise self.too_late()

    def too_late(self) -> ServiceError:
        """Return the error for a request that nobody waits for any more.

        A passed deadline of a gRPC call has gRPC's own code for it. Any other error says that the call may be repeated.
        """
        detail = "the time that the caller gave this request was over before it was computed"
        of_call = self._of_call is not None and self.deadline == self._of_call
        return CallTooLate(detail) if of_call else DeadlineExceeded(detail)

    def __enter__(self) -> PredictionRequest:
        self._token = _CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end = perf_counter()
        assert self._token is not None
        _CURRENT.reset(self._token)
        self._ended = True
        seconds = end - self._start
        if error is not None:
            COUNTS.add((FAILURES, *self.version, self._reason(error)), [1.0, seconds])
        elif self._rows:
            decode = self._computed - self._start - self._queue - self._compute
            stages = (seconds, self._queue, decode, self._compute, end - self._computed)
            COUNTS.predicted(*self.version, stages, rows=self._rows, executions=self._executions)
            for reason, rows in self._warnings:
                COUNTS.add((WARNINGS, *self.version, reason), [rows])

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, ServiceError):
            return error.reason
        if isinstance(error, Exception):
            return ServiceError.reason
        # the task of the call was cancelled
        passed = self.deadline is not None and monotonic() >= self.deadline
        return DeadlineExceeded.reason if passed else "CANCELLED"


_CURRENT: ContextVar[PredictionRequest] = ContextVar("request", default=PredictionRequest())  # noqa: B039 - never counted


def current_request() -> PredictionRequest:
    """Return the request that is being answered; outside of any, one that is never counted."""
    return _CURRENT.get()
