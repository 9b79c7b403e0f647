"""Encodings of categories."""

from dataclasses import dataclass
from typing import Annotated

from layerwise.limits import Limits, OneOf
from layerwise.tables.cells import BOOLEANS
from layerwise.tables.encoding import Encoding, texts

MOST_CATEGORIES = 2**16
"""The most categories of a column that are counted, and that may be kept."""
FREQUENT_ROWS, MOST_FREQUENT = 20, 512
"""Of a column without an encoding, also categories of so many rows have an output, up to so many categories."""


@dataclass(frozen=True, slots=True)
class CategoryEncoding(Encoding):
    """Base class of the encodings of categories: texts, booleans or whole numbers, identified by their text.

    Parameters
    ----------
    missing : {"auto", "own", "none", "error"}, default "auto"
        A missing value gets an output of its own, gets zeros, or is refused. "auto" is "own" if the fitted rows have
        missing values, else "none".
    """

    missing: Annotated[str, OneOf(("auto", "own", "none", "error"))] = "auto"

    reads = "category"


@dataclass(frozen=True, slots=True)
class OneHot(CategoryEncoding):
    """One output for each of the most frequent categories: 1 in the rows that have it, else 0.

    Parameters
    ----------
    missing : {"auto", "own", "none", "error"}, default "auto"
        A missing value gets an output of its own, gets zeros, or is refused. "auto" is "own" if the fitted rows have
        missing values, else "none".
    most : int, default 64
        How many categories have an output: the most frequent ones, and of equally frequent ones the first by text.
    unseen : {"auto", "other", "none", "error"}, default "auto"
        All other categories get one output together, get zeros, or are refused. "auto" is "other" if the fitted rows
        have more than `most` categories, else "none".

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import OneHot, TableEncoder
    >>> encoder = TableEncoder({"pet": OneHot()}).fit({"pet": ["cat", "dog", "cat"]})
    >>> encoder.encode({"pet": ["dog", "cat", "hamster"]})
    array([[0., 1.],
           [1., 0.],
           [0., 0.]], dtype=float32)
    """

    most: Annotated[int, Limits(least=1, most=MOST_CATEGORIES)] = 64
    unseen: Annotated[str, OneOf(("auto", "other", "none", "error"))] = "auto"

    kind = "one_hot"


@dataclass(frozen=True, slots=True)
class Ordinal(CategoryEncoding):
    """One output: 1/k, 2/k … 1 for k categories in order, 0 for others.

    Parameters
    ----------
    missing : {"auto", "own", "none", "error"}, default "auto"
        A missing value gets an output of its own, gets zeros, or is refused. "auto" is "own" if the fitted rows have
        missing values, else "none".
    order : tuple of str, optional
        The categories in order; by default those of the fitted rows, in numeric order if all are numbers, else sorted.
    unseen : {"none", "other", "error"}, default "none"
        Other categories get zeros, get a further output together, or are refused.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    order: tuple[str, ...] = ()
    unseen: Annotated[str, OneOf(("other", "none", "error"))] = "none"

    kind = "ordinal"

    def check_together(self) -> None:
        object.__setattr__(self, "order", texts("order", (BOOLEANS.get(t, t) for t in texts("order", self.order))))


@dataclass(frozen=True, slots=True)
class Hashing(CategoryEncoding):
    """One output for each bucket: 1 in the bucket of the category's CRC-32, else 0. No category is unseen.

    Parameters
    ----------
    missing : {"auto", "own", "none", "error"}, default "auto"
        A missing value gets an output of its own, gets zeros, or is refused. "auto" is "own" if the fitted rows have
        missing values, else "none".
    buckets : int, default 64
        Number of buckets.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    buckets: Annotated[int, Limits(least=2, most=MOST_CATEGORIES)] = 64

    kind = "hashing"
