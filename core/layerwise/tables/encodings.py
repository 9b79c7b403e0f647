"""Encodings of columns: how values become inputs of a network.

An encoding is what a user chooses. A fitted column holds the encoding, with "auto" decided, and what was fitted.
"""

from dataclasses import dataclass
from typing import Annotated

from layerwise.checks import choice, real_number
from layerwise.errors import InvalidInput, Place
from layerwise.limits import Limits, OneOf
from layerwise.tables.category_encodings import Hashing, OneHot, Ordinal
from layerwise.tables.encoding import Encoding, texts
from layerwise.tables.text_encoding import HashedWords

PLAIN_PARTS = ("year", "month", "day", "weekday", "hour", "minute")
"""Parts of a date with one output each: the year standardised, the others from 0 to 1."""
CYCLIC_PARTS = ("month_cycle", "day_cycle", "weekday_cycle", "hour_cycle", "minute_cycle", "time_cycle")
"""Parts of a date encoded as sine and cosine, so that December is next to January."""


@dataclass(frozen=True, slots=True)
class NumberEncoding(Encoding):
    """Base class of the encodings of numbers.

    Parameters
    ----------
    missing : str or float, default "auto"
        What replaces a missing number: "mean", "median" or a number; "indicator", the mean and a second output that is
        1 if the number is missing; "error" refuses it. "auto" is "indicator" if the fitted rows have missing numbers,
        else "mean".
    """

    missing: str | float = "auto"

    reads = "number"

    def check_together(self) -> None:
        if isinstance(self.missing, str):
            choice("missing", self.missing, ("auto", "indicator", "mean", "median", "error"))
        else:
            object.__setattr__(self, "missing", real_number("missing", self.missing))


@dataclass(frozen=True, slots=True)
class Standardize(NumberEncoding):
    """(x - mean) / standard deviation of the fitted rows; 0 for a constant column.

    Parameters
    ----------
    missing : str or float, default "auto"
        What replaces a missing number: "mean", "median" or a number; "indicator", the mean and a second output that is
        1 if the number is missing; "error" refuses it. "auto" is "indicator" if the fitted rows have missing numbers,
        else "mean".

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import Standardize, TableEncoder
    >>> encoder = TableEncoder({"age": Standardize()}).fit({"age": [20, 30, 40]})
    >>> encoder.encode({"age": [30, 40]}, dtype="float64").round(4)
    array([[0.    ],
           [1.2247]])
    """

    kind = "standardize"


@dataclass(frozen=True, slots=True)
class MinMax(NumberEncoding):
    """(x - minimum) / (maximum - minimum) of the fitted rows; 0 for a constant column.

    Parameters
    ----------
    missing : str or float, default "auto"
        What replaces a missing number: "mean", "median" or a number; "indicator", the mean and a second output that is
        1 if the number is missing; "error" refuses it. "auto" is "indicator" if the fitted rows have missing numbers,
        else "mean".

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    kind = "min_max"


@dataclass(frozen=True, slots=True)
class Quantiles(NumberEncoding):
    """The share of fitted rows below x, from 0 to 1, interpolated between quantiles.

    x at or below the minimum is 0, at or above the maximum 1; within a run of equal quantiles it is the middle of the
    run.

    Parameters
    ----------
    missing : str or float, default "auto"
        What replaces a missing number: "mean", "median" or a number; "indicator", the mean and a second output that is
        1 if the number is missing; "error" refuses it. "auto" is "indicator" if the fitted rows have missing numbers,
        else "mean".
    quantiles : int, default 100
        Number of quantiles, 2 to 10,000.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    quantiles: Annotated[int, Limits(least=2, most=10_000)] = 100

    kind = "quantile"


@dataclass(frozen=True, slots=True)
class Log(NumberEncoding):
    """log(1 + x), standardised.

    Parameters
    ----------
    missing : str or float, default "auto"
        What replaces a missing number: "mean", "median" or a number; "indicator", the mean and a second output that is
        1 if the number is missing; "error" refuses it. "auto" is "indicator" if the fitted rows have missing numbers,
        else "mean".
    negative : {"error", "clip"}, default "error"
        Refuse negative numbers, or treat them as 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    negative: Annotated[str, OneOf(("error", "clip"))] = "error"

    kind = "log"

    def check_together(self) -> None:
        # by name: a slotted dataclass is a copy of its class, and super() without arguments finds the original
        NumberEncoding.check_together(self)
        if not isinstance(self.missing, str):
            real_number("missing", self.missing, least=0)


@dataclass(frozen=True, slots=True)
class Unscaled(NumberEncoding):
    """x unchanged; its name is "identity".

    Parameters
    ----------
    missing : str or float, default "auto"
        What replaces a missing number: "mean", "median" or a number; "indicator", the mean and a second output that is
        1 if the number is missing; "error" refuses it. "auto" is "indicator" if the fitted rows have missing numbers,
        else "mean".

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    kind = "identity"


@dataclass(frozen=True, slots=True)
class DateParts(Encoding):
    """Parts of a date or of a time of day. A time with an offset is converted to UTC, another is used as it is.

    Parameters
    ----------
    parts : tuple of str
        "year" (standardised), "month", "day", "weekday", "hour", "minute" (0 to 1), or, such as "month_cycle",
        sine and cosine of a cyclic part. "time_cycle" is the time of day to the second.
    missing : {"auto", "indicator", "none", "error"}, default "auto"
        A missing date gets zeros and a further output that is 1, gets zeros, or is refused. "auto" is "indicator" if
        the fitted rows have missing dates, else "none".

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import DateParts, TableEncoder
    >>> encoder = TableEncoder({"day": DateParts(parts=("weekday",))}).fit({"day": ["2024-01-01", "2024-01-07"]})
    >>> encoder.encode({"day": ["2024-01-01", "2024-01-04", "2024-01-07"]}).tolist()
    [[0.0], [0.5], [1.0]]
    """

    parts: tuple[str, ...] = ("year", "month_cycle", "weekday_cycle", "hour_cycle")
    missing: Annotated[str, OneOf(("auto", "indicator", "none", "error"))] = "auto"

    kind = "date_parts"
    reads = "date"

    def check_together(self) -> None:
        parts = texts("parts", self.parts)
        if not parts:
            raise InvalidInput("parts", "expected at least one part")
        for i, part in enumerate(parts):
            choice(Place("parts", i), part, PLAIN_PARTS + CYCLIC_PARTS)
        object.__setattr__(self, "parts", parts)


ENCODINGS: dict[str, type[Encoding]] = {
    cls.kind: cls
    for cls in (Standardize, MinMax, Quantiles, Log, Unscaled, OneHot, Ordinal, Hashing, DateParts, HashedWords)
}
"""All encodings by name; a name stands for the class's default object."""
