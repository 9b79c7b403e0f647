"""Translation of gRPC statuses and HTTP answers into errors of this package."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError

from layerwise_client._transport.proxy import Proxy
from layerwise_client.errors import (
    Conflict,
    DeadlineExceeded,
    InvalidRequest,
    LayerwiseError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServiceFault,
    Unavailable,
)
from layerwise_proto.v1 import errors_pb2

_BY_CODE: Mapping[grpc.StatusCode, type[LayerwiseError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: Conflict,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.UNAUTHENTICATED: PermissionDenied,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,  # never by the SDK: the service stopped during the call
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}

_BY_STATUS: Mapping[int, type[LayerwiseError]] = {
    401: PermissionDenied,
    403: PermissionDenied,
    404: NotFound,
    408: DeadlineExceeded,
    409: Conflict,
    412: Conflict,
    422: Conflict,
    429: ResourceExhausted,
    502: Unavailable,
    503: Unavailable,
    504: DeadlineExceeded,
    507: ResourceExhausted,
}


def from_rpc(error: grpc.RpcError, target: str, proxy: Proxy | None = None) -> LayerwiseError:
    """Return the error for a failed call to `target`, through `proxy` if there is one."""
    code, details = error.code(), error.details() or ""
    kind = _BY_CODE.get(code, ServiceFault)
    info = _error_info(error)
    if info is not None:
        metadata = info.metadata
        pointer = metadata.get("pointer", "")
        return kind(
            details,
            reason=info.reason,
            pointer=_steps(_from_json(metadata.get("place", ""))) or pointer,
            request_id=metadata.get("request_id", ""),
            detail=details.removeprefix(f"{pointer}: "),  # the message of a status begins with it
        )
    if proxy is not None and kind in (Unavailable, DeadlineExceeded, ServiceFault):
        why = "no answer in time" if kind is DeadlineExceeded else _last_cause(details)
        return kind(f"{target} cannot be reached through {proxy} ({why}); {proxy.around(target)}")
    if kind is Unavailable:
        return unreachable(target, details)
    if kind is DeadlineExceeded:
        return DeadlineExceeded(f"{target} did not answer in time")
    if kind is ResourceExhausted:
        limit = "a limit of gRPC, or of a proxy on the way, was exceeded"
        return ResourceExhausted(f"{target}: {limit} ({details or code.name})")
    if kind is ServiceFault:
        return ServiceFault(f"{target} failed without saying why ({details or code.name})")
    return kind(f"{target}: {details or code.name}")


@contextmanager
def hinting_at_version(model: str, version: str = "", *, write: str = "{!r}, version={!r}") -> Generator[None]:
    """Add to a `NotFound` about a model named "model/version" how to `write` that, if no `version` is given."""
    try:
        yield
    except NotFound as exc:
        name, slash, own = model.partition("/")
        if not slash or version:
            raise
        hint = f"; write {write.format(name, own)}"
        found = NotFound(
            f"{exc}{hint}",
            reason=exc.reason,
            pointer=exc.place,
            request_id=exc.request_id,
            detail=f"{exc.detail}{hint}",
        )
        raise found from exc


def unreachable(address: str, details: str) -> Unavailable:
    """Return the error for an `address` where no service answers, with the last of the causes in `details`."""
    return Unavailable(
        f"no Layerwise service answers at {address} ({_last_cause(details)}); `layerwise serve` starts one"
    )


def _last_cause(details: str) -> str:
    """Return the last of the causes in a message of gRPC, such as "Connection refused (111)".

    It is only shown. No decision depends on the text of a message.
    """
    return details.rsplit(": ", 1)[-1].strip().rstrip(".]") or "no connection"


def from_http(status: int, body: bytes, address: str) -> LayerwiseError:
    """Return the error for an HTTP answer. Its `body` is a problem of RFC 9457, or anything if a proxy answers."""
    kind = _BY_STATUS.get(status, InvalidRequest if 400 <= status < 500 else ServiceFault)
    problem = _from_json(body)
    if not isinstance(problem, dict):
        return kind(f"{address} answered {status} without saying why")
    problem = cast("dict[str, Any]", problem)
    message = str(problem.get("detail") or problem.get("title") or f"{address} answered {status}")
    errors = problem.get("errors")
    first = cast("list[object]", errors)[0] if isinstance(errors, list) and errors else None
    wrong = cast("dict[str, object]", first) if isinstance(first, dict) else {}
    return kind(
        message,
        reason=str(problem.get("reason") or ""),
        pointer=_steps(wrong.get("place")) or str(wrong.get("pointer") or ""),
        request_id=str(problem.get("request_id") or ""),
        detail=str(wrong.get("detail") or message),
    )


def _from_json(text: str | bytes) -> object:
    """Return the value of a JSON text; None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _steps(place: object) -> tuple[str | int, ...]:
    """Return the names and indices of a place in JSON form; none if it is something else."""
    steps = cast("list[object]", place) if isinstance(place, list) else []
    found = tuple(step for step in steps if isinstance(step, str | int) and not isinstance(step, bool))
    return found if len(found) == len(steps) else ()


def _error_info(error: grpc.RpcError) -> errors_pb2.ErrorInfo | None:
    metadata = cast("tuple[tuple[str, str | bytes], ...] | None", error.trailing_metadata())
    for key, value in metadata or ():
        if key != "grpc-status-details-bin" or not isinstance(value, bytes):
            continue
        try:
            for detail in errors_pb2.ErrorStatus.FromString(value).details:
                if detail.type_url.endswith("google.rpc.ErrorInfo"):
                    return errors_pb2.ErrorInfo.FromString(detail.value)
        except DecodeError:  # perhaps of a proxy; the status itself still says what happened
            return None
    return None
