"""Whether numbers that are to be predicted are classes or an amount."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_CLASSES = 20
"""Whole numbers of more different values are an amount, unless told otherwise."""


@dataclass(slots=True)
class SeenNumbers:
    """What is known of the numbers that are to be predicted, which `add` collects block by block."""

    whole: bool = True
    """Whether all are whole."""
    different: frozenset[float] = frozenset()
    """The different numbers, as long as they are few."""

    def add(self, numbers: NDArray[Any]) -> None:
        """Add `numbers` (n,), none of them missing."""
        if not self.whole:
            return
        self.whole = numbers.dtype.kind in "iu" or bool((numbers == np.floor(numbers)).all())
        if len(self.different) <= MOST_CLASSES:
            self.different |= frozenset(np.unique(numbers).tolist())

    @property
    def are_classes(self) -> bool:
        """Whether they are classes: few different whole numbers."""
        return self.whole and len(self.different) <= MOST_CLASSES

    @property
    def why(self) -> str:
        """Why they are classes or an amount, in words."""
        if not self.whole:
            return "numbers with fractions are an amount"
        if self.are_classes:
            few = len(self.different)
            numbers = "one whole number is a class" if few == 1 else f"{few} different whole numbers are classes"
            return f"{numbers}, as up to {MOST_CLASSES} are"
        return f"more than {MOST_CLASSES} different whole numbers are an amount"
