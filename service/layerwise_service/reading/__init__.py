"""Reading of a table file: what it is, its columns and their formats, and its rows as typed columns. DuckDB alone."""

from layerwise_service.reading.file_kind import FileKind, file_kind
from layerwise_service.reading.schema import ColumnSchema, TableSchema
from layerwise_service.reading.table_file import TableFile

__all__ = ["ColumnSchema", "FileKind", "TableFile", "TableSchema", "file_kind"]
