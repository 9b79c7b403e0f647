"""Aliases of versions in the database, and their moves."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise_service.domain.aliases import ALWAYS, MOST_MOVES, AliasMove, Condition, versions_to_go_back_to
from layerwise_service.domain.models import MOST_ALIASES, Model
from layerwise_service.errors import AlreadyExists, Conflict, Exhausted, NotFound, Outdated
from layerwise_service.stores.changed_models import count_change
from layerwise_service.stores.database import Database, now
from layerwise_service.stores.schema import alias_moves, aliases
from layerwise_service.stores.version_store import check_version, read_model


class AliasNotFound(NotFound):
    """The model has no such alias."""

    reason = "ALIAS_NOT_FOUND"

    def __init__(self, model: Model, alias: str) -> None:
        known = f"; its aliases are {', '.join(model.aliases)}" if model.aliases else ""
        super().__init__(f"{model.name} has no alias {alias[:64]!r}{known}", pointer="alias")


class AliasMoved(Outdated):
    """The alias does not point at the version that the caller expects."""

    reason = "ALIAS_MOVED"

    def __init__(self, model: Model, alias: str, expected: int) -> None:
        at = model.aliases.get(alias)
        if not expected:
            detail = f"expected {model.name} to have no alias {alias}, but it has one that points at version {at}"
        else:
            found = f"points at version {at}" if at is not None else "does not exist"
            detail = f"expected {alias} of {model.name} to point at version {expected}, but it {found}"
        super().__init__(f"{detail}; nothing was changed", pointer="expected")


class AliasStore:
    """Aliases and their moves. Every method is one transaction. Those with a condition raise `AliasMoved`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, model: str, alias: str, number: int, condition: Condition = ALWAYS) -> Model:
        """Point `alias` at a version. Raises `ModelNotFound`, `VersionNotFound`."""
        with self._database.write() as connection:
            found = _begin(connection, model)
            if _known(connection, condition, model=model, alias=alias, after=number, rollback=False):
                return found
            _check(condition, found, alias)
            check_version(connection, model, number)
            before = found.aliases.get(alias)
            if before is None and len(found.aliases) >= MOST_ALIASES:
                detail = f"{model} has {len(found.aliases)} aliases, the most allowed"
                detail += "; point one of them at the version instead, or delete one"
                raise Exhausted(detail, pointer="alias", reason="TOO_MANY_ALIASES")
            _move(connection, found, alias, number, condition)
            return read_model(connection, model)

    def rollback_target(self, model: str, alias: str, condition: Condition = ALWAYS) -> int:
        """Return the version that a rollback leads to, or has led to if the request is repeated.

        Raises `ModelNotFound`, `AliasNotFound`, and `Conflict` if there is none or it was deleted.
        """
        with self._database.read() as connection:
            found = read_model(connection, model)
            known = _known(connection, condition, model=model, alias=alias, rollback=True)
            if known:
                return int(known.after)
            _check(condition, found, alias)
            return _rollback_target(connection, found, alias)

    def rollback(self, model: str, alias: str, to: int, condition: Condition = ALWAYS) -> Model:
        """Point `alias` at the version before, which is still `to`. Raises what `rollback_target` raises."""
        with self._database.write() as connection:
            found = _begin(connection, model)
            if _known(connection, condition, model=model, alias=alias, rollback=True):
                return found
            _check(condition, found, alias)
            if _rollback_target(connection, found, alias) != to:
                detail = f"{alias} of {model} was moved meanwhile, and points at version {found.aliases[alias]}"
                raise Outdated(f"{detail}; nothing was changed", pointer="alias", reason="ALIAS_MOVED")
            _move(connection, found, alias, to, condition, rollback=True)
            return read_model(connection, model)

    def delete(self, model: str, alias: str, condition: Condition = ALWAYS) -> Model:
        """Delete `alias`. Raises `ModelNotFound`, `AliasNotFound`."""
        with self._database.write() as connection:
            found = _begin(connection, model)
            if _known(connection, condition, model=model, alias=alias, after=None):
                return found
            _check_exists(found, alias)
            _check(condition, found, alias)
            _move(connection, found, alias, None, condition)
            return read_model(connection, model)

    def moves(self, model: str, alias: str) -> list[AliasMove]:
        """Return the last moves of `alias`, newest first. Raises `ModelNotFound`, `AliasNotFound`."""
        with self._database.read() as connection:
            found = read_model(connection, model)
            moves = _moves(connection, model, alias)
            if not moves:
                _check_exists(found, alias)  # an alias of an older release has none
            return moves[::-1]


