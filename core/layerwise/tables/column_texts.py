"""The different texts of a column, from which its format is inferred."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from layerwise.checks import counted, shown
from layerwise.tables.cells import PLAIN, is_padded
from layerwise.tables.doubt import Doubt
from layerwise.tables.format import Format
from layerwise.tables.formats import DateFormat, NumberFormat, TimeFormat

SHARE = 0.9
"""If this share of the values are numbers, dates or times, the others are taken for gaps, unless they are many."""
MOST_ODD = 10
"""The most different texts that are taken for gaps in such a column."""
GROUPED = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,2}(?:\.[0-9]{3})?)")
"""A number that is the same if a point stands between groups of three digits, or that has such a group."""
LONG = re.compile(r"[+-]?[0-9]{16,38}")
"""A whole number that float64 may not hold exactly: with its neighbours it would become the same number."""
INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PlainNumbers:
    """The cells of a column that are numbers in plain notation, which need not be listed one by one.

    `rows` is the number of these cells, `padded` that of the cells whose number begins with a needless 0, as in 007,
    `example` one of the padded numbers, and `fraction` one of those with a point, "" if there is none.
    """

    rows: int = 0
    padded: int = 0
    example: str = ""
    fraction: str = ""
    ungrouped: bool = False
    """Whether one of them is no number in which a point may stand between groups of three digits, as in 12.345."""
    inexact: str = ""
    """One of the whole numbers that float64 does not hold exactly, "" if there is none."""

    @property
    def grouped(self) -> bool:
        """Whether some have a point, and in all it may stand between groups of three digits."""
        return self.fraction != "" and not self.ungrouped

    def __add__(self, other: "PlainNumbers") -> "PlainNumbers":
        return PlainNumbers(
            self.rows + other.rows,
            self.padded + other.padded,
            self.example or other.example,
            self.fraction or other.fraction,
            self.ungrouped or other.ungrouped,
            self.inexact or other.inexact,
        )


@dataclass(frozen=True, slots=True)
class InferredFormat:
    """The format of a column, and the doubts about it."""

    format: Format
    doubts: tuple[Doubt, ...] = ()
    decimal: str = ""
    """The decimal sign of numbers, if their cells leave no doubt about it."""

    @property
    def is_undecided(self) -> bool:
        """Whether its numbers can be read with either decimal sign."""
        return any(doubt.reason == "NUMBER_FORMAT" for doubt in self.doubts)


def plain_numbers(texts: Mapping[str, int]) -> tuple[PlainNumbers, dict[str, int]]:
    """Divide `texts`, the number of rows of each text, into numbers in plain notation and other texts."""
    rows = padded = 0
    example = fraction = inexact = ""
    ungrouped = False
    others: dict[str, int] = {}
    for text, count in texts.items():
        stripped = text.strip()
        if not PLAIN.fullmatch(stripped):
            others[text] = count
            continue
        rows += count
        fraction = fraction or (stripped if "." in stripped else "")
        ungrouped = ungrouped or GROUPED.fullmatch(stripped) is None
        if is_padded(stripped):
            padded += count
            example = example or stripped
        if not inexact and LONG.fullmatch(stripped) and int(float(stripped)) != int(stripped):
            inexact = stripped
    return PlainNumbers(rows, padded, example, fraction, ungrouped, inexact), others


class ColumnTexts:
    """The texts of a column: those of gaps left out, blanks around them removed."""

    def __init__(self, plain: PlainNumbers, texts: Mapping[str, int], gaps: tuple[str, ...]) -> None:
        self.plain, self.gaps = plain, gaps
        self.texts: dict[str, int] = {}
        without = frozenset(gaps)
        for text, count in texts.items():
            if (stripped := text.strip()) and stripped not in without:
                self.texts[stripped] = self.texts.get(stripped, 0) + count
        self.rows = plain.rows + sum(self.texts.values())
        self.nones = sum(count for text, count in texts.items() if text.strip() == "None" and "None" in without)
        """Rows with the word None, which may be a category."""

    def fold(self) -> set[str]:
        return {text.casefold() for text in self.texts}

    def words_of(self, *kinds: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Return the words of each kind, the most frequent one of the column first, as it is spelled there.

        They stay as they are if texts of a kind are missing, or if these are its first word.
        """
        own = [[text for text in self.texts if text.casefold() in words] for words in kinds]
        if not all(own):
            return list(kinds)
        first = [max(each, key=self.texts.__getitem__) for each in own]
        return [
            words if word.casefold() == words[0] else (word, *(each for each in words if each != word.casefold()))
            for word, words in zip(first, kinds, strict=True)
        ]

    def read_by(
        self, column_format: "NumberFormat | DateFormat | TimeFormat", *, whole: bool = False
    ) -> dict[str, float | None]:
        """Return the values of the texts that `column_format` can read.

        Unless the `whole` is wanted, they are none as soon as too many others are found for the format.
        """
        odd = rows = 0
        read = column_format.reader()
        found: dict[str, float | None] = {}
        for text in self.texts:
            try:
                found[text] = read(text)
            except (ValueError, OverflowError):
                if column_format.kind == "number" and INFINITE.fullmatch(text):
                    found[text] = math.inf  # a number, which is refused later: it is no gap
                    continue
                odd, rows = odd + 1, rows + self.texts[text]
                if not whole and not self.are_few(odd, rows):
                    return {}
        return found

    def rows_of(self, texts: Iterable[str]) -> int:
        return sum(self.texts[text] for text in texts)

    def odd(self, read: Mapping[str, object]) -> dict[str, int] | None:
        """Return the texts that are not `read` with their rows, if they are few enough to be gaps; else None."""
        odd = {text: count for text, count in self.texts.items() if text not in read}
        return odd if self.are_few(len(odd), sum(odd.values())) else None

    def are_few(self, texts: int, rows: int) -> bool:
        """Return whether so many different texts, in so many rows, may be gaps."""
        return texts <= MOST_ODD and rows <= (1 - SHARE) * self.rows + 1e-9


def with_gaps(
    found: NumberFormat | DateFormat | TimeFormat,
    column: ColumnTexts,
    odd: Mapping[str, int],
    doubts: list[Doubt],
    values: str,
    *,
    decimal: str = "",
) -> InferredFormat:
    """Return the format `found` with the `odd` texts as gaps, which is said."""
    if odd:
        rows = sum(odd.values())
        share = min(99.9, 100 * (1 - rows / column.rows))
        taken = "is taken for a gap" if rows == 1 else "are taken for gaps"
        message = f"{share:.3g} % are {values}; {counted(rows, 'row')} with {some_of(odd)} {taken}"
        doubts.append(Doubt("ODD_TEXTS", message, "category", next(iter(odd))))
    return InferredFormat(replace(found, gaps=(*column.gaps, *odd)), tuple(doubts), decimal)


def some_of(texts: Collection[str]) -> str:
    """Return the first texts for a message."""
    return ", ".join(map(shown, list(texts)[:3])) + (", …" if len(texts) > 3 else "")
