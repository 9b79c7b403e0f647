"""Numbers in messages."""

import pytest

from layerwise.wording import number_words


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
