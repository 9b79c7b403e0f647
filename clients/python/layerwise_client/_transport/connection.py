"""The gRPC channel to one service. Each call has a deadline, and is tried again where that is safe."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import grpc

from layerwise_client._transport.errors import from_rpc
from layerwise_client._transport.proxy import proxy_to
from layerwise_client._transport.wrong_port import rest_as_target
from layerwise_client.errors import DeadlineExceeded, LayerwiseError, Unavailable
from layerwise_proto.v1 import datasets_pb2_grpc, models_pb2_grpc, training_pb2_grpc

if TYPE_CHECKING:
    from google.protobuf.message import Message

    Request = TypeVar("Request", bound=Message)
    Response = TypeVar("Response", bound=Message)
T = TypeVar("T")

_DELAYS = (0.1, 0.2, 0.4, 0.8)  # seconds between tries; the last one repeats

_CLOSE_SECONDS = 5.0

MESSAGE_BYTES = 8 << 20
"""Largest message over gRPC, or body over REST, that every service accepts."""

_OPTIONS = (
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", 64 << 20),  # probabilities of 4,096 rows × 4,000 classes
    # While a job is watched, pings detect a service that vanished without closing the connection.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # By default a channel waits from a second up to two minutes before it tries to connect again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


class Deadline:
    """A point in time, `seconds` from now; never if None."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Return the seconds that are left, at least 0; None if there is no limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        return self.left() == 0.0

    def leaves(self, seconds: float) -> bool:
        """Return whether more than `seconds` are left."""
        left = self.left()
        return left is None or left > seconds


class Retries:
    """Growing pauses between the failed tries of one call.

    A try that succeeds ends a series of failures. After `patience` seconds of a series, the last error is raised.
    `on_waiting` is called with `address` once in a series, after the second failure, since a first failure is often
    repaired at once. `cause` is called at the first failure with the seconds that are left; its error ends the call.
    """

    def __init__(
        self,
        address: str,
        *,
        patience: float,
        on_waiting: Callable[[str], None] | None = None,
        cause: Callable[[float], LayerwiseError | None] = lambda left: None,
    ) -> None:
        self._address = address
        self._patience = patience
        self._on_waiting = on_waiting
        self._cause = cause
        self._end = Deadline(None)
        self._count = 0

    def succeeded(self) -> None:
        self._count, self._end = 0, Deadline(None)

    @property
    def delay(self) -> float:
        """Longest duration of the next pause in seconds."""
        return _DELAYS[min(self._count, len(_DELAYS) - 1)]

    def failed(self, error: LayerwiseError, deadline: Deadline) -> None:
        """Pause before another try, not beyond `deadline`. Raises `error` if the patience is over."""
        if self._count == 0:
            self._end = Deadline(self._patience)
            left = deadline.left()
            if (cause := self._cause(self._patience if left is None else left)) is not None:
                raise cause from error
        elif self._end.passed():
            raise error
        if self._count == 1 and self._on_waiting is not None:
            self._on_waiting(self._address)
        self.pause(deadline)

    def pause(self, deadline: Deadline) -> None:
        """Sleep longer than the last time, not beyond `deadline`."""
        # Randomly a little shorter, so that not all clients of a restarted service call it at once.
        delay = self.delay * random.uniform(0.7, 1.0)  # noqa: S311
        self._count += 1
        time.sleep(min(left for left in (delay, self._end.left(), deadline.left()) if left is not None))


