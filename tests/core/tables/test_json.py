"""An encoder becomes JSON and comes back as it was; what is no such JSON is refused with the place."""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.table_of_all_kinds import COLUMNS, ENCODER, TABLE
from layerwise import InvalidInput, OneHot, Quantiles, TableEncoder
from layerwise.tables.cells import GAPS


def returned(encoder):
    return TableEncoder.from_json(json.loads(json.dumps(encoder.to_json(), allow_nan=False)))


def test_an_encoder_comes_back_with_every_bit():
    again = returned(ENCODER)

    assert again == ENCODER
    assert again.columns == ENCODER.columns
    assert again.encode(TABLE).tobytes() == ENCODER.encode(TABLE).tobytes()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e30, 1e30) | st.none(), min_size=3, max_size=20).filter(any),
    st.sampled_from(["standardize", "min_max", Quantiles(quantiles=5), {"kind": "identity", "missing": "median"}]),
)
def test_fitted_numbers_are_exact(values, encoding):
    encoder = TableEncoder({"x": encoding}).fit({"x": values})

    assert returned(encoder).columns == encoder.columns


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=8))
def test_categories_of_any_text_come_back(texts):
    encoder = TableEncoder({"x": "one_hot"}).fit({"x": ["a", *texts]})  # the others may be gaps

    assert returned(encoder).columns == encoder.columns


def test_choices_come_back_before_fitting():
    encoder = TableEncoder(COLUMNS, ignore=["id"], rest="ignore", extra="ignore")

    assert returned(encoder) == encoder
    assert returned(encoder).fit(TABLE).columns == ENCODER.columns
    assert TableEncoder.from_json({}) == TableEncoder()
    assert TableEncoder.from_json({"columns": {"x": "log"}}) != TableEncoder()


def test_copies_and_pickles_are_equal():
    for again in copy.deepcopy(ENCODER), pickle.loads(pickle.dumps(ENCODER)):
        assert again == ENCODER
        assert again.encode(TABLE).tobytes() == ENCODER.encode(TABLE).tobytes()


def test_the_json_is_as_documented():
    encoder = TableEncoder({"c": OneHot(most=1)}).fit({"x": [1.0, 3.0, None], "c": ["b", "b", "a"]})

    assert encoder.to_json() == {
        "columns": {"c": {"kind": "one_hot", "missing": "auto", "most": 1, "unseen": "auto"}},
        "ignore": [],
        "rest": "infer",
        "extra": "error",
        "fitted": [
            {
                "name": "x",
                "encoding": {"kind": "standardize", "missing": "indicator"},
                "format": {"kind": "number", "gaps": list(GAPS), "decimal": ".", "thousands": "", "unit": ""},
                "fill": 2.0,
                "shift": 2.0,
                "scale": 1.0,
                "gaps": True,
                "range": [1.0, 3.0],
            },
            {
                "name": "c",
                "encoding": {"kind": "one_hot", "missing": "none", "most": 1, "unseen": "other"},
                "format": {"kind": "category", "gaps": list(GAPS), "strip": True, "numeric": False},
                "categories": ["b"],
                "others": None,
                "gaps": False,
            },
        ],
    }


NUMBER = {"name": "x", "encoding": {"kind": "log", "missing": "mean"}, "fill": 1.0, "shift": 0.0, "scale": 1.0}
RANKS = {"name": "x", "encoding": {"kind": "quantile", "missing": "error"}, "fill": None, "quantiles": [0.0, 1.0]}
TEXT = {"name": "x", "encoding": {"kind": "one_hot", "missing": "own", "unseen": "none"}, "categories": ["a"]}
DATE = {"name": "x", "encoding": {"kind": "date_parts", "missing": "none"}, "shift": 0.0, "scale": 1.0}
WORDS = {"name": "x", "encoding": {"kind": "hashed_words", "missing": "own"}}


