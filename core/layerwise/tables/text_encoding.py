"""The encoding of texts."""

from dataclasses import dataclass
from typing import Annotated

from layerwise.limits import Limits, OneOf
from layerwise.tables.category_encodings import MOST_CATEGORIES
from layerwise.tables.encoding import Encoding


@dataclass(frozen=True, slots=True)
class HashedWords(Encoding):
    """Words and letter trigrams of a text, counted in buckets by their CRC-32.

    Capital letters make no difference. The counts of a row are divided by their Euclidean length, so that a long text
    does not weigh more than a short one. A trigram is three letters of a word with a blank before and after it: texts
    that are spelled alike are near each other.

    Parameters
    ----------
    buckets : int, default 256
        Number of buckets.
    missing : {"auto", "own", "none", "error"}, default "auto"
        A missing text gets an output of its own, gets zeros, or is refused. "auto" is "own" if the fitted rows have
        missing texts, else "none".

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import HashedWords, TableEncoder
    >>> encoder = TableEncoder({"title": HashedWords(buckets=8)}).fit({"title": ["A red house", "Two houses"]})
    >>> same = encoder.encode({"title": ["a red house", " A RED HOUSE "]})
    >>> bool((same[0] == same[1]).all())
    True
    """

    buckets: Annotated[int, Limits(least=2, most=MOST_CATEGORIES)] = 256
    missing: Annotated[str, OneOf(("auto", "own", "none", "error"))] = "auto"

    kind = "hashed_words"
    reads = "text"
