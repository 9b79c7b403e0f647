"""How the text of a cell becomes a value."""

from datetime import UTC, datetime

import pytest

from layerwise.errors import InvalidInput
from layerwise.tables import TableEncoder
from layerwise.tables.formats import (
    FORMATS,
    BooleanFormat,
    CategoryFormat,
    DateFormat,
    NumberFormat,
    TextFormat,
    TimeFormat,
)
from layerwise.variants import from_json


def seconds(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("number_format", "text", "value"),
    [
        (NumberFormat(), " 1.5 ", 1.5),
        (NumberFormat(), "1e3", 1000.0),
        (NumberFormat(), "+.5", 0.5),
        (NumberFormat(), "\u22124", -4.0),
        (NumberFormat(), "(12)", -12.0),
        (NumberFormat(unit="%"), "－１２．５％", -12.5),
        (NumberFormat(thousands=","), "1,234.50", 1234.5),
        (NumberFormat(thousands=","), "-12,345,678", -12345678.0),
        (NumberFormat(decimal=","), "3,5", 3.5),
        (NumberFormat(decimal=","), "3", 3.0),
        (NumberFormat(decimal=",", thousands="."), "1.234,5", 1234.5),
        (NumberFormat(thousands=" "), "1\u202f234\u00a0567", 1234567.0),
        (NumberFormat(unit="%"), "12%", 12.0),
        (NumberFormat(unit="%"), "12 %", 12.0),
        (NumberFormat(unit="$", thousands=","), "-$1,200", -1200.0),
        (NumberFormat(unit="$", thousands=","), "$-1,200", -1200.0),
        (NumberFormat(unit="$"), "7", 7.0),
        (NumberFormat(unit="m²"), "7 m²", 7.0),
        (NumberFormat(unit="km/h", decimal=","), "7,5km/h", 7.5),
    ],
)
def test_numbers_are_read_as_they_are_spelled(number_format: NumberFormat, text: str, value: float):
    assert number_format.read(text) == value


def test_an_error_of_a_cell_says_that_a_decimal_comma_is_wanted():
    encoder = TableEncoder(formats={"x": NumberFormat(decimal=",")}).fit({"x": ["1,5", "2"]})

    with pytest.raises(InvalidInput, match=r"expected a number with a decimal comma, as 12,5, got '-12\.50'"):
        encoder.encode([{"x": "-12.50"}])


@pytest.mark.parametrize(
    ("number_format", "text"),
    [
        (NumberFormat(), "1,5"),
        (NumberFormat(), "1_000"),
        (NumberFormat(), "inf"),
        (NumberFormat(), "1e999"),
        (NumberFormat(), "0x10"),
        (NumberFormat(), "\u0661"),  # float() reads digits of every script
        (NumberFormat(), "12%"),
        (NumberFormat(thousands=","), "1,23"),
        (NumberFormat(thousands=","), "0,123"),
        (NumberFormat(thousands=","), "1234,567"),
        (NumberFormat(thousands=","), ",234"),
        (NumberFormat(decimal=","), "1.5"),
        (NumberFormat(decimal=",", thousands="."), "1.5"),
        (NumberFormat(unit="%"), "%"),
        (NumberFormat(unit="%"), "%12%%"),
    ],
)
def test_what_is_no_number_in_a_format_is_refused(number_format: NumberFormat, text: str):
    with pytest.raises(ValueError):  # noqa: PT011 - it has no message: the caller has the words
        number_format.read(text)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2013-01-31", (2013, 1, 31)),
        ("2013/1/31", (2013, 1, 31)),
        ("31.01.2013", (2013, 1, 31)),
        ("31/1/13", (2013, 1, 31)),
        ("31-Jan-2013", (2013, 1, 31)),
        ("31. January 2013", (2013, 1, 31)),
        ("Jan 31, 2013", (2013, 1, 31)),
        ("Thu, 31 Jan 2013", (2013, 1, 31)),
        ("2013-Jan-31", (2013, 1, 31)),
        ("4/5/2013", (2013, 5, 4)),
        ("4/5/71", (1971, 5, 4)),
        ("2013-01-31T10:30", (2013, 1, 31, 10, 30)),
        ("2013-01-31 10:30:15.25", (2013, 1, 31, 10, 30, 15)),
        ("31.1.2013, 22:05", (2013, 1, 31, 22, 5)),
        ("1/2/2013 12:05 AM", (2013, 2, 1, 0, 5)),
        ("1/2/2013 12:05 p.m.", (2013, 2, 1, 12, 5)),
        ("2013-01-31T10:30:00Z", (2013, 1, 31, 10, 30)),
        ("2013-01-31T10:30:00+02:00", (2013, 1, 31, 8, 30)),
        ("2013-01-31 10:30 -0130", (2013, 1, 31, 12, 0)),
        ("Thu, 31 Jan 2013 10:30:00 GMT", (2013, 1, 31, 10, 30)),
        ("1969-12-31", (1969, 12, 31)),
        ("20130131", (2013, 1, 31)),
        ("20130131T103015", (2013, 1, 31, 10, 30, 15)),
        ("20130131T10:30:15.25+02:00", (2013, 1, 31, 8, 30, 15)),
    ],
)
def test_dates_are_read_as_they_are_spelled(text: str, day: tuple[int, ...]):
    assert DateFormat().read(text) == seconds(*day)