class Connection:
    """A channel to `target` and the stubs of its services.

    The channel is opened at the first call. `on_waiting` is called with the address if the service does not answer and
    the call is tried again.
    """

    def __init__(self, target: str, *, timeout: float, on_waiting: Callable[[str], None] | None = None) -> None:
        self.target = target
        self.timeout = timeout
        self.on_waiting = on_waiting
        self._opening = threading.Lock()
        self._opened: _Opened | None = None
        self._closed = False
        self.published: dict[str, int] = {}
        """Newest version that jobs of this client published, by model."""

    @property
    def training(self) -> training_pb2_grpc.TrainingServiceStub:
        return self._open().training

    @property
    def models(self) -> models_pb2_grpc.ModelServiceStub:
        return self._open().models

    @property
    def prediction(self) -> models_pb2_grpc.PredictionServiceStub:
        return self._open().prediction

    @property
    def datasets(self) -> datasets_pb2_grpc.DatasetServiceStub:
        return self._open().datasets

    def call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        timeout: float | None = None,
    ) -> Response:
        """Return the answer to `request` within the timeout. Every unary call of the API is safe to repeat."""
        timeout = self.timeout if timeout is None else timeout
        deadline = Deadline(timeout)
        retries = self.retries(self.on_waiting)
        return retrying(lambda: self.try_once(method, request, deadline, timeout=timeout), retries, deadline)

    def retries(self, on_waiting: Callable[[str], None] | None) -> Retries:
        """Return the pauses of one call, which ends at once if the target is no address of gRPC."""
        return Retries(self.target, patience=self.timeout, on_waiting=on_waiting, cause=self._wrong_target)

    def _wrong_target(self, left: float) -> LayerwiseError | None:
        through_proxy = self._opened is not None and self._opened.proxy is not None
        return None if through_proxy else rest_as_target(self.target, left)

    def try_once(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        deadline: Deadline,
        *,
        timeout: float | None = None,
    ) -> Response:
        """Return the answer to `request`, by the timeout or `deadline`, whichever is first. Does not try again."""
        self.check_open()
        most, left = timeout or self.timeout, deadline.left()
        try:
            return method(request, timeout=most if left is None else min(left, most))
        except grpc.RpcError as exc:
            raise self.error(exc) from exc

    def error(self, exc: grpc.RpcError) -> LayerwiseError:
        """Return the error of this package for a failed call."""
        return from_rpc(exc, self.target, self._opened.proxy if self._opened else None)

    def check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")

    def close(self) -> None:
        """Close the channel, and end every call on it."""
        self._closed = True
        if self._opened is None or not _owner.is_this_process:  # nothing is open here
            return
        # In a thread, for a limited time: after Ctrl-C during a call, gRPC may wait forever in `close`.
        closing = threading.Thread(target=self._opened.channel.close, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    def _open(self) -> _Opened:
        self.check_open()
        _owner.check()
        with self._opening:
            self._opened = self._opened or _Opened(self.target)
            return self._opened


class _Opened:
    """The channel to `target`, directly or through a proxy, and its stubs."""

    def __init__(self, target: str) -> None:
        self.proxy = proxy_to(target)
        through = ("grpc.enable_http_proxy", int(self.proxy is not None))
        self.channel = grpc.insecure_channel(target, options=(*_OPTIONS, through))
        self.training = training_pb2_grpc.TrainingServiceStub(self.channel)
        self.models = models_pb2_grpc.ModelServiceStub(self.channel)
        self.prediction = models_pb2_grpc.PredictionServiceStub(self.channel)
        self.datasets = datasets_pb2_grpc.DatasetServiceStub(self.channel)


class _Owner:
    """The process in which gRPC runs. gRPC does not work after a fork, not even with a new channel."""

    def __init__(self) -> None:
        self._process: int | None = None

    @property
    def is_this_process(self) -> bool:
        return self._process in (None, os.getpid())

    def check(self) -> None:
        """Raise `RuntimeError` in a process that was forked after the first call."""
        if self._process is None:
            self._process = os.getpid()
        if not self.is_this_process:
            raise RuntimeError(
                "this process was forked after the first call over gRPC, which does not work after a fork; start "
                "processes by spawn (multiprocessing.get_context('spawn')), fork before the first call, or predict "
                "over rest="
            )


_owner = _Owner()


def retrying(attempt: Callable[[], T], retries: Retries, deadline: Deadline) -> T:
    """Return the result of `attempt`, which is tried again while it raises `Unavailable`.

    Raises the last `Unavailable` if there is no time for another try, even if the last try exceeded the deadline.
    """
    absent: Unavailable | None = None
    try:
        while True:
            try:
                return attempt()
            except Unavailable as exc:
                absent = exc
                if not deadline.leaves(retries.delay):
                    raise
                retries.failed(exc, deadline)
            except DeadlineExceeded:
                if absent is None:
                    raise
                raise absent from None
    finally:
        del absent  # its traceback refers to this frame, which would keep the request in memory
