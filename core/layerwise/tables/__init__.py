"""Tables with named, typed columns, and their encoding as inputs of a network. The encoder is saved with the model."""

from layerwise.tables.category_column import CategoryColumn
from layerwise.tables.category_encodings import Hashing, OneHot, Ordinal
from layerwise.tables.checked_encoder import checked_encoder
from layerwise.tables.date_column import DateColumn
from layerwise.tables.doubt import Doubt
from layerwise.tables.encoder import TableEncoder
from layerwise.tables.encoding import Encoding
from layerwise.tables.encodings import ENCODINGS, DateParts, Log, MinMax, Quantiles, Standardize, Unscaled
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
from layerwise.tables.number_column import NumberColumn
from layerwise.tables.table import TableLike, is_table
from layerwise.tables.text_column import TextColumn
from layerwise.tables.text_encoding import HashedWords
from layerwise.tables.unusual import TableWarning

__all__ = [
    "ENCODINGS",
    "FORMATS",
    "BooleanFormat",
    "CategoryColumn",
    "CategoryFormat",
    "DateColumn",
    "DateFormat",
    "DateParts",
    "Doubt",
    "Encoding",
    "Format",
    "HashedWords",
    "Hashing",
    "Log",
    "MinMax",
    "NumberColumn",
    "NumberFormat",
    "OneHot",
    "Ordinal",
    "Quantiles",
    "Standardize",
    "TableEncoder",
    "TableLike",
    "TableWarning",
    "TextColumn",
    "TextFormat",
    "TimeFormat",
    "Unscaled",
    "checked_encoder",
    "is_table",
]
