"""The encodings that a user chooses for the columns of a table."""

from collections.abc import Mapping
from typing import cast

from layerwise import variants
from layerwise.checks import shown
from layerwise.errors import InvalidInput, Place
from layerwise.tables.encoding import Encoding, is_unicode
from layerwise.tables.encodings import ENCODINGS, Unscaled


def encoding_choices(columns: object) -> dict[str, Encoding]:
    """Return the encodings that a user gives, by column. Raises InvalidInput."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise InvalidInput("columns", f"expected encodings by the names of columns, got {shown(columns)}")
    found: dict[str, Encoding] = {}
    for name, encoding in cast(Mapping[object, object], columns).items():
        if not isinstance(name, str) or not name or not is_unicode(name):
            raise InvalidInput("columns", f"expected column names, got {shown(name)}")
        found[name] = variants.from_json(Place("columns", name), encoding, ENCODINGS)
    return found


def check_scaled_once(encodings: Mapping[str, Encoding | None], scale: float, shift: float) -> None:
    """Raise InvalidInput if `scale` or `shift` applies to inputs that one of the `encodings` has already scaled."""
    if scale == 1 and shift == 0:
        return
    for name, encoding in encodings.items():
        if not isinstance(encoding, Unscaled):
            kind = f" by {encoding.kind}" if encoding else ""
            detail = f"expected 1, and input_shift 0: column {shown(name)} is already scaled{kind}, got {scale:g}"
            raise InvalidInput("input_scale", f"{detail}; leave it out, or encode every column as 'identity'")
