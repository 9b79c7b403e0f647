"""The gRPC channel to one service: a deadline on every call, another try where trying again is safe."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import grpc

from layerwise_client._boundary import from_rpc
from layerwise_client.errors import InvalidRequest, Unavailable
from layerwise_proto.v1 import models_pb2_grpc, training_pb2_grpc

if TYPE_CHECKING:
    from google.protobuf.message import Message

    Request = TypeVar("Request", bound=Message)
    Response = TypeVar("Response", bound=Message)
T = TypeVar("T")

RETRY_DELAYS = (0.1, 0.2, 0.4, 0.8)  # seconds: a service that is not there is told of within two

_OPTIONS = (
    ("grpc.max_send_message_length", 8 << 20),  # what the service takes
    ("grpc.max_receive_message_length", 64 << 20),  # probabilities of 4,096 rows × 4,000 classes
    # A peer that has vanished without a word is noticed while a job is watched.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # By default a channel waits a second, later two minutes, before it looks for a service that was not there.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


class Deadline:
    """A point in time, `seconds` from now; None is never."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Seconds until then, at least 0; None: for ever."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        return self.left() == 0.0


class Connection:
    """A channel to `target`, its three services, and the rules by which they are called."""

    def __init__(self, target: str, *, api_key: str | None, timeout: float) -> None:
        self.target = target
        self.timeout = timeout
        self.metadata = (("authorization", f"Bearer {api_key}"),) if api_key else ()
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._closed = False
        self.training = training_pb2_grpc.TrainingServiceStub(self._channel)
        self.models = models_pb2_grpc.ModelServiceStub(self._channel)
        self.prediction = models_pb2_grpc.PredictionServiceStub(self._channel)

    def call(self, method: grpc.UnaryUnaryMultiCallable[Request, Response], request: Request) -> Response:
        """The answer to `request`, within the timeout. Every unary call of the API may be repeated without harm."""
        self.check_open()
        deadline = Deadline(self.timeout)

        def attempt() -> Response:
            try:
                return method(request, timeout=deadline.left(), metadata=self.metadata)
            except grpc.RpcError as exc:
                raise from_rpc(exc, self.target) from exc

        return retrying(attempt, deadline)

    def check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")

    def close(self) -> None:
        """Ends the channel and every call on it."""
        self._closed = True
        self._channel.close()


def retrying(attempt: Callable[[], T], deadline: Deadline) -> T:
    """What `attempt` gives; while it raises `Unavailable`, a few tries more, none of them after `deadline`."""
    for delay in RETRY_DELAYS:
        try:
            return attempt()
        except Unavailable:
            left = deadline.left()
            if left is not None and left <= delay:
                raise
            pause(delay)
    return attempt()


def pause(seconds: float) -> None:
    """Sleeps about `seconds`: many clients of a service that restarts do not come back in one moment."""
    time.sleep(seconds * random.uniform(0.7, 1.0))  # noqa: S311


def text(value: object, name: str) -> str:
    """`value` if it is a string that can travel; else an error that names the argument."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{name}: expected a string, got {type(value).__name__}", pointer=name)
    if not value.isprintable():  # lone surrogates, which cannot be encoded, among them
        raise InvalidRequest(f"{name}: expected printable text, got {value!r}", pointer=name)
    return value
