"""Inference of a column's format from the texts of its cells, and what is doubtful about it."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from layerwise.checks import counted, shown
from layerwise.tables.cells import GAPS, PLAIN, is_padded
from layerwise.tables.formats import (
    FALSE,
    TRUE,
    BooleanFormat,
    CategoryFormat,
    DateFormat,
    Format,
    NumberFormat,
    TextFormat,
    TimeFormat,
)

SHARE = 0.9
"""If this share of the values are numbers, dates or times, the others are taken for gaps, unless they are many."""
MOST_ODD = 10
"""The most different texts that are taken for gaps in such a column."""
MOSTLY = 0.75
"""If this share of the values are numbers, but fewer than `SHARE`, it is said that they are read as categories."""
UNITS = "%$€£¥"
NUMBER_FORMATS = (
    NumberFormat(thousands=","),
    NumberFormat(decimal=","),
    NumberFormat(decimal=",", thousands="."),
    NumberFormat(thousands=" "),
    NumberFormat(decimal=",", thousands=" "),
    NumberFormat(thousands="'"),
)
"""The formats of numbers that are tried after the plain one. 1,234 is a thousand if all values can be read so."""
DATE_FORMATS = (DateFormat(), DateFormat(day_first=False), DateFormat(year_first=True))
INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
LONG_TEXTS = 0.5
"""A column is one of texts if this share of its values differ and this share have two words or more."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something about a column that its owner should know.

    Parameters
    ----------
    reason : str
        What it is about, as one upper-case word that programs can rely on.
    message : str
        A sentence for people.
    choice : str
        What to choose if the guess is wrong: a kind of column, or "ignore"; "" if there is nothing to choose.
    example : str
        The text of a cell that it is about, or "".
    row, column : int and str, optional
        Where that cell is first, if that is known; rows count from 0.
    """

    reason: str
    message: str
    choice: str = ""
    example: str = ""
    row: int | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True)
class PlainNumbers:
    """The cells of a column that are numbers in plain notation, which need not be listed one by one.

    `rows` is the number of these cells, `padded` that of the cells whose number begins with a needless 0, as in 007,
    `example` one of the padded numbers, and `fractions` the number of cells with a decimal point.
    """

    rows: int = 0
    padded: int = 0
    example: str = ""
    fractions: int = 0


@dataclass(frozen=True, slots=True)
class InferredFormat:
    """The format of a column, and the doubts about it."""

    format: Format
    doubts: tuple[Doubt, ...] = ()


def plain_numbers(texts: Mapping[str, int]) -> tuple[PlainNumbers, dict[str, int]]:
    """Divide `texts`, the number of rows of each text, into numbers in plain notation and other texts."""
    rows = padded = fractions = 0
    example = ""
    others: dict[str, int] = {}
    for text, count in texts.items():
        stripped = text.strip()
        if not PLAIN.fullmatch(stripped):
            others[text] = count
            continue
        rows += count
        fractions += count * ("." in stripped)
        if is_padded(stripped):
            padded += count
            example = example or stripped
    return PlainNumbers(rows, padded, example, fractions), others


def infer_format(
    texts: Mapping[str, int], plain: PlainNumbers | None = None, *, gaps: tuple[str, ...] = GAPS
) -> InferredFormat:
    """Return the format of a column.

    Parameters
    ----------
    texts : mapping of str to int
        The different texts of the column's cells, and the number of rows of each.
    plain : PlainNumbers, optional
        The numbers in plain notation, if `texts` has only the other texts.
    gaps : tuple of str
        The words that mean that a cell has no value.
    """
    if plain is None:
        plain, texts = plain_numbers(texts)
    column = _Column(plain, texts, gaps)
    if not column.rows:
        doubt = Doubt("EMPTY", "every value is missing, so nothing can be learnt from it", "ignore")
        return InferredFormat(CategoryFormat(gaps), (doubt,))
    if not plain.rows and column.fold() <= {*TRUE, *FALSE}:
        return InferredFormat(BooleanFormat(gaps, *column.words_of(TRUE, FALSE)))
    if plain.padded:
        return _padded(column)
    for infer in (_number, _date, _time):
        if (found := infer(column)) is not None:
            return found
    return _words(column)


class _Column:
    """The texts of a column: those of gaps left out, blanks around them removed."""

    def __init__(self, plain: PlainNumbers, texts: Mapping[str, int], gaps: tuple[str, ...]) -> None:
        self.plain, self.gaps = plain, gaps
        self.texts: dict[str, int] = {}
        without = frozenset(gaps)
        for text, count in texts.items():
            if (stripped := text.strip()) and stripped not in without:
                self.texts[stripped] = self.texts.get(stripped, 0) + count
        self.rows = plain.rows + sum(self.texts.values())

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


def _padded(column: _Column) -> InferredFormat:
    example = column.plain.example
    message = f"numbers such as {example} begin with 0, so they are read as codes and keep their zeros"
    return InferredFormat(CategoryFormat(column.gaps), (Doubt("CODES", message, "number", example),))


def _number(column: _Column) -> InferredFormat | None:
    if not column.texts:
        return InferredFormat(NumberFormat(column.gaps))
    unit = next((sign for sign in UNITS if any(sign in text for text in column.texts)), "")
    formats = (NumberFormat(), *NUMBER_FORMATS)
    best: NumberFormat | None = None
    best_read: dict[str, float | None] = {}
    most = -1
    for candidate in [replace(each, unit=unit) for each in formats] if unit else formats:
        if column.plain.fractions and candidate.decimal == ",":
            continue  # it does not read 1.5
        if column.plain.rows and candidate.thousands == ".":
            continue  # 1.234 would be read in two ways
        read = column.read_by(candidate)
        if (rows := column.rows_of(read)) > most:
            best, best_read, most = candidate, read, rows
    assert best is not None
    odd = column.odd(best_read)
    if odd is None or column.plain.rows + most == 0:
        return None
    doubts: list[Doubt] = []
    if text := next((text for text, number in best_read.items() if number is not None and math.isfinite(number)), ""):
        doubts.append(Doubt("NUMBER_FORMAT", f"{shown(text)} is read as {best_read[text]:g}", "category", text))
    return _with_gaps(best, column, odd, doubts, "numbers")


def _date(column: _Column) -> InferredFormat | None:
    if not any(column.read_by(each) for each in DATE_FORMATS):
        return None
    reads = [column.read_by(each, whole=True) for each in DATE_FORMATS]
    rows = [column.rows_of(read) for read in reads]
    best = max(range(len(rows)), key=lambda i: (rows[i], -i))
    read = reads[best]
    odd = column.odd(read)
    if odd is None or not read or column.plain.rows:
        return None
    doubts: list[Doubt] = []
    chosen = DATE_FORMATS[best]
    other = reads[1 - best] if best < 2 else {}
    if any(text in other and other[text] != value for text, value in read.items()):
        first = "day" if chosen.day_first else "month"
        text = next(text for text, value in read.items() if text in other and other[text] != value)
        certain = rows[best] > rows[1 - best]
        why = "as other rows show" if certain else "which no row decides"
        doubts.append(Doubt("DATE_ORDER", f"{shown(text)} is read with the {first} first, {why}", "date", text))
    return _with_gaps(chosen, column, odd, doubts, "dates")


def _time(column: _Column) -> InferredFormat | None:
    if column.plain.rows:
        return None
    found = TimeFormat()
    read = column.read_by(found)
    odd = column.odd(read)
    return None if odd is None or not read else _with_gaps(found, column, odd, [], "times")


def _with_gaps(
    found: NumberFormat | DateFormat | TimeFormat,
    column: _Column,
    odd: Mapping[str, int],
    doubts: list[Doubt],
    values: str,
) -> InferredFormat:
    """Return the format `found` with the `odd` texts as gaps, which is said."""
    if odd:
        rows = sum(odd.values())
        share = min(99.9, 100 * (1 - rows / column.rows))
        taken = "is taken for a gap" if rows == 1 else "are taken for gaps"
        message = f"{share:.3g} % are {values}; {counted(rows, 'row')} with {_some(odd)} {taken}"
        doubts.append(Doubt("ODD_TEXTS", message, "category", next(iter(odd))))
    return InferredFormat(replace(found, gaps=(*column.gaps, *odd)), tuple(doubts))


def _words(column: _Column) -> InferredFormat:
    """Return the format of categories, or of texts if most differ and most have several words."""
    different = len(column.texts) / column.rows
    several = column.rows_of(text for text in column.texts if len(text.split()) > 1) / column.rows
    if different >= LONG_TEXTS and several >= LONG_TEXTS and column.rows > 1:
        return InferredFormat(TextFormat(column.gaps))
    doubts: tuple[Doubt, ...] = ()
    if len(column.texts) == column.rows > 20:
        doubts = (Doubt("ALL_DIFFERENT", "every row has another value, so nothing can be learnt from it", "ignore"),)
    elif column.plain.rows >= MOSTLY * column.rows:
        rows = column.rows - column.plain.rows
        message = f"{100 * column.plain.rows / column.rows:.3g} % are numbers, but {counted(rows, 'row')} with"
        message += f" {_some(column.texts)} {'is' if rows == 1 else 'are'} not, so all are read as categories"
        doubts = (Doubt("MOSTLY_NUMBERS", message, "number", next(iter(column.texts))),)
    return InferredFormat(CategoryFormat(column.gaps), doubts)


def _some(texts: Mapping[str, int]) -> str:
    """Return the first texts for a message."""
    return ", ".join(shown(text) for text in list(texts)[:3]) + (", …" if len(texts) > 3 else "")
