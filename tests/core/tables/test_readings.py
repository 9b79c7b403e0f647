"""A cell means the same in a column, in a row, and in an exported program, whatever its format and its type."""

import datetime
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from layerwise import (
    MLP,
    Architecture,
    BooleanFormat,
    CategoryFormat,
    DateFormat,
    DateParts,
    HashedWords,
    Hashing,
    InvalidInput,
    Layer,
    NumberFormat,
    OneHot,
    TableEncoder,
    TextFormat,
    TimeFormat,
    Unscaled,
)
from layerwise.standalone import to_standalone
from layerwise.tables.cells import ABSENT
from layerwise.tables.rows import rows_writer

PARTS = DateParts(parts=("year", "month", "day", "weekday", "hour", "minute", "time_cycle"), missing="indicator")
NUMBER, WORDS = Unscaled(missing="indicator"), HashedWords(buckets=8, missing="own")
CATEGORIES = OneHot(most=4, missing="own", unseen="other")
COLUMNS: dict[str, tuple[Any, Any, list[Any]]] = {
    "number": (NumberFormat(), NUMBER, ["1", "2.5", ""]),
    "number before formats": (NumberFormat(ABSENT), NUMBER, ["1", "2.5", ""]),
    "number with gaps that are numbers": (NumberFormat(("-99", "?", "inf")), NUMBER, ["1", "2.5", "-99"]),
    "German number": (NumberFormat(decimal=",", thousands="."), NUMBER, ["1", "2,5", ""]),
    "number with thousands": (NumberFormat(thousands=","), NUMBER, ["1", "1,234.5", ""]),
    "number with spaces": (NumberFormat(thousands=" "), NUMBER, ["1", "1 234.5", ""]),
    "percentage": (NumberFormat(unit="%"), NUMBER, ["1 %", "2.5%", ""]),
    "boolean": (BooleanFormat(), NUMBER, ["yes", "no", ""]),
    "German boolean": (BooleanFormat(true=("ja",), false=("nein",)), NUMBER, ["ja", "nein", ""]),
    "boolean category": (BooleanFormat(), CATEGORIES, ["yes", "no", ""]),
    "German boolean category": (BooleanFormat(true=("ja",), false=("nein",)), CATEGORIES, ["ja", "nein", ""]),
    "date": (DateFormat(), PARTS, ["4/5/2013", "2014-01-31T10:00", ""]),
    "month first": (DateFormat(day_first=False), PARTS, ["4/5/2013", "2014-01-31T10:00", ""]),
    "year first": (DateFormat(year_first=True), PARTS, ["13/4/5", "2014-01-31T10:00", ""]),
    "time": (TimeFormat(), PARTS, ["10:00", "14:05:30", ""]),
    "category": (CategoryFormat(), CATEGORIES, ["x", "true", "1", ""]),
    "category before formats": (CategoryFormat((), strip=False), CATEGORIES, ["x", "true", "1", ""]),
    "numeric category": (CategoryFormat(numeric=True), CATEGORIES, ["2007", "1", "2.5", ""]),
    "hashed category": (CategoryFormat(), Hashing(buckets=64, missing="own"), ["x", "y", ""]),
    "text": (TextFormat(), WORDS, ["two words", "and three words", ""]),
}
SPELLINGS = [
    *(
        "1",
        "1.0",
        " 1",
        "01",
        "007",
        "-1",
        "+1",
        "1e3",
        "1_000",
        "inf",
        "-Infinity",
        "nan",
        "1e999",
        "0x10",
        "\u0661",
        "１２．５",
    ),
    *(
        "1,5",
        "1.234,5",
        "1,234.5",
        "1,234",
        "1 234",
        "1\u00a0234.5",
        "1.234",
        "\u22124",
        "(12)",
        "12%",
        "12 %",
        "%",
        "-99",
    ),
    *("?", "NA", " NA ", "None", "none", "null", "n/a", "", " ", "true", "True", "TRUE", "Yes", "no", "JA", "nein"),
    *("2013-01-31", "2013-01-31T10", "2013-01-31 10:30:15.25+02:00", "31.1.2013", "4/5/13", "Jan 31, 2013 2:05 PM"),
    *("5-Apr-2013", "30.2.2013", "0001-01-01", "9999-12-31T23:59:59-05:00", "24:00", "2:05 p.m.", "14:05:30", "25:00"),
    *("2007.0", "2007", "x", " x ", "two  WORDS", "Straße 5", "\ud800", "\x00", "1" * 400),
]
CELLS = st.one_of(
    st.sampled_from(SPELLINGS),
    st.text(max_size=5),
    st.text("0123456789.,-+%() e", max_size=8),
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.none(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.times(),
    st.sampled_from([np.float32(0.1), np.int8(1), np.True_, np.datetime64("NaT"), np.datetime64("2013-01-31T10:30")]),
    st.sampled_from([pd.NA, pd.NaT, pd.Timestamp("2013-01-31 10:30Z"), Decimal("2.5"), Decimal("NaN"), b"1", b"\xff"]),
    st.sampled_from([[1], {}, 1j, np.ma.masked, datetime.timedelta(1)]),
)


@cache
def prepared(kind: str) -> tuple[TableEncoder, Any, Any]:
    """The encoder of a column, its way for rows, and the encoder of its exported program."""
    form, encoding, cells = COLUMNS[kind]
    encoder = TableEncoder({"x": encoding}, formats={"x": form}).fit({"x": cells * 2})
    model = MLP(Architecture(encoder.width, (Layer(2),)))
    model.encoder = encoder
    program: dict[str, Any] = {"__name__": "program"}
    exec(to_standalone(model), program)
    return encoder, rows_writer(encoder.columns), program["encoded"]


@pytest.mark.parametrize("kind", COLUMNS)
@settings(max_examples=150, deadline=None)
@given(cell=CELLS)
@example(cell="1_000")
@example(cell="\ud800")
def test_a_column_a_row_and_a_program_read_a_cell_alike(kind, cell):
    encoder, write_rows, encoded = prepared(kind)
    by_row = np.zeros((1, encoder.width))

    try:
        by_column = encoder.encode({"x": [cell]}, dtype=np.float64)
    except InvalidInput as error:
        assert not write_rows([{"x": cell}], by_row)
        if error.reason != "NOT_FINITE":  # a program takes numbers beyond float32, until they reach the network
            with pytest.raises(ValueError, match="row 0, 'x': expected"):
                encoded([{"x": cell}])
        return

    if write_rows([{"x": cell}], by_row) is not None:
        by_row[:, encoder.constant] = 0
        assert by_row.tobytes() == by_column.tobytes()
    else:
        assert not isinstance(cell, str)
    np.testing.assert_allclose(encoded([{"x": cell}]), by_column, rtol=0, atol=1e-9)
    several = encoder.encode({"x": [*COLUMNS[kind][2], cell]}, dtype=np.float64)
    assert several[-1:].tobytes() == by_column.tobytes()


SAME: list[tuple[str, list[Any]]] = [
    ("boolean", [1, 1.0, "1", "1.0", True, np.True_, np.float32(1), b"1", "yes", " TRUE "]),
    ("boolean", [0, 0.0, -0.0, "0", False, "No", Decimal(0)]),
    ("number", [2.5, "2.5", " 2.5 ", "+25e-1", np.float16(2.5), Decimal("2.5"), b"2.5"]),
    ("numeric category", [2007, 2007.0, "2007", "2007.0", " 2007", np.float32(2007), np.int16(2007), Decimal(2007)]),
    ("numeric category", [1, True, "1", "1.0"]),
    ("category", ["x", " x", "x\t", b"x", np.str_("x")]),
    ("category", [True, "true", "True", "TRUE", np.True_]),
    ("category", [1, 1.0, "1", np.int64(1)]),
    ("time", [datetime.time(14, 5), "14:05", "2:05 PM", "14:05:00", 50_700, 50_700.0]),
    ("date", ["2013-01-31", "31.1.2013", datetime.date(2013, 1, 31), datetime.datetime(2013, 1, 31),
              pd.Timestamp("2013-01-31"), np.datetime64("2013-01-31")]),
    ("text", ["two words", " two words ", b"two words", "Two WORDS"]),
    *((kind, [None, "", "NA", float("nan"), np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), np.ma.masked])
      for kind in ("number", "boolean", "date", "time", "category", "text")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "cells"), SAME)
