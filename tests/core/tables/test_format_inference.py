"""Which format a column has, by the texts of its cells."""

from collections import Counter
from itertools import cycle, islice
from typing import cast

import pytest

from layerwise.tables import TableEncoder
from layerwise.tables.cells import GAPS
from layerwise.tables.column_texts import plain_numbers
from layerwise.tables.formats import BooleanFormat, CategoryFormat, DateFormat, NumberFormat, TextFormat, TimeFormat
from layerwise.tables.inference import infer_format


def column(*texts: str, rows: int = 100) -> Counter[str]:
    return Counter(islice(cycle(texts), rows))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("1", "2.5", "", "NA"), NumberFormat()),
        (("1,234.50", "7"), NumberFormat(thousands=",")),
        (("1,234", "2,500"), NumberFormat(thousands=",")),
        (("1,5", "2"), NumberFormat(decimal=",")),
        (("1.234,5", "2.000,25"), NumberFormat(decimal=",", thousands=".")),
        (("12%", "7 %"), NumberFormat(unit="%")),
        (("$1,200", "$7"), NumberFormat(unit="$", thousands=",")),
        (("\u22124", "4"), NumberFormat()),
        (("True", "False"), BooleanFormat()),
        (("yes", "No", ""), BooleanFormat(true=("yes", "true", "t", "y"), false=("No", "false", "f", "n"))),
        (("1.234", "7"), NumberFormat()),
        (("1.234", "1.234.567"), NumberFormat(decimal=",", thousands=".")),
        (("1.234", "0.5", "1,234,567"), NumberFormat(thousands=",")),
        (("0,123", "1,234"), NumberFormat(decimal=",")),
        (("1'234", "1'234'567"), NumberFormat(thousands="'")),
        (("12 kg", "7 kg", "3"), NumberFormat(unit="kg")),
        (("5,3 km/h", "10,25 km/h"), NumberFormat(decimal=",", unit="km/h")),
        (("80 m²", "75m²"), NumberFormat(unit="m²")),
        (("12 kg", "500 g"), CategoryFormat()),
        (("12A", "3B"), CategoryFormat()),
        (("A12", "A3"), CategoryFormat()),
        (("12 kg", "x", "y"), CategoryFormat()),
        (("Ja", "nein", ""), BooleanFormat(true=("Ja", "true"), false=("nein", "false"))),
        (("WAHR", "FALSCH"), BooleanFormat(true=("WAHR", "true"), false=("FALSCH", "false"))),
        (("sí", "no"), BooleanFormat(true=("sí", "true"), false=("no", "false"))),
        (("ja", "falsch"), CategoryFormat()),
        (("ja", "nein", "vielleicht"), CategoryFormat()),
        (("oui",), CategoryFormat()),
        (("2012/09/06", "2012/10/30"), DateFormat()),
        (("9/6/2012", "10/30/2012"), DateFormat(day_first=False)),
        (("06.09.2012",), DateFormat()),
        (("6-Sep-2012",), DateFormat()),
        (("00:30", "14:05"), TimeFormat()),
        (("007", "012"), CategoryFormat()),
        ((" x", "x", "y"), CategoryFormat()),
        (("1.2.3", "1.2.4"), CategoryFormat()),
        (("1", "x", "2", "y"), CategoryFormat()),
    ],
)
def test_the_format_follows_from_the_texts(texts, expected):
    assert infer_format(column(*texts)).format == expected


def test_texts_of_several_words_that_differ_are_texts_and_codes_that_differ_are_doubtful():
    titles = infer_format({f"The story of {i}": 1 for i in range(100)})
    codes = infer_format({f"A{i}": 1 for i in range(100)})

    assert (titles.format, titles.doubts) == (TextFormat(), ())
    assert codes.format == CategoryFormat()
    assert [(doubt.reason, doubt.choice) for doubt in codes.doubts] == [("ALL_DIFFERENT", "ignore")]


def test_a_few_odd_texts_among_numbers_are_gaps_and_that_is_said():
    found = infer_format(Counter({str(i): 1 for i in range(97)}) | Counter({"unknown": 2, "?": 1}))

    assert found.format == NumberFormat(gaps=(*NumberFormat().gaps, "unknown", "?"))
    assert [(doubt.reason, doubt.choice) for doubt in found.doubts] == [("ODD_TEXTS", "category")]
    assert found.doubts[0].message == "97 % are numbers; 3 rows with 'unknown', '?' are taken for gaps"


def test_many_odd_texts_make_a_column_of_categories():
    numbers = {str(i): 10 for i in range(90)}

    assert infer_format(numbers | {f"x{i}": 1 for i in range(11)}).format == CategoryFormat()
    assert infer_format({"1": 80, "x": 20}).format == CategoryFormat()


