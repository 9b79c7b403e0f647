"""Profiles: what columns hold, from all rows or a sample."""

from __future__ import annotations

import math
import random
import re
import statistics
import sys
from pathlib import Path

import pytest

from helpers.profiled import profiled, stored
from layerwise_service.domain.jobs import Task
from layerwise_service.domain.profiles import DateSummary, LengthSummary, TopValue
from layerwise_service.errors import DataLoss, InvalidRequest, ServiceError, TooLarge, Unavailable
from layerwise_service.profiling.process import make_profile
from layerwise_service.profiling.profile import ProfileRequest, profile

NUMBERS = [5, 1, None, 2.5, 1, 40, 7, 3]
THERE = [number for number in NUMBERS if number is not None]
TABLE = {
    "number": NUMBERS,
    "word": ["red", "green", "red", None, "red", "blue", "green", "red"],
    "day": ["2013-01-31", "2012-02-29", None, "2013-01-31", "2013-01-30", "2013-01-29", "2013-01-28", "2013-01-27"],
    "at": ["14:05", "9:30", "9:30", "9:30", "10:00", "11:00", "12:00", "13:00"],
    "yes": ["yes", "no", "yes", "yes", None, "no", "yes", "yes"],
}


def test_numbers_have_quantiles_mean_and_deviation() -> None:
    number = profiled(TABLE).columns[0]

    found = number.numbers
    assert (number.kind, number.gaps, number.distinct) == ("number", 1, 6)
    assert (found.minimum, found.median, found.maximum) == (1, 3, 40)
    assert (found.q25, found.q75) == (1.75, 6)  # interpolated, as NumPy and pandas do by default
    assert found.q05 == 1
    assert found.q95 == pytest.approx(7 + 0.7 * 33)
    assert found.mean == pytest.approx(statistics.mean(THERE))
    assert found.deviation == pytest.approx(statistics.stdev(THERE))
    assert number.top[0] == TopValue("1", 2, 0.25)
    assert {top.value for top in number.top} == {"1", "2.5", "3", "5", "7", "40"}


def test_categories_dates_times_and_booleans_have_what_fits_them() -> None:
    _, word, day, at, yes = profiled(TABLE).columns

    assert [each.kind for each in (word, day, at, yes)] == ["category", "date", "time", "boolean"]
    assert word.lengths == LengthSummary(3, pytest.approx(26 / 7), 5)
    assert word.top == (TopValue("red", 4, 0.5), TopValue("green", 2, 0.25), TopValue("blue", 1, 0.125))
    assert day.dates == DateSummary("2012-02-29", "2013-01-31")
    assert at.dates == DateSummary("09:30:00", "14:05:00")
    assert yes.top == (TopValue("true", 5, 0.625), TopValue("false", 2, 0.25))
    assert [each.gaps for each in (word, day, at, yes)] == [1, 1, 0, 1]


def test_a_column_without_values_and_one_of_huge_numbers_have_a_profile() -> None:
    huge, empty, one = profiled({"huge": [1.7e308, -1.7e308, 1e308], "empty": [None] * 3, "one": ["a"] * 3}).columns

    assert (huge.numbers.minimum, huge.numbers.maximum) == (-1.7e308, 1.7e308)
    assert huge.numbers.mean == pytest.approx(1e308 / 3)
    assert math.isfinite(huge.numbers.deviation)
    assert (empty.distinct, empty.gaps, empty.numbers, empty.top) == (0, 3, None, ())
    assert one.top == (TopValue("a", 3, 1.0),)


def test_a_value_that_no_other_row_has_is_no_frequent_one() -> None:
    assert profiled({"a": ["x", "y", "z"], "b": [1, 2, 3]}).columns[0].top == ()


def test_a_large_dataset_is_sampled_all_over_and_so_it_says() -> None:
    draw = random.Random(0)
    rows = 40_000
    table = {"place": [i / 7 for i in range(rows)], "word": [draw.choice("aab") for _ in range(rows)]}

    with stored(table) as dataset:
        quick = profile(ProfileRequest(dataset, quick=True))
        whole = profile(ProfileRequest(dataset))

    assert (whole.rows, whole.sampled_rows) == (rows, rows)
    assert quick.rows == rows
    assert 25_000 <= quick.sampled_rows <= 30_000
    for few, all_of_them in zip(quick.columns, whole.columns, strict=True):
        assert few.numbers is None or few.numbers.q25 == pytest.approx(all_of_them.numbers.q25, rel=0.01)
    assert quick.columns[1].top[0].share == pytest.approx(2 / 3, abs=0.02)


def test_many_cells_are_looked_at_in_another_process_to_the_same_result() -> None:
    draw = random.Random(0)
    table = {name: [draw.choice(["a", "b", None]) for _ in range(10_000)] for name in "abcdefg"}
    numbers = [draw.random() for _ in range(10_000)]

    with stored(table | {"number": numbers}) as dataset:
        request = ProfileRequest(dataset, target="a", validation=dataset)
        assert not request.is_small
        assert make_profile(request, seconds=60) == profile(request)


def test_what_is_wrong_in_another_process_is_an_error_here() -> None:
    wrong = pytest.raises(
        InvalidRequest, match="target: expected a column of numbers or classes, 'day' is one of kind date"
    )
    with stored({"day": ["2013-01-31", "2013-02-01"] * 50_000}) as dataset, wrong:
        make_profile(ProfileRequest(dataset, target="day"), seconds=60)
    with pytest.raises(DataLoss, match="is missing"):
        make_profile(ProfileRequest(dataset), seconds=60)


@pytest.mark.parametrize(
    ("does", "error", "message"),
    [
        ("kill -9 $$", Unavailable, "the process that made the profile was ended; ask again"),
        ("exec sleep 60", TooLarge, "the profile takes more than 0.5 s"),
        ("exit 3", ServiceError, "internal error: the profile could not be made"),
    ],
)
def test_a_process_that_ends_badly_is_an_error(
    does: str, error: type[ServiceError], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{does}\n")
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))

    with stored({"x": [i / 7 for i in range(70_000)]}) as dataset, pytest.raises(error, match=re.escape(message)):
        make_profile(ProfileRequest(dataset), seconds=0.5 if "sleep" in does else 60)


def test_the_target_is_taken_for_what_a_job_would_take_it_for() -> None:
    table = {"count": [i % 30 for i in range(60)], "few": [i % 3 for i in range(60)], "x": [i / 7 for i in range(60)]}

    amount, classes = profiled(table, target="count"), profiled(table, target="few")

    assert (amount.task, amount.why) == (Task.AMOUNT, "more than 20 different whole numbers are an amount")
    assert classes.task is Task.CLASSES
    assert profiled(table, target="few", task=Task.AMOUNT).task is Task.AMOUNT
    assert (profiled(table).task, profiled(table).why) == (None, "")
