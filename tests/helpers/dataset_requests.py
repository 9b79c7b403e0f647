"""Requests that send table files, and tables to send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from layerwise_proto.v1 import datasets_pb2, tables_pb2

WEATHER = b"""date;at;city;rain;mm
06.09.2012;14:05;Ulm;yes;1,5
7.9.2012;9:30;Bonn ;no;
30.9.2012;;NA;;1.234,25
"""
"""Dates with the day first, times, categories, booleans, and numbers with commas; every column has a gap but one."""


def file_requests(
    content: bytes, *, start: int = 0, stop: int | None = None, chunk: int = 2**20, **header: Any
) -> Iterator[datasets_pb2.UploadDatasetRequest]:
    """The header of `content`, and its chunks from byte `start` to `stop`."""
    given = {"size": len(content)} | header
    yield datasets_pb2.UploadDatasetRequest(header=datasets_pb2.FileHeader(**given))
    for offset in range(start, len(content) if stop is None else stop, chunk):
        data = content[offset : min(offset + chunk, len(content) if stop is None else stop)]
        yield datasets_pb2.UploadDatasetRequest(chunk=datasets_pb2.FileChunk(offset=offset, data=data))


def table_requests(
    *tables: tables_pb2.Table, rows: int | None = None, **header: Any
) -> Iterator[datasets_pb2.UploadDatasetRequest]:
    """The header of a table that is sent block by block, and its blocks."""
    if rows is None:
        columns = [each.columns[0] for each in tables]
        rows = sum(len(each.numbers.values) or len(each.texts.values) for each in columns)
    given = {"rows": rows} | header
    yield datasets_pb2.UploadDatasetRequest(header=datasets_pb2.FileHeader(**given))
    for table in tables:
        yield datasets_pb2.UploadDatasetRequest(table=table)
