"""Names that callers choose, and ids that the service makes."""

from __future__ import annotations

import re
import secrets
import time

from layerwise_service.errors import InvalidRequest

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: without i, l, o and u, which are easily misread

LATEST = "latest"


def check_name(name: str, *, pointer: str) -> str:
    """Return `name` if it may name a model or an alias. Raises `InvalidRequest` otherwise."""
    if not _NAME.fullmatch(name):
        shown = name if len(name) <= 70 else f"{name[:67]}…"
        raise InvalidRequest(
            f"expected 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit, got {shown!r}",
            pointer=pointer,
            reason="INVALID_NAME",
        )
    return name


def check_alias(alias: str, *, pointer: str) -> str:
    """Return `alias` if it may be set. Raises `InvalidRequest` otherwise."""
    if alias == LATEST or alias.isdigit():
        raise InvalidRequest(
            f"expected an alias that is not a number and not {LATEST!r} (always the newest version), got {alias!r}",
            pointer=pointer,
            reason="INVALID_NAME",
        )
    return check_name(alias, pointer=pointer)


def new_id() -> str:
    """Return a unique id of 26 characters, a ULID: 48 bits of milliseconds by this machine's clock, 80 random bits."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_BASE32[number >> shift & 31] for shift in range(125, -1, -5))
