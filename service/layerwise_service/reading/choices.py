"""What the caller chooses of how a file is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from layerwise import InvalidInput
from layerwise.checks import shown
from layerwise.errors import Place
from layerwise.tables.cells import GAPS
from layerwise.tables.choices import formats_by_column
from layerwise.tables.encoding import texts
from layerwise.tables.format import Format
from layerwise.tables.formats import BooleanFormat, CategoryFormat, NumberFormat, TextFormat
from layerwise.wording import did_you_mean
from layerwise_service.domain.tables import listed
from layerwise_service.errors import InvalidRequest

MOST_WORDS = 1_000
MOST_OF_WORD = 256
"""Words for a missing value, for true or for false, that a caller may give to a column, and the characters of each."""


@dataclass(frozen=True, slots=True)
class ReadingChoices:
    """Formats of columns by name; `gaps` are words that mean no value in every column, besides the usual.

    The columns of `formats` must be in the file, those of `known` need not be.
    """

    formats: Mapping[str, Format] = field(default_factory=dict[str, Format])
    known: Mapping[str, Format] = field(default_factory=dict[str, Format])
    gaps: tuple[str, ...] = ()

    @staticmethod
    def checked(
        formats: Mapping[str, Any], gaps: Sequence[str], known: Mapping[str, Format] | None = None
    ) -> ReadingChoices:
        """Return the choices; `formats` are in JSON form. Raises `InvalidRequest`."""
        try:
            own = formats_by_column(formats)
            _check_words("gaps", gaps)
            for name, form in own.items():
                for argument in ("gaps", "true", "false", "unit"):
                    _check_words(Place("formats", name, argument), getattr(form, argument, ()))
            return ReadingChoices(own, known or {}, texts("gaps", list(gaps)))
        except InvalidInput as error:
            raise InvalidRequest(error.detail, pointer=error.place, reason=error.reason) from error

    def formats_of(self, names: Sequence[str], typed: Mapping[str, str]) -> dict[str, Format]:
        """Return the formats of those of the file's columns that have one.

        `typed` has the kinds of columns that the file itself says. Raises `InvalidRequest`.
        """
        for name in self.formats:
            if name not in names:
                detail = f"there is no column {shown(name)}; the columns are {listed(names)}{did_you_mean(name, names)}"
                raise InvalidRequest(detail, pointer=Place("formats", name), reason="COLUMN_NOT_FOUND")
        found = {name: form for name, form in self.known.items() if name in names} | dict(self.formats)
        return {
            name: _of_type(typed.get(name), replace(form, gaps=_joined(form.gaps, self.gaps)))
            for name, form in found.items()
        }

    @property
    def usual_gaps(self) -> tuple[str, ...]:
        """The words that mean no value in a column without a format."""
        return _joined(GAPS, self.gaps)

    def to_json(self) -> dict[str, Any]:
        """Return the choices for `from_json`."""
        return {
            "formats": {name: form.to_json() for name, form in self.formats.items()},
            "known": {name: form.to_json() for name, form in self.known.items()},
            "gaps": list(self.gaps),
        }

    @staticmethod
    def from_json(form: Mapping[str, Any]) -> ReadingChoices:
        """Return the choices of `to_json`."""
        return ReadingChoices.checked(form["formats"], form["gaps"], formats_by_column(form["known"]))


def _check_words(at: Place | str, words: str | Sequence[str]) -> None:
    """Raise `InvalidRequest` for too many words, or a word that is too long."""
    words = [words] if isinstance(words, str) else words
    if len(words) > MOST_WORDS:
        raise InvalidRequest(f"expected at most {MOST_WORDS:,} words, got {len(words):,}", pointer=at)
    for word in words:
        if len(word) > MOST_OF_WORD:
            detail = f"expected words of at most {MOST_OF_WORD} characters, got one of {len(word):,}: {shown(word)}"
            raise InvalidRequest(detail, pointer=at)


def _joined(gaps: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*gaps, *more]))


def _of_type(kind: str | None, form: Format) -> Format:
    """Return the format that reads a column as `form` would, if the file says that it has numbers or booleans.

    Here they are texts in plain notation, whatever signs and words the cells of a text file have. Numbers with
    fractions that are wanted as texts are categories that say so.
    """
    if isinstance(form, TextFormat) and kind == "number":
        return CategoryFormat(form.gaps, numeric=True)
    if kind is None or not isinstance(form, NumberFormat | BooleanFormat | CategoryFormat):
        return form
    if isinstance(form, CategoryFormat) and kind != "boolean":
        return replace(form, numeric=True)
    if isinstance(form, CategoryFormat) and not form.numeric:
        return form
    return BooleanFormat(form.gaps) if kind == "boolean" else type(form)(form.gaps)
