"""Pages of long lists."""

from __future__ import annotations

from layerwise_service.errors import InvalidRequest

MOST = 1_000
DEFAULT = 100


def page_limit(size: int) -> int:
    """How many a page may have whose caller asked for `size`; 0 asks for the default. Raises `InvalidRequest`."""
    if not 0 <= size <= MOST:
        raise InvalidRequest(f"expected 0 to {MOST}, got {size}", pointer="page_size")
    return size or DEFAULT
