"""The encoding of a column that nobody chose follows from its values."""

import datetime

import numpy as np
import pandas as pd
import pytest

from layerwise import DateParts, Hashing, InvalidInput, OneHot, Standardize, TableEncoder

MANY = [f"{i:03}x" for i in range(100)]


@pytest.mark.parametrize(
    ("values", "encoding"),
    [
        ([1, 2, 3], Standardize(missing="error")),
        ([1.5, None, 3], Standardize(missing="indicator")),
        (["1", "2.5", "-3e2"], Standardize(missing="error")),
        (["1", "", "3"], Standardize(missing="indicator")),
        (["a", "b"], OneHot(missing="error", unseen="none")),
        (["1", "b"], OneHot(missing="error", unseen="none")),
        (["a", None], OneHot(missing="own", unseen="none")),
        ([True, False], OneHot(missing="error", unseen="none")),
        (np.array([True, False]), OneHot(missing="error", unseen="none")),
        (["1_000", "2"], OneHot(missing="error", unseen="none")),
        (["nan", "2"], Standardize(missing="indicator")),
        (["-nan", "2"], OneHot(missing="error", unseen="none")),
        (["2013-01-01", "N/A"], DateParts(missing="indicator")),
        ([3, "NA"], Standardize(missing="indicator")),
        ([datetime.date(2013, 1, 1), "null"], DateParts(missing="indicator")),
        (["NA", "3", "x"], OneHot(missing="error", unseen="none")),
        (["NA", "nan"], OneHot(missing="error", unseen="none")),
        (["NA", ""], OneHot(missing="own", unseen="none")),
        ([True, "NA"], OneHot(missing="error", unseen="none")),
        (["2013-01-01", "2013-12-31T10:00Z"], DateParts(missing="error")),
        (["2013-01-01", ""], DateParts(missing="indicator")),
        (["2013-01-01", "2013-02-30"], OneHot(missing="error", unseen="none")),
        ([datetime.date(2013, 1, 1)], DateParts(missing="error")),
        (np.array(["2013-01-01", "NaT"], "M8[D]"), DateParts(missing="indicator")),
        (MANY * 2, OneHot(missing="error", unseen="other")),
        ([f"{i}x" for i in range(200)], Hashing(missing="error")),
    ],
)
def test_the_values_decide(values, encoding):
    for table in {"x": values}, [{"x": value} for value in values]:
        assert TableEncoder().fit(table).columns[0].encoding == encoding


def test_the_end_of_a_block_changes_nothing():
    values = ["1", "2", "", "3", "N14228", "2013-01-01"]

    for size in 1, 2, 5, 6:
        blocks = [{"x": values[i : i + size]} for i in range(0, 6, size)]
        encoder = TableEncoder().fit_blocks(blocks)
        assert encoder.names == ("x=1", "x=2", "x=2013-01-01", "x=3", "x=N14228", "x missing")


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([[1, 2], ["a"]], "rows[2].x: expected a number, got 'a'"),
        ([[1, 2], [None, True]], "rows[3].x: expected a number, as in earlier rows, got True"),
        ([["a"], [3]], "rows[1].x: expected a category (text or a boolean), as in earlier rows, got 3"),
        ([["2013-01-01"], ["a"], [datetime.date(2013, 1, 1)]], "rows[2].x: expected a category (text or a boolean),"),
        ([[datetime.date(2013, 1, 1), 3.5]], "rows[1].x: expected a date, as in earlier rows, got 3.5"),
        ([[True, 2]], "rows[1].x: expected a category (text or a boolean), as in earlier rows, got 2"),
        ([[[1], [2]]], "rows[0].x: expected a number, text, a boolean or a date, got [1]"),
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


ISO = "a date (ISO 8601, as 2013-01-31 or 2013-01-31T10:00)"


@pytest.mark.parametrize(
    ("values", "doubt"),
    [
        (mixed(["abc"]), "rows[17].x: expected a number, got 'abc'; 999 of 1,000 texts are numbers"),
        (mixed(["", "NA", "abc"]), "rows[19].x: expected a number, got 'abc'; 997 of 998 texts are numbers"),
        (mixed(["?"] * 50), "rows[17].x: expected a number, got '?'; 950 of 1,000 texts are numbers"),
        (mixed(["?"] * 51), None),
        (mixed([f"no {i}" for i in range(21)]), None),
        (mixed([f"no {i}" for i in range(20)], at=980), "rows[980].x: expected a number, got 'no 0'; 980 of 1,000"),
        (mixed(["2020-02-30"], usual=day), f"rows[17].x: expected {ISO}, got '2020-02-30'; 999 of 1,000 texts are d"),
        (mixed(["x"], rows=40, usual=lambda i: "3"), "rows[17].x: expected a number, got 'x'; 39 of 40 texts are num"),
        (mixed([], usual=lambda i: "ab"[i % 2]), None),
        (mixed([]), None),
        (mixed([], usual=lambda i: i), None),
        ([True, False], None),
        (["NA", "NA"], None),
    ],
)
@pytest.mark.parametrize("size", [7, 300, 1000])
def test_a_column_tells_that_it_would_be_numbers_or_dates_but_for_few_texts(values, doubt, size):
    blocks = [{"x": values[i : i + size]} for i in range(0, len(values), size)]

    encoder = TableEncoder().fit_blocks(blocks)

    found = encoder.columns[0].doubt
    assert found is None if doubt is None else found.startswith(doubt)
    assert TableEncoder.from_json(encoder.to_json()) == encoder
    assert TableEncoder.from_json(encoder.to_json()).columns == encoder.columns


def test_nobody_doubts_what_was_chosen():
    texts = mixed(["abc"])

    assert TableEncoder({"x": "one_hot"}).fit({"x": texts}).columns[0].doubt is None
    assert TableEncoder().fit({"x": pd.Series(texts, dtype="category")}).columns[0].doubt is None


@pytest.mark.parametrize("size", [7, 300, 1000])
@pytest.mark.parametrize(
    ("odd", "wanted"),
    [("1e39", "a number within float32"), ("inf", "a finite number"), ("-Infinity", "a finite number")],
)
def test_a_number_that_no_network_takes_does_not_make_categories_of_numbers(size, odd, wanted):
    values = mixed([odd])
    blocks = [{"x": values[start : start + size]} for start in range(0, len(values), size)]

    with pytest.raises(InvalidInput, match=rf"^rows\[17\]\.x: expected {wanted}, got '{odd}'$"):
        TableEncoder().fit_blocks(blocks)


def test_texts_of_which_some_read_as_infinity_stay_categories():
    encoder = TableEncoder().fit({"x": ["inf", "abc", "1"]})

    assert encoder.columns[0].kind == "category"
