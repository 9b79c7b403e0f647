"""Tables that cannot be used are refused with the row and the column."""

import datetime
import re

import numpy as np
import pandas as pd
import pytest

from layerwise import DateParts, InvalidInput, MinMax, OneHot, Standardize, TableEncoder

INF, NAN = float("inf"), float("nan")
GOOD = {"n": [1.0, 2.5], "s": [1e-12, 3e-12], "c": ["a", "b"], "d": ["2013-01-01", "2014-01-01"]}


def fitted(**options):
    chosen = {"n": Standardize(missing="error"), "c": OneHot(missing="error", unseen="error")}
    return TableEncoder(chosen | {"d": DateParts(missing="error")}, **options).fit(GOOD)


def row(**cells):
    return {"n": 1.0, "s": 1e-12, "c": "a", "d": "2013-01-01"} | cells


DATE = "d: expected a date, as 2013-01-31, 31.1.2013 or 31-Jan-2013"
CELLS = [
    ({"n": "abc"}, "n: expected a number, got 'abc'"),
    ({"n": "1_0"}, "n: expected a number, got '1_0'"),
    ({"n": "nan"}, "n: expected a number, got 'nan', which stands for a missing value"),
    ({"n": [1]}, "n: expected a number, got [1]"),
    ({"n": 1j}, "n: expected a number, got 1j"),
    ({"n": 10**400}, "n: expected a number, got 1000000"),
    ({"n": INF}, "n: expected a finite number, got inf"),
    ({"n": 1e39}, "n: expected a number within float32, got 1e+39"),
    ({"s": 1e30}, "s: expected a number that is within float32 when scaled, got 1e+30"),
    ({"n": None}, "n: expected a number, got a missing value"),
    ({"n": datetime.date(2013, 1, 1)}, "n: expected a number, got datetime.date(2013, 1, 1)"),
    ({"c": "x"}, "c: expected one of 'a', 'b', got 'x'"),
    ({"c": ""}, "c: expected a category, got a missing value"),
    ({"c": ["a"]}, "c: expected a category (text in UTF-8, a boolean or a number), got ['a']"),
    ({"c": b"\xff"}, "c: expected a category (text in UTF-8, a boolean or a number), got b'\\xff'"),
    ({"c": "\ud800"}, "c: expected a category (text in UTF-8, a boolean or a number), got '\\ud800'"),
    ({"c": INF}, "c: expected a category (text in UTF-8, a boolean or a number), got inf"),
    ({"c": datetime.date(2013, 1, 1)}, "c: expected a category (text in UTF-8, a boolean or a number), got datetime"),
    ({"d": "2013-02-30"}, f"{DATE}, with or without a time, got '2013-02-30'"),
    ({"d": "2013010"}, DATE),
    ({"d": 2013010}, DATE),
    ({"d": NAN}, "d: expected a date, got a missing value"),
]


@pytest.mark.parametrize(("cells", "message"), CELLS)
def test_a_cell_that_cannot_be_used_is_named(cells, message):
    rows = [row()] * 17 + [row(**cells)]
    few = rows[-2:]

    for table, where in (rows, 17), (few, 1), ({name: [r[name] for r in rows] for name in GOOD}, 17):
        with pytest.raises(InvalidInput) as caught:
            fitted().encode(table)
        assert str(caught.value).startswith(f"rows[{where}].{message}")


