"""What each encoding makes of a column, beside scikit-learn and numbers worked out by hand."""

import math
import zlib
from datetime import date, datetime

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, QuantileTransformer, StandardScaler

from layerwise import (
    DateParts,
    Hashing,
    InvalidInput,
    Log,
    MinMax,
    OneHot,
    Ordinal,
    Quantiles,
    Standardize,
    TableEncoder,
    Unscaled,
)

RNG = np.random.default_rng(0)
NAN = float("nan")
TIES = RNG.integers(0, 9, 65).astype(float)
"""As many as one and a power of two: scikit-learn's quantiles of other numbers of rows are off by a rounding."""


def encoded(encoding, values, *, to_encode=None):
    encoder = TableEncoder({"x": encoding}).fit({"x": values})
    return encoder.names, encoder.encode({"x": values if to_encode is None else to_encode}, dtype=np.float64)


@pytest.mark.parametrize("name", ["plain", "far_from_zero", "whole", "gaps", "constant"])
@pytest.mark.parametrize(("encoding", "peer"), [("standardize", StandardScaler), ("min_max", MinMaxScaler)])
def test_numbers_are_scaled_as_scikit_learn_scales_them(encoding, peer, name):
    values = {
        "plain": RNG.normal(3, 2, 500),
        "far_from_zero": RNG.normal(1e8, 1, 500),
        "whole": RNG.integers(-50, 50, 500),
        "gaps": np.where(RNG.random(500) < 0.2, NAN, RNG.normal(size=500)),
        "constant": np.full(500, 0.1),
    }[name]

    names, found = encoded(encoding, values)

    column = np.asarray(values, float).reshape(-1, 1)
    there = ~np.isnan(column[:, 0])
    np.testing.assert_allclose(found[there, 0], peer().fit_transform(column)[there, 0], rtol=1e-6, atol=1e-9)
    assert names == (("x", "x missing") if name == "gaps" else ("x",))
    if name == "gaps":
        assert np.array_equal(found[:, 1], ~there)


@pytest.mark.parametrize("values", [RNG.normal(size=80), TIES, np.array([2.0, 2.0, 5])])
@pytest.mark.parametrize("quantiles", [2, 10, 1000])
def test_quantiles_are_those_of_scikit_learn(values, quantiles):
    peer = QuantileTransformer(n_quantiles=min(quantiles, len(values)), subsample=None).fit(values.reshape(-1, 1))
    asked = np.concatenate([values, np.linspace(values.min() - 1, values.max() + 1, 50)])

    _, found = encoded(Quantiles(quantiles=quantiles), values, to_encode=asked)

    np.testing.assert_allclose(found[:, 0], peer.transform(asked.reshape(-1, 1))[:, 0], rtol=1e-9, atol=1e-9)


def test_a_logarithm_is_taken_before_standardising():
    values = RNG.exponential(100, 300)

    _, found = encoded("log", values)

    wanted = StandardScaler().fit_transform(np.log1p(values).reshape(-1, 1))
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_negative_numbers_have_no_logarithm_unless_they_are_clipped():
    with pytest.raises(InvalidInput, match=r"^rows\[1\]\.x: expected a number of at least 0, .*, got -2\.0$"):
        encoded("log", [1.0, -2.0])
    with pytest.raises(InvalidInput, match=r"^rows\[0\]\.x: expected a number of at least 0"):
        encoded("log", [1.0, 2.0], to_encode=[-1])

    _, found = encoded(Log(negative="clip"), [0.0, math.e - 1], to_encode=[-5, 0, math.e - 1])

    np.testing.assert_allclose(found[:, 0], [-1, -1, 1])


