"""Reading of table files as a person would read them."""

import gzip
import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pytest

from helpers.odd_tables import ODD_TABLES, ROWS, OddTable
from layerwise.tables.formats import CategoryFormat, DateFormat, NumberFormat
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.table_file import TableFile

MANY = 10**8
Upload = Callable[[bytes], Path]


@pytest.fixture
def upload(tmp_path: Path) -> Upload:
    def written(content: bytes) -> Path:
        path = tmp_path / "upload"
        path.write_bytes(content)
        return path

    return written


def plain(value: object) -> object:
    """Return a value of a block as Python's: None for NaN and NaT, seconds for a date."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else int(value.astype(np.int64))
    return None if isinstance(value, float) and math.isnan(value) else value


@pytest.mark.parametrize("odd", ODD_TABLES, ids=lambda odd: odd.name)
def test_a_file_is_read_as_a_person_would_read_it(upload: Upload, odd: OddTable) -> None:
    with TableFile(upload(odd.content), max_bytes=MANY) as table:
        schema, blocks = table.schema, list(table.blocks())

    first = schema.columns[0]
    assert tuple(column.name for column in schema.columns) == odd.columns
    assert (first.kind, schema["y"].kind, schema.rows) == (odd.kind, "number", ROWS)
    assert [plain(value) for value in blocks[0][first.name][:2]] == list(odd.values)
    assert {doubt.reason for doubt in (*schema.doubts, *first.doubts)} == odd.doubts
    assert [int(value) for value in blocks[0]["y"]] == list(range(ROWS))


def test_every_value_is_that_of_the_columns_format(upload: Upload) -> None:
    cells = ["1.5", " 2 ", "-.5e3", "NA", "", "1e-3", "+7", "0.1", "12345678901234567"] * 20
    with TableFile(upload(("a,b\n" + "".join(f"{cell},x\n" for cell in cells)).encode()), max_bytes=MANY) as table:
        (block,) = table.blocks()
        column = table.schema["a"]

    assert [plain(float(value)) for value in block["a"]] == [column.format.read(cell) for cell in cells]
    assert (column.gaps, column.example) == (40, "1.5")


def test_rows_come_in_blocks_in_the_order_of_the_file(upload: Upload) -> None:
    rows = 150_000
    with TableFile(
        upload(("a,b\n" + "".join(f"{i},g{i % 7}\n" for i in range(rows))).encode()), max_bytes=MANY
    ) as table:
        blocks = list(table.blocks())

    assert len(blocks) == 3
    assert np.array_equal(np.concatenate([block["a"] for block in blocks]), np.arange(rows))
    assert [text for block in blocks for text in block["b"]] == [f"g{i % 7}" for i in range(rows)]


def test_a_format_that_the_user_chose_is_used(upload: Upload) -> None:
    chosen = {"a": CategoryFormat(gaps=("2",)), "d": DateFormat(day_first=False)}
    with TableFile(upload(b"a,d\n1,4/5/2013\n2,6/7/2013\n"), max_bytes=MANY, choices=ReadingChoices(chosen)) as table:
        (block,) = table.blocks()

    assert block["a"] == ["1", None]
    assert [str(value) for value in block["d"].astype("M8[D]")] == ["2013-04-05", "2013-06-07"]


def test_words_for_a_gap_count_in_every_column_also_where_they_are_numbers(upload: Upload) -> None:
    content = b"a,b,c\n1,-999,x\n-999,2,-999\n-,NA,-\n4, -999 ,x\n"
    choices = ReadingChoices({"b": NumberFormat()}, gaps=("-999", "-"))
    with TableFile(upload(content), max_bytes=MANY, choices=choices) as table:
        (block,) = table.blocks()
        columns = table.schema.columns

    assert [(column.kind, column.gaps, column.doubts) for column in columns] == [
        ("number", 2, ()),
        ("number", 3, ()),
        ("category", 2, ()),
    ]
    assert [plain(float(value)) for value in block["a"]] == [1, None, None, 4]
    assert [plain(float(value)) for value in block["b"]] == [None, 2, None, None]
    assert block["c"] == ["x", None, None, "x"]
    assert all({"-999", "-", "NA"} <= set(column.format.gaps) for column in columns)


def test_formats_of_columns_that_the_file_does_not_have_are_left_out_if_it_need_not_have_them(upload: Upload) -> None:
    known = {"a": CategoryFormat(), "elsewhere": NumberFormat()}
    with TableFile(upload(b"a,b\n1,2\n"), max_bytes=MANY, choices=ReadingChoices(known=known)) as table:
        assert [column.kind for column in table.schema.columns] == ["category", "number"]


def test_a_cell_that_a_chosen_format_cannot_read_is_named(upload: Upload) -> None:
    content = b"a,b\n1,x\ntwo,x\n"
    with (
        pytest.raises(InvalidRequest, match=r"rows\[1\].a: expected a number, got 'two'"),
        TableFile(upload(content), max_bytes=MANY, choices=ReadingChoices({"a": NumberFormat()})) as table,
    ):
        list(table.blocks())


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        (b"", "EMPTY_FILE", "the file is empty"),
        (b" \n\n", "EMPTY_FILE", "the file is empty"),
        (b"%PDF-1.7 ...", "NOT_A_TABLE", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n", "NOT_A_TABLE", "an image"),
        (b"PK\x03\x04....", "NOT_A_TABLE", r"an Excel file \(.xlsx\): unpack it, or save the sheet as CSV"),
        (b"\n <!DOCTYPE html><html>", "NOT_A_TABLE", "a web page"),
        (b'[{"a": 1}]', "NOT_A_TABLE", "one object a line"),
        (b"a,b\n1,\x00\x01\n", "NOT_A_TABLE", "binary bytes"),
        (
            b"a,b\n1,2\n3\n4,5,6\n",
            "BAD_LINE",
            r"line\[3\]: expected 2 cells, as in the header, divided by comma; got 1: 3",
        ),
        (b"a,b\n1,2\n3\n", "BAD_LINE", r"line\[3\]: expected 2 cells"),
        (b'a,b\n1,"2\n', "BAD_LINE", r'line\[2\]: a cell begins with "'),
        (b"a,a,y\n1,2,3\n", "SAME_NAME", "'a' 2 times"),
        (b'{"a": [1, 2]}\n', "NESTED_COLUMN", "columns.a: expected a single value"),
        (b'{"a": 1}\n{"a": \n', "NOT_A_TABLE", "cannot be read"),
        (b"PAR1 and no more", "NOT_A_TABLE", "cannot be read"),
        (b"\x1f\x8b\x08 and no more", "INVALID_ARGUMENT", "gzip"),
    ],
)
def test_what_is_no_table_is_refused_saying_what_it_is(upload: Upload, content: bytes, reason: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as error:
        TableFile(upload(content), max_bytes=MANY)

    assert error.value.reason == reason


def test_a_bomb_of_zeros_is_refused_before_it_fills_the_disk(upload: Upload) -> None:
    with pytest.raises(TooLarge, match="at most 1000000 bytes"):
        TableFile(upload(gzip.compress(b"a,b\n" + b"1,2\n" * 10**6)), max_bytes=10**6)

    assert not upload(b"x").with_name("upload.text").exists()


def test_a_parquet_file_is_read_with_its_types(upload: Upload, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    with closing(duckdb.connect()) as database:
        database.execute(
            "COPY (SELECT range * 1.5 AS a, range::VARCHAR || 'x' AS b, DATE '2013-01-31' AS d, range % 2 = 0 AS e,"
            f" TIMESTAMP '2013-01-31 10:30:00' AS t FROM range(100)) TO '{path}' (FORMAT parquet)"
        )
    with TableFile(path, max_bytes=MANY) as table:
        (block,) = table.blocks()

    assert [column.kind for column in table.schema.columns] == ["number", "category", "date", "boolean", "date"]
    assert block["a"][1] == 1.5
    assert str(block["t"][0]) == "2013-01-31T10:30:00"


def test_the_reader_reaches_no_other_file(upload: Upload, tmp_path: Path) -> None:
    (tmp_path.parent / "secret.csv").write_text("a,b\n1,2\n")
    with TableFile(upload(b"a,b\n1,2\n"), max_bytes=MANY) as table:
        for query in (
            f"SELECT * FROM read_csv('{tmp_path.parent}/secret.csv')",
            f"COPY cells TO '{tmp_path.parent}/out.csv'",
            f"ATTACH '{tmp_path.parent}/other.duckdb'",
            "SET enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                table._database.execute(query)
