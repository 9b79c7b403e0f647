"""Files with several values in a cell: parts of objects are columns, lists are left out, and both is said."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb
import pandas as pd
import polars as pl
import pytest

from layerwise_service.reading.table_file import TableFile

REVIEWS: Sequence[dict[str, Any]] = [
    {
        "id": f"r{i}",
        "product": {"price": {"amount": i + 0.5, "currency": "EUR"}, "in/stock~": i % 2 == 0, 'a "b"': f"x{i}"},
        "tags": ["gift"] * (i % 3),
        "stars": i % 5,
    }
    for i in range(40)
]
FLAT = pd.json_normalize([{name: value for name, value in row.items() if name != "tags"} for row in REVIEWS])


def written(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def parquet(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    source, path = written(folder, rows), folder / "rows.parquet"
    duckdb.sql(f"COPY (SELECT * FROM read_json('{source}')) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize("write", [written, parquet])
def test_parts_of_objects_are_columns_named_as_pandas_does_and_lists_are_left_out(tmp_path: Path, write: Any) -> None:
    with TableFile(write(tmp_path, REVIEWS), max_bytes=10**7) as table:
        (block,) = table.blocks()
        said = [(doubt.reason, doubt.message) for doubt in table.schema.doubts]

    assert {name: list(values) for name, values in block.items()} == FLAT.to_dict("list")
    assert said == [
        (
            "NESTED_COLUMN",
            "'product' holds an object in each row: its parts are columns, such as 'product.price.amount'",
        ),
        ("NESTED_COLUMN", "'tags' holds a list in each row, and is left out: make columns of what matters in it"),
    ]


def test_a_column_with_objects_in_late_rows_is_left_out(tmp_path: Path) -> None:
    rows = [*({"a": {"b": i}, "c": i} for i in range(3_000)), {"a": {"b": {"d": 1}}, "c": 1}, {"a": {"b": "x"}, "c": 1}]
    with TableFile(written(tmp_path, rows), max_bytes=10**7) as table:
        names = [column.name for column in table.schema.columns]
        said = [doubt.message for doubt in table.schema.doubts]

    assert names == ["c"]
    assert said == ["'a.b' holds an object or a list in each row, and is left out: make columns of what matters in it"]


def test_values_of_several_types_within_objects_are_read_like_others(tmp_path: Path) -> None:
    rows = [{"a": {"b": i if i % 20 else "?"}} for i in range(1, 200)] + [{"a": None}, {}]
    with TableFile(written(tmp_path, rows), max_bytes=10**7) as table:
        (column,) = table.schema.columns
        (block,) = table.blocks()

    assert (column.name, column.format.kind, column.gaps) == ("a.b", "number", 11)
    assert block["a.b"][:3].tolist() == [1, 2, 3]


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_lengths_of_time_are_left_out_of_parquet_whatever_their_unit(tmp_path: Path, unit: Literal["ms", "us"]) -> None:
    """Parquet has a whole number: of milliseconds or microseconds, which one it does not say."""
    hours = [timedelta(hours=i) if i % 3 else None for i in range(9)]
    frame = pl.DataFrame({"hours": pl.Series(hours, dtype=pl.Duration(unit)), "day": [date(2024, 1, 2)] * 9})
    frame.write_parquet(tmp_path / "rows.parquet")
    with TableFile(tmp_path / "rows.parquet", max_bytes=10**7) as table:
        names = [column.name for column in table.schema.columns]
        said = [doubt.message for doubt in table.schema.doubts]

    assert names == ["day"]
    assert said == ["'hours' holds a length of time in each row, and is left out: write it as a number of seconds"]