def test_numbers_may_stay_as_they_are():
    _, found = encoded("identity", [1.5, -2.0, 1e6])

    assert found.tolist() == [[1.5], [-2.0], [1e6]]


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [
        ("mean", [[1], [2], [4], [9], [4]]),
        ("median", [[1], [2], [4], [9], [3]]),
        ("indicator", [[1, 0], [2, 0], [4, 0], [9, 0], [4, 1]]),
        ("auto", [[1, 0], [2, 0], [4, 0], [9, 0], [4, 1]]),
        (-7, [[1], [2], [4], [9], [-7]]),
    ],
)
@pytest.mark.parametrize("absent", [None, NAN, np.datetime64("NaT", "s"), ""])
def test_a_missing_number_is_filled_as_the_policy_says(missing, wanted, absent):
    _, found = encoded(Unscaled(missing=missing), [1, 2, 4, 9, absent])

    assert found.tolist() == wanted


@pytest.mark.parametrize(
    "encoding", [Standardize(missing="error"), OneHot(missing="error"), DateParts(missing="error")]
)
def test_a_missing_value_is_refused_where_the_policy_says_so(encoding):
    values = ["2013-01-01", None] if encoding.kind == "date_parts" else ["1", None]

    with pytest.raises(
        InvalidInput,
        match=r"^rows\[1\]\.x: expected a (number|category|date), got a missing value; this column had none",
    ):
        encoded(encoding, values)


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ([1.0, 3.0], [0]),  # the mean
        (["a", "b"], [0, 0]),
        (["2013-01-01", "2014-07-03T12:00"], [0] * 7),
        ([True, False], [0]),
        (["10:00", "14:00"], [0, 0]),
        (["two words", "and three words", "and more of them"], [0] * 256),
    ],
)
def test_what_was_never_missing_may_be_missing_later_without_an_output_of_its_own(values, row):
    encoder = TableEncoder().fit({"x": values})

    for table in {"x": [None]}, [{"x": ""}], {"x": ["NA"]}, [{"x": float("nan")}]:
        assert encoder.encode(table).tolist() == [row]


@pytest.mark.parametrize(
    "values",
    [["b", "a", "c", "a", "ç"], [10, 9, 100, 9], [True, False, True], np.array(["x", "yy"]), np.array([3, 1, 2])],
)
def test_categories_are_those_of_scikit_learn(values):
    _, found = encoded("one_hot", values)

    wanted = OneHotEncoder(sparse_output=False).fit_transform(np.asarray(values).reshape(-1, 1))
    assert np.array_equal(found, wanted)


def test_the_most_frequent_categories_are_kept_and_the_rest_have_one_output():
    values = ["d"] * 3 + ["c"] * 2 + ["b"] * 2 + ["a"]

    names, found = encoded(OneHot(most=2), values, to_encode=["a", "b", "c", "d", "new"])

    assert names == ("x=b", "x=d", "x other")  # b and c are as frequent: the texts decide
    assert found.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("unseen", "names", "row"),
    [("none", ("x=a", "x=b"), [0, 0]), ("auto", ("x=a", "x=b", "x other"), [0, 0, 1])],
)
def test_an_unseen_category_leaves_zeros_or_has_an_output(unseen, names, row):
    given, found = encoded(OneHot(most=2, unseen=unseen), ["a", "b", "a", "b", "c"], to_encode=["new"])

    assert (given, found.tolist()) == (names, [row])


def test_an_unseen_category_is_refused_where_the_policy_says_so():
    with pytest.raises(InvalidInput, match=r"^rows\[1\]\.x: expected one of 'a', 'b', got 'new'$"):
        encoded(OneHot(unseen="error"), ["a", "b"], to_encode=["b", "new"])
    with pytest.raises(InvalidInput, match=r"^columns\.x: expected at most 1 categories.*got 2$"):
        encoded(OneHot(most=1, unseen="error"), ["a", "b"])


@pytest.mark.parametrize(("missing", "names", "row"), [("own", ("x=a", "x missing"), [0, 1]), ("none", ("x=a",), [0])])
@pytest.mark.parametrize("absent", [None, NAN, ""])
def test_a_missing_category_leaves_zeros_or_has_an_output(missing, names, row, absent):
    given, found = encoded(OneHot(missing=missing), ["a", absent])

    assert (given, found[1].tolist()) == (names, row)


