"""A fitted column of categories, and its fitting."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import fields, shown
from layerwise.errors import InvalidInput, Place
from layerwise.tables.category_encodings import MOST_CATEGORIES, CategoryEncoding, Hashing, OneHot, Ordinal
from layerwise.tables.cells import PLAIN
from layerwise.tables.column import CellWriter, FittedColumn, UnusualError
from layerwise.tables.counts import CategoryCounts
from layerwise.tables.encoding import texts
from layerwise.tables.formats import CategoryFormat
from layerwise.tables.reading import first_row, read_categories
from layerwise.tables.table import RawColumn
from layerwise.types import Floats

UNKNOWN, REFUSED, ZEROS = -3, -2, -1
"""Codes of categories that are unknown, that are refused, and that are encoded as zeros."""


@dataclass(frozen=True, slots=True)
class CategoryColumn(FittedColumn[CategoryEncoding, CategoryFormat]):
    """A fitted column of categories: `categories` in the order of their outputs, none for Hashing.

    The code of a category is its position, or its bucket. The next codes are those of all unseen categories together
    and of a missing value, if they have outputs of their own.
    """

    categories: tuple[str, ...] = ()
    _codes: dict[str, int] = field(init=False, repr=False, compare=False)

    kind = "category"

    def __post_init__(self) -> None:
        object.__setattr__(self, "_codes", {text: code for code, text in enumerate(self.categories)})

    @property
    def unseen(self) -> str:
        """The policy for unseen categories: "other", "none" or "error"."""
        return self.encoding.unseen if isinstance(self.encoding, OneHot | Ordinal) else "none"

    @property
    def symbols(self) -> int:
        """The number of codes of categories or buckets."""
        return self.encoding.buckets if isinstance(self.encoding, Hashing) else len(self.categories)

    @property
    def names(self) -> tuple[str, ...]:
        if isinstance(self.encoding, Ordinal):
            own: tuple[str, ...] = (self.name,)
        elif isinstance(self.encoding, Hashing):
            own = tuple(f"{self.name}#{bucket}" for bucket in range(self.encoding.buckets))
        else:
            own = tuple(f"{self.name}={text}" for text in self.categories)
        if self.unseen == "other":
            own = (*own, f"{self.name} other")
        return (*own, f"{self.name} missing") if self.encoding.missing == "own" else own

    @property
    def width(self) -> int:
        """The number of outputs."""
        own = 1 if isinstance(self.encoding, Ordinal) else self.symbols
        return own + (self.unseen == "other") + (self.encoding.missing == "own")

    @property
    def _code_of_others(self) -> int:
        return {"error": REFUSED, "none": ZEROS}.get(self.unseen, self.symbols)

    @property
    def code_of_missing(self) -> int:
        """The code of a missing value, or REFUSED or ZEROS."""
        own = self.symbols + (self.unseen == "other")
        return {"error": REFUSED, "none": ZEROS}.get(self.encoding.missing, own)

    def read(self, column: RawColumn, /) -> NDArray[np.intp]:
        found = read_categories(column, self.format)
        lookup = np.empty(len(found.texts) + 1, np.intp)
        lookup[-1] = self.code_of_missing
        lookup[:-1] = [self.code_of(text) for text in found.texts]
        codes = lookup[found.codes]
        if REFUSED in lookup and (bad_cell := codes == REFUSED).any():
            row = first_row(bad_cell)
            if found.codes[row] < 0:
                raise column.missing_cell(row, "a category")
            raise column.bad_cell(row, f"one of {_text_list(self.categories)}", column.cell(row))
        return codes

    def write(self, read: NDArray[np.intp], out: Floats, /) -> None:
        if isinstance(self.encoding, Ordinal):
            known = len(self.categories)
            out[:, 0] = np.where(read < known, (read + 1) / known, 0)
            read = np.where(read >= known, read - known + 1, ZEROS)
        rows = np.flatnonzero(read >= 0) if (read < 0).any() else np.arange(len(read))
        out[rows, read[rows]] = 1

    def cell_writer(self, start: int, /) -> CellWriter:
        read, missing, known = self.format.reader(), self.code_of_missing, self.symbols
        codes = {text: code for text, code in self._codes.items() if read(text) == text}
        ordinal = isinstance(self.encoding, Ordinal)

        def write(value: Any, out: Floats) -> None:
            code = codes.get(value, UNKNOWN) if type(value) is str else UNKNOWN
            if code == UNKNOWN:
                text = read(value)
                if text is None:
                    code = missing
                else:
                    text.encode()  # refuse lone surrogates, as `read` does
                    code = self.code_of(text)
            if code >= 0:
                if not ordinal:
                    out[start + code] = 1
                elif code < known:
                    out[start] = (code + 1) / known
                else:
                    out[start + code - known + 1] = 1
            elif code == REFUSED:
                raise UnusualError

        return write

    def _fitted_json(self) -> dict[str, object]:
        return {} if isinstance(self.encoding, Hashing) else {"categories": list(self.categories)}

    def code_of(self, text: str) -> int:
        """Return the code of the category `text`, or REFUSED or ZEROS."""
        if isinstance(self.encoding, Hashing):
            return bucket(text, self.encoding.buckets)
        return self._codes.get(text, self._code_of_others)

    def constants(self, codes: Collection[int]) -> tuple[int, ...]:
        """Return the outputs that are constant over rows with just these codes."""
        if not isinstance(self.encoding, Ordinal):
            only = len(codes) == 1
            return tuple(i for i in range(self.width) if only or i not in codes)
        known = len(self.categories)
        first = {code if code < known else ZEROS for code in codes}
        rest = tuple(i for i in range(1, self.width) if len(codes) == 1 or known + i - 1 not in codes)
        return (0, *rest) if len(first) == 1 else rest


def category_column_from_json(
    name: str, encoding: CategoryEncoding, form: CategoryFormat, given: Mapping[str, object]
) -> CategoryColumn:
    """Return the column from the other fields of its JSON. Raises InvalidInput."""
    if encoding.missing == "auto":
        raise InvalidInput(Place("encoding", "missing"), "expected a decided policy in a fitted column, got 'auto'")
    if isinstance(encoding, Hashing):
        fields("", given, known=())
        return CategoryColumn(name, encoding, format=form)
    found = fields("", given, known=("categories",), required=("categories",))
    categories = texts("categories", found["categories"])
    most = encoding.most if isinstance(encoding, OneHot) else MOST_CATEGORIES
    if not 1 <= len(categories) <= most:
        raise InvalidInput("categories", f"expected 1 to {most}, got {len(categories)}")
    if isinstance(encoding, OneHot) and encoding.unseen == "auto":
        raise InvalidInput(Place("encoding", "unseen"), "expected a decided policy in a fitted column, got 'auto'")
    if isinstance(encoding, Ordinal) and encoding.order not in ((), categories):
        raise InvalidInput("categories", f"expected the order of the encoding, got {shown(list(categories))}")
    return CategoryColumn(name, encoding, categories, format=form)


def bucket(text: str, buckets: int) -> int:
    """Return the bucket, from 0, of the category `text`: the CRC-32 of its UTF-8, modulo `buckets`."""
    return crc32(text.encode()) % buckets


def _text_list(categories: tuple[str, ...]) -> str:
    return ", ".join(shown(text) for text in categories[:10]) + (", …" if len(categories) > 10 else "")


class CategoryFit:
    """Fitting of a column of categories, block by block."""

    kind = "category"

    def __init__(self, encoding: CategoryEncoding, form: CategoryFormat, *, inferred: bool = False) -> None:
        if isinstance(encoding, Ordinal):
            encoding = replace(encoding, order=tuple(form.read(rank) or rank for rank in encoding.order))
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
        return replace(column, constant=column.constants(self._codes(column)))

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


def in_order(categories: Mapping[str, int]) -> tuple[str, ...]:
    """Return the `categories` in numeric order if all are numbers, else in the order of their texts."""
    if all(PLAIN.fullmatch(text) for text in categories):
        return tuple(sorted(categories, key=lambda text: (float(text), text)))
    return tuple(sorted(categories))
