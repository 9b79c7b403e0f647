"""The encoding of a column that nobody chose follows from its values."""

import csv
import datetime
import io

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from helpers.odd_tables import ODD_TABLES
from layerwise import (
    BooleanFormat,
    DateParts,
    HashedWords,
    Hashing,
    InvalidInput,
    OneHot,
    Ordinal,
    Standardize,
    TableEncoder,
)

MANY = [f"x{i:03}" for i in range(100)]


@pytest.mark.parametrize(
    ("values", "encoding"),
    [
        ([1, 2, 3], Standardize(missing="mean")),
        ([1.5, None, 3], Standardize(missing="indicator")),
        (["1", "2.5", "-3e2"], Standardize(missing="mean")),
        (["1", "", "3"], Standardize(missing="indicator")),
        (["a", "b"], OneHot(missing="none", unseen="none")),
        (["1", "b"], OneHot(missing="none", unseen="none")),
        (["a", None], OneHot(missing="own", unseen="none")),
        ([True, False], Standardize(missing="mean")),
        (np.array([True, False]), Standardize(missing="mean")),
        (["yes", "No", ""], Standardize(missing="indicator")),
        ([True, "maybe"], OneHot(missing="none", unseen="none")),
        ([datetime.time(10, 30), None], DateParts(parts=("time_cycle",), missing="indicator")),
        (["10:30", "2:05 PM"], DateParts(parts=("time_cycle",), missing="none")),
        (["A red house", "Two blue houses", None], HashedWords(missing="own")),
        (["1,234.5", "2"], Standardize(missing="mean")),
        (["31.12.2013", "1.2.2014"], DateParts(missing="none")),
        (["1_000", "2"], OneHot(missing="none", unseen="none")),
        (["nan", "2"], Standardize(missing="indicator")),
        (["-nan", "2"], Standardize(missing="indicator")),
        (["2013-01-01", "N/A"], DateParts(missing="indicator")),
        ([3, "NA"], Standardize(missing="indicator")),
        ([datetime.date(2013, 1, 1), "null"], DateParts(missing="indicator")),
        (["NA", "3", "x"], OneHot(missing="own", unseen="none")),
        ([True, "NA"], Standardize(missing="indicator")),
        (["2013-01-01", "2013-12-31T10:00Z"], DateParts(missing="none")),
        (["2013-01-01", ""], DateParts(missing="indicator")),
        (["2013-01-01", "2013-02-30"], OneHot(missing="none", unseen="none")),
        ([datetime.date(2013, 1, 1)], DateParts(missing="none")),
        (np.array(["2013-01-01", "NaT"], "M8[D]"), DateParts(missing="indicator")),
        (MANY * 2, OneHot(missing="none", unseen="other")),
        ([f"x{i}" for i in range(200)], Hashing(missing="none")),
    ],
)
def test_the_values_decide(values, encoding):
    for table in {"x": values}, [{"x": value} for value in values]:
        assert TableEncoder().fit(table).columns[0].encoding == encoding


def test_more_than_64_categories_have_an_output_if_each_has_20_rows():
    frequent, rare = [f"x{i:03}" for i in range(600)], ["rare"] * 19
    few, many = (TableEncoder().fit({"x": frequent[:n] * 20 + rare}).columns[0].encoding for n in (100, 600))
    chosen = TableEncoder({"x": "one_hot"}).fit({"x": frequent[:100] * 20}).columns[0].encoding

    assert (few.most, few.unseen) == (100, "other")
    assert many.most == 512
    assert chosen.most == 64


def test_numbers_of_a_categorical_column_are_numeric_categories():
    encoder = TableEncoder().fit(pd.DataFrame({"x": pd.Categorical([2007, 2008, None])}))

    assert encoder.columns[0].format.numeric
    assert encoder.encode({"x": ["2007.0", 2007.0]}).tolist() == encoder.encode({"x": [2007, "2007"]}).tolist()


@pytest.mark.parametrize("values", [[True, False, None], np.array([True, False]), pd.Categorical([True, False])])
@pytest.mark.parametrize("encoding", ["one_hot", Ordinal(order=("false", "true"))])
def test_booleans_that_are_encoded_as_categories_are_still_booleans(values, encoding):
    encoder = TableEncoder({"late": encoding}).fit({"late": pd.Series(values)})

    assert isinstance(encoder.columns[0].format, BooleanFormat)
    for true, false in ((True, False), (1, 0), ("1", "0"), ("TRUE", "no"), (1.0, np.False_)):
        assert_array_equal(encoder.encode({"late": [true, false]}), encoder.encode({"late": [True, False]}))


def test_texts_of_true_and_false_that_are_encoded_as_categories_stay_texts():
    encoder = TableEncoder({"late": "one_hot"}).fit({"late": ["yes", "no"]})

    assert encoder.names == ("late=no", "late=yes")


