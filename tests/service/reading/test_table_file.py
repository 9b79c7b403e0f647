"""Reading of table files as a person would read them."""

import csv
import gzip
import io
import math
import pickle
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from helpers.odd_tables import ODD_TABLES, ROWS, OddTable, npz
from layerwise.tables.cells import GAPS
from layerwise.tables.format import Format
from layerwise.tables.formats import BooleanFormat, CategoryFormat, DateFormat, NumberFormat, TextFormat
from layerwise.tables.inference import infer_format
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.reading import cell_sql
from layerwise_service.reading.cell_sql import GROUP
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.counting import TOGETHER
from layerwise_service.reading.exchange import ReadingLimits
from layerwise_service.reading.read_file import read_file
from layerwise_service.reading.table_file import TableFile

MANY = 10**8
LIMITS = ReadingLimits(60, 2**30, MANY, 1_000, 256, 4_096)
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


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize("odd", ODD_TABLES, ids=lambda odd: odd.name)
def test_a_file_is_read_as_a_person_would_read_it(upload: Upload, odd: OddTable) -> None:
    with TableFile(upload(odd.content), max_bytes=MANY) as table:
        schema, blocks = table.schema, list(table.blocks())

    first, label = schema.columns[0], schema.columns[odd.columns.index(odd.label)]
    assert tuple(column.name for column in schema.columns) == odd.columns
    assert (first.kind, label.kind, schema.rows) == (odd.kind, "number", ROWS)
    assert [plain(value) for value in blocks[0][first.name][:2]] == list(odd.values)
    assert {doubt.reason for doubt in (*schema.doubts, *first.doubts)} == odd.doubts
    assert [int(value) for value in blocks[0][label.name]] == list(range(ROWS))


def test_every_value_is_that_of_the_columns_format(upload: Upload) -> None:
    cells = ["1.5", " 2 ", "-.5e3", "NA", "", "1e-3", "+7", "0.1", "12345678901234567"] * 20
    with TableFile(upload(("a,b\n" + "".join(f"{cell},x\n" for cell in cells)).encode()), max_bytes=MANY) as table:
        (block,) = table.blocks()
        column = table.schema["a"]

    assert [plain(float(value)) for value in block["a"]] == [column.format.read(cell) for cell in cells]
    assert (column.gaps, column.example) == (40, "1.5")


ODD_CELLS = st.text(" \t\n\v\f\u00a0+-.0123456789eExX_iInNfFaA\u0663", max_size=6)
BAD = object()
BLANKS = st.text(" \t\n\u00a0", max_size=2)
NUMBERS = st.from_regex(r"[+-]?(0|00|[1-9])[0-9]{0,3}(\.[0-9]?)?([eE]-?[0-9])?", fullmatch=True)
CELLS = st.one_of(ODD_CELLS, st.tuples(BLANKS, NUMBERS | st.sampled_from(GAPS), BLANKS).map("".join))


def value_of(column_format: Format, cell: str) -> object:
    try:
        return column_format.read(cell)
    except ValueError:
        return BAD


@given(st.lists(NUMBERS, max_size=30), st.lists(CELLS, max_size=5))
@example([], [" 007 ", "\u00a01.5\u00a0", "12"])
@example(["1"] * 30, ["\n2", "inf", "1_000", "0x1F", "3."])
@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.generate))
def test_odd_cells_are_counted_and_read_as_the_core_reads_them(numbers: list[str], others: list[str]) -> None:
    cells = ["1", *numbers, *others]
    by_rows = sorted(Counter(cells).items(), key=lambda each: (-each[1], each[0]))  # as the reader gives them
    expected = infer_format(dict(by_rows))
    values = [value_of(expected.format, cell) for cell in cells]
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *((cell, "x") for cell in cells)])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        path.write_bytes(file.getvalue().encode())
        with TableFile(path, max_bytes=MANY) as table:
            column = table.schema["a"]
            if BAD in values:
                with pytest.raises(InvalidRequest, match="expected a number, got"):
                    list(table.blocks())
            else:
                (block,) = table.blocks()
                assert [plain(value) for value in block["a"]] == values
                assert column.gaps == values.count(None)

    assert column.format == expected.format
    assert {doubt.reason for doubt in column.doubts} == {doubt.reason for doubt in expected.doubts}


