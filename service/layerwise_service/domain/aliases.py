"""The moves of an alias: on which condition it moves, and where a rollback leads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from layerwise_service.errors import InvalidRequest

MOST_MOVES = 100
"""Moves of each alias that are kept, the newest ones."""


_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class Condition:
    """When to move an alias.

    `expected` is the version that it must point at now, 0 if there must be no such alias; None: in any case. A request
    that is repeated with the same `request_id` moves it once.
    """

    expected: int | None = None
    request_id: str | None = None

    def __post_init__(self) -> None:
        if self.expected is not None and self.expected < 0:
            detail = f"expected the number of a version, or 0 for an alias that does not exist, got {self.expected}"
            raise InvalidRequest(detail, pointer="expected")
        if self.request_id is not None and not _REQUEST_ID.fullmatch(self.request_id):
            detail = f"expected 1 to 128 letters, digits, dots, dashes and underscores, got {self.request_id[:64]!r}"
            raise InvalidRequest(detail, pointer="request_id")


ALWAYS = Condition()


@dataclass(frozen=True, slots=True)
class AliasMove:
    """A move of an alias from one version to another; `before` is None for a new alias, `after` for a deleted one."""

    time: float
    before: int | None
    after: int | None
    rollback: bool


def versions_to_go_back_to(moves: Iterable[AliasMove]) -> list[int]:
    """Return the versions that rollbacks of an alias go back through, the next one last. `moves` has the oldest first.

    A rollback undoes the last move that is not undone yet, so that another one goes back further. After 1, 2, 3 and a
    rollback to 2, the next one leads to 1.
    """
    earlier: list[int] = []
    for move in moves:
        if move.before is None or move.after is None:
            earlier = []
        elif move.rollback:
            earlier = earlier[:-1]
        else:
            earlier.append(move.before)
    return earlier