def test_where_every_text_is_a_category_a_word_for_a_gap_is_one_too():
    continents = pd.Categorical(["NA", "EU", None])

    for encoding in ({}, {"continent": "one_hot"}):
        encoder = TableEncoder(encoding).fit({"continent": pd.Series(continents)})
        assert encoder.names == ("continent=EU", "continent=NA", "continent missing")
        assert encoder.encode([{"continent": "NA"}, {"continent": "None"}]).tolist() == [[0, 1, 0], [0, 0, 1]]


def test_ranks_of_booleans_are_words_for_them():
    with pytest.raises(InvalidInput, match=r"columns.late.order: expected true or false, got 'maybe'"):
        TableEncoder({"late": Ordinal(order=("no", "maybe"))}, formats={"late": "boolean"}).fit({"late": [True, False]})


def test_a_rank_is_no_gap_even_where_a_block_has_no_other_value():
    encoder = TableEncoder({"x": Ordinal(order=("none", "some"))}).fit_blocks([{"x": ["none"]}, {"x": ["some"]}])

    assert encoder.encode({"x": ["none", "some"]}).tolist() == [[0.5], [1.0]]


def test_ranks_are_read_as_cells_are():
    encoder = TableEncoder({"x": Ordinal(order=(" low", "high"))}).fit({"x": ["low", " high "]})

    assert encoder.columns[0].categories == ("low", "high")
    assert TableEncoder.from_json(encoder.to_json()) == encoder
    with pytest.raises(InvalidInput, match=r"^columns\.x\.order\[1\]: expected distinct texts, got 'low' twice"):
        TableEncoder({"x": Ordinal(order=(" low", "low"))}).fit({"x": ["low"]})


def test_a_format_follows_from_the_first_block_that_has_a_value():
    encoder = TableEncoder({"y": Standardize(missing="median")}).fit_blocks(
        [{"x": [None, "NA"], "y": [None, ""]}, {"x": ["x", "3"], "y": ["1,5", "2,5"]}, {"x": ["3", 4], "y": ["3,5", 4]}]
    )

    assert encoder.names == ("x=3", "x=4", "x=x", "x missing", "y")
    assert [column.format.kind for column in encoder.columns] == ["category", "number"]
    assert encoder.columns[1].format.decimal == ","
    with pytest.raises(
        InvalidInput,
        match=r"^rows\[0\]\.x: expected a value, got 'NA', which stands for a missing value; this column had none",
    ):
        TableEncoder({"x": Standardize(missing="error")}).fit_blocks([{"x": ["NA"]}, {"x": ["3"]}])


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([[1, 2], ["a"]], "rows[2].x: expected a number, got 'a'"),
        ([[1, 2, None, True]], "rows[3].x: expected a number, as in earlier rows, got True"),
        (
            [["2013-01-01"], ["a"]],
            "rows[1].x: expected a date, as 2013-01-31, 31.1.2013 or 31-Jan-2013, with or without",
        ),
        ([["10:00"], ["a"]], "rows[1].x: expected a time of day, as 14:05 or 14:05:30, got 'a'; if it stands for"),
        ([[True], [2]], "rows[1].x: expected true or false, got 2; if it stands for a missing value, choose"),
        ([[datetime.date(2013, 1, 1), 3.5]], "rows[1].x: expected a date, as in earlier rows, got 3.5"),
        ([[True, 2]], "rows[1].x: expected a boolean or a category, as in earlier rows, got 2"),
        ([[[1], [2]]], "rows[0].x: expected a number, text, a boolean, a date or a time of day, got [1]"),
        ([["NA", "nan"]], "columns.x: expected at least one value, all are missing; the column"),
        ([[None, ""], [float("nan")]], "columns.x: expected at least one value, all are missing; the column"),
    ],
)
def test_values_that_do_not_go_together_are_refused(blocks, message):
    with pytest.raises(InvalidInput) as caught:
        TableEncoder().fit_blocks([{"x": values} for values in blocks])
    assert str(caught.value).startswith(message)


def test_a_chosen_encoding_takes_what_goes_together_with_it():
    encoder = TableEncoder({"zip": "one_hot"}).fit({"zip": ["02139", 10001, 10001.0]})

    assert encoder.names == ("zip=02139", "zip=10001")


def test_the_rest_may_be_left_out():
    table = {"a": [1, 2], "b": ["x", "y"], "id": [7, 8]}

    assert TableEncoder({"a": "min_max"}, rest="ignore").fit(table).names == ("a",)
    assert TableEncoder(ignore=["id"]).fit(table).names == ("a", "b=x", "b=y")
    with pytest.raises(InvalidInput, match="table: expected at least 1 column that is not ignored, got 0"):
        TableEncoder(rest="ignore").fit(table)
    with pytest.raises(InvalidInput, match=r"columns\.c: there is no column 'c'; the columns are a, b, id"):
        TableEncoder({"c": "log"}).fit(table)