def _begin(connection: Connection, model: str) -> Model:
    """Return the model. Its aliases do not change until the transaction ends, since it has locked the one row."""
    count_change(connection, model)
    return read_model(connection, model)


def _known(connection: Connection, condition: Condition, **wanted: object) -> Any:
    """Return the move that was made with this request id, which must be the `wanted` one; None if there is none."""
    if condition.request_id is None:
        return None
    query = sa.select(alias_moves).where(alias_moves.c.request_id == condition.request_id)
    move = connection.execute(query).one_or_none()
    if move is not None and any(getattr(move, name) != value for name, value in wanted.items()):
        detail = f"the request id {move.request_id!r} was used for another move, of {move.alias} of {move.model}"
        raise AlreadyExists(f"{detail}; take a new one", pointer="request_id", reason="REQUEST_ID_REUSED")
    return move


def _check(condition: Condition, model: Model, alias: str) -> None:
    """Raise `AliasMoved` unless the alias points at the version that is expected."""
    if condition.expected is not None and condition.expected != model.aliases.get(alias, 0):
        raise AliasMoved(model, alias, condition.expected)


def _check_exists(model: Model, alias: str) -> None:
    if alias not in model.aliases:
        raise AliasNotFound(model, alias)


def _rollback_target(connection: Connection, model: Model, alias: str) -> int:
    _check_exists(model, alias)
    at, earlier = model.aliases[alias], versions_to_go_back_to(_moves(connection, model.name, alias))
    if not earlier:
        detail = f"{alias} of {model.name} points at version {at}, and there is no earlier move to go back to"
        raise Conflict(detail, pointer="alias", reason="NOTHING_TO_ROLL_BACK")
    try:
        check_version(connection, model.name, earlier[-1])
    except NotFound as error:
        detail = f"{alias} of {model.name} pointed at version {earlier[-1]} before, which was deleted"
        detail += f"; it still points at version {at}: point it at another one"
        raise Conflict(detail, pointer="alias", reason="NOTHING_TO_ROLL_BACK") from error
    return earlier[-1]


def _moves(connection: Connection, model: str, alias: str) -> list[AliasMove]:
    """Return the moves that are kept, oldest first, without requests that changed nothing."""
    query = sa.select(alias_moves).where(_moves_of(model, alias), ~_CHANGES_NOTHING).order_by(alias_moves.c.number)
    found = connection.execute(query)
    return [AliasMove(row.time, row.before, row.after, row.rollback) for row in found]


def _move(
    connection: Connection, model: Model, alias: str, after: int | None, condition: Condition, *, rollback: bool = False
) -> None:
    """Point the alias at the version `after`, unless it points there already; delete it if there is none.

    A request with an id is kept also if it changes nothing: repeated later, it must not undo the move of another.
    """
    before = model.aliases.get(alias)
    if before == after and condition.request_id is None:
        return
    this = (aliases.c.model == model.name) & (aliases.c.alias == alias)
    if after is None:
        connection.execute(sa.delete(aliases).where(this))
    elif before is None:
        connection.execute(sa.insert(aliases).values(model=model.name, alias=alias, number=after))
    else:
        connection.execute(sa.update(aliases).where(this).values(number=after))
    moves = _moves_of(model.name, alias)
    number = (connection.scalar(sa.select(sa.func.max(alias_moves.c.number)).where(moves)) or 0) + 1
    row = {"model": model.name, "alias": alias, "number": number, "before": before, "after": after}
    row |= {"rollback": rollback, "request_id": condition.request_id}
    connection.execute(sa.insert(alias_moves).values(time=now(), **row))
    like_it = _CHANGES_NOTHING if before == after else ~_CHANGES_NOTHING
    numbers = sa.select(alias_moves.c.number).where(moves, like_it).order_by(alias_moves.c.number.desc())
    oldest = connection.scalar(numbers.offset(MOST_MOVES).limit(1))
    if oldest is not None:
        connection.execute(sa.delete(alias_moves).where(moves, like_it, alias_moves.c.number <= oldest))


_CHANGES_NOTHING = sa.func.coalesce(alias_moves.c.before, 0) == sa.func.coalesce(alias_moves.c.after, 0)


def _moves_of(model: str, alias: str) -> sa.ColumnElement[bool]:
    return (alias_moves.c.model == model) & (alias_moves.c.alias == alias)
