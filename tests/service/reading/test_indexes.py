"""Indexes of DataFrames that were written into a file: which columns are taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from layerwise.tables.formats import NumberFormat
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.schema import TableSchema
from layerwise_service.reading.table_file import TableFile

FRAME = pd.DataFrame({"a": np.arange(40) % 7, "y": ["p", "q"] * 20})


def schema_of(path: Path, choices: ReadingChoices | None = None) -> TableSchema:
    with TableFile(path, max_bytes=10**8, choices=choices) as table:
        return table.schema


def indexes(schema: TableSchema) -> list[str]:
    return [each.name for each in schema.columns if any(doubt.reason == "INDEX" for doubt in each.doubts)]


@pytest.mark.parametrize(
    ("header", "column", "found"),
    [
        (",a", range(40), ["column1"]),
        (",a", range(1, 41), ["column1"]),
        ("Unnamed: 0,a", range(40), ["column1"]),
        (",a", [i * 7 % 41 for i in range(40)], ["column1"]),  # shuffled, and a row left out
        (",a", [f"{i}.0" for i in range(40)], ["column1"]),
        ('"",a', [f'"{i}"' for i in range(1, 41)], ["column1"]),  # as R writes it
        ("id,a", range(40), []),
        ("index,a", range(40), []),
        ("column1,a", range(40), []),
        (",a", [*range(39), 0], []),
        (",a", [*range(39), ""], []),
        (",a", range(-1, 39), []),
        (",a", [i / 2 for i in range(40)], []),
        (",a", [f"{i:03}" for i in range(40)], []),
        (",a", [f"r{i}" for i in range(40)], []),
    ],
)
def test_an_index_has_no_name_and_another_whole_number_in_every_row(
    tmp_path: Path, header: str, column: list[object], found: list[str]
) -> None:
    path = tmp_path / "upload"
    path.write_text(f"{header}\n" + "".join(f"{cell},{i % 7}\n" for i, cell in enumerate(column)))

    schema = schema_of(path)

    assert indexes(schema) == found
    has_no_name = header.startswith((",", '"', "Unnamed"))
    assert [doubt.reason for doubt in schema.doubts] == (["NO_NAME"] if has_no_name and not found else [])


def test_an_index_of_many_rows_that_are_not_counted_exactly_is_found(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    shuffled = np.random.default_rng(0).permutation(50_000)
    for last, found in ((50_000, ["column1"]), (0, [])):
        path.write_text(",a\n" + "".join(f"{number},1\n" for number in [*shuffled.tolist(), last]))

        assert indexes(schema_of(path)) == found
        path.with_name("table.duckdb").unlink()


def test_both_indexes_of_a_table_that_was_saved_twice_are_found(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "upload")
    pd.read_csv(tmp_path / "upload").to_csv(tmp_path / "upload")

    assert indexes(schema_of(tmp_path / "upload")) == ["column1_2", "column1"]


def test_the_index_of_a_dataframe_in_a_parquet_file_is_found(tmp_path: Path) -> None:
    shuffled = np.random.default_rng(0).permutation(40)
    pl.DataFrame({"a": shuffled % 7, "__index_level_0__": shuffled}).write_parquet(tmp_path / "upload")

    assert indexes(schema_of(tmp_path / "upload")) == ["__index_level_0__"]


def test_a_column_whose_format_was_chosen_is_no_index(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "upload")

    schema = schema_of(tmp_path / "upload", ReadingChoices({"column1": NumberFormat()}))

    assert indexes(schema) == []
    assert [(doubt.reason, doubt.column) for doubt in schema.doubts] == [("NO_NAME", "column1")]