def mixed(odd, *, at=17, rows=1000, usual=lambda i: str(i / 7)):
    """Texts of numbers, or of what is `usual`, but for `odd` texts from the row `at` on."""
    values = [usual(i) for i in range(rows)]
    values[at : at + len(odd)] = odd
    return values


def day(i):
    return str(datetime.date(2013, 1, 1) + datetime.timedelta(i))


@pytest.mark.parametrize(
    ("values", "reason", "place"),
    [
        (mixed(["abc"]), "ODD_TEXTS", (17, "x")),
        (mixed(["", "NA", "abc"]), "ODD_TEXTS", (19, "x")),
        (mixed(["?"] * 100), "ODD_TEXTS", (17, "x")),
        (mixed(["?"] * 101), "MOSTLY_NUMBERS", (17, "x")),  # categories
        (mixed([f"no {i}" for i in range(11)]), "MOSTLY_NUMBERS", (17, "x")),
        (mixed(["2020-02-30"], usual=day), "ODD_TEXTS", (17, "x")),
        (mixed([], usual=lambda i: f"{i % 900 + 1},250"), "NUMBER_FORMAT", (0, "x")),
        (mixed([], usual=lambda i: f"{i % 900 + 1}.250"), "NUMBER_FORMAT", (0, "x")),
        (mixed([], usual=lambda i: f"{i} {'kg' if i % 2 else 'g'}"), "MIXED_UNITS", (0, "x")),
        (mixed(["12.5 %"], usual=lambda i: f"{i} %"), None, None),
        (mixed(["007"], rows=40, usual=lambda i: str(i + 1)), "CODES", (17, "x")),
        (mixed([], rows=30, usual=lambda i: str(2**53 + i)), "CODES", (1, "x")),
        (mixed(["0.5"], rows=30, usual=lambda i: str(2**53 + i)), None, None),  # amounts
        (mixed(["None"], rows=30, usual=lambda i: "ab"[i % 2]), "NONE", (17, "x")),
        (mixed([], rows=30, usual=lambda i: f"x{i}"), "ALL_DIFFERENT", (None, "x")),
        (["4/5/2013", "6/7/2013"], "DATE_ORDER", (0, "x")),
        (["4/5/2013", "6/17/2013"], None, None),
        (mixed([], usual=lambda i: "ab"[i % 2]), None, None),
        (mixed([]), None, None),
        (mixed([], usual=lambda i: i), None, None),
        ([True, False], None, None),
    ],
)
def test_what_is_doubtful_about_a_column_is_told_with_its_place(values, reason, place):
    (column,) = TableEncoder().fit({"x": values}).columns

    assert [doubt.reason for doubt in column.doubts] == ([reason] if reason else [])
    assert [(doubt.row, doubt.column) for doubt in column.doubts] == ([place] if reason else [])


def test_doubts_are_no_part_of_the_encoding():
    encoder = TableEncoder().fit({"x": mixed(["abc"])})

    again = TableEncoder.from_json(encoder.to_json())

    assert (again, again.columns) == (encoder, encoder.columns)
    assert [column.doubts for column in again.columns] == [()]
    assert again.encode({"x": ["abc", "1"]}).tolist() == encoder.encode([{"x": "abc"}, {"x": 1}]).tolist()


def test_nobody_doubts_what_was_chosen():
    texts = mixed(["abc"])

    assert TableEncoder({"x": "one_hot"}).fit({"x": texts}).columns[0].doubts == ()
    assert TableEncoder(formats={"x": "category"}).fit({"x": texts}).columns[0].doubts == ()
    assert TableEncoder().fit({"x": pd.Series(texts, dtype="category")}).columns[0].doubts == ()


@pytest.mark.parametrize("odd", ["1e39", "inf", "-Infinity"])
def test_a_number_that_no_network_takes_does_not_make_categories_of_numbers(odd):
    for values in mixed([odd]), [*mixed([odd]), "1,234.5"]:
        with pytest.raises(
            InvalidInput, match=rf"^rows\[17\]\.x: expected a (finite )?number( within float32)?, got '{odd}'"
        ):
            TableEncoder().fit({"x": values})


def test_texts_of_which_some_read_as_infinity_stay_categories():
    encoder = TableEncoder().fit({"x": ["inf", "abc", "1"]})

    assert encoder.columns[0].kind == "category"


@pytest.mark.parametrize(
    "odd",
    [odd for odd in ODD_TABLES if odd.content.startswith(b"a,y") and "LINES_SKIPPED" not in odd.doubts],
    ids=lambda odd: odd.name,
)
def test_the_cells_of_odd_files_are_read_as_a_person_reads_them(odd):
    cells = [row["a"] for row in csv.DictReader(io.StringIO(odd.content.decode(), newline=""))]

    (column,) = TableEncoder().fit({"a": cells}).columns

    assert column.format.kind == odd.kind
    assert {doubt.reason for doubt in column.doubts} == odd.doubts
    assert [column.format.read(cell) for cell in cells[: len(odd.values)]] == list(odd.values)
