"""Pages of long lists, limited in the number of items, and in bytes where items may be large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from layerwise_service.errors import InvalidRequest

T = TypeVar("T")

MOST = 1_000
DEFAULT = 100
PAGE_BYTES = 2 * 2**20
"""Most bytes of a page with more than one item. An answer, four times the largest message, holds it many times."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items of a list, and the token of the next page, which is empty on the last page."""

    items: Sequence[T]
    next_token: str = ""


def page_limit(size: int) -> int:
    """Return how many items a page of the requested `size` may have; 0 means the default. Raises `InvalidRequest`."""
    if not 0 <= size <= MOST:
        raise wrong_page_size(size)
    return size or DEFAULT


def wrong_page_size(got: object) -> InvalidRequest:
    """Return the error for a page size that is not a number, or out of range."""
    return InvalidRequest(f"expected a whole number of 0 to {MOST}, got {got}", pointer="page_size")


def page_start(token: str) -> int:
    """Return the index at which a page starts, from a token that is a number. Raises `InvalidRequest`."""
    if not token:
        return 0
    if not (token.isascii() and token.isdecimal() and len(token) < 10):
        raise InvalidRequest("expected the next_page_token of the page before", pointer="page_token")
    return int(token)


def fitting(sizes: Sequence[int], *, limit: int) -> int:
    """Return how many items of these `sizes`, in bytes, fit on a page: at most `limit`, at least one."""
    total = 0
    for count, size in enumerate(sizes[:limit]):
        total += size
        if total > PAGE_BYTES and count:
            return count
    return min(len(sizes), limit)
