"""Names of columns, as the caller has them and as they travel."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, cast

from layerwise_client._data.cells import family_of
from layerwise_client.errors import InvalidRequest

if TYPE_CHECKING:
    from layerwise.tables.doubt import Doubt


def column_name(y: object) -> str | None:
    """Return the name of the column that an argument such as `y` names, as in an open table; None if it has values."""
    from layerwise.tables.names import visible_name

    if isinstance(y, str):
        return visible_name(y)
    return str(y) if isinstance(y, int) and not isinstance(y, bool) else None


def names_of(given: list[object], known: Collection[str]) -> tuple[list[str], list[Doubt]]:
    """Return the names of columns as texts, all different, and what was changed in them. Raises `InvalidRequest`."""
    from layerwise.tables.names import column_names, name_doubts

    texts = [_text(name) for name in given]
    if known and all(text in known for text in texts) and len(set(texts)) == len(texts):
        return texts, []
    names = column_names(texts, known)
    return names, list(name_doubts(texts, names))


def _text(name: object) -> str:
    """Return the name of a column as a text; the levels of a MultiIndex of pandas are joined by underscores."""
    if isinstance(name, str):
        text = name
    elif isinstance(name, tuple):
        text = "_".join(filter(None, map(_text, cast("tuple[object, ...]", name))))
    elif isinstance(name, bytes):
        raise InvalidRequest(f"X: expected text as a column name, got {name!r}", pointer="X")
    else:
        text = "" if family_of(name) == "missing" else str(name)  # a DataFrame counts columns without a name
    if any(0xD800 <= ord(sign) < 0xE000 for sign in text):
        raise InvalidRequest(f"X: expected column names that UTF-8 can hold, got {text!r}", pointer="X")
    return text
