"""The base class of encodings, and checks of their texts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, cast

from layerwise.checks import is_unicode, shown
from layerwise.errors import InvalidInput, Place
from layerwise.variants import Variant


@dataclass(frozen=True, slots=True)
class Encoding(Variant):
    """Base class of the encodings of a column.

    Attributes
    ----------
    kind : str
        The name of the encoding, such as "one_hot".
    reads : {"number", "category", "date", "text"}
        The kind of column it applies to.
    """

    reads: ClassVar[str]
    """The kind of column it applies to: "number", "category", "date" or "text"."""


def texts(pointer: str, value: object) -> tuple[str, ...]:
    """Return `value`, a list of distinct texts, as a tuple. Raises InvalidInput."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidInput(pointer, f"expected a list of texts, got {shown(value)}")
    found: dict[str, None] = {}
    for i, text in enumerate(cast(Iterable[object], value)):
        if not isinstance(text, str) or not text or not is_unicode(text):
            raise InvalidInput(Place(pointer, i), f"expected a text, got {shown(text)}")
        if text in found:
            raise InvalidInput(Place(pointer, i), f"expected distinct texts, got {shown(text)} twice")
        found[text] = None
    return tuple(found)
