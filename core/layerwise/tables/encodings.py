"""The encodings of columns: how each kind turns the values of one column into numbers, and the table of their names.

An encoding is what a user chooses; what it found in the rows it was fitted on stands in a fitted column beside it,
whose encoding says "auto" no more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, cast

from layerwise.checks import choice, real_number, shown, whole_number
from layerwise.errors import InvalidInput, Place
from layerwise.tables.cells import text_of
from layerwise.variants import Kind

MOST_CATEGORIES = 2**16
"""How many different categories of a column are counted, and may be kept."""
PLAIN_PARTS = ("year", "month", "day", "weekday", "hour", "minute")
"""Parts of a date that become one number each: the year standardised, the others from 0 to 1."""
CYCLIC_PARTS = ("month_cycle", "day_cycle", "weekday_cycle", "hour_cycle", "minute_cycle")
"""Parts of a date that become a point of the circle, sine and cosine: December stands beside January."""


@dataclass(frozen=True, slots=True)
class Encoding(Kind):
    """How the values of a column become numbers. Raises InvalidInput when made of what it does not know."""

    reads: ClassVar[str]
    """What it reads: "number", "category" or "date"."""


@dataclass(frozen=True, slots=True)
class NumberEncoding(Encoding):
    """A column of numbers, as one output; `missing` says what becomes of a number that is not there.

    "mean" or "median" of the numbers that are there, or a number of its own, takes its place; "indicator" is the mean
    and a second output that is 1 where the number was missing, else 0; "error" refuses it. "auto" is "indicator" if
    the rows it is fitted on lack any, else "error".
    """

    missing: str | float = "auto"

    reads = "number"

    def __post_init__(self) -> None:
        if isinstance(self.missing, str):
            choice("missing", self.missing, ("auto", "indicator", "mean", "median", "error"))
        else:
            object.__setattr__(self, "missing", real_number("missing", self.missing))


@dataclass(frozen=True, slots=True)
class Standardize(NumberEncoding):
    """(x - mean) / standard deviation; 0 of a column that does not vary."""

    kind = "standardize"


@dataclass(frozen=True, slots=True)
class MinMax(NumberEncoding):
    """(x - least) / (greatest - least): 0 to 1 in the range seen, more outside; 0 of a column that does not vary."""

    kind = "min_max"


@dataclass(frozen=True, slots=True)
class Quantiles(NumberEncoding):
    """The share of rows below x, from 0 to 1, interpolated between `quantiles` quantiles of what was seen.

    x at or below the least is 0, at or above the greatest 1, within a run of equal quantiles the middle of the run.
    """

    quantiles: int = 100

    kind = "quantile"

    def __post_init__(self) -> None:
        NumberEncoding.__post_init__(self)
        object.__setattr__(self, "quantiles", whole_number("quantiles", self.quantiles, least=2, most=10_000))


@dataclass(frozen=True, slots=True)
class Log(NumberEncoding):
    """log(1 + x), standardised. Of `negative` numbers, "error" refuses them, "clip" takes 0 in their place."""

    negative: str = "error"

    kind = "log"

    def __post_init__(self) -> None:
        NumberEncoding.__post_init__(self)
        choice("negative", self.negative, ("error", "clip"))
        if not isinstance(self.missing, str):
            real_number("missing", self.missing, least=0)


@dataclass(frozen=True, slots=True)
class Unscaled(NumberEncoding):
    """x as it is."""

    kind = "identity"


@dataclass(frozen=True, slots=True)
class CategoryEncoding(Encoding):
    """A column of categories: texts, booleans or whole numbers, told apart by their text.

    `missing` says what becomes of a value that is not there: "own" gives it an output of its own, "none" zeros,
    "error" refuses it. "auto" is "own" if the rows it is fitted on lack any, else "error".
    """

    missing: str = "auto"

    reads = "category"

    def __post_init__(self) -> None:
        choice("missing", self.missing, ("auto", "own", "none", "error"))


@dataclass(frozen=True, slots=True)
class OneHot(CategoryEncoding):
    """An output for each category, 1 in the rows that have it, else 0: the `most` frequent ones, ties by text.

    `unseen` says what becomes of all others: "other" gives them one output together, "none" zeros, "error" refuses
    them. "auto" is "other" if more than `most` were seen, else "none".
    """

    most: int = 64
    unseen: str = "auto"

    kind = "one_hot"

    def __post_init__(self) -> None:
        CategoryEncoding.__post_init__(self)
        object.__setattr__(self, "most", whole_number("most", self.most, least=1, most=MOST_CATEGORIES))
        choice("unseen", self.unseen, ("auto", "other", "none", "error"))


@dataclass(frozen=True, slots=True)
class Ordinal(CategoryEncoding):
    """One output: 1/k, 2/k … 1 for the k categories in their order, 0 for none of them.

    The order is that of `order`, else of the numbers if all categories seen are numbers, else of the texts. `unseen`
    and `missing` are as of OneHot; what has an output of its own is 0 in the first.
    """

    order: tuple[str, ...] = ()
    unseen: str = "none"

    kind = "ordinal"

    def __post_init__(self) -> None:
        CategoryEncoding.__post_init__(self)
        object.__setattr__(self, "order", texts("order", map(text_of, texts("order", self.order))))
        choice("unseen", self.unseen, ("other", "none", "error"))


@dataclass(frozen=True, slots=True)
class Hashing(CategoryEncoding):
    """`buckets` outputs: 1 in the bucket that the category's CRC-32 falls in, else 0. No category is unseen."""

    buckets: int = 64

    kind = "hashing"

    def __post_init__(self) -> None:
        CategoryEncoding.__post_init__(self)
        object.__setattr__(self, "buckets", whole_number("buckets", self.buckets, least=2, most=MOST_CATEGORIES))


