"""Checks of query parameters."""

from __future__ import annotations

from flask import request

from layerwise_service.errors import InvalidRequest


def check_query(*known: str) -> None:
    """Raise `InvalidRequest` at the first query parameter of this request that is not in `known`."""
    for name in request.args:
        if name not in known:
            detail = f"unknown query parameter; this address takes {', '.join(known)}"
            raise InvalidRequest(detail, pointer=name[:64], reason="UNKNOWN_FIELD")
