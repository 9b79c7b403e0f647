"""Calls that move aliases. Each has an id of its own, so that it has its effect once if it is tried again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from layerwise_client._data.arguments import text, whole
from layerwise_client._transport.messages import time_of
from layerwise_proto.v1 import models_pb2

if TYPE_CHECKING:
    from layerwise_client._transport.connection import Connection


def moved(
    connection: Connection, model: str, alias: str, version: int, expected: int | None = None
) -> models_pb2.Model:
    """Point an alias at a version, and return the model."""
    request = models_pb2.SetAliasRequest(
        model=text(model, "model"),
        alias=text(alias, "alias"),
        version=whole(version, "version"),
        expected=_expected(expected),
        request_id=_new_id(),
    )
    return connection.call(connection.models.SetAlias, request)


def rolled_back(connection: Connection, model: str, alias: str, expected: int | None) -> models_pb2.Model:
    """Point an alias at the version before, and return the model."""
    request = models_pb2.RollbackAliasRequest(
        model=model, alias=text(alias, "alias"), expected=_expected(expected), request_id=_new_id()
    )
    return connection.call(connection.models.RollbackAlias, request)


def deleted(connection: Connection, model: str, alias: str, expected: int | None) -> models_pb2.Model:
    """Delete an alias, and return the model."""
    request = models_pb2.DeleteAliasRequest(
        model=model, alias=text(alias, "alias"), expected=_expected(expected), request_id=_new_id()
    )
    return connection.call(connection.models.DeleteAlias, request)


def moves_of(connection: Connection, model: str, alias: str) -> Iterator[tuple[datetime, int | None, int | None, bool]]:
    """Yield the moves of an alias, newest first: time, version before and after, whether it was a rollback."""
    request = models_pb2.ListAliasMovesRequest(model=model, alias=text(alias, "alias"))
    for move in connection.call(connection.models.ListAliasMoves, request).moves:
        yield time_of(move.time), move.before or None, move.after or None, move.rollback


def _expected(version: int | None) -> int | None:
    return None if version is None else whole(version, "expected")


def _new_id() -> str:
    return uuid.uuid4().hex
