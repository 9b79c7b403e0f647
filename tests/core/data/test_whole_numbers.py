"""Few different whole numbers are classes, other numbers an amount."""

import numpy as np
import pytest

from layerwise.data.whole_numbers import SeenNumbers


@pytest.mark.parametrize(
    ("blocks", "are_classes", "why"),
    [
        ([[0, 1], [1, 0]], True, "2 different whole numbers are classes, as up to 20 are"),
        ([[0.0, 1.0], [2.0]], True, "3 different whole numbers are classes, as up to 20 are"),
        ([list(range(10)), list(range(10, 20))], True, "20 different whole numbers are classes"),
        ([list(range(15)), list(range(10, 25))], False, "more than 20 different whole numbers are an amount"),
        ([[0.0, 1.0], [0.5]], False, "numbers with fractions are an amount"),
        ([[0.5], [0.0, 1.0]], False, "numbers with fractions are an amount"),
    ],
)
def test_the_different_numbers_of_all_blocks_decide(blocks, are_classes, why):
    seen = SeenNumbers()

    for block in blocks:
        seen.add(np.array(block))

    assert seen.are_classes is are_classes
    assert seen.why.startswith(why)
