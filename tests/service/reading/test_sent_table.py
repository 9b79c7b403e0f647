"""Tables that were sent are read as files with the same cells are, in one process or another."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.odd_tables import ODD_TABLES, OddTable
from layerwise.errors import Place
from layerwise.tables.column_texts import plain_numbers
from layerwise.tables.format import Format
from layerwise.tables.formats import (
    BooleanFormat,
    CategoryFormat,
    DateFormat,
    NumberFormat,
    TextFormat,
)
from layerwise_service.errors import InvalidRequest
from layerwise_service.reading.cell_sql import cells_of
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.schema import ColumnSchema
from layerwise_service.reading.sent_columns import SentColumns
from layerwise_service.reading.sent_table import SentTable
from layerwise_service.reading.table_file import TableFile
from layerwise_service.reading.text_counts import TextCounts
from layerwise_service.stores.table_writer import TableWriter

NAN = math.nan
Cells = Sequence[float] | Sequence[str]


def sent(folder: Path, columns: dict[str, tuple[str, Cells]], choices: ReadingChoices | None = None) -> SentTable:
    """The table of columns, each with its type, "" for none, and its values."""
    folder.mkdir(exist_ok=True)
    writer = TableWriter(folder, max_columns=100, max_name_bytes=100, max_text_bytes=10_000)
    table = {
        name: [*map(str, cells)] if isinstance(cells[0], str) else np.array(cells, np.float64)
        for name, (_, cells) in columns.items()
    }
    writer.checked(table, Place())()
    writer.close()
    kinds = {name: kind for name, (kind, _) in columns.items() if kind}
    rows = len(next(iter(columns.values()))[1])
    SentColumns(rows, writer.columns, kinds).write(folder)
    return SentTable(folder, choices or ReadingChoices())


def values(table: SentTable | TableFile) -> dict[str, list[Any]]:
    """All values, None where one is missing; dates are in seconds."""
    found: dict[str, list[Any]] = {}
    for block in table.blocks():
        for name, own in block.items():
            cells = own if isinstance(own, list) else own.astype(np.float64).tolist()
            if isinstance(own, np.ndarray) and own.dtype.kind == "M":
                cells = np.where(np.isnat(own), NAN, own.astype(np.int64)).tolist()
            shown = [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in cells]
            found.setdefault(name, []).extend(shown)
    return found


def facts(column: ColumnSchema) -> tuple[Any, ...]:
    return column.name, column.format, column.gaps, column.doubts


@pytest.mark.parametrize("odd", ODD_TABLES, ids=lambda odd: odd.name)
def test_texts_without_a_type_are_read_as_the_same_cells_of_a_file(odd: OddTable, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(odd.content)
    with TableFile(path, max_bytes=10**8) as file:
        cells = {
            name: ("", [text or "" for (text,) in file._database.execute(f"SELECT c{i} FROM {cells_of(i)}").fetchall()])
            for i, name in enumerate(file._names)
        }
        table = sent(tmp_path / "sent", cells)

        assert [*map(facts, table.schema.columns)] == [*map(facts, file.schema.columns)]
        assert values(table) == values(file)


@pytest.mark.parametrize(
    ("name", "kind", "cells", "found"),
    [
        ("Unnamed: 0", "whole", [2.0, 0.0, 3.0], ["INDEX"]),
        ("", "number", [2.0, 0.0, 3.0], ["INDEX"]),
        ("", "", ["2", "0", "3"], ["INDEX"]),
        ("column1", "whole", [2.0, 0.0, 3.0], []),
        ("", "whole", [2.0, 0.0, 2.0], []),
        ("", "whole", [2.0, NAN, 3.0], []),
        ("", "whole", [2.0, -1.0, 3.0], []),
        ("", "number", [2.0, 0.5, 3.0], []),
        ("", "category", [2.0, 0.0, 3.0], []),
        ("", "", ["2", "b", "3"], []),
    ],
)
def test_an_index_is_found_as_that_of_a_file(
    name: str, kind: str, cells: Cells, found: list[str], tmp_path: Path
) -> None:
    table = sent(tmp_path / "sent", {name: (kind, cells), "a": ("number", [1.5, 2.0, 2.0])})
    chosen = sent(tmp_path / "chosen", {name: (kind, cells)}, ReadingChoices({"column1": CategoryFormat()}))

    assert [doubt.reason for doubt in table.schema["column1"].doubts] == found
    assert len(table.schema.doubts) == (name != "column1" and not found)
    assert chosen.schema["column1"].doubts == ()


def test_types_say_what_is_not_guessed(tmp_path: Path) -> None:
    table = sent(
        tmp_path / "sent",
        {
            "amount": ("number", [1.5, NAN, -999.0]),
            "empty": ("number", [NAN, NAN, NAN]),
            "flag": ("boolean", [1.0, 0.0, NAN]),
            "code": ("category", [2007.0, 2007.0, 2008.5]),
            "word": ("category", ["NA", " x ", ""]),
            "title": ("text", ["1", "NA", ""]),
            "day": ("date", ["2013-01-31", "", "2013-01-31T00:00:01"]),
            "long": ("whole", ["9007199254740993", "1", ""]),
        },
        ReadingChoices(gaps=("-999",)),
    )

    assert values(table) == {
        "amount": [1.5, None, None],
        "empty": [None, None, None],
        "flag": [1.0, 0.0, None],
        "code": ["2007", "2007", "2008.5"],
        "word": ["NA", "x", None],
        "title": ["1", None, None],
        "day": [1359590400.0, None, 1359590401.0],
        "long": ["9007199254740993", "1", None],
    }
    assert {column.name: (column.gaps, column.distinct, column.example) for column in table.schema.columns} == {
        "amount": (2, 1, "1.5"),
        "empty": (3, 0, ""),
        "flag": (1, 2, "true"),
        "code": (0, 2, "2007"),
        "word": (1, 2, "NA"),
        "title": (2, 1, "1"),
        "day": (1, 2, "2013-01-31"),
        "long": (1, 2, "9007199254740993"),
    }
    assert [doubt.reason for doubt in table.schema["empty"].doubts] == ["EMPTY"]
    assert [doubt.reason for doubt in table.schema["long"].doubts] == ["CODES"]


@pytest.mark.parametrize(
    ("kind", "cells", "form", "read"),
    [
        ("whole", [1.0, 20130131.0], CategoryFormat(), ["1", "20130131"]),
        ("number", [1.0, 1.5], TextFormat(), ["1", "1.5"]),
        ("whole", [20130131.0, NAN], DateFormat(), [1359590400.0, None]),
        ("whole", [1.0, 0.0], BooleanFormat(), [1.0, 0.0]),
        ("boolean", [1.0, NAN], CategoryFormat(), ["true", None]),
        ("boolean", [1.0, 0.0], NumberFormat(), [1.0, 0.0]),
        ("category", ["1,5", "2"], NumberFormat(decimal=","), [1.5, 2.0]),
        ("", ["1.5", "x"], NumberFormat(gaps=("x",)), [1.5, None]),
    ],
)
def test_a_format_that_is_chosen_reads_whatever_was_sent(
    kind: str, cells: Cells, form: Format, read: list[object], tmp_path: Path
) -> None:
    table = sent(tmp_path / "sent", {"a": (kind, cells)}, ReadingChoices({"a": form}))

    assert values(table) == {"a": read}


@pytest.mark.parametrize(
    ("kind", "cells", "chosen"),
    [("number", [NAN], NumberFormat()), ("boolean", [NAN], BooleanFormat()), ("date", [""], DateFormat())],
)
def test_a_column_without_values_has_a_doubt_unless_its_format_is_chosen(
    kind: str, cells: Cells, chosen: Format, tmp_path: Path
) -> None:
    (unknown,) = sent(tmp_path / "unknown", {"a": (kind, cells)}).schema.columns
    (known,) = sent(tmp_path / "known", {"a": (kind, cells)}, ReadingChoices({"a": chosen})).schema.columns

    assert [doubt.reason for doubt in unknown.doubts] == ["EMPTY"]
    assert (known.format.kind, known.doubts) == (kind, ())


@pytest.mark.parametrize(
    ("kind", "cells", "form", "message"),
    [
        ("date", ["2013-01-31", "today"], None, "expected a date.*, got 'today'"),
        ("whole", [1.0, 2.0], BooleanFormat(), "expected true or false, got 2:"),
        ("", ["1", "x", "y", "z", "a"], NumberFormat(), "expected a number, got 'x'"),
    ],
)
def test_the_first_value_that_does_not_fit_is_refused_with_its_place(
    kind: str, cells: Cells, form: Format | None, message: str, tmp_path: Path
) -> None:
    table = sent(tmp_path / "sent", {"a": (kind, cells)}, ReadingChoices({"a": form} if form else {}))

    with pytest.raises(InvalidRequest, match=message) as refused:
        values(table)

    assert (refused.value.place, refused.value.reason) == (("rows", 1, "a"), "BAD_CELL")


TEXTS = st.lists(st.sampled_from(["", "1", "01", "1.5", "12.345", "9007199254740993", "x", " x", "NA", "-999"]))


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(1, 5))
def test_what_is_counted_does_not_depend_on_the_blocks(texts: list[str], block: int) -> None:
    whole, parts = TextCounts(("NA",)), TextCounts(("NA",))
    whole.add(texts)
    for start in range(0, len(texts), block):
        parts.add(texts[start : start + block])

    assert (whole.empty, whole.plain, whole.texts, whole.first) == (parts.empty, parts.plain, parts.texts, parts.first)
    assert whole.distinct == parts.distinct == len({text.strip() for text in texts} - {""})
    plain, others = plain_numbers({text: texts.count(text) for text in dict.fromkeys(texts) if text})
    assert (whole.plain, whole.texts) == (plain, others)


def test_beyond_a_number_of_texts_others_are_counted_but_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerwise_service.reading.text_counts.MOST_TEXTS", 3)
    counts = TextCounts(())

    counts.add([f"t{i % 10}" for i in range(20)])

    assert (counts.texts, counts.distinct) == ({"t0": 2, "t1": 2, "t2": 2}, 10)


@pytest.mark.parametrize(
    ("columns", "most"),
    [
        ({f"c{j}": ("category", [f"{i:0300}" for i in range(4000)]) for j in range(40)}, 18e6),  # 48 MB as texts
        ({"a": ("number", range(2_000_000))}, 25e6),  # 16 MB, and a byte for each to count them
    ],
)
def test_a_table_takes_little_memory_while_it_is_read(
    columns: dict[str, tuple[str, Cells]], most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerwise_service.reading.sent_table._MOST_KEPT", 1000)
    sent(tmp_path / "table", columns)
    tracemalloc.start()
    try:
        read = SentTable(tmp_path / "table", ReadingChoices())
        rows = sum(len(next(iter(block.values()))) for block in read.blocks())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert rows == read.schema.rows
    assert peak < most
