"""One row, few rows and whole columns are encoded to the same bits."""

import datetime
import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.table_of_all_kinds import COLUMNS, ENCODER, NUMBERS, TABLE, TEXTS
from layerwise import (
    DateParts,
    Standardize,
    TableEncoder,
)
from layerwise.tables.rows import rows_writer

number = st.one_of(st.none(), st.floats(-1e30, 1e30), st.integers(-(2**70), 2**70), st.sampled_from([3, 0.0, -0.0]))
text = st.one_of(
    st.none(),
    st.sampled_from(["a", "b", "c", "", "new", "True", "false"]),
    st.text(max_size=3),
    st.integers(),
    st.booleans(),
)
zoned = st.datetimes(datetime.datetime(2, 1, 1), datetime.datetime(9998, 1, 1), timezones=st.timezones())
day = st.one_of(st.none(), st.datetimes().map(str), st.dates().map(str), zoned)
rows = st.fixed_dictionaries(
    dict.fromkeys(NUMBERS, number)
    | dict.fromkeys(TEXTS, text)
    | {"date": day, "flag": st.one_of(st.booleans(), st.sampled_from(["True", "FALSE", "false", "T"]))}
)


def together(rows):
    """The rows as columns, which take the other way."""
    return {name: [row[name] for row in rows] for name in COLUMNS}


@settings(max_examples=150, deadline=None)
@given(st.lists(rows, min_size=1, max_size=5))
def test_rows_and_columns_give_the_same_bits(rows):
    for dtype in np.float32, np.float64:
        wanted = ENCODER.encode(together(rows), dtype=dtype)

        assert ENCODER.encode(rows, dtype=dtype).tobytes() == wanted.tobytes()
        assert np.vstack([ENCODER.encode([row], dtype=dtype) for row in rows]).tobytes() == wanted.tobytes()


@settings(max_examples=150, deadline=None)
@given(st.lists(rows, min_size=1, max_size=5))
def test_rows_and_columns_give_the_same_warnings(rows):
    assert ENCODER.unusual(rows) == ENCODER.unusual(together(rows))


def test_the_rows_it_was_fitted_on_take_the_short_way():
    write = rows_writer(ENCODER.columns)
    out = np.zeros((64, ENCODER.width), np.float32)

    assert write([{name: TABLE[name][i] for name in COLUMNS} for i in range(64)], out) == []
    assert out.tobytes() == ENCODER.encode(TABLE).tobytes()


@pytest.mark.parametrize(("extra", "more", "short"), [(("id",), "id", True), (None, "id", True), ((), "id", False)])
def test_rows_with_columns_to_ignore_take_the_short_way_too(extra, more, short):
    row = {name: TABLE[name][0] for name in COLUMNS} | {more: 7}
    out = np.zeros((1, ENCODER.width), np.float32)

    assert rows_writer(ENCODER.columns, extra)([row], out) == ([] if short else None)
    if short:
        assert out.tobytes() == ENCODER.encode(TABLE)[:1].tobytes()


@pytest.mark.parametrize("cells", [{"flag": np.True_}, {"standardize": "3"}, {"one_hot": b"a"}, {"log": np.float32(3)}])
def test_unusual_cells_are_encoded_too(cells):
    row = {name: TABLE[name][0] for name in COLUMNS}

    found = ENCODER.encode([row | cells])

    usual = {"flag": True, "standardize": 3, "one_hot": "a", "log": 3.0}
    assert np.array_equal(found, ENCODER.encode([row | {name: usual[name] for name in cells}]))


def test_the_forms_of_a_table_give_the_same_bits():
    wanted = ENCODER.encode(TABLE).tobytes()
    frame = pd.DataFrame(TABLE)
    stamped = frame.assign(date=pd.to_datetime(frame["date"], format="ISO8601"))

    tables = {
        "rows": [{name: TABLE[name][i] for name in COLUMNS} for i in range(64)],
        "object arrays": {name: np.array(TABLE[name], object) for name in COLUMNS},
        "frame": frame,
        "frame of objects": frame.astype(object),
        "nullable": frame.convert_dtypes(),
        "categorical": frame.astype({"one_hot": "category", "ordinal": "category", "flag": "category"}),
        "datetime64": stamped,
        "time zone": stamped.assign(date=stamped["date"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")),
        "python times": frame.assign(date=[None if t is pd.NaT else t.to_pydatetime() for t in stamped["date"]]),
        "tuples": {name: tuple(values) for name, values in TABLE.items()},
    }
    for name, table in tables.items():
        assert ENCODER.encode(table).tobytes() == wanted, name
        assert TableEncoder(COLUMNS).fit(table).encode(TABLE).tobytes() == wanted, name


def test_a_frame_without_choices_is_inferred_as_its_cells_are():
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 3], "Int64"),
            "f": [1.5, np.nan, 2],
            "t": pd.to_datetime(["2013-01-01", None, "2014-01-01"]),
            "c": pd.Categorical([1, 2, None]),
            "b": pd.array([True, None, False], "boolean"),
            "s": ["x", None, "y"],
        }
    )

    columns = TableEncoder().fit(frame).columns

    kinds = [column.kind for column in columns]
    assert kinds == ["number", "number", "date", "category", "number", "category"]
    assert [column.encoding.missing for column in columns] == ["indicator"] * 3 + ["own", "indicator", "own"]


def test_names_and_sources_tell_where_an_output_comes_from():
    encoder = TableEncoder({"x": Standardize(missing="indicator"), "day": DateParts(parts=("hour_cycle",))}).fit(
        {"x": [1, 2], "c": ["a", "b"], "day": ["2013-01-01"] * 2}
    )

    assert encoder.names == ("x", "x missing", "c=a", "c=b", "day.hour_sin", "day.hour_cos")
    assert [encoder.source_of(j) for j in range(encoder.width)] == ["x", "x", "c", "c", "day", "day"]
    assert encoder.columns[1].categories == ("a", "b")


def test_outputs_of_one_name_are_told_apart():
    table = {"a": ["x", "y", None], "a=x": [1, 2, 3], "a=x (2)": [1, 2, 3], "a missing": [1, 2, 3]}

    encoder = TableEncoder().fit(table)

    wanted = ("a=x", "a=y", "a missing", "a=x (3)", "a=x (2)", "a missing (2)")
    assert encoder.names == wanted
    assert TableEncoder.from_json(encoder.to_json()).names == wanted
    assert [encoder.source_of(j) for j in range(3, 6)] == ["a=x", "a=x (2)", "a missing"]
    assert TableEncoder().fit({"a": ["x", "y"], "a=x": ["b", "b"]}).names == ("a=x", "a=y", "a=x=b")


def test_several_threads_may_encode_at_once():
    wanted = ENCODER.encode(TABLE).tobytes()
    found = []

    threads = [threading.Thread(target=lambda: found.append(ENCODER.encode(TABLE).tobytes())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [wanted] * 8


def test_a_time_of_the_far_future_is_encoded_whole_and_alone():
    far = datetime.datetime(9999, 12, 31, 23, 59)
    row = {name: TABLE[name][0] for name in COLUMNS} | {"date": far}

    assert ENCODER.encode([row]).tobytes() == ENCODER.encode(together([row])).tobytes()
