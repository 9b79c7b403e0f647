"""A fitted column of categories."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import fields, shown, whole_number
from layerwise.errors import InvalidInput, Place
from layerwise.tables.category_encodings import MOST_CATEGORIES, CategoryEncoding, Hashing, OneHot, Ordinal
from layerwise.tables.column import CellWriter, FittedColumn, Unusual, UnusualError
from layerwise.tables.encoding import texts
from layerwise.tables.formats import BooleanFormat, CategoryFormat
from layerwise.tables.reading import first_row, read_categories
from layerwise.tables.table import RawColumn
from layerwise.tables.unusual import GAP, UNSEEN_CATEGORY
from layerwise.types import Floats

UNKNOWN, REFUSED, ZEROS = -3, -2, -1
"""Codes of categories that are unknown, that are refused, and that are encoded as zeros."""
MOST_OTHERS = 2**13
"""The most categories that are remembered besides those with an output."""


@dataclass(frozen=True, slots=True)
class CategoryColumn(FittedColumn[CategoryEncoding, CategoryFormat | BooleanFormat]):
    """A fitted column of categories: `categories` in the order of their outputs, none for Hashing.

    The code of a category is its position, or its bucket. The next codes are those of all unseen categories together
    and of a missing value, if they have outputs of their own. `others` are the CRC-32 of fitted categories that are not
    in `categories`; None if they are not known.
    """

    categories: tuple[str, ...] = ()
    others: frozenset[int] | None = None
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

    def read(self, column: RawColumn, /, unusual: Unusual | None = None) -> NDArray[np.intp]:
        found = read_categories(column, self.format)
        if unusual is not None:
            if self.gaps is False:
                unusual[GAP] = found.codes < 0
            if self.others is not None:
                unusual[UNSEEN_CATEGORY] = np.array([*map(self._is_new, found.texts), False])[found.codes]
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

    def _is_new(self, text: str) -> bool:
        """Return whether the fit is known to have had no category `text`."""
        return self.others is not None and text not in self._codes and crc32(text.encode()) not in self.others

    def _explained(self, reason: str, value: str) -> tuple[str, str, str]:
        if reason != UNSEEN_CATEGORY:
            return FittedColumn._explained(self, reason, value)
        why = f"training had no {shown(value)} in this column"
        if isinstance(self.encoding, Hashing):
            then = "it counts as the categories that share its bucket"
        elif self.unseen == "other" and self.symbols not in self.constant:
            then = "it counts as one of the rare categories"
        else:
            then = self._instead
        return why, then, "Check its spelling, or train with such rows"

    @property
    def _instead(self) -> str:
        return "it counts as no category"

    def cell_writer(self, start: int, /) -> CellWriter:
        read, missing, known = self.format.category_reader(), self.code_of_missing, self.symbols
        gap = GAP if self.gaps is False else None
        codes = {text: code for text, code in self._codes.items() if read(text) == text}
        ordinal = isinstance(self.encoding, Ordinal)

        def write(value: Any, out: Floats) -> str | None:
            code = codes.get(value, UNKNOWN) if type(value) is str else UNKNOWN
            reason = None
            if code == UNKNOWN:
                text = read(value)
                if text is None:
                    code, reason = missing, gap
                else:
                    text.encode()  # refuse lone surrogates, as `read` does
                    code = self.code_of(text)
                    reason = UNSEEN_CATEGORY if self._is_new(text) else None
            if code >= 0:
                if not ordinal:
                    out[start + code] = 1
                elif code < known:
                    out[start] = (code + 1) / known
                else:
                    out[start + code - known + 1] = 1
            elif code == REFUSED:
                raise UnusualError
            return reason

        return write

    def _fitted_json(self) -> dict[str, object]:
        found: dict[str, object] = {"others": None if self.others is None else sorted(self.others)}
        return found if isinstance(self.encoding, Hashing) else found | {"categories": list(self.categories)}

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
    name: str, encoding: CategoryEncoding, form: CategoryFormat | BooleanFormat, given: Mapping[str, object]
) -> CategoryColumn:
    """Return the column from the other fields of its JSON. Raises InvalidInput."""
    if encoding.missing == "auto":
        raise InvalidInput(Place("encoding", "missing"), "expected a decided policy in a fitted column, got 'auto'")
    if isinstance(encoding, Hashing):
        found = fields("", given, known=("others",))
        return CategoryColumn(name, encoding, others=_others_from_json(found.get("others")), format=form)
    found = fields("", given, known=("categories", "others"), required=("categories",))
    categories = texts("categories", found["categories"])
    most = encoding.most if isinstance(encoding, OneHot) else MOST_CATEGORIES
    if not 1 <= len(categories) <= most:
        raise InvalidInput("categories", f"expected 1 to {most}, got {len(categories)}")
    if isinstance(encoding, OneHot) and encoding.unseen == "auto":
        raise InvalidInput(Place("encoding", "unseen"), "expected a decided policy in a fitted column, got 'auto'")
    if isinstance(encoding, Ordinal) and encoding.order not in ((), categories):
        raise InvalidInput("categories", f"expected the order of the encoding, got {shown(list(categories))}")
    column = CategoryColumn(name, encoding, categories, format=form)
    # older model files do not tell the others; most columns without an output for them had none
    others = _others_from_json(found.get("others", [] if column.unseen == "none" else None))
    return replace(column, others=others)


def _others_from_json(value: object) -> frozenset[int] | None:
    if value is None:
        return None
    items = cast(list[object], value)
    if type(items) is not list or len(items) > MOST_OTHERS:
        raise InvalidInput("others", f"expected a list of at most {MOST_OTHERS} numbers, or null, got {shown(value)}")
    return frozenset(whole_number(Place("others", i), item, least=0, most=2**32 - 1) for i, item in enumerate(items))


def bucket(text: str, buckets: int) -> int:
    """Return the bucket, from 0, of the category `text`: the CRC-32 of its UTF-8, modulo `buckets`."""
    return crc32(text.encode()) % buckets


def _text_list(categories: tuple[str, ...]) -> str:
    return ", ".join(shown(text) for text in categories[:10]) + (", …" if len(categories) > 10 else "")
