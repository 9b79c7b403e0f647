"""Inference of a column's format from the texts of its cells, and what is doubtful about it."""

from collections.abc import Mapping

from layerwise.checks import counted
from layerwise.tables.cells import GAPS
from layerwise.tables.column_texts import ColumnTexts, InferredFormat, PlainNumbers, plain_numbers, some_of
from layerwise.tables.doubt import Doubt
from layerwise.tables.formats import FALSE, TRUE, BooleanFormat, CategoryFormat, TextFormat
from layerwise.tables.number_inference import infer_number, mixed_units
from layerwise.tables.time_inference import infer_date, infer_time

MOSTLY = 0.75
"""If this share of the values are numbers, but fewer than `SHARE`, it is said that they are read as categories."""
OTHER_LANGUAGES = (
    *(("ja", "nein"), ("wahr", "falsch"), ("ja", "nee"), ("waar", "onwaar"), ("ja", "nej"), ("tak", "nie")),
    *(("oui", "non"), ("vrai", "faux"), ("sí", "no"), ("si", "no"), ("verdadero", "falso"), ("sì", "no")),
    *(("vero", "falso"), ("sim", "não"), ("verdadeiro", "falso"), ("да", "нет")),
)
"""Words for true and false that are booleans if a column has both, and no others."""
LONG_TEXTS = 0.5
"""A column is one of texts if this share of its values differ and this share have two words or more."""


def infer_format(
    texts: Mapping[str, int], plain: PlainNumbers | None = None, gaps: tuple[str, ...] = GAPS, decimal: str = ""
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
    decimal : str
        The decimal sign of other columns of the table, "" if that is not known.
    """
    if plain is None:
        plain, texts = plain_numbers(texts)
    column = ColumnTexts(plain, texts, gaps)
    if not column.rows:
        doubt = Doubt("EMPTY", "no row has a value, so it is left out")
        return InferredFormat(CategoryFormat(gaps), (doubt,))
    if (booleans := _booleans(column)) is not None:
        return InferredFormat(booleans)
    if (why := _why_codes(plain)) is not None:
        return InferredFormat(CategoryFormat(gaps), (why,))
    found = infer_number(column, decimal) or infer_date(column) or infer_time(column)
    return found or _words(column)


def _booleans(column: ColumnTexts) -> BooleanFormat | None:
    words = column.fold()
    if column.plain.rows:
        return None
    if words <= {*TRUE, *FALSE}:
        return BooleanFormat(column.gaps, *column.words_of(TRUE, FALSE))
    for true, false in OTHER_LANGUAGES:
        if words == {true, false}:
            return BooleanFormat(column.gaps, *column.words_of(("true", true), ("false", false)))
    return None


def _why_codes(plain: PlainNumbers) -> Doubt | None:
    """Return the doubt about numbers that are read as codes, None if they are amounts."""
    if plain.padded:
        message = f"numbers such as {plain.example} begin with 0, so they are read as codes and keep their zeros"
        return Doubt("CODES", message, "number", plain.example)
    if plain.inexact and not plain.fraction:
        message = (
            f"whole numbers such as {plain.inexact} have more digits than a number keeps, so they are read as codes"
        )
        return Doubt("CODES", message, "number", plain.inexact)
    return None


def _words(column: ColumnTexts) -> InferredFormat:
    """Return the format of categories, or of texts if most differ and most have several words."""
    if (doubt := mixed_units(column)) is not None:
        return InferredFormat(CategoryFormat(column.gaps), (doubt,))
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
        message += f" {some_of(column.texts)} {'is' if rows == 1 else 'are'} not, so all are read as categories"
        doubts = (Doubt("MOSTLY_NUMBERS", message, "number", next(iter(column.texts))),)
    elif column.nones:
        message = f"'None' in {counted(column.nones, 'row')} is taken for a gap; if it is a category, choose other gaps"
        doubts = (Doubt("NONE", message, "category", "None"),)
    return InferredFormat(CategoryFormat(column.gaps), doubts)