def test_a_cell_is_counted_over_all_blocks_and_the_error_says_how_to_choose_a_format():
    with pytest.raises(InvalidInput) as caught:
        TableEncoder().fit_blocks([{"n": [1, 2, 3]}, {"n": [1, 2, "abc"]}])

    how = "if it stands for a missing value, choose formats={'n': NumberFormat(gaps=(…))}"
    other = "or formats={'n': CategoryFormat()}"
    assert str(caught.value) == f"rows[5].n: expected a number, got 'abc'; {how}, {other}"
    with pytest.raises(InvalidInput) as caught:
        TableEncoder({"n": "standardize"}).fit({"n": ["1", "?", "?"]})
    assert str(caught.value) == f"rows[1].n: expected a number, got '?'; {how}"
    with pytest.raises(InvalidInput, match=r"^rows\[1\]\.n: expected a number, got 'abc'$"):
        TableEncoder(formats={"n": "number"}).fit_blocks([{"n": ["1"]}, {"n": ["abc"]}])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"n": [1], "s": [1], "c": ["a"]}, "columns.d: the column 'd' is missing; there are n, s, c"),
        (GOOD | {"e": [1, 2]}, "columns.e: unknown column; expected one of n, s, c, d"),
        (GOOD | {"c": ["a"]}, "columns.c: expected 2 values, as many as column n has, got 1"),
        (GOOD | {"c": "ab"}, "columns.c: expected a list of values, got 'ab'"),
        (GOOD | {"c": None}, "columns.c: expected a list of values, got None"),
        (GOOD | {"n": np.ones((2, 2))}, "columns.n: expected one value a row, got 2 dimensions"),
        (GOOD | {"n": np.ones(2, complex)}, "columns.n: expected numbers, texts, booleans or dates, got complex128"),
        (GOOD | {"n": np.ones(2, "m8[s]")}, "columns.n: expected numbers, texts, booleans or dates, got timedelta64"),
        (GOOD | {"n": np.ones(2, "M8[s]")}, "rows[0].n: expected a number, got datetime"),
        (GOOD | {"c": np.ones(2, "M8[s]")}, "rows[0].c: expected a category (text in UTF-8, a boolean or a number),"),
        (GOOD | {"d": np.ones(2)}, f"rows[0].{DATE}"),
        ({1: [2]}, "columns: expected text as a column name, got 1"),
        ([row(), row() | {"e": 1}], "rows[1].e: unknown column; expected one of n, s, c, d"),
        ([row(), {"n": 1, "s": 1, "c": "a"}], "rows[1].d: the column 'd' is missing; there are n, s, c"),
        (
            {"n": [1], "s": [1], "c": ["a"], "D": ["2013-01-01"]},
            "columns.d: the column 'd' is missing; there are n, s, c, D; did you mean D?",
        ),
        ([row(), [1, "a"]], "rows[1]: expected a mapping of column names to values, got [1, 'a']"),
        ("n,c,d", "table: expected a mapping of column names to values, a list of mappings, or a DataFrame, got"),
        (np.ones((2, 3)), "table: expected a mapping of column names to values, a list of mappings, or a DataFrame,"),
        (pd.DataFrame([[1, 2]], columns=["n", "n"]), "columns: expected distinct column names, got 'n' twice"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_apart(table, message):
    with pytest.raises(InvalidInput) as caught:
        fitted().encode(table)
    assert str(caught.value).startswith(message)


def test_no_rows_are_no_outputs():
    encoder = fitted()

    for table in [], {name: [] for name in GOOD}, {name: np.array([]) for name in GOOD}, pd.DataFrame(GOOD)[:0]:
        assert encoder.encode(table).shape == (0, encoder.width)


def test_further_columns_may_be_ignored():
    table = GOOD | {"e": [1, 2]}

    wanted = fitted().encode(GOOD)

    assert np.array_equal(fitted(extra="ignore").encode(table), wanted)
    assert np.array_equal(fitted(ignore=["e"]).encode(table), wanted)
    assert np.array_equal(fitted(extra="ignore").encode([row(n=1.0, e=3)]), wanted[:1])
    only = TableEncoder({"n": "standardize"}, rest="ignore").fit(table)
    assert only.encode({"n": [1.0], "f": ["z"]}).tolist() == [[-1]]


def test_numbers_beyond_float32_are_refused():
    for values in [1.0, -1e200], np.array([1.0, -1e200]):
        with pytest.raises(InvalidInput, match=r"^rows\[1\]\.x: expected a number within float32, got -1e\+200$"):
            TableEncoder().fit({"x": values})
    with pytest.raises(InvalidInput, match=r"^columns\.x\.fill: expected a number that is within float32 when scaled"):
        TableEncoder({"x": MinMax(missing=1.0)}).fit({"x": [1e-39, 3e-39]})


def test_numbers_that_scaling_makes_too_large_are_refused_by_row_and_by_column():
    far = TableEncoder({"x": MinMax(missing="error")}).fit({"x": [-3e38]})
    tiny = {"name": "x", "encoding": {"kind": "log", "missing": "error"}, "fill": None, "shift": 0, "scale": 1e-300}

    for encoder in far, TableEncoder.from_json({"fitted": [tiny]}):
        for table in {"x": [3e38]}, [{"x": 3e38}]:
            with pytest.raises(
                InvalidInput, match=r"^rows\[0\]\.x: expected a number that is within float32 when scaled"
            ):
                encoder.encode(table)


def test_what_is_not_fitted_cannot_encode_and_what_is_cannot_be_fitted():
    with pytest.raises(InvalidInput, match=r"encoder: expected a fitted encoder; call fit\(table\) first"):
        TableEncoder().encode(GOOD)
    with pytest.raises(InvalidInput, match="encoder: expected an encoder that is not yet fitted"):
        fitted().fit(GOOD)


def test_a_fit_that_fails_leaves_the_encoder_as_it_was():
    encoder = TableEncoder()
    with pytest.raises(InvalidInput):
        encoder.fit({"x": [1, "a"]})

    assert not encoder.is_fitted
    assert encoder.fit({"x": [1, 3]}).encode({"x": [2]}).tolist() == [[0]]


def test_the_place_for_outputs_is_checked():
    encoder = fitted()
    out = np.full((2, encoder.width), 7, np.float64)

    assert encoder.encode(GOOD, out) is out
    assert out.tolist() == encoder.encode(GOOD, dtype=np.float64).tolist()
    assert encoder.encode([row()], out[:1]).tolist() == encoder.encode([row()], dtype=np.float64).tolist()
    for wrong in np.empty((3, encoder.width)), np.empty((2, encoder.width), int):
        with pytest.raises(InvalidInput, match="out: expected an array"):
            encoder.encode(GOOD, wrong)
    unwritable = np.zeros((1, encoder.width))
    unwritable.flags.writeable = False
    for wrong, message in [
        ([[0.0]], "expected an array of float32 or float64, got [[0.0]]"),
        (unwritable, "expected an array that can be written, got a read-only one"),
    ]:
        for table in [row()], {name: values[:1] for name, values in GOOD.items()}:
            with pytest.raises(InvalidInput, match=f"^out: {re.escape(message)}$"):
                encoder.encode(table, wrong)
    assert encoder.encode(GOOD, out, dtype="float64") is out
    with pytest.raises(InvalidInput, match=r"^dtype: expected float64, which `out` has, or None, got float32$"):
        encoder.encode(GOOD, out, dtype=np.float32)
    with pytest.raises(InvalidInput, match="dtype: expected float32 or float64, got 'int8'"):
        encoder.encode(GOOD, dtype="int8")
    with pytest.raises(InvalidInput, match="output: expected a whole number of at most 10, got 11"):
        encoder.source_of(encoder.width)