def test_categories_are_told_apart_by_their_text():
    encoder = TableEncoder({"x": "one_hot"}).fit({"x": ["1", "2.5", "true"]})

    for values in (
        [1, 2.5, True],
        [1.0, 2.5, np.True_],
        [b"1", "2.5", b"True"],
        [1, 2.5, "TRUE"],
        [np.int8(1), np.float32(2.5), True],
    ):
        assert encoder.encode({"x": values}).tolist() == np.eye(3).tolist()


def test_true_and_1_are_two_categories():
    _, found = encoded("one_hot", [True, 1, 0, False, 1.0])

    assert found.argmax(axis=1).tolist() == [3, 1, 0, 2, 1]  # 0, 1, false, true


def test_ordinal_steps_follow_the_order_of_numbers_texts_or_the_given_one():
    assert encoded("ordinal", [10, 9, 100, 9])[1][:, 0].tolist() == [2 / 3, 1 / 3, 1, 1 / 3]
    assert encoded("ordinal", ["b", "a"])[1][:, 0].tolist() == [1, 0.5]
    encoding = Ordinal(order=("low", "mid", "high"), unseen="other", missing="own")

    seen = ["low", "mid", "new", None]
    names, found = encoded(encoding, seen, to_encode=["low", "mid", "high", "new", None])

    assert names == ("x", "x other", "x missing")
    np.testing.assert_allclose(found, [[1 / 3, 0, 0], [2 / 3, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_a_category_outside_the_given_order_is_refused_where_the_policy_says_so():
    encoding = Ordinal(order=("low", "high"), unseen="error")

    for fitted in ["low", "mid"], ["low", "high"]:
        with pytest.raises(InvalidInput, match=r"^rows\[1\]\.x: expected one of 'low', 'high', got 'mid'$"):
            encoded(encoding, fitted, to_encode=["low", "mid"])


def test_hashing_puts_a_category_into_the_bucket_of_its_crc():
    seen = ["a", "ç", "12", "", "a"]
    names, found = encoded(Hashing(buckets=8, missing="own"), seen, to_encode=["a", "ç", 12, None])

    assert names == (*(f"x#{i}" for i in range(8)), "x missing")
    buckets = [zlib.crc32(text.encode()) % 8 for text in ("a", "ç", "12")]
    assert found.argmax(axis=1).tolist() == [*buckets, 8]
    assert found.sum(axis=1).tolist() == [1] * 4


PLAIN = DateParts(parts=("year", "month", "day", "weekday", "hour", "minute"))


def test_the_parts_of_a_time_are_those_of_the_calendar():
    rng = np.random.default_rng(1)
    times = [datetime.fromtimestamp(int(s)) for s in rng.integers(0, 4 * 10**9, 200)]

    names, found = encoded(PLAIN, times)

    assert names == tuple(f"x.{part}" for part in ("year", "month", "day", "weekday", "hour", "minute"))
    wanted = [(t.year, t.month - 1, t.day - 1, t.weekday(), t.hour, t.minute) for t in times]
    scaled = np.array(wanted) / [1, 11, 30, 6, 23, 59]
    years = scaled[:, 0]
    scaled[:, 0] = (years - years.mean()) / years.std()
    np.testing.assert_allclose(found, scaled, rtol=1e-9, atol=1e-12)


def test_a_cycle_is_a_point_of_the_circle():
    encoding = DateParts(parts=("month_cycle", "weekday_cycle", "hour_cycle"))

    times = ["2024-04-01T06:00", "2024-10-07 18:00:00", "2024-01-02"]  # Monday, Monday, Tuesday
    names, found = encoded(encoding, times)

    assert names == tuple(f"x.{p}_{f}" for p in ("month", "weekday", "hour") for f in ("sin", "cos"))
    np.testing.assert_allclose(found[:2], [[1, 0, 0, 1, 1, 0], [-1, 0, 0, 1, -1, 0]], atol=1e-12)


@pytest.mark.parametrize(
    "same",
    [
        ["2013-07-04T10:30", "2013-07-04 10:30:59.9", "2013-07-04T12:30+02:00", "2013-07-04T10:30Z"],
        [datetime(2013, 7, 4, 10, 30), np.datetime64("2013-07-04T10:30:07.5"), b"2013-07-04T10:30"],
        np.array(["2013-07-04T10:30", "2013-07-04T10:30:59"], "M8[ns]"),
    ],
)
def test_a_time_may_be_given_in_many_ways(same):
    encoder = TableEncoder({"x": PLAIN}).fit({"x": ["2012-01-01", "2014-12-31T23:59"]})

    found = encoder.encode({"x": same}, dtype=np.float64)

    np.testing.assert_allclose(found, np.tile([0, 6 / 11, 3 / 30, 3 / 6, 10 / 23, 30 / 59], (len(same), 1)))


def test_a_date_has_no_hour_and_may_lie_before_1970():
    seen = [date(1969, 12, 31), "1969-12-31", "1971-06-01T10:20", "1967-06-02T10:20"]
    _, found = encoded(PLAIN, seen)

    year = (1969 - 1969) / np.std([1969, 1969, 1971, 1967])
    np.testing.assert_allclose(found[:2], [[year, 1, 1, 2 / 6, 0, 0]] * 2)


@pytest.mark.parametrize(("missing", "row"), [("none", [0, 0]), ("indicator", [0, 0, 1]), ("auto", [0, 0, 1])])
def test_a_missing_date_leaves_zeros(missing, row):
    _, found = encoded(DateParts(parts=("weekday_cycle",), missing=missing), ["2013-01-01", None])

    assert found[1].tolist() == row


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Standardize(missing="often"), "missing: expected one of auto, indicator, mean, median, error, got"),
        (lambda: MinMax(missing=NAN), "missing: expected a finite number, got nan"),
        (lambda: Log(missing=-1), "missing: expected a finite number of at least 0, got -1"),
        (lambda: Log(negative="drop"), "negative: expected one of error, clip, got 'drop'"),
        (lambda: Quantiles(quantiles=1), "quantiles: expected a whole number of at least 2, got 1"),
        (lambda: OneHot(most=0), "most: expected a whole number of at least 1, got 0"),
        (lambda: OneHot(unseen="drop"), "unseen: expected one of auto, other, none, error, got 'drop'"),
        (lambda: OneHot(missing="mean"), "missing: expected one of auto, own, none, error, got 'mean'"),
        (lambda: Ordinal(order=("a", "a")), "order[1]: expected distinct texts, got 'a' twice"),
        (lambda: Ordinal(order="abc"), "order: expected a list of texts, got 'abc'"),
        (lambda: Hashing(buckets=1), "buckets: expected a whole number of at least 2, got 1"),
        (lambda: DateParts(parts=("second",)), "parts[0]: expected one of year, month, day,"),
        (lambda: DateParts(parts=()), "parts: expected at least one part"),
        (lambda: TableEncoder({"x": "scale"}), "columns.x: expected one of standardize, min_max, quantile, log,"),
        (lambda: TableEncoder({"x": {"kind": "log", "base": 2}}), "columns.x.base: unknown field"),
        (lambda: TableEncoder({3: "log"}), "columns: expected column names, got 3"),
        (lambda: TableEncoder(["x"]), "columns: expected encodings by the names of columns, got ['x']"),
        (lambda: TableEncoder({"x": "log"}, ignore=["x"]), "columns.x: expected a column that is not also in `ignore`"),
        (lambda: TableEncoder(ignore="x"), "ignore: expected a list of texts, got 'x'"),
        (lambda: TableEncoder(rest="drop"), "rest: expected one of infer, ignore, got 'drop'"),
        (lambda: TableEncoder(extra="drop"), "extra: expected one of error, ignore, got 'drop'"),
    ],
)
def test_a_choice_that_does_not_exist_is_refused(make, message):
    with pytest.raises(InvalidInput) as caught:
        make()
    assert str(caught.value).startswith(message)
