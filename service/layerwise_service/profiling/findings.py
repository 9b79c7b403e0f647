"""Findings about single columns: those from which nothing can be learnt, and odd values."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from layerwise.checks import counted, shown
from layerwise.wording import number_words
from layerwise_service.domain.dataset_findings import DatasetFinding
from layerwise_service.profiling.sample import ColumnSample

FEW_ROWS = 20
"""In fewer rows, values differ or agree by chance."""
_MOSTLY = 0.8  # a larger share of gaps is worth saying
_EXTREME = 1000  # times farther from the median than 99 % of the numbers
_ENOUGH_FOR_EXTREMES = 200
_ENOUGH_FOR_CODES = 20  # different numbers
_MOST_LISTED = 5
_ENOUGH_DATES = 20
_ID = re.compile(r"(.*[\W_])?(id|key|uuid|guid|index|rownames|nr|no|number)|.*[a-z](Id|ID)")
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF])


def ignore(names: Iterable[str]) -> str:
    """Return the options that leave out these columns."""
    return " ".join(f"--ignore {shlex.quote(name)}" for name in names)


def listed(texts: Sequence[str], most: int = _MOST_LISTED) -> str:
    """Return the first of the texts, and how many more there are."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")


def names_rows(sample: ColumnSample) -> bool:
    """Return whether a column says no more than which row it is.

    That are categories that all differ, numbers that count the rows, and whole numbers that all differ in a column
    that is called an id.
    """
    if not sample.all_differ or len(sample.codes) <= FEW_ROWS:
        return False
    if sample.kind == "category":
        return True
    if not sample.is_whole:
        return False
    first, last = float(sample.values[0]), float(sample.values[-1])
    return (first >= 0 and last <= sample.rows) or _ID.fullmatch(sample.name.casefold()) is not None


def column_findings(sample: ColumnSample) -> Iterator[DatasetFinding]:
    """Yield what is odd about the values of a column."""
    gaps = sample.gaps / sample.rows
    if _MOSTLY < gaps < 1:
        yield DatasetFinding(
            "MOSTLY_GAPS", (sample.name,), f"{_percent(gaps)} of the rows have no value", ignore([sample.name])
        )
    if sample.kind == "number":
        yield from _codes_of_gaps(sample)
        yield from _extremes(sample)
    elif sample.kind == "category":
        yield from nearly_identical(sample)


def time_order(sample: ColumnSample) -> DatasetFinding | None:
    """Return a finding if the rows are in the order of a column of dates."""
    if sample.kind != "date" or sample.distinct < _ENOUGH_DATES or sample.there < 0.95 * len(sample.codes):
        return None
    steps = np.diff(sample.codes[sample.codes >= 0])  # codes are in the order of the dates
    if not ((steps >= 0).all() or (steps <= 0).all()):
        return None
    message = (
        "the rows are in the order of these dates: if later rows are to be predicted, hold out the last rows, not"
        " random ones"
    )
    return DatasetFinding("TIME_ORDER", (sample.name,), message, "--split temporal" if (steps >= 0).all() else "")


def nearly_identical(sample: ColumnSample) -> Iterator[DatasetFinding]:
    """Yield a finding on texts that differ in capital letters, blanks, or forms of the same letter alone."""
    if sample.distinct > sample.there / 2:  # names and codes, in which a capital letter may matter
        return
    groups: dict[str, list[int]] = {}
    for code, text in enumerate(sample.shown):
        groups.setdefault(_plain(text), []).append(code)
    words = [
        " and ".join(f"{shown(sample.shown[code])} ({counted(int(sample.counts[code]), 'row')})" for code in codes)
        for codes in groups.values()
        if len(codes) > 1
    ]
    if words:
        message = f"{listed(words, 3)}: the same but for capital letters, blanks or look-alike signs? Write them alike"
        yield DatasetFinding("NEARLY_IDENTICAL", (sample.name,), message)


def _codes_of_gaps(sample: ColumnSample) -> Iterator[DatasetFinding]:
    """Yield a finding on a whole number of several rows that is farther from all others than these are apart."""
    numbers = np.asarray(sample.values, np.float64)
    if len(numbers) < _ENOUGH_FOR_CODES:
        return
    for place, others in ((0, numbers[1:]), (-1, numbers[:-1])):
        code, rows = float(numbers[place]), int(sample.counts[place])
        least, greatest = float(others[0]), float(others[-1])
        away = max(least - code, code - greatest)
        if rows > 1 and code.is_integer() and away > greatest - least:
            message = (
                f"{counted(rows, 'row')} with {code:.0f}, all others are from {number_words(least)} to"
                f" {number_words(greatest)}: a code for a missing value?"
            )
            yield DatasetFinding("CODE_OF_GAPS", (sample.name,), message, f"--missing {code:.0f}")


def _extremes(sample: ColumnSample) -> Iterator[DatasetFinding]:
    numbers = np.repeat(np.asarray(sample.values, np.float64), sample.counts)  # in ascending order
    if len(numbers) < _ENOUGH_FOR_EXTREMES:
        return
    with np.errstate(over="ignore"):
        low, middle, high = np.quantile(numbers, (0.005, 0.5, 0.995)).tolist()
        usual = max(high - middle, middle - low)
        above, below = numbers[-1] - middle, middle - numbers[0]
        far = max(above, below)
    if usual > 0 and far > _EXTREME * usual:
        extreme = number_words(float(numbers[-1] if above == far else numbers[0]))
        message = (
            f"99 % of the numbers are from {number_words(low)} to {number_words(high)}, but one is {extreme}:"
            " a mistake, or a code for a missing value?"
        )
        yield DatasetFinding(
            "EXTREME_NUMBERS", (sample.name,), message, f"--column {shlex.quote(f'{sample.name}=quantile')}"
        )


def _plain(text: str) -> str:
    """Return a text without what people overlook: capital letters, blanks, and forms of the same letter."""
    return " ".join(unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).casefold().split())


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
