"""Tables of Arrow, of whichever library, become columns of the same types as those of pandas."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import nanoarrow  # type: ignore[import-untyped]
import numpy as np
import polars as pl
import pytest

from layerwise_client import InvalidRequest
from layerwise_client._data.tables import is_table, open_table
from layerwise_client._data.targets import open_targets
from layerwise_client._data.weights import open_weights

NAN = float("nan")


def travels(X: Any, **kinds: str) -> dict[str, tuple[str, list[Any]]]:
    """The type and the values of each column, None for a missing number."""
    given = open_table(X)
    table = given.opened(kinds=dict.fromkeys(given.columns, "") | kinds)
    block = table.block(0, table.count)
    return {
        name: (type_, values if isinstance(values, list) else [None if np.isnan(each) else each for each in values])
        for name, type_, values in zip(block.names, block.types, block.values, strict=True)
    }


POLARS = {
    "whole": pl.Series([1, None, 3]),
    "unsigned": pl.Series([2**63 + 1, None, 2], dtype=pl.UInt64),
    "full": pl.Series([1, 2, 3], dtype=pl.Int8),
    "number": pl.Series([1.5, None, 2.0]),
    "decimal": pl.Series([Decimal("1.5"), None, Decimal(2)]),
    "boolean": pl.Series([True, None, False]),
    "text": pl.Series(["a", None, " 2"]),
    "categorical": pl.Series(["2013", None, "x"], dtype=pl.Categorical),
    "enum": pl.Series(["b", None, "a"], dtype=pl.Enum(["a", "b"])),
    "day": pl.Series([date(2013, 1, 31), None, date(2013, 2, 1)]),
    "at": pl.Series([datetime(2013, 1, 31, 10, tzinfo=UTC), None, datetime(2013, 2, 1, tzinfo=UTC)]),
    "time": pl.Series([time(10, 5), None, time(23, 59, 59)]),
    "nothing": pl.Series([None, None, None]),
}
EXPECTED: dict[str, tuple[str, list[Any]]] = {
    "whole": ("whole", [1, None, 3]),
    "unsigned": ("whole", ["9223372036854775809", "", "2"]),
    "full": ("whole", [1, 2, 3]),
    "number": ("number", [1.5, None, 2]),
    "decimal": ("number", [1.5, None, 2]),
    "boolean": ("boolean", [1, None, 0]),
    "text": ("", ["a", "", " 2"]),
    "categorical": ("category", ["2013", "", "x"]),
    "enum": ("category", ["b", "", "a"]),
    "day": ("date", ["2013-01-31", "", "2013-02-01"]),
    "at": ("date", ["2013-01-31T10:00:00+00:00", "", "2013-02-01T00:00:00+00:00"]),
    "time": ("time", ["10:05:00", "", "23:59:59"]),
    "nothing": ("", ["", "", ""]),
}


def test_the_columns_of_polars_travel_with_their_types() -> None:
    assert travels(pl.DataFrame(POLARS)) == EXPECTED


def test_texts_and_categories_of_any_length_travel_from_polars() -> None:
    texts = ["a text of more than twelve bytes", None, "ü" * 300, "short"]
    frame = pl.DataFrame({"text": texts, "kind": pl.Series(texts, dtype=pl.Categorical), "number": [1, 2, 3, 4]})

    sent = [text or "" for text in texts]
    expected: dict[str, tuple[str, list[Any]]] = {
        "text": ("", sent),
        "kind": ("category", sent),
        "number": ("whole", [1, 2, 3, 4]),
    }
    assert travels(frame) == expected
    assert travels(pl.concat([frame] * 2, rechunk=False)) == {
        name: (type_, values * 2) for name, (type_, values) in expected.items()
    }


def test_several_chunks_are_read_as_one_table() -> None:
    twice = pl.concat([pl.DataFrame(POLARS)] * 2, rechunk=False)

    assert travels(twice) == {name: (type_, values * 2) for name, (type_, values) in EXPECTED.items()}


def test_a_relation_of_duckdb_is_a_table() -> None:
    relation = duckdb.sql(
        "SELECT * FROM (VALUES (1, 1.5, true, 'a', DATE '2013-01-31', TIME '10:05', 'x'::ENUM('x', 'y')),"
        "(NULL, NULL, NULL, NULL, NULL, NULL, NULL)) AS t(whole, number, flag, text, day, time, kind)"
    )

    assert travels(relation) == {
        "whole": ("whole", [1, None]),
        "number": ("number", [1.5, None]),
        "flag": ("boolean", [1, None]),
        "text": ("", ["a", ""]),
        "day": ("date", ["2013-01-31", ""]),
        "time": ("time", ["10:05:00", ""]),
        "kind": ("category", ["x", ""]),
    }


def test_a_float32_that_is_a_category_travels_with_its_own_digits() -> None:
    frame = pl.DataFrame({"share": pl.Series([0.1, None], dtype=pl.Float32)})

    assert travels(frame, share="category") == {"share": ("number", [0.1, None])}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([timedelta(1)], "X column a: expected numbers, .*, got duration; divide it by a unit to get numbers"),
        ([[1, 2]], "X column a: expected numbers, texts, booleans, dates or times, got large_list"),
        ([{"b": 1}], "X column a: expected numbers, .*, got struct"),
        ([b"\xff"], "X row 0, column a: expected text in UTF-8"),
    ],
)
def test_a_column_of_arrow_that_holds_something_else_is_refused(values: list[Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        travels(pl.DataFrame({"a": values}))


def test_a_lazy_frame_is_to_be_collected_first() -> None:
    with pytest.raises(InvalidRequest, match=r"X: a LazyFrame has no rows yet: pass X\.collect\(\)"):
        open_table(pl.LazyFrame({"a": [1]}))


def test_a_single_column_is_no_table() -> None:
    with pytest.raises(InvalidRequest, match="X: expected a table, got one column of int64"):
        open_table(pl.Series([1, 2]))


def test_a_table_of_arrow_without_rows_is_refused() -> None:
    assert is_table(pl.DataFrame({"a": []}))
    with pytest.raises(InvalidRequest, match="X has no rows"):
        open_table(pl.DataFrame({"a": []}))


def test_the_target_and_the_weights_may_be_columns_of_polars() -> None:
    labels = open_targets(pl.Series(["b", "a"], dtype=pl.Categorical), None)

    assert (labels.kind, labels.take(0, 2).tolist()) == ("string", ["b", "a"])
    assert open_targets(nanoarrow.Array(["b", "a"], nanoarrow.string()), None).take(0, 2).tolist() == ["b", "a"]
    assert open_table(pl.DataFrame({"a": labels.take(0, 2)}, {"a": pl.Categorical})).values_of("a") == ["b", "a"]
    assert open_weights(pl.Series([1.0, 0.5]), 2).values.tolist() == [1, 0.5]
