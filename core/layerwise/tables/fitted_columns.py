"""Fitted columns from the JSON of an encoder."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from layerwise import variants
from layerwise.checks import counted, is_unicode, shown, whole_number
from layerwise.errors import InvalidInput, Place, within
from layerwise.tables.category_column import category_column_from_json
from layerwise.tables.category_encodings import CategoryEncoding
from layerwise.tables.cells import ABSENT
from layerwise.tables.choices import check_format
from layerwise.tables.date_column import date_column_from_json
from layerwise.tables.encodings import ENCODINGS, DateParts, NumberEncoding
from layerwise.tables.fitting import AnyColumn
from layerwise.tables.format import Format
from layerwise.tables.formats import (
    FORMATS,
    BooleanFormat,
    CategoryFormat,
    DateFormat,
    NumberFormat,
    TextFormat,
    TimeFormat,
)
from layerwise.tables.number_column import number_column_from_json
from layerwise.tables.text_column import text_column_from_json
from layerwise.tables.text_encoding import HashedWords
from layerwise.tables.unusual import range_from_json

OLDER: Mapping[str, Format] = {
    "number": NumberFormat(ABSENT),
    "date": DateFormat(ABSENT),
    "category": CategoryFormat((), strip=False),
}
"""How cells were read before columns had formats, by the kind of column."""


def columns_from_json(value: object) -> tuple[AnyColumn, ...]:
    """Return the fitted columns of the JSON `value`. Raises InvalidInput, saying where."""
    items = cast(list[object], value)
    if type(items) is not list or not items:
        raise InvalidInput("fitted", f"expected a list of columns, or null, got {shown(value)}")
    found: dict[str, AnyColumn] = {}
    for i, item in enumerate(items):
        with within("fitted", i):
            column = _column_from_json(item)
            if column.name in found:
                raise InvalidInput("name", f"expected distinct names, got {shown(column.name)} twice")
            found[column.name] = column
    return tuple(found.values())


def _column_from_json(value: object) -> AnyColumn:
    if not isinstance(value, Mapping):
        raise InvalidInput("", f"expected an object, got {shown(value)}")
    given = dict(cast(Mapping[str, object], value))
    for field in "name", "encoding":
        if field not in given:
            raise InvalidInput(field, "expected a value, the field is missing")
    name = given.pop("name")
    if not isinstance(name, str) or not name or not is_unicode(name):
        raise InvalidInput("name", f"expected text, got {shown(name)}")
    encoding = variants.from_json("encoding", given.pop("encoding"), ENCODINGS)
    if "format" not in given and encoding.reads in OLDER:
        form = OLDER[encoding.reads]
    else:
        form = variants.from_json("format", given.pop("format", None), FORMATS)
        check_format("format", form, encoding)
    constant, gaps, extent = given.pop("constant", []), given.pop("gaps", None), given.pop("range", None)
    if not (gaps is None or isinstance(gaps, bool)):
        raise InvalidInput("gaps", f"expected true, false or null, got {shown(gaps)}")
    column: AnyColumn
    if isinstance(encoding, NumberEncoding):
        column = number_column_from_json(name, encoding, cast(NumberFormat | BooleanFormat, form), given)
    elif isinstance(encoding, DateParts):
        column = date_column_from_json(name, encoding, cast(DateFormat | TimeFormat, form), given)
    elif isinstance(encoding, HashedWords):
        column = text_column_from_json(name, encoding, cast(TextFormat, form), given)
    else:
        categories = cast(CategoryEncoding, encoding), cast(CategoryFormat | BooleanFormat, form)
        column = category_column_from_json(name, *categories, given)
    known = None if extent is None else range_from_json(extent)
    return replace(column, constant=_constant_from_json(constant, column.width), gaps=gaps, range=known)


def _constant_from_json(value: object, width: int) -> tuple[int, ...]:
    items = cast(list[object], value)
    if type(items) is not list or len(items) > width:
        raise InvalidInput("constant", f"expected a list of at most {counted(width, 'output')}, got {shown(value)}")
    found = [whole_number(Place("constant", i), item, least=0, most=width - 1) for i, item in enumerate(items)]
    for i in range(1, len(found)):
        if found[i] <= found[i - 1]:
            raise InvalidInput(Place("constant", i), f"expected more than {found[i - 1]}, got {found[i]}")
    return tuple(found)
