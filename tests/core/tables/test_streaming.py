"""A table that is read in blocks is fitted as the whole, in memory that does not grow with it."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerwise import CategoryFormat, InvalidInput, Log, OneHot, Quantiles, Standardize, TableEncoder
from layerwise.tables.counts import CategoryCounts
from layerwise.tables.moments import RunningMoments
from layerwise.tables.reading import read_categories
from layerwise.tables.sample import Sample
from layerwise.tables.table import RawColumn

NUMBERS = st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-(10**6), 10**6))
TEXTS = st.one_of(st.none(), st.sampled_from(["a", "b", "ç", "", "zz"]))
DATES = st.one_of(st.none(), st.dates().map(str))
CUTS = st.lists(st.integers(0, 40), max_size=5)
COLUMNS = {
    "number": "standardize",
    "range": "min_max",
    "rank": Quantiles(quantiles=7),
    "half": Standardize(missing="median"),
    "size": Log(negative="clip"),
    "text": OneHot(most=2),
    "place": "ordinal",
}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NUMBERS, TEXTS, DATES), min_size=1, max_size=40), CUTS)
def test_blocks_give_what_the_whole_gives(rows, cuts):
    rows.append((1.5, "a", "2013-01-01"))
    numbers, texts, dates = (list(column) for column in zip(*rows, strict=True))
    table = dict.fromkeys(("number", "range", "rank", "half"), numbers) | {"size": numbers, "text": texts}
    table |= {"place": texts, "found": texts, "day": dates}
    ends = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    blocks = [{name: values[a:b] for name, values in table.items()} for a, b in pairwise(ends)]

    whole = TableEncoder(COLUMNS).fit(table)
    streamed = TableEncoder(COLUMNS).fit_blocks(blocks)

    assert streamed.names == whole.names
    np.testing.assert_allclose(streamed.encode(table), whole.encode(table), rtol=1e-5, atol=1e-5)


@given(st.lists(st.lists(st.floats(-100, 100).map(lambda x: x + 1e7)), min_size=1))
def test_moments_of_blocks_are_those_of_numpy(blocks):
    blocks.append([1e7, 1e7 + 1])
    moments = RunningMoments()

    for block in blocks:
        moments.add(np.array(block))

    together = np.concatenate(blocks)
    np.testing.assert_allclose(moments.mean, together.mean(), rtol=1e-14)
    np.testing.assert_allclose(moments.deviation, together.std(), rtol=1e-6)
    assert (moments.count, moments.least, moments.greatest) == (len(together), together.min(), together.max())


@given(st.lists(st.integers(0, 90), max_size=6))
def test_a_sample_does_not_depend_on_the_blocks(cuts):
    numbers = np.arange(90.0)
    whole, parts = Sample(seed=3, kept=20), Sample(seed=3, kept=20)

    whole.add(numbers)
    for part in np.split(numbers, sorted(cuts)):
        parts.add(part)

    assert np.array_equal(parts.quantiles(20), whole.quantiles(20))
    assert len(whole) == 20


def test_each_number_has_the_same_chance_to_be_sampled():
    numbers = np.arange(100.0)
    chosen = np.zeros(100)

    for seed in range(400):
        sample = Sample(seed=seed, kept=10)
        sample.add(numbers)
        chosen[sample.quantiles(10).astype(int)] += 1

    # 40 of 400 are expected for each, with a deviation of 6
    assert chosen.sum() == 4000
    assert chosen.min() > 15
    assert chosen.max() < 70


def test_quantiles_of_more_rows_than_fit_are_near_the_true_ones():
    values = np.random.default_rng(0).exponential(size=200_000)

    encoder = TableEncoder({"x": Quantiles(quantiles=50)}).fit_blocks({"x": part} for part in np.split(values, 20))

    found = encoder.encode({"x": np.quantile(values, [0.1, 0.5, 0.9])})[:, 0]
    np.testing.assert_allclose(found, [0.1, 0.5, 0.9], atol=0.01)


def test_counts_beyond_their_bound_keep_the_frequent():
    counts = CategoryCounts(most=10)
    rng = np.random.default_rng(0)
    rare = [f"rare {i}" for i in rng.permutation(1000)]
    texts = [text for i, text in enumerate(rare) for text in (["a", "b", text] if i % 2 else ["a", text])]

    for start in range(0, len(texts), 50):
        counts.add(read_categories(RawColumn("x", texts[start : start + 50]), CategoryFormat()))

    assert not counts.exact
    assert len(counts) <= 20 + 50
    assert list(counts.frequent(2)) == ["a", "b"]
    error = counts.rows / 10
    assert 1000 - error <= counts.frequent(1)["a"] <= 1000


def test_memory_does_not_grow_with_the_rows():
    def blocks(count):
        rng = np.random.default_rng(0)
        for _ in range(count):
            keys = [f"key {key}" for key in rng.integers(0, 500, 5000)]
            yield {"x": rng.normal(size=5000), "rank": rng.normal(size=5000), "key": keys}

    def peak(count):
        tracemalloc.start()
        TableEncoder({"rank": "quantile", "key": OneHot(most=4)}).fit_blocks(blocks(count))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(40) < 1.3 * peak(20)


def test_no_rows_are_refused_and_empty_blocks_are_not():
    for tables in [], [{"x": []}], [[]], [[], ()], [[], {"x": []}]:
        with pytest.raises(ValueError, match="table: expected at least 1 row, got 0"):
            TableEncoder().fit_blocks(tables)

    for first, last in [({"x": []}, {"x": []}), ([], []), ((), ())]:
        encoder = TableEncoder().fit_blocks([first, [{"x": 1}, {"x": 3}], last])

        assert encoder.encode({"x": [1, 2, 3]})[:, 0].tolist() == [-1, 0, 1]


def test_one_table_or_none_is_not_taken_for_several():
    encoder = TableEncoder().fit({"x": [1, 3]})

    for tables, got in [(None, "None"), ("ab", "'ab'"), ({"x": [1]}, "{'x': [1]}"), (pd.DataFrame({"x": [1]}), "")]:
        for take in TableEncoder().fit_blocks, encoder.encode_blocks:
            with pytest.raises(
                InvalidInput, match=r"^tables: expected an iterable of tables, such as a list of them"
            ) as e:
                take(tables)
            assert str(e.value).endswith(got)