def test_the_same_value_means_the_same_whatever_its_type(kind, cells):
    encoder, _, encoded = prepared(kind)
    wanted = encoder.encode({"x": cells[:1]})

    for cell in cells:
        for table in {"x": [cell]}, {"x": [cell] * 40}, [{"x": cell}], {"x": pd.Series([cell], dtype=object)}:
            assert (encoder.encode(table) == wanted).all(), (cell, table)
        np.testing.assert_allclose(encoded([{"x": cell}]), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "cell", "wanted"),
    [
        ("boolean", 2, "true or false"),
        ("boolean", "maybe", "true or false"),
        ("number", datetime.date(2013, 1, 1), "a number"),
        ("time", "25:00", "a time of day, as 14:05"),
        ("time", True, "a time of day, as 14:05"),
        ("time", datetime.datetime(2013, 1, 1, 10), "a time of day, as 14:05"),
        ("date", 1359590400, "a date, as 2013-01-31"),
        ("text", "\ud800", "a text in UTF-8"),
        ("text", datetime.date(2013, 1, 1), "a text in UTF-8"),
    ],
)
def test_a_cell_that_does_not_fit_is_refused_with_what_is_wanted(kind, cell, wanted):
    encoder, _, _ = prepared(kind)

    for table in {"x": ["", cell]}, [{"x": ""}, {"x": cell}]:
        with pytest.raises(InvalidInput, match=rf"^rows\[1\]\.x: expected {wanted}"):
            encoder.encode(table)


