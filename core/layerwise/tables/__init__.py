"""Tables: named, typed columns, turned into the inputs of a network by an encoder that travels inside the model."""

from layerwise.tables.category_column import CategoryColumn
from layerwise.tables.date_column import DateColumn
from layerwise.tables.encoder import TableEncoder, checked_encoder
from layerwise.tables.encodings import (
    ENCODINGS,
    DateParts,
    Encoding,
    Hashing,
    Log,
    MinMax,
    OneHot,
    Ordinal,
    Quantiles,
    Standardize,
    Unscaled,
)
from layerwise.tables.number_column import NumberColumn
from layerwise.tables.table import TableLike, is_table

__all__ = [
    "ENCODINGS",
    "CategoryColumn",
    "DateColumn",
    "DateParts",
    "Encoding",
    "Hashing",
    "Log",
    "MinMax",
    "NumberColumn",
    "OneHot",
    "Ordinal",
    "Quantiles",
    "Standardize",
    "TableEncoder",
    "TableLike",
    "Unscaled",
    "checked_encoder",
    "is_table",
]
