"""Pages of long lists: bounded in how many items they have, and in bytes where items may be large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from layerwise_service.errors import InvalidRequest

T = TypeVar("T")

MOST = 1_000
DEFAULT = 100
PAGE_BYTES = 2 * 2**20
"""What the items of a page have together, at most, unless it is a single one: a quarter of a message, at least."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, and the token of the next page; empty on the last."""

    items: Sequence[T]
    next_token: str = ""


def page_limit(size: int) -> int:
    """How many a page may have whose caller asked for `size`; 0 asks for the default. Raises `InvalidRequest`."""
    if not 0 <= size <= MOST:
        raise InvalidRequest(f"expected 0 to {MOST}, got {size}", pointer="page_size")
    return size or DEFAULT


def page_start(token: str) -> int:
    """The place that a page starts at whose token is a number. Raises `InvalidRequest`."""
    if not token:
        return 0
    if not (token.isascii() and token.isdecimal() and len(token) < 10):
        raise InvalidRequest("expected the next_page_token of the page before", pointer="page_token")
    return int(token)


def fitting(sizes: Sequence[int], *, limit: int) -> int:
    """How many items of these `sizes`, in bytes, make a page: at most `limit`, and at least one."""
    total = 0
    for count, size in enumerate(sizes[:limit]):
        total += size
        if total > PAGE_BYTES and count:
            return count
    return min(len(sizes), limit)