def test_different_values_are_counted_without_gaps_and_blanks_around_them(upload: Upload) -> None:
    lines = [f"#{1000 + i},{'good' if i % 2 else 'good '},{i},{'NA' if i % 3 else f'{i % 4},5'}" for i in range(900)]
    content = "order,quality,n,share\n" + "".join(line.replace(",", ";", 3) + "\n" for line in lines)
    with TableFile(upload(content.replace(",", ";", 3).encode()), max_bytes=MANY) as table:
        counted = {column.name: column.distinct for column in table.schema.columns}

    assert {name: counted[name] for name in ("order", "quality", "share")} == {"order": 900, "quality": 1, "share": 4}


@pytest.mark.parametrize(("rows", "estimated"), [(5_000, False), (40_000, True)])
def test_different_numbers_of_few_rows_are_counted_and_those_of_many_are_estimated_which_is_said(
    upload: Upload, rows: int, estimated: bool
) -> None:
    lines = "".join(f"{i},x{i},{i % 150}\n" for i in range(rows))
    with TableFile(upload(f"a,b,few\n{lines}".encode()), max_bytes=MANY) as table:
        numbers, texts, few = table.schema.columns

    assert [each.distinct_estimated for each in (numbers, texts, few)] == [estimated, False, False]
    assert (texts.distinct, few.distinct) == (rows, 150)
    assert numbers.distinct == (pytest.approx(rows, rel=0.2) if estimated else rows)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["134.222", "265.689", "7"], [134222, 265689, 7]),
        (["134.222", "1.265.689", "7"], [134222, 1265689, 7]),
        (["134.222", "265.689", "1.5"], [134.222, 265.689, 1.5]),
        (["134.222", "265.689", "1500"], [134.222, 265.689, 1500]),
    ],
)
def test_points_before_three_digits_are_read_as_the_decimal_commas_of_other_columns_say(
    upload: Upload, cells: list[str], values: list[float]
) -> None:
    lines = "".join(f"{cell};{i},5\n" for i, cell in enumerate(cells * 20))
    with TableFile(upload(f"a;b\n{lines}".encode()), max_bytes=MANY) as table:
        (block,) = table.blocks()
        doubts = [doubt for column in table.schema.columns for doubt in column.doubts]

    assert block["a"].tolist() == values * 20
    assert doubts == []


def test_numbers_of_a_typed_file_are_not_in_doubt(upload: Upload) -> None:
    lines = "".join(f'{{"a": {i % 900 + 1}.25{i % 9 + 1}, "b": "{i % 900 + 1}.25{i % 9 + 1}"}}\n' for i in range(100))
    with TableFile(upload(lines.encode()), max_bytes=MANY) as table:
        doubts = {column.name: [doubt.reason for doubt in column.doubts] for column in table.schema.columns}

    assert doubts == {"a": [], "b": ["NUMBER_FORMAT"]}


@pytest.mark.parametrize(
    ("content", "rows", "said"),
    [
        ("a;b;c\n1;;x\n;;\n2;y;\n;;\n ;;\n", 3, ["2 rows without any value at the end left out, from row 4 on"]),
        ("a;b;c\n1;;x\n;;\n", 1, ["1 row without any value at the end left out, from row 2 on"]),
        ("a;b;c\n1;;x\n;;\n2;y;\n", 3, []),
        ('a\n1\n""\n', 2, []),
    ],
)
def test_empty_rows_at_the_end_are_left_out_which_is_said(
    upload: Upload, content: str, rows: int, said: list[str]
) -> None:
    with TableFile(upload(content.encode()), max_bytes=MANY) as table:
        (block,) = table.blocks()

    assert (table.schema.rows, len(block["a"])) == (rows, rows)
    assert [doubt.message for doubt in table.schema.doubts if doubt.reason == "LINES_SKIPPED"] == said


