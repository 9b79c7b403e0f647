"""Cells that are unlike those of the fit are told, once for each column and reason; usual ones are not."""

import copy
import json
from typing import Any

import numpy as np
import pytest

from layerwise import Hashing, InvalidInput, OneHot, TableEncoder
from layerwise.tables.category_column import MOST_OTHERS
from layerwise.tables.unusual import MOST_WARNINGS, TableWarning, merged

N = 400
RNG = np.random.default_rng(0)
TABLE: dict[str, list[Any]] = {
    "age": RNG.integers(18, 80, N).tolist(),
    "pet": RNG.choice(["cat", "dog"], N).tolist(),
    "day": [
        f"2013-{month:02}-{day:02}" for month, day in zip(RNG.integers(1, 13, N), RNG.integers(1, 29, N), strict=True)
    ],
    "at": [
        f"{hour:02}:{minute:02}" for hour, minute in zip(RNG.integers(8, 18, N), RNG.integers(0, 60, N), strict=True)
    ],
    "member": RNG.choice([True, False], N).tolist(),
    "currency": ["USD"] * N,
    "gaps": [None, *RNG.normal(size=N - 1).tolist()],
    "note": [f"number {i} of the list, which is written in words" for i in range(N)],
}
ENCODER = TableEncoder().fit(TABLE)
ROW = {name: values[1] for name, values in TABLE.items()}


def told(table, encoder=ENCODER):
    return [(each.reason, each.column, each.rows, each.row, each.value) for each in encoder.unusual(table)]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("age", 500, "FAR_NUMBER"),
        ("age", -90.5, "FAR_NUMBER"),
        ("age", None, "GAP"),
        ("pet", "bird", "UNSEEN_CATEGORY"),
        ("pet", "NA", "GAP"),
        ("day", "2014-03-01", "FAR_DATE"),
        ("day", "1913-01-05", "FAR_DATE"),
        ("day", None, "GAP"),
        ("at", "23:30", "FAR_DATE"),
        ("member", "", "GAP"),
        ("currency", "EUR", "UNSEEN_CATEGORY"),
        ("note", None, "GAP"),
    ],
)
def test_an_unusual_cell_is_told_by_rows_and_by_columns(column, value, reason):
    rows = [ROW, ROW | {column: value}, ROW, ROW | {column: value}]
    text = "" if value is None else str(value)

    assert told(rows) == [(reason, column, 2, 1, text)]
    by_column = {name: [row[name] for row in rows] for name in ROW}
    assert ENCODER.unusual(by_column) == ENCODER.unusual(rows)
    assert ENCODER.unusual({name: [*cells, *TABLE[name]] for name, cells in by_column.items()}) == ENCODER.unusual(rows)


@pytest.mark.parametrize(
    ("column", "value"),
    [("age", 100), ("age", -40), ("age", "79"), ("day", "2014-01-10"), ("at", "18:20"), ("gaps", None), ("member", 1)],
)
def test_a_cell_near_those_of_the_fit_is_usual(column, value):
    assert told([ROW | {column: value}]) == []
    assert told({name: [cell] for name, cell in (ROW | {column: value}).items()}) == []


def test_rows_of_the_fit_are_usual():
    assert ENCODER.unusual(TABLE) == ()
    assert ENCODER.unusual([{name: values[i] for name, values in TABLE.items()} for i in range(30)]) == ()


@pytest.mark.parametrize("draw", ["normal", "standard_exponential", "uniform", "standard_t", "poisson", "lognormal"])
def test_held_out_numbers_are_hardly_ever_far(draw):
    """Of 34 public tables, split five times, 12 of a million numbers were; 99 were beyond 10 deviations."""
    rng = np.random.default_rng(1)
    arguments = {"standard_t": (3,), "poisson": (0.5,)}.get(draw, ())
    rows = 0
    for _ in range(50):
        numbers = getattr(rng, draw)(*arguments, size=1_000)
        warnings = TableEncoder().fit({"x": numbers[:800]}).unusual({"x": numbers[800:]})
        rows += sum(each.rows for each in warnings)

    assert rows <= 3


def test_a_warning_says_what_was_known_what_is_done_and_what_helps():
    rows = [ROW | {"age": 500, "pet": "bird", "day": "2031-01-01", "member": None, "currency": "EUR"}]
    messages = {each.column: each.message for each in ENCODER.unusual(rows)}

    first, last = min(TABLE["day"]), max(TABLE["day"])
    share = sum(TABLE["member"]) / N
    assert messages == {
        "age": "training had numbers from 18 to 79 in this column, got 500; a prediction so far outside is a guess. "
        "Check its unit, or train with such rows.",
        "pet": "training had no 'bird' in this column; it counts as no category. "
        "Check its spelling, or train with such rows.",
        "day": f"training had {first} to {last} in this column, got 2031-01-01; a prediction for another time is a "
        "guess. Check how it is written, or train with such rows.",
        "member": f"training had no gaps in this column; {share:.6g} is used instead. "
        "Fill it in, or train with rows that have gaps.",
        "currency": "training had no 'EUR' in this column; predictions ignore this column, since it had one value in "
        "training. Check its spelling, or train with such rows.",
    }