def test_a_compact_date_may_be_a_number_other_numbers_are_no_dates():
    assert [DateFormat().read(number) for number in (20130131, 20130131.0)] == [seconds(2013, 1, 31)] * 2
    for number in (True, 1, 2013, 20131331, 20130131.5, 1359590400, float("inf"), -20130131):
        with pytest.raises(ValueError):  # noqa: PT011
            DateFormat().read(number)


def test_the_order_of_day_and_month_is_part_of_the_format():
    assert DateFormat(day_first=False).read("4/5/2013") == seconds(2013, 4, 5)
    assert DateFormat(day_first=False).read("2013-04-05") == seconds(2013, 4, 5)
    assert DateFormat(year_first=True).read("13/4/5") == seconds(2013, 4, 5)
    assert DateFormat(day_first=False).read("5-Apr-2013") == seconds(2013, 4, 5)


@pytest.mark.parametrize(
    "text",
    [
        *("31.13.2013", "30.2.2013", "2013", "1.2.3", "1.2", "31-Jen-2013", "2013-01-31T25:00", "1.2.2013 13:00 PM"),
        *("31.12.9999 23:59 -01:00", "31.12.9999 24:00", "1.1.0001 0:00 +14:00"),  # beyond the calendar
    ],
)
def test_what_is_no_date_is_refused(text: str):
    with pytest.raises(ValueError):  # noqa: PT011
        DateFormat().read(text)


def test_times_of_day_are_seconds_since_midnight():
    read = TimeFormat().read

    assert [read(text) for text in ("00:00", "1:01", "14:05:30", "2:05 PM", "24:00", "NA")] == [
        0, 3660, 50730, 50700, 86400, None,
    ]  # fmt: skip
    for text in ("25:00", "1:60", "13:00 PM", "1"):
        with pytest.raises(ValueError):  # noqa: PT011
            read(text)


def test_booleans_are_words_and_always_one_and_zero():
    assert [BooleanFormat().read(text) for text in ("TRUE", "no", " y", "1", "0.0", "", "NA")] == [
        1, 0, 1, 1, 0, None, None,
    ]  # fmt: skip
    german = BooleanFormat(true=("Ja",), false=("nein",))
    assert (german.read("JA"), german.read("Nein"), german.read("1")) == (1, 0, 1)
    with pytest.raises(ValueError):  # noqa: PT011
        german.read("yes")


def test_categories_lose_blanks_and_numeric_ones_their_spelling():
    assert CategoryFormat().read(" x ") == "x"
    assert CategoryFormat(strip=False).read(" x ") == " x "
    assert CategoryFormat().read("007") == "007"
    assert [CategoryFormat(numeric=True).read(text) for text in ("2007.0", "2007", "2.50", "x")] == [
        "2007", "2007", "2.5", "x",
    ]  # fmt: skip
    assert TextFormat().read(" two words ") == "two words"


@pytest.mark.parametrize("cls", FORMATS.values())
def test_every_format_knows_gaps_and_travels_as_json(cls: type):
    own = cls(gaps=("?", "-99"))

    assert (own.read("?"), own.read(" -99 "), own.read("")) == (None, None, None)
    assert from_json("format", own.to_json(), FORMATS) == own


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda: NumberFormat(decimal=",", thousands=","), "thousands"),
        (lambda: NumberFormat(decimal=";"), "decimal"),
        (lambda: NumberFormat(unit="1"), "unit"),
        (lambda: NumberFormat(gaps=(1,)), "gaps"),
        (lambda: BooleanFormat(true=("x",), false=("X",)), "false"),
    ],
)
def test_a_format_that_cannot_be_is_refused(make, place: str):
    with pytest.raises(InvalidInput) as error:
        make()

    assert error.value.place[0] == place