def test_the_order_of_a_date_that_no_row_decides_is_said():
    (doubt,) = infer_format(column("4/5/2013", "6/7/2013")).doubts

    assert (doubt.reason, doubt.message) == (
        "DATE_ORDER",
        "'4/5/2013' is read with the day first, which no row decides",
    )
    assert infer_format(column("2013-04-05", "5-Apr-2013")).doubts == ()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("134.222", "265.689", "7"), "'134.222' is read as 134.222, but may be 134222"),
        (("134,222", "265,689", "7"), "'134,222' is read as 134222, but may be 134.222"),
        (("134.222 €", "7 €"), "'134.222 €' is read as 134.222, but may be 134222"),
        (("134.222", "1.234.567"), None),
        (("134.222", "1.5"), None),
        (("134.222", "0.250"), None),
        (("134.222", "1500"), None),
        (("1,5", "2"), None),
        (("12 kg", "7 kg"), None),
        (("$1,200.50", "$7"), None),
    ],
)
def test_a_doubt_is_said_only_of_numbers_that_can_be_read_in_two_ways(texts, message):
    doubts = infer_format(column(*texts)).doubts

    assert [(doubt.reason, doubt.choice, doubt.message) for doubt in doubts] == (
        [("NUMBER_FORMAT", "number", message)] if message else []
    )


@pytest.mark.parametrize(
    ("texts", "decimal", "expected"),
    [
        (("134.222", "265.689"), ",", NumberFormat(decimal=",", thousands=".")),
        (("134.222", "265.689"), ".", NumberFormat()),
        (("134,222", "265,689"), ",", NumberFormat(decimal=",")),
        (("134,222", "265,689"), ".", NumberFormat(thousands=",")),
        (("134.22", "265.689"), ",", NumberFormat()),
    ],
)
def test_the_decimal_sign_of_other_columns_decides_what_can_be_read_in_two_ways(texts, decimal, expected):
    found = infer_format(column(*texts), decimal=decimal)

    assert (found.format, found.doubts) == (expected, ())


@pytest.mark.parametrize(
    ("texts", "decimal"),
    [
        (("1,5", "2"), ","),
        (("1.5", "2"), "."),
        (("1.234.567",), ","),
        (("1,234,567",), "."),
        (("1.234",), ""),
        (("1,234",), ""),
        (("1'234",), ""),
        (("12 kg",), ""),
        (("x",), ""),
    ],
)
def test_a_column_shows_the_decimal_sign_if_its_cells_leave_no_doubt(texts, decimal):
    assert infer_format(column(*texts)).decimal == decimal


def test_columns_of_a_table_from_python_share_their_decimal_sign():
    table = {"price": ["1,5", "20,25"], "turnover": ["134.222", "265.689"]}

    encoder = TableEncoder().fit(table)

    assert encoder.columns[1].format == NumberFormat(decimal=",", thousands=".")
    assert encoder.columns[1].range == (134222, 265689)
    assert encoder.columns[1].doubts == ()
    assert TableEncoder().fit({**table, "ratio": ["0.5", "1.25"]}).columns[1].format == NumberFormat()


def test_numbers_with_and_without_their_unit_are_the_same():
    found = infer_format(column("5,3 km", "12 km")).format

    assert [found.read(cell) for cell in ("12 km", "12km", "12", 12, " 12,0 km ")] == [12.0] * 5


def test_numbers_with_different_units_are_doubtful_categories():
    (doubt,) = infer_format(column("12 kg", "500 g")).doubts

    assert (doubt.reason, doubt.choice) == ("MIXED_UNITS", "")
    assert doubt.message == (
        "numbers with different units, such as '12 kg', '500 g', are read as categories: give them one unit"
    )
    assert infer_format(column("12A", "3B")).doubts == ()


def test_numbers_in_plain_notation_can_be_counted_by_somebody_else():
    texts = column("1", "?", "2.5", *map(str, range(20)))
    plain, others = plain_numbers(texts)

    assert set(others) == {"?"}
    assert infer_format(others, plain) == infer_format(texts)


def test_a_column_of_gaps_is_empty():
    (doubt,) = infer_format(column("", "NA")).doubts

    assert (doubt.reason, doubt.choice, doubt.message) == ("EMPTY", "", "no row has a value, so it is left out")


def test_a_decimal_comma_is_not_read_where_others_have_a_point():
    found = infer_format({"1.5": 95, "2,5": 5})

    assert found.format == NumberFormat(gaps=(*NumberFormat().gaps, "2,5"))
    assert [doubt.reason for doubt in found.doubts] == ["ODD_TEXTS"]


def test_the_labels_of_booleans_are_the_words_of_the_column():
    spelled = {"Yes": 3, "YES": 1, "no": 2, "": 1}
    said = [infer_format(texts).format for texts in (spelled, {"True": 2, "FALSE": 1}, {"y": 3}, {"t": 1, "f": 2})]

    assert [cast(BooleanFormat, each).labels for each in said] == [
        ("no", "Yes"),
        (False, True),
        (False, True),
        ("f", "t"),
    ]
    assert [each.read(cell) for each in said for cell in ("yes", "TRUE", "N", "0")] == [1.0, 1.0, 0.0, 0.0] * 4


def test_a_column_of_numbers_with_too_many_other_texts_is_of_categories_which_is_said():
    cells = {str(i): 1 for i in range(80)} | {"unknown": 15, "see below": 5}

    found = infer_format(cells)

    assert found.format == CategoryFormat()
    (doubt,) = found.doubts
    assert (doubt.reason, doubt.choice, doubt.example) == ("MOSTLY_NUMBERS", "number", "unknown")
    assert doubt.message == (
        "80 % are numbers, but 20 rows with 'unknown', 'see below' are not, so all are read as categories"
    )
    assert infer_format(cells, gaps=(*GAPS, "unknown", "see below")).format.kind == "number"
    assert not infer_format({"1": 30, "2": 20, "S": 30, "M": 20}).doubts