def test_a_long_text_is_cut():
    (warning,) = ENCODER.unusual([ROW | {"pet": "b" * 10_000}])

    assert len(warning.value) == 60
    assert len(warning.message) < 300


@pytest.mark.parametrize("encoding", [OneHot(most=10), Hashing(buckets=4), "ordinal", OneHot(most=10, unseen="none")])
def test_a_category_of_the_fit_that_has_no_output_of_its_own_is_no_unseen_one(encoding):
    encoder = TableEncoder({"c": encoding}).fit({"c": [f"c{i % 100}" for i in range(1_000)]})

    assert told([{"c": f"c{i}"} for i in range(30)], encoder) == []
    assert told({"c": [f"c{i}" for i in range(100)]}, encoder) == []
    assert told([{"c": "c5"}, {"c": "C5"}], encoder) == [("UNSEEN_CATEGORY", "c", 1, 1, "C5")]
    assert told({"c": ["c5", "C5"]}, encoder) == [("UNSEEN_CATEGORY", "c", 1, 1, "C5")]


@pytest.mark.parametrize(
    "values",
    [
        [f"c{i % (MOST_OTHERS + 100)}" for i in range(20_000)],
        [f"c{i}" for i in range(100)] * 2 + list("abcdefghijklmn"),
    ],
)
def test_where_new_categories_are_usual_or_too_many_to_remember_none_is_told(values):
    encoder = TableEncoder({"c": Hashing()}).fit({"c": values})

    assert told([{"c": "new"}], encoder) == []


def test_all_columns_together_remember_a_bounded_number_of_categories(monkeypatch):
    monkeypatch.setattr("layerwise.tables.fitting.MOST_OTHERS_IN_ALL", 150)
    table = {name: [f"{name}{i % count}" for i in range(1_000)] for name, count in {"a": 120, "b": 100}.items()}
    encoder = TableEncoder(dict.fromkeys("ab", Hashing())).fit(table)

    assert told([{"a": "new", "b": "new"}], encoder) == [("UNSEEN_CATEGORY", "b", 1, 0, "new")]


def test_an_encoder_of_an_older_model_file_knows_its_categories_alone():
    older: Any = copy.deepcopy(ENCODER.to_json())
    for column in older["fitted"]:
        for fact in "gaps", "range", "others":
            column.pop(fact, None)
    encoder = TableEncoder.from_json(json.loads(json.dumps(older)))

    rows = [ROW | {"age": 500, "pet": "bird", "day": "2031-01-01", "member": None, "note": None}]
    assert told(rows, encoder) == [("UNSEEN_CATEGORY", "pet", 1, 0, "bird")]
    assert told({name: [cell] for name, cell in rows[0].items()}, encoder) == told(rows, encoder)
    assert encoder.encode(rows).tobytes() == ENCODER.encode(rows).tobytes()


def test_a_cell_that_is_refused_is_an_error_and_no_warning():
    encoder = TableEncoder({"x": {"kind": "standardize", "missing": "error"}}).fit({"x": [1.0, 2.0]})
    found = []

    with pytest.raises(InvalidInput, match=r"rows\[1\]\.x: expected a number, got a missing value"):
        encoder.encode([{"x": 900.0}, {"x": None}], warnings=found)
    assert found == []


def test_blocks_give_one_warning_for_each_column_and_reason_up_to_a_bound():
    blocks = [TableWarning("GAP", f"c{i}", 1 + (i % 1_000 == 7), i, "", "") for i in range(1_000)] * 2
    found = merged(blocks)

    assert len(found) == MOST_WARNINGS
    assert TableWarning("GAP", "c7", 4, 7, "", "") in found
    assert found[0] == TableWarning("GAP", "c0", 2, 0, "", "")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"gaps": 1}, "fitted[0].gaps: expected true, false or null, got 1"),
        ({"range": [1]}, "fitted[0].range: expected the least and the greatest number, got [1]"),
        ({"range": [2, 1]}, "fitted[0].range[1]: expected a finite number of at least 2, got 1"),
        ({"others": [-1]}, "fitted[0].others[0]: expected a whole number"),
        ({"others": 7}, "fitted[0].others: expected a list of at most 8192 numbers, or null, got 7"),
    ],
)
def test_facts_of_the_fit_that_are_none_are_refused(facts, message):
    column = {"name": "x", "encoding": {"kind": "one_hot", "missing": "own", "unseen": "none"}, "categories": ["a"]}

    with pytest.raises(InvalidInput) as refused:
        TableEncoder.from_json({"fitted": [column | facts]})
    assert str(refused.value).startswith(message)