def test_empty_rows_at_the_end_of_a_wide_table_are_left_out(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    group = 3 * TOGETHER
    monkeypatch.setattr(cell_sql, "GROUP", group)
    names = ",".join(f"c{i}" for i in range(group + 1))
    row = "," * group
    with TableFile(upload(f"{names}\n{row}1\n{row}\n".encode()), max_bytes=MANY) as table:
        (block,) = table.blocks()

    assert [len(block["c0"]), block[f"c{group}"].tolist()] == [1, [1.0]]


def test_rows_come_in_blocks_in_the_order_of_the_file(upload: Upload) -> None:
    rows = 150_000
    with TableFile(
        upload(("a,b\n" + "".join(f"{i},g{i % 7}\n" for i in range(rows))).encode()), max_bytes=MANY
    ) as table:
        blocks = list(table.blocks())

    assert len(blocks) == 3
    assert np.array_equal(np.concatenate([block["a"] for block in blocks]), np.arange(rows))
    assert [text for block in blocks for text in block["b"]] == [f"g{i % 7}" for i in range(rows)]


def test_more_columns_than_a_table_of_the_database_has_are_read(upload: Upload) -> None:
    width = GROUP + 100
    lines = [
        ",".join(f"c{i}" for i in range(width)),
        *(",".join(str(i * row) for i in range(width)) for row in range(3)),
    ]
    with TableFile(upload("\n".join(lines).encode()), max_bytes=MANY, max_columns=width) as table:
        (block,) = table.blocks()

    assert [block[f"c{i}"][2] for i in (0, GROUP - 1, GROUP, width - 1)] == [0, 2 * GROUP - 2, 2 * GROUP, 2 * width - 2]


def test_too_many_columns_are_refused_before_the_rows_are_read(upload: Upload) -> None:
    with pytest.raises(
        TooLarge, match=r"columns: expected at most 3 columns, got 4: leave some out .*LAYERWISE_MAX_COLUMNS"
    ):
        TableFile(upload(b"a,b,c,d\nbad line"), max_bytes=MANY, max_columns=3)


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


def test_numbers_and_booleans_of_typed_files_are_read_whatever_signs_and_words_texts_have(upload: Upload) -> None:
    content = b"""{"n": 1.234, "b": true, "c": 2007, "t": "1.234,5", "i": 1, "o": true}
{"n": 5, "b": false, "c": 2008.0, "t": "2", "i": 0, "o": false}
"""
    german = NumberFormat(decimal=",", thousands=".")
    yes = BooleanFormat(true=("ja",), false=("nein",))
    known = {"n": german, "b": yes, "c": CategoryFormat(), "t": german, "i": yes, "o": german}
    with TableFile(upload(content), max_bytes=MANY, choices=ReadingChoices(known=known)) as table:
        (block,) = table.blocks()

    assert {name: list(values) for name, values in block.items()} == {
        "n": [1.234, 5],
        "b": [1, 0],
        "c": ["2007", "2008"],
        "t": [1234.5, 2],
        "i": [1, 0],
        "o": [1, 0],
    }


def test_numbers_of_arrays_are_read_whatever_signs_and_words_texts_have(upload: Upload) -> None:
    german = NumberFormat(decimal=",", thousands=".")
    known = {"n": german, "b": german, "f": CategoryFormat(numeric=True), "c": CategoryFormat(), "t": german}
    numbers, texts = np.array([1.234, 1234.5]), np.array(["1,5", "1.234"])
    content = npz(n=numbers, b=numbers > 2, f=np.array([0.1, 2], np.float32), c=np.array([2007.0, 2008]), t=texts)
    with TableFile(upload(content), max_bytes=MANY, choices=ReadingChoices(known=known)) as table:
        (block,) = table.blocks()

    assert {name: list(values) for name, values in block.items()} == {
        "n": [1.234, 1234.5],
        "b": [0, 1],
        "f": ["0.1", "2"],
        "c": ["2007", "2008"],
        "t": [1.5, 1234],
    }


def test_numbers_beside_texts_in_json_lines_are_read_whatever_signs_texts_have(upload: Upload) -> None:
    content = b"""{"n": 1.234, "b": 1.5, "c": 2007.0}
{"n": "1.234", "b": true, "c": "2007"}
{"n": "", "b": "NA", "c": false}
"""
    german = NumberFormat(decimal=",", thousands=".")
    known = {"n": german, "b": german, "c": CategoryFormat()}
    with TableFile(upload(content), max_bytes=MANY, choices=ReadingChoices(known=known)) as table:
        (block,) = table.blocks()

    assert {name: list(map(plain, values)) for name, values in block.items()} == {
        "n": [1.234, 1234, None],
        "b": [1.5, 1, None],
        "c": ["2007", "2007", "false"],
    }


def test_texts_of_json_lines_that_look_like_dates_times_and_uuids_stay_as_they_are(upload: Upload) -> None:
    content = b"""{"d": "3-2-12", "c": "3-2-12", "t": "10:11", "u": "550E8400-E29B-41D4-A716-446655440000"}
"""
    known = {"d": DateFormat(day_first=True), "c": CategoryFormat(), "t": CategoryFormat(), "u": CategoryFormat()}
    with TableFile(upload(content), max_bytes=MANY, choices=ReadingChoices(known=known)) as table:
        (block,) = table.blocks()

    assert {name: values[0] for name, values in block.items()} == {
        "d": np.datetime64("2012-02-03"),
        "c": "3-2-12",
        "t": "10:11",
        "u": "550E8400-E29B-41D4-A716-446655440000",
    }


def test_numbers_that_are_wanted_as_texts_say_that_they_are_numbers(upload: Upload) -> None:
    text = TextFormat()
    content = npz(a=np.array([1.5, 2007.0]), b=np.array([2**53 + 1, 7]), c=np.array(["1.5", "x"]))
    choices = ReadingChoices({"a": text, "b": text, "c": text})
    with TableFile(upload(content), max_bytes=MANY, choices=choices) as table:
        (block,) = table.blocks()

    assert table.schema["a"].format == CategoryFormat(numeric=True)
    assert block == {"a": ["1.5", "2007"], "b": ["9007199254740993", "7"], "c": ["1.5", "x"]}


def test_booleans_of_parquet_are_1_and_0_to_categories_that_are_numbers(tmp_path: Path) -> None:
    duckdb.sql("SELECT true AS c UNION ALL SELECT false").write_parquet(str(tmp_path / "upload"))
    choices = ReadingChoices(known={"c": CategoryFormat(numeric=True)})
    with TableFile(tmp_path / "upload", max_bytes=MANY, choices=choices) as table:
        (block,) = table.blocks()

    assert list(block["c"]) == [1, 0]


def test_a_line_with_very_many_keys_is_refused_before_their_types_are_found(upload: Upload) -> None:
    """Finding them would take a minute."""
    keys = ",".join(f'"k{i}":1' for i in range(100_000))

    with pytest.raises(TooLarge, match="columns: expected at most 1,000 columns, got more"):
        TableFile(upload(f"{{{keys}}}\n".encode()), max_bytes=MANY, max_columns=1_000)


@pytest.mark.parametrize("line", [b"1,2", b'{"a": 1, "b": 2}'], ids=["CSV", "JSON Lines"])
def test_reading_stops_soon_after_the_first_row_too_many(upload: Upload, line: bytes) -> None:
    header = b"" if line.startswith(b"{") else b"a,b\n"
    path = upload(header + (line + b"\n") * 100_000 + b"no,such,row\n")

    with pytest.raises(TooLarge, match="expected at most 50 rows, the file has more") as caught:
        TableFile(path, max_bytes=MANY, max_rows=50)

    assert caught.value.reason == "TOO_MANY_ROWS"


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("within", ["\n", "\r\n", "\r"])
def test_line_ends_within_cells_mean_the_same(upload: Upload, ends: str, within: str) -> None:
    content = ends.join(["a,b", f'"x{within}y",1', '"z",2', ""]).encode()
    with TableFile(upload(content), max_bytes=MANY) as table:
        (block,) = table.blocks()

    assert block["a"] == ["x\ny", "z"]
    assert CategoryFormat().read(f"x{within}y") == TextFormat().read(f"x{within}y") == "x\ny"


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
        (
            zipped("[Content_Types].xml", "xl/workbook.xml"),
            "NOT_A_TABLE",
            r"an Excel file \(.xlsx\): save the sheet as",
        ),
        (zipped("word/document.xml"), "NOT_A_TABLE", "a Word document"),
        (zipped("a.csv"), "NOT_A_TABLE", "a zip archive of 'a.csv': unpack it"),
        (zipped("a.npy")[:-9], "NOT_A_TABLE", "an .npz file that is damaged or cut off: send it again"),
        (
            zipped("[Content_Types].xml", "xl/workbook.xml", "xl/sheet1.xml")[:-30],
            "NOT_A_TABLE",
            r"an Excel file \(.xlsx\) that is damaged or cut off: save the sheet as CSV",
        ),
        (zipped("a.npy"), "DAMAGED_FILE", "a: expected a whole array"),
        (b"a/b".ljust(257, b"\0") + b"ustar\0", "NOT_A_TABLE", "a tar archive"),
        (b"SQLite format 3\0", "NOT_A_TABLE", "an SQLite database: export the table as CSV"),
        (pickle.dumps({"a": 1}), "NOT_A_TABLE", "a Python pickle"),
        (gzip.compress(gzip.compress(b"a\n1\n", mtime=0), mtime=0), "NOT_A_TABLE", "gzip twice"),
        (gzip.compress(b"", mtime=0), "EMPTY_FILE", "the file is empty"),
        (b"\xef\xbb\xbf", "EMPTY_FILE", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "NOT_A_TABLE", "git lfs pull"),
        (b"<!-- saved -->\n<html>", "NOT_A_TABLE", "a web page"),
        (npz(a=np.array([None, 1], object)), "NOT_A_TABLE", r"a: .* Python objects \(pickles\)"),
        (
            npz(a=np.zeros((2, 3, 4))),
            "NOT_A_TABLE",
            r"a: expected an array of one or two dimensions, got the shape \(2, 3, 4\)",
        ),
        (npz(a=np.zeros(2), b=np.zeros(3)), "NOT_A_TABLE", "as many rows, a has 2, b has 3"),
        (
            npz(a=np.zeros(2, complex)),
            "NESTED_COLUMN",
            "columns.a: expected numbers, booleans, dates or texts, got complex",
        ),
        (npz(a=np.zeros((0, 2))), "NO_ROWS", "the file has none"),
        (b"a,b\n", "NO_ROWS", "the file has none"),
        (b"\n <!DOCTYPE html><html>", "NOT_A_TABLE", "a web page"),
        (b'[{"a": 1}]', "NOT_A_TABLE", "one object a line"),
        (bytes(range(32)), "NOT_A_TABLE", "the file is binary: 26 of its first 32 bytes are no text: save it as CSV"),
        (
            gzip.compress(bytes(10**6), mtime=0),
            "NOT_A_TABLE",
            "what the gzip file unpacks to is binary: 65,536 of its first 65,536 bytes are no text, all of them zeros",
        ),
        (b"a,b\n1,2\n1,\x00\n", "BAD_LINE", r"line\[3\]: expected text, got a NUL byte"),
        (b"a,b\n" + b"1,2\n" * 90_000 + b"1,\x00\n", "BAD_LINE", r"line\[90002\]: .* NUL byte"),
        (
            b"a,b\n1,2\n3\n4,5,6\n",
            "BAD_LINE",
            r"line\[3\]: expected 2 cells, as in the header, divided by comma; got 1: '3'",
        ),
        (b"a,b\n1,2\n3\n", "BAD_LINE", r"line\[3\]: expected 2 cells"),
        (b"a,b\n1,2\n3\n4,5\n\nend\n", "BAD_LINE", r"line\[3\]: expected 2 cells"),
        (b'a,b\n1,"2\n', "BAD_LINE", r'line\[2\]: expected " only around a cell'),
        (b"a,b\n1,2\n" + b"x" * 2**24 + b"\n", "BAD_LINE", r"line\[3\]: expected a line of at most 16,777,216 bytes"),
        (b'"a,b\n1,2\n', "BAD_LINE", r"line\[1\]: expected a line with the names .* quote not closed"),
        (
            b"a\n1\n1e999\n",
            "BAD_CELL",
            r"rows\[1\].a: expected a finite number, or a code in a .* category, got '1e999'",
        ),
        (b"a\n1\ninf\n", "BAD_CELL", r"rows\[1\].a: expected a number, got 'inf'"),
        (b'{"a": [1, 2]}\n', "NESTED_COLUMN", "columns.a: expected a single value"),
        (
            b'{"a": {"b": {"c": [1]}}}\n',
            "NESTED_COLUMN",
            "columns.a.b.c: expected a single value in each row, got a list",
        ),
        (b'{"a": 1}\n' * 30_000 + b'{"a": [1]}\n', "NESTED_COLUMN", "columns.a: expected a single value"),
        (b'{"a": 1}\n{"a": \n{"a": 2}\n', "BAD_LINE", r"""line\[2\]: .* got '{"a":'"""),
        (b'{"a": 1}\n{"a": 2, "a": 2}\n', "BAD_LINE", r"line\[2\]: expected an object on each line .*, each key once"),
        (b'{\n"a": 1\n}', "BAD_LINE", r"line\[1\]: expected an object on each line \(JSON Lines\), .* got '{'"),
        (b"PAR1 and no more", "NOT_A_TABLE", "cannot be read"),
        (b"\x1f\x8b\x08 and no more", "DAMAGED_FILE", "gzip"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,  # zip archives have the time in them
)
def test_what_is_no_table_is_refused_saying_what_it_is(upload: Upload, content: bytes, reason: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as error:
        read_file(upload(content).parent, LIMITS, ReadingChoices())

    assert error.value.reason == reason
    assert "upload" not in str(error.value)


def test_a_bomb_of_zeros_is_refused_before_it_fills_the_disk(upload: Upload) -> None:
    with pytest.raises(TooLarge, match="at most 1000000 bytes"):
        TableFile(upload(gzip.compress(b"a,b\n" + b"1,2\n" * 10**6)), max_bytes=10**6)

    assert not upload(b"x").with_name("upload.text").exists()


def test_a_parquet_file_is_read_with_its_types(upload: Upload, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    with closing(duckdb.connect()) as database:
        database.execute(
            "COPY (SELECT range * 1.5 AS a, 'x' || range::VARCHAR AS b, DATE '2013-01-31' AS d, range % 2 = 0 AS e,"
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
            f"COPY cells0 TO '{tmp_path.parent}/out.csv'",
            f"ATTACH '{tmp_path.parent}/other.duckdb'",
            "SET enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                table._database.execute(query)


def test_a_number_that_means_a_gap_means_it_however_it_is_written(upload: Upload) -> None:
    lines = "".join(f"{'-999.00' if i % 9 == 0 else '-999' if i % 9 == 1 else i / 4}\n" for i in range(90))
    choices = ReadingChoices(gaps=("-999.0",))
    with TableFile(upload(f"a\n{lines}".encode()), max_bytes=MANY, choices=choices) as table:
        (column,) = table.schema.columns
        (block,) = table.blocks()

    assert (column.format.kind, column.gaps, int(np.isnan(block["a"]).sum())) == ("number", 20, 20)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("V,A,\n", ["the first row has texts, such as 'V', in 2 columns of numbers or dates"]),
        ("V,A,\nmean,mean,\n", ["the first 2 rows have texts, such as 'V', in 2 columns of numbers or dates"]),
        ("V,3,x\n", []),
        ("", []),
    ],
)
def test_a_second_header_is_told_and_no_example(upload: Upload, more: str, said: list[str]) -> None:
    rows = "".join(f"{i}.5,{i},{'NULL' if i % 2 else 'x'}\n" for i in range(60))
    with TableFile(upload(f"volt,ampere,name\n{more}{rows}".encode()), max_bytes=MANY) as table:
        found = [doubt.message for doubt in table.schema.doubts if doubt.reason == "SECOND_HEADER"]
        examples = [column.example for column in table.schema.columns]

    assert [message.partition(":")[0] for message in found] == said
    assert examples == ["0.5", "3" if more.startswith("V,3") else "0", "x"]
