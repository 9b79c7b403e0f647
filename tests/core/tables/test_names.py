"""Names of columns: visible, all different, and the same for the same header."""

from __future__ import annotations

import pytest

from layerwise.tables.names import column_names, name_doubts, pandas_name


@pytest.mark.parametrize(
    ("given", "names", "doubts"),
    [
        (["a", "b c", "größe", "A"], ["a", "b c", "größe", "A"], []),
        ([" a", "b  c", "d\u00a0"], ["a", "b c", "d"], ["RENAMED", "RENAMED"]),
        (["\ufeffa", "b\u200b", "c\x07d", "e\nf"], ["a", "b", "cd", "e f"], ["RENAMED"] * 4),
        (["", " ", "\u200b", "b"], ["column1", "column2", "column3", "b"], ["NO_NAME"] * 3),
        (["a", "a", "b", "a"], ["a", "a_2", "b", "a_3"], ["SAME_NAME"]),
        (["a", "a\u200b"], ["a", "a_2"], ["SAME_NAME"]),
        (["a", "a", "a_2", "a_3", "a"], ["a", "a_4", "a_2", "a_3", "a_5"], ["SAME_NAME"]),
        (["a", "a", "a_2", "a_2"], ["a", "a_3", "a_2", "a_2_2"], ["SAME_NAME", "SAME_NAME"]),
        (["Unnamed: 0", "a", "Unnamed: 2"], ["column1", "a", "column3"], ["NO_NAME"] * 2),  # of pandas
        (["a", "Unnamed: 0"], ["a", "column1"], ["NO_NAME"]),
        (["Unnamed: 0.1", "Unnamed: 0", "a"], ["column1", "column1_2", "a"], ["NO_NAME"] * 2),  # an index saved twice
        (["", "column1", "column1"], ["column1_2", "column1", "column1_3"], ["NO_NAME", "SAME_NAME"]),
    ],
)
def test_columns_have_visible_names_that_differ(given: list[str], names: list[str], doubts: list[str]) -> None:
    found = column_names(given)

    assert found == names
    assert column_names(found) == names
    assert [doubt.reason for doubt in name_doubts(given, found)] == doubts


def test_a_doubt_about_a_column_without_a_name_says_what_it_is_called() -> None:
    given = ["a", "", "Unnamed: 2"]

    assert [doubt.column for doubt in name_doubts(given, column_names(given))] == ["column2", "column3"]


def test_pandas_has_a_name_for_columns_without_one_alone() -> None:
    assert [pandas_name(name) for name in ("column1", "column12", "column0", "column1_2", "a")] == [
        "Unnamed: 0",
        "Unnamed: 11",
        *[""] * 3,
    ]


def test_names_that_a_version_knows_stay_as_they_are() -> None:
    assert column_names([" a", " b", ""], {" a"}) == [" a", "b", "column3"]


def test_what_was_changed_is_said_with_the_new_names() -> None:
    given = ["", "b\u200b", *["a"] * 9]
    told = [doubt.message for doubt in name_doubts(given, column_names(given))]

    assert told == [
        "column 1 has no name and is called column1; ignore it if it is the index of a DataFrame",
        "'b\\u200b' is called 'b': blanks or invisible characters",
        "9 columns are called 'a'; the others become 'a_2', 'a_3', 'a_4', 'a_5', 'a_6' and 3 more",
    ]


def test_a_first_row_without_names_that_has_a_number_twice_is_suspected() -> None:
    (doubt,) = name_doubts(["1", "1", "2"], column_names(["1", "1", "2"]))

    assert "put a line with names before it" in doubt.message


def test_ten_thousand_columns_of_the_same_name_take_no_time() -> None:
    names = column_names(["a"] * 10_000)

    assert len(set(names)) == 10_000
    assert names[-1] == "a_10000"
