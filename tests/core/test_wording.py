"""Numbers in messages."""

import pytest

from layerwise.wording import did_you_mean, distinct_names, number_words, score_words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (89_863.7, "89,864"),
        (999.96, "1,000"),
        (-1234.5, "-1,234"),
        (0.91234, "0.9123"),
        (1.2e-5, "1.2e-05"),
        (3e38, "3e+38"),
    ],
)
def test_numbers_are_written_as_people_write_them(value: float, words: str) -> None:
    assert number_words(value) == words


@pytest.mark.parametrize(
    ("word", "options", "words"),
    [
        ("adm", ["sgd", "adam"], "; did you mean adam?"),
        ("AGE", ["plan", "Age"], "; did you mean Age?"),
        ("nothing", ["plan", "Age"], ""),
        (7, [], ""),
    ],
)
def test_the_option_most_like_a_word_is_suggested(word: object, options: list[str], words: str) -> None:
    assert did_you_mean(word, options) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.91234, "0.9123"), (1.0, "1.0000"), (-0.00004, "-0.0000"), (-12.345678, "-12.3457"), (-4.4759e27, "-4.476e+27")],
)
def test_a_score_has_four_decimals_and_a_hopeless_one_few_digits(value: float, words: str) -> None:
    assert score_words(value) == words


def test_a_name_that_stands_already_gets_a_number() -> None:
    assert distinct_names(["a", "b", "a", "a_2", "a"]) == ["a", "b", "a_2", "a_2_2", "a_3"]
