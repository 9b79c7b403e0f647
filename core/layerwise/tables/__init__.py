"""Tables with named, typed columns, and their encoding as inputs of a network. The encoder is saved with the model."""

from layerwise.tables.category_column import CategoryColumn
from layerwise.tables.category_encodings import Hashing, OneHot, Ordinal
from layerwise.tables.date_column import DateColumn
from layerwise.tables.encoder import TableEncoder, checked_encoder
from layerwise.tables.encoding import Encoding
from layerwise.tables.encodings import ENCODINGS, DateParts, Log, MinMax, Quantiles, Standardize, Unscaled
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
