"""The one place where errors become gRPC statuses, each with one google.rpc.ErrorInfo."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from grpc import aio

from layerwise_proto.v1.errors_pb2 import ErrorInfo, ErrorStatus
from layerwise_service.errors import Kind, ServiceError, TooLarge

log = structlog.get_logger()

DOMAIN = "layerwise"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_OURS = "/layerwise."  # health and reflection bring their own ways


class ErrorBoundary(aio.ServerInterceptor):
    """Answers a `ServiceError` with its status, and any other exception with "internal error" and a request id.

    An answer of more than `max_answer_bytes` becomes an error too, for gRPC's own would not say what to do.
    """

    def __init__(self, *, max_answer_bytes: int) -> None:
        self._max_answer_bytes = max_answer_bytes

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler: Any = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or not method.startswith(_OURS):
            return handler  # type: ignore[no-any-return]
        codec = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            stream = _guard_stream(handler.stream_stream or handler.unary_stream, method)
            if handler.request_streaming:
                return grpc.stream_stream_rpc_method_handler(stream, **codec)
            return grpc.unary_stream_rpc_method_handler(stream, **codec)
        return grpc.unary_unary_rpc_method_handler(_guard(handler.unary_unary, method, self._max_answer_bytes), **codec)


def _guard(inner: Callable[[Any, Any], Awaitable[Any]], method: str, most: int) -> Any:
    async def call(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        async with _boundary(context, method):
            answer = await inner(request, context)
            if (size := answer.ByteSize()) > most:
                raise TooLarge(f"the answer has {size} bytes, and a message may have {most}; ask for less at once")
            return answer

    return call


def _guard_stream(inner: Callable[[Any, Any], AsyncIterator[Any]], method: str) -> Any:
    async def call(request: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        async with _boundary(context, method):
            async for response in inner(request, context):
                yield response

    return call


@asynccontextmanager
async def _boundary(context: aio.ServicerContext[Any, Any], method: str) -> AsyncGenerator[None]:
    try:
        yield
    except aio.AbortError:
        raise
    except ServiceError as error:
        if error.kind is Kind.DATA_LOSS:
            log.error("data_loss", method=method, detail=str(error))
        await _abort(context, error, {})
    except Exception as error:
        request_id = secrets.token_hex(8)
        log.error("request_failed", method=method, request_id=request_id, exc_info=error)
        told = ServiceError("internal error; the log of the service has the details under the request id")
        await _abort(context, told, {"request_id": request_id})


async def _abort(context: aio.ServicerContext[Any, Any], error: ServiceError, metadata: dict[str, str]) -> None:
    if error.pointer:
        metadata |= {"pointer": error.pointer}
    if error.retry_after is not None:
        metadata |= {"retry_after_seconds": str(error.retry_after)}
    info = ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    detail = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info.SerializeToString())
    status = ErrorStatus(code=error.grpc_code, message=str(error), details=[detail])
    trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(_CODES[error.grpc_code], str(error), trailing_metadata=trailing)
