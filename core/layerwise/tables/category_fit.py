"""Fitting of a column of categories."""

from collections.abc import Mapping
from dataclasses import replace
from zlib import crc32

from layerwise.checks import shown
from layerwise.errors import InvalidInput, Place
from layerwise.tables.category_column import MOST_OTHERS, CategoryColumn
from layerwise.tables.category_encodings import (
    FREQUENT_ROWS,
    MOST_CATEGORIES,
    MOST_FREQUENT,
    CategoryEncoding,
    Hashing,
    OneHot,
    Ordinal,
)
from layerwise.tables.cells import PLAIN
from layerwise.tables.counts import CategoryCounts
from layerwise.tables.formats import BooleanFormat, CategoryFormat
from layerwise.tables.reading import first_row, read_categories
from layerwise.tables.table import RawColumn

NEW_SHARE = 0.05
"""Categories without an output are not remembered if more than this share of the rows have a category of their own: new
ones are then usual."""


class CategoryFit:
    """Fitting of a column of categories, block by block."""

    kind = "category"
    range = None

    def __init__(
        self, encoding: CategoryEncoding, form: CategoryFormat | BooleanFormat, *, inferred: bool = False
    ) -> None:
        if isinstance(encoding, Ordinal):
            encoding = replace(encoding, order=tuple(_rank(text, form) for text in encoding.order))
        self._encoding = encoding
        self.format = form
        self._inferred = inferred
        self._counts = CategoryCounts()
        self.gaps = False
        """Whether a value was missing."""

    @property
    def seen(self) -> int:
        """The number of rows with a category."""
        return self._counts.rows

    def add(self, column: RawColumn) -> None:
        """Add a block. Raises InvalidInput, naming row and column."""
        found = read_categories(column, self.format)
        if (missing := found.codes < 0).any():
            if self._encoding.missing == "error":
                row = first_row(missing)
                raise column.missing_cell(row, "a category")
            self.gaps = True
        if isinstance(self._encoding, Ordinal) and self._encoding.unseen == "error" and self._encoding.order:
            ranks = replace(self._encoding, missing="none")
            CategoryColumn(column.name, ranks, self._encoding.order, format=self.format).read(column)
        self._counts.add(found)

    def finished(self, name: str) -> CategoryColumn:
        """Return the fitted column. Raises InvalidInput."""
        column = self._finished(name)
        return replace(column, constant=column.constants(self._codes(column)), others=self._others(column))

    def _others(self, column: CategoryColumn) -> frozenset[int] | None:
        """Return the CRC-32 of the categories that are not in `column`; None if they are not to be remembered."""
        known = set(column.categories)
        others = [text for text in self._counts if text not in known]
        if not others:
            return frozenset()
        too_many = len(others) > MOST_OTHERS or not self._counts.exact
        if too_many or self._counts.single > NEW_SHARE * self._counts.rows:
            return None
        return frozenset(crc32(text.encode()) for text in others)

    def _codes(self, column: CategoryColumn) -> set[int]:
        """Return the codes of all rows."""
        found = {column.code_of(text) for text in self._counts}
        if not self._counts.exact:  # forgotten categories may be among the others, or in any bucket
            found |= set(range(column.symbols + (column.unseen == "other")))
        return found | {column.code_of_missing} if self.gaps else found

    def _finished(self, name: str) -> CategoryColumn:
        encoding, counts = self._encoding, self._counts
        if encoding.missing == "auto":
            encoding = replace(encoding, missing="own" if self.gaps else "none")
        if isinstance(encoding, OneHot):
            if self._inferred:
                encoding = replace(encoding, most=max(encoding.most, counts.at_least(FREQUENT_ROWS, MOST_FREQUENT)))
            kept = counts.frequent(encoding.most)
            if self._inferred and sum(kept.values()) < counts.rows / 2:
                return CategoryColumn(name, Hashing(missing=encoding.missing), format=self.format)
            beyond = len(counts) > len(kept) or not counts.exact
            if encoding.unseen == "auto":
                encoding = replace(encoding, unseen="other" if beyond else "none")
            elif encoding.unseen == "error" and beyond:
                detail = f"expected at most {encoding.most} categories, as unseen is 'error', got {len(counts)}"
                raise InvalidInput(Place("columns", name), detail)
            return CategoryColumn(name, encoding, in_order(kept), format=self.format)
        if isinstance(encoding, Ordinal):
            if not encoding.order and (len(counts) > MOST_CATEGORIES or not counts.exact):
                raise InvalidInput(Place("columns", name), f"expected at most {MOST_CATEGORIES} categories, got more")
            ranks = encoding.order or in_order(counts.frequent(MOST_CATEGORIES))
            return CategoryColumn(name, encoding, ranks, format=self.format)
        return CategoryColumn(name, encoding, format=self.format)


def _rank(text: str, form: CategoryFormat | BooleanFormat) -> str:
    """Return the category that `text` in the order of an encoding stands for. Raises InvalidInput."""
    try:
        return form.category_reader()(text) or text
    except ValueError:
        raise InvalidInput(Place("order"), f"expected {form.wanted}, got {shown(text)}") from None


def in_order(categories: Mapping[str, int]) -> tuple[str, ...]:
    """Return the `categories` in numeric order if all are numbers, else in the order of their texts."""
    if all(PLAIN.fullmatch(text) for text in categories):
        return tuple(sorted(categories, key=lambda text: (float(text), text)))
    return tuple(sorted(categories))
