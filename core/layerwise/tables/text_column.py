"""A fitted column of texts, and its fitting."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import fields
from layerwise.errors import InvalidInput, Place
from layerwise.tables.column import CellWriter, FittedColumn, Unusual, UnusualError
from layerwise.tables.formats import TextFormat
from layerwise.tables.reading import first_row, read_distinct
from layerwise.tables.table import RawColumn
from layerwise.tables.text_encoding import HashedWords
from layerwise.tables.unusual import GAP
from layerwise.tables.words import hashed_words
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class TextColumn(FittedColumn[HashedWords, TextFormat]):
    """A fitted column of texts: an output for each bucket, and one for missing texts if they have their own."""

    kind = "text"

    @property
    def names(self) -> tuple[str, ...]:
        own = tuple(f"{self.name}#{bucket}" for bucket in range(self.encoding.buckets))
        return (*own, f"{self.name} missing") if self.encoding.missing == "own" else own

    @property
    def width(self) -> int:
        """The number of outputs."""
        return self.encoding.buckets + (self.encoding.missing == "own")

    def read(self, column: RawColumn, /, unusual: Unusual | None = None) -> NDArray[np.object_]:
        """Return the outputs of each row (n,) as a dict from their places, the same object for equal texts."""
        codes, texts = read_texts(column, self.format)
        if None in texts:
            missing = codes == texts.index(None)
            if self.encoding.missing == "error" and missing.any():
                raise column.missing_cell(first_row(missing), "a text")
            if unusual is not None and self.gaps is False:
                unusual[GAP] = missing
        found = np.empty(len(texts), object)
        found[:] = [self._outputs(text) for text in texts]
        return found[codes]

    def _outputs(self, text: str | None) -> dict[int, float]:
        if text is not None:
            return hashed_words(text, self.encoding.buckets)
        return {self.encoding.buckets: 1.0} if self.encoding.missing == "own" else {}

    def write(self, read: NDArray[np.object_], out: Floats, /) -> None:
        for row, outputs in zip(out, read, strict=True):
            for place, value in outputs.items():
                row[place] = value

    @property
    def _instead(self) -> str:
        return "it counts as an empty text"

    def cell_writer(self, start: int, /) -> CellWriter:
        read, refuses = self.format.reader(), self.encoding.missing == "error"
        gap = GAP if self.gaps is False else None

        def write(value: Any, out: Floats) -> str | None:
            text = read(value)
            if text is not None:
                text.encode()  # refuse lone surrogates, as `read` does
            elif refuses:
                raise UnusualError
            for place, share in self._outputs(text).items():
                out[start + place] = share
            return gap if text is None else None

        return write

    def _fitted_json(self) -> dict[str, object]:
        return {}


def read_texts(column: RawColumn, form: TextFormat) -> tuple[NDArray[np.intp], list[str | None]]:
    """Return a code for each row, and the text of each code, None for a gap. Raises InvalidInput."""
    codes, texts = read_distinct(column, form)
    places: dict[str | None, int] = {}
    merged = np.array([places.setdefault(text, len(places)) for text in texts], np.intp)
    for text, place in places.items():
        try:
            (text or "").encode()
        except UnicodeEncodeError:  # lone surrogates
            raise column.unreadable_cell(first_row(merged[codes] == place), form.wanted) from None
    return merged[codes], list(places)


def text_column_from_json(
    name: str, encoding: HashedWords, form: TextFormat, given: Mapping[str, object]
) -> TextColumn:
    """Return the column from the other fields of its JSON. Raises InvalidInput."""
    fields("", given, known=())
    if encoding.missing == "auto":
        raise InvalidInput(Place("encoding", "missing"), "expected a decided policy in a fitted column, got 'auto'")
    return TextColumn(name, encoding, format=form)


class TextFit:
    """Fitting of a column of texts, block by block."""

    kind = "text"
    range = None

    def __init__(self, encoding: HashedWords, form: TextFormat) -> None:
        self._encoding = encoding
        self.format = form
        self.seen = 0
        """The number of rows with a text."""
        self.gaps = False
        """Whether a value was missing."""
        self._least = np.full(encoding.buckets, np.inf)
        self._most = np.zeros(encoding.buckets)

    def add(self, column: RawColumn) -> None:
        """Add a block. Raises InvalidInput, naming row and column."""
        codes, texts = read_texts(column, self.format)
        present: list[int] = np.unique(codes).tolist()
        for code in present:
            text = texts[code]
            if text is None:
                if self._encoding.missing == "error":
                    raise column.missing_cell(first_row(codes == code), "a text")
                self.gaps = True
            outputs = np.zeros(self._encoding.buckets)
            for place, value in hashed_words(text or "", self._encoding.buckets).items():
                outputs[place] = value
            np.minimum(self._least, outputs, out=self._least)
            np.maximum(self._most, outputs, out=self._most)
            self.seen += int(text is not None)

    def finished(self, name: str) -> TextColumn:
        """Return the fitted column."""
        encoding = self._encoding
        if encoding.missing == "auto":
            encoding = replace(encoding, missing="own" if self.gaps else "none")
        constant = np.flatnonzero(self._least == self._most).tolist()
        if encoding.missing == "own" and not self.gaps:
            constant.append(encoding.buckets)
        return TextColumn(name, encoding, format=self.format, constant=tuple(constant))