@dataclass(frozen=True, slots=True)
class DateParts(Encoding):
    """The `parts` of a date or time: one output of a plain part, sine and cosine of a cyclic one.

    A time with an offset is taken as UTC, one without as it is written. `missing` is "indicator": zeros, and a further
    output that is 1 where the date was missing; "none": zeros; "error"; "auto": "indicator" if the rows it is fitted
    on lack any, else "error".
    """

    parts: tuple[str, ...] = ("year", "month_cycle", "weekday_cycle", "hour_cycle")
    missing: str = "auto"

    kind = "date_parts"
    reads = "date"

    def __post_init__(self) -> None:
        parts = texts("parts", self.parts)
        if not parts:
            raise InvalidInput("parts", "expected at least one part")
        for i, part in enumerate(parts):
            choice(Place("parts", i), part, PLAIN_PARTS + CYCLIC_PARTS)
        object.__setattr__(self, "parts", parts)
        choice("missing", self.missing, ("auto", "indicator", "none", "error"))


def texts(pointer: str, value: object) -> tuple[str, ...]:
    """`value`, a list of different texts, as a tuple. Raises InvalidInput."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidInput(pointer, f"expected a list of texts, got {shown(value)}")
    found: dict[str, None] = {}
    for i, text in enumerate(cast(Iterable[object], value)):
        if not isinstance(text, str) or not text or not is_unicode(text):
            raise InvalidInput(Place(pointer, i), f"expected a text, got {shown(text)}")
        if text in found:
            raise InvalidInput(Place(pointer, i), f"expected texts that differ, got {shown(text)} twice")
        found[text] = None
    return tuple(found)


def is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold `text`: a half of a surrogate pair it cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


ENCODINGS: dict[str, type[Encoding]] = {
    cls.kind: cls for cls in (Standardize, MinMax, Quantiles, Log, Unscaled, OneHot, Ordinal, Hashing, DateParts)
}
"""Every encoding by its name; a name stands for the class's default object."""
