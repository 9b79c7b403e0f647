"""Turns errors into gRPC statuses with a google.rpc.ErrorInfo. Nothing else does."""

from __future__ import annotations

import asyncio
import inspect
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from grpc import aio

from layerwise_proto.v1.errors_pb2 import ErrorInfo, ErrorStatus
from layerwise_service.errors import ErrorKind, InvalidRequest, ServiceError, TooLarge, forget_frames
from layerwise_service.rpc.message_limits import check_fields

log = structlog.get_logger()

DOMAIN = "layerwise"
Context = aio.ServicerContext[Any, Any]
Method: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class ErrorBoundary:
    """Answers a `ServiceError` with its status, and any other exception with "internal error" and a request id.

    A request that cannot be decoded is answered in the same way. So is an answer of more than `max_answer_bytes`, since
    gRPC's own error would not say what to do.
    """

    def __init__(self, *, max_answer_bytes: int) -> None:
        self._max_answer_bytes = max_answer_bytes
        self._calls: set[asyncio.Task[Any]] = set()

    def around(self, server: aio.Server) -> aio.Server:
        """Return what takes services in place of `server`, so that all their methods are within the boundary.

        An interceptor would do the same, but again at each call, of whose time it takes a tenth.
        """
        guarded: Any = _GuardedServer(server, self._guard)
        return cast(aio.Server, guarded)

    async def ended(self) -> None:
        """Wait for the tasks of all calls: gRPC stops without waiting for the cleanup of cancelled calls.

        Threads that cancelled calls started may still run.
        """
        while self._calls:
            await asyncio.wait(list(self._calls))

    def _guard(self, handler: Any, method: str) -> Method:
        decode = _decoder(handler.request_deserializer)
        encode = handler.response_serializer
        opened = _Checked if handler.request_streaming else _checked
        if handler.response_streaming:
            stream = self._guard_stream(handler.stream_stream or handler.unary_stream, opened, method)
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            return make(stream, request_deserializer=decode, response_serializer=encode)
        call = self._guard_unary(handler.stream_unary or handler.unary_unary, opened, encode, method)
        make = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make(call, request_deserializer=decode, response_serializer=None)

    def _guard_unary(
        self,
        inner: Callable[[Any, Any], Awaitable[Any]],
        opened: Callable[[Any], Any],
        encode: Callable[[Any], bytes],
        method: str,
    ) -> Any:
        """Return the call, which returns its answer encoded, as its size is known only then.

        `opened` gives a request, or a stream of them, checked.
        """
        most = self._max_answer_bytes

        async def call(request: Any, context: Context) -> bytes:
            with self._boundary(context, method):
                answer = encode(await inner(opened(request), context))
                if len(answer) > most:
                    detail = f"the answer would have {len(answer):,} bytes, and at most {most:,} are allowed"
                    raise TooLarge(f"{detail}; ask for fewer items at once")
                return answer
            return b""

        return call

    def _guard_stream(self, inner: Callable[[Any, Any], Any], opened: Callable[[Any], Any], method: str) -> Any:
        if not inspect.isasyncgenfunction(inner):  # gRPC's health service writes to the context instead of yielding

            async def write(request: Any, context: Context) -> None:
                with self._boundary(context, method):
                    await inner(opened(request), context)

            return write

        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            with self._boundary(context, method):
                async with aclosing(inner(opened(request), context)) as responses:
                    async for response in responses:
                        yield response

        return call

    @contextmanager
    def _boundary(self, context: Context, method: str) -> Generator[None]:
        """Answer with the error that the block raises.

        It sets the status rather than aborting: with an abort, gRPC keeps the exception, and so the frames of the call
        and the rows in them.
        """
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        try:
            yield
        except aio.AbortError:  # gRPC's own services abort
            raise
        except ServiceError as error:
            if error.kind is ErrorKind.DATA_LOSS:
                log.error("data_loss", method=method, detail=str(error))
            _set_status(context, error, {})
            forget_frames(error)
        except Exception as error:
            request_id = secrets.token_hex(8)
            log.error("request_failed", method=method, request_id=request_id, exc_info=error)
            shown = ServiceError("internal error; search the service's log for the request id")
            _set_status(context, shown, {"request_id": request_id})
            forget_frames(error)


class _GuardedServer(grpc.GenericRpcHandler):
    """Has the methods of a server that the generated functions call to add a service, and finds all methods at once."""

    def __init__(self, server: aio.Server, guard: Callable[[Any, str], Method]) -> None:
        self._guard = guard
        self._methods: dict[str, Method] = {}
        server.add_generic_rpc_handlers((self,))

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Method | None:
        """Return what answers a call, None for an unknown method."""
        return self._methods.get(handler_call_details.method)

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Do nothing: the same handlers come by `add_registered_method_handlers`, where their names are known."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Method]) -> None:
        """Add the methods of a service by their names."""
        for name, handler in handlers.items():
            method = f"/{service}/{name}"
            self._methods[method] = self._guard(handler, method)


@dataclass(frozen=True, slots=True)
class _Undecodable:
    """Stands for a request whose bytes are not a message, or a message of too many fields."""

    error: InvalidRequest


def _decoder(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Wrap `decode` to return an `_Undecodable` instead of raising: gRPC would answer INTERNAL and log a traceback."""
    kind: Descriptor = decode.__self__.DESCRIPTOR  # type: ignore[attr-defined]

    def decoded(data: bytes) -> Any:
        try:
            check_fields(data, kind)
            return decode(data)
        except TooLarge as error:
            return _Undecodable(error.with_traceback(None))
        except (DecodeError, ValueError):
            detail = f"the request's {len(data)} bytes are not a message of this method"
            detail += "; does the client use the same version of the API?"
            return _Undecodable(InvalidRequest(detail, reason="UNDECODABLE_REQUEST"))

    return decoded


def _checked(request: Any) -> Any:
    """Return the request. Raises `InvalidRequest` for one that could not be decoded."""
    if isinstance(request, _Undecodable):
        raise request.error
    return request


class _Checked:
    """The requests of a stream, each checked when it arrives."""

    def __init__(self, requests: AsyncIterator[Any]) -> None:
        self._requests = requests

    def __aiter__(self) -> _Checked:
        return self

    async def __anext__(self) -> Any:
        return _checked(await anext(self._requests))


def _set_status(context: Context, error: ServiceError, metadata: dict[str, str]) -> None:
    if error.place:
        metadata |= {"pointer": error.pointer, "place": json.dumps(error.place, ensure_ascii=False)}
    if error.retry_after is not None:
        metadata |= {"retry_after_seconds": str(error.retry_after)}
    info = ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    detail = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info.SerializeToString())
    status = ErrorStatus(code=error.grpc_code, message=str(error), details=[detail])
    context.set_code(_CODES[error.grpc_code])
    context.set_details(str(error))
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
