"""/api/models/<model>/aliases: aliases are moved, rolled back and deleted."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, request

from layerwise_service.domain.aliases import Condition
from layerwise_service.rest.bodies import read_json
from layerwise_service.rest.query import check_query, has_body, small_request, whole_number
from layerwise_service.rest.responses import json_response, model_json, move_json
from layerwise_service.usecases.aliases import Aliases


class ConditionBody(msgspec.Struct, forbid_unknown_fields=True):
    """When to move an alias."""

    expected: int | None = None
    request_id: str | None = None


class MoveBody(ConditionBody, forbid_unknown_fields=True, kw_only=True):
    """The version that an alias shall point at, and when."""

    version: int


def alias_routes(aliases: Aliases) -> Blueprint:
    """Return the routes, which call these use-cases."""
    routes = Blueprint("aliases", __name__, url_prefix="/api/models/<model>/aliases")

    @routes.put("/<alias:alias>")
    def set_alias(model: str, alias: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        body = read_json(MoveBody, small_request())
        return json_response(model_json(aliases.set(model, alias, body.version, _condition(body))))

    @routes.post("/<alias:alias>:rollback")
    def rollback_alias(model: str, alias: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        body = read_json(ConditionBody, small_request()) if has_body() else ConditionBody()
        return json_response(model_json(aliases.rollback(model, alias, _condition(body))))

    @routes.delete("/<alias:alias>")
    def delete_alias(model: str, alias: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query("expected", "request_id")
        expected = whole_number("expected") if "expected" in request.args else None
        aliases.delete(model, alias, Condition(expected, request.args.get("request_id")))
        return Response(status=204)

    @routes.get("/<alias:alias>/moves")
    def list_moves(model: str, alias: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        return json_response({"moves": [move_json(move) for move in aliases.moves(model, alias)]})

    return routes


def _condition(body: ConditionBody) -> Condition:
    return Condition(body.expected, body.request_id)