@pytest.mark.parametrize("column", [NUMBER, RANKS, TEXT, DATE, WORDS | {"format": "text"}])
def test_each_of_these_is_read(column):
    assert TableEncoder.from_json({"fitted": [column]}).is_fitted


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected an object, got []"),
        ({"kolumns": {}}, "kolumns: unknown field; expected one of columns, formats, ignore, rest, extra, fitted"),
        ({"columns": {"x": {"kind": "lag"}}}, "columns.x.kind: expected one of standardize, min_max"),
        ({"formats": {"x": "numbr"}}, "formats.x: expected one of number, boolean, date, time, category, text, got"),
        ({"formats": ["x"]}, "formats: expected formats by the names of columns, got ['x']"),
        ({"formats": {"x": "date"}, "ignore": ["x"]}, "formats.x: expected a column that is not also in `ignore`"),
        (
            {"columns": {"x": "log"}, "formats": {"x": "date"}},
            "formats.x: expected a format of kind number or boolean, which log encodes, got date",
        ),
        (
            {"fitted": [TEXT | {"format": "number"}]},
            "fitted[0].format: expected a format of kind category or boolean, which one_hot",
        ),
        ({"fitted": [WORDS | {"format": "text", "more": 1}]}, "fitted[0].more: unknown field"),
        ({"fitted": [WORDS]}, "fitted[0].format: expected one of number, boolean, date, time, category, text"),
        ({"fitted": {}}, "fitted: expected a list of columns, or null, got {}"),
        ({"fitted": []}, "fitted: expected a list of columns, or null, got []"),
        ({"fitted": ["x"]}, "fitted[0]: expected an object, got 'x'"),
        ({"fitted": [{"name": "x"}]}, "fitted[0].encoding: expected a value, the field is missing"),
        ({"fitted": [TEXT, TEXT]}, "fitted[1].name: expected distinct names, got 'x' twice"),
        ({"fitted": [NUMBER | {"name": ""}]}, "fitted[0].name: expected text, got ''"),
        ({"fitted": [NUMBER | {"more": 1}]}, "fitted[0].more: unknown field"),
        ({"fitted": [NUMBER | {"scale": 0}]}, "fitted[0].scale: expected a finite number above 0, got 0"),
        ({"fitted": [NUMBER | {"shift": float("nan")}]}, "fitted[0].shift: expected a finite number, got nan"),
        ({"fitted": [NUMBER | {"fill": None}]}, "fitted[0].fill: expected a number for missing 'mean', got None"),
        ({"fitted": [NUMBER | {"fill": "1"}]}, "fitted[0].fill: expected a finite number, got '1'"),
        (
            {"fitted": [NUMBER | {"encoding": "log"}]},
            "fitted[0].encoding.missing: expected a decided policy in a fitted column, got",
        ),
        ({"fitted": [RANKS | {"quantiles": [1]}]}, "fitted[0].quantiles: expected a list of 2 to 100 numbers, got [1]"),
        ({"fitted": [RANKS | {"quantiles": [1, 0]}]}, "fitted[0].quantiles[1]: expected at least 1.0, got"),
        ({"fitted": [RANKS | {"fill": 1.0}]}, "fitted[0].fill: expected null for missing 'error', got 1.0"),
        ({"fitted": [TEXT | {"categories": []}]}, "fitted[0].categories: expected 1 to 64, got 0"),
        ({"fitted": [TEXT | {"categories": ["a", 1]}]}, "fitted[0].categories[1]: expected a text, got 1"),
        ({"fitted": [TEXT | {"categories": ["a", "a"]}]}, "fitted[0].categories[1]: expected distinct texts"),
        (
            {"fitted": [TEXT | {"encoding": "one_hot"}]},
            "fitted[0].encoding.missing: expected a decided policy in a fitted column, got",
        ),
        (
            {"fitted": [DATE | {"scale": 1e-30}]},
            "fitted[0].scale: expected a scale that keeps all years within float32, got",
        ),
        (
            {"fitted": [NUMBER | {"scale": 1e-300}]},
            "fitted[0].fill: expected a number that is within float32 when scaled",
        ),
        ({"fitted": [DATE | {"scale": True}]}, "fitted[0].scale: expected a finite number above 0, got True"),
        ({"fitted": [DATE | {"encoding": "date_parts"}]}, "fitted[0].encoding.missing: expected a decided policy"),
    ],
)
def test_what_is_no_encoder_is_refused(value, message):
    with pytest.raises(InvalidInput) as caught:
        TableEncoder.from_json(value)
    assert str(caught.value).startswith(message)


def test_numbers_of_json_without_a_point_are_numbers():
    encoder = TableEncoder.from_json({"fitted": [NUMBER | {"fill": 1, "shift": 0, "scale": 1}]})

    assert encoder.encode({"x": [0, None]})[:, 0].tolist() == [0, np.float32(np.log(2))]