def test_categories_of_numbers_have_one_text_in_every_precision_and_codes_keep_their_zeros():
    for values in np.array([0.1, 2], np.float32), [0.1, 2.0], ["0.1", "2"], np.array(["0.1", "2.0"]):
        assert TableEncoder({"x": "one_hot"}).fit({"x": values}).columns[0].categories == ("0.1", "2")
    zips = TableEncoder({"x": "one_hot"}).fit_blocks([{"x": ["10001", "2139"]}, {"x": ["02139"]}])
    assert set(zips.columns[0].categories) == {"10001", "2139", "02139"}


def test_arrays_are_read_as_their_cells_are():
    flags = TableEncoder(formats={"x": "boolean"}).fit({"x": np.array([1.0, 0.0, np.nan])})
    times = TableEncoder(formats={"x": "time"}).fit({"x": np.array([0.0, 50_700, np.nan])})

    assert flags.encode({"x": ["yes", "no", ""]}).tolist() == flags.encode({"x": np.array([1, 0, np.nan])}).tolist()
    assert times.encode({"x": ["14:05", "NA"]}).tolist() == times.encode({"x": np.array([50_700, np.nan])}).tolist()
    with pytest.raises(InvalidInput, match=r"^rows\[1\]\.x: expected true or false, got 2\.0$"):
        flags.encode({"x": np.array([1.0, 2.0])})
    with pytest.raises(
        InvalidInput, match=r"^rows\[0\]\.x: expected a time of day, as 14:05 or 14:05:30, got datetime"
    ):
        times.encode({"x": np.array(["2013-01-01"], "M8[D]")})


def test_words_that_are_spelled_alike_are_near_each_other():
    encoder = TableEncoder({"x": HashedWords(buckets=512)}).fit({"x": ["red house", "green garden", "", None]})

    house, houses, garden, empty = encoder.encode(
        {"x": ["red house", "red houses", "green garden", "!"]}, dtype="float64"
    )

    assert house @ house == pytest.approx(1)
    assert house @ houses > 0.5 > house @ garden
    assert not empty.any()
    assert encoder.encode({"x": [None]})[0, -1] == 1
