"""Messages about aliases into the words of the domain, and back."""

from __future__ import annotations

from layerwise_proto.v1 import models_pb2
from layerwise_service.domain.aliases import AliasMove, Condition
from layerwise_service.rpc.converters import write_time


def read_condition(
    request: models_pb2.SetAliasRequest | models_pb2.RollbackAliasRequest | models_pb2.DeleteAliasRequest,
) -> Condition:
    """Return when to move the alias. Raises `InvalidRequest`."""
    return Condition(request.expected if request.HasField("expected") else None, request.request_id or None)


def write_move(move: AliasMove) -> models_pb2.AliasMove:
    """Return the move as a message."""
    return models_pb2.AliasMove(
        time=write_time(move.time), before=move.before or 0, after=move.after or 0, rollback=move.rollback
    )
