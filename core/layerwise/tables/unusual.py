"""Warnings about cells to encode that are unlike those that an encoder was fitted on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, cast

from layerwise.checks import real_number, shown
from layerwise.errors import InvalidInput, Place
from layerwise.tables.cells import is_missing

GAP: Final = "GAP"
UNSEEN_CATEGORY: Final = "UNSEEN_CATEGORY"
FAR_NUMBER: Final = "FAR_NUMBER"
FAR_DATE: Final = "FAR_DATE"
REASONS = (GAP, UNSEEN_CATEGORY, FAR_NUMBER, FAR_DATE)
"""The reasons of warnings."""

MOST_WARNINGS = 100
"""The most warnings about one table."""
NUMBER_SLACK = 1.0
"""A number is far if it is outside the fitted range by more than this many times its width."""
DATE_SLACK = 0.05
"""The same of dates, which rarely spread as numbers do."""
ROUNDING = 1e-6
"""Relative to the largest number: what rounding may move numbers beyond a range of no width."""
LONGEST_VALUE = 60
Range: TypeAlias = tuple[float, float]
"""The least and the greatest value."""


@dataclass(frozen=True, slots=True)
class TableWarning:
    """Cells of a column that are unlike those that the encoder was fitted on.

    Parameters
    ----------
    reason : str
        "GAP", "UNSEEN_CATEGORY", "FAR_NUMBER" or "FAR_DATE".
    column : str
        The column.
    rows : int
        The number of rows with such a cell; 0 for what a service doubts about a file as a whole.
    row : int
        The first of them, counted from 0.
    value : str
        The text of its cell, at most 60 characters; "" if it has no value.
    message : str
        What is unusual about it, how it is encoded, and what helps.
    """

    reason: str
    column: str
    rows: int
    row: int
    value: str
    message: str


def moved(warnings: Iterable[TableWarning], rows: int) -> list[TableWarning]:
    """Return the warnings of a block that begins at the row `rows` of a table."""
    return [replace(warning, row=warning.row + rows) for warning in warnings]


def merged(warnings: Iterable[TableWarning]) -> list[TableWarning]:
    """Return one warning for each column and reason, at most `MOST_WARNINGS`, those of the most rows.

    Parameters
    ----------
    warnings : iterable of TableWarning
        Those of consecutive blocks of a table, with rows counted over all blocks.

    Returns
    -------
    list of TableWarning
        In the order of their first occurrence.
    """
    found: dict[tuple[str, str], TableWarning] = {}
    for warning in warnings:
        key = warning.column, warning.reason
        first = found.get(key)
        found[key] = warning if first is None else replace(first, rows=first.rows + warning.rows)
    if len(found) <= MOST_WARNINGS:
        return list(found.values())
    kept = set(sorted(found, key=lambda key: -found[key].rows)[:MOST_WARNINGS])
    return [warning for key, warning in found.items() if key in kept]


def usual_range(fitted: Range, slack: float) -> Range:
    """Return the range `fitted` with `slack` times its width more on both sides."""
    least, greatest = fitted
    beyond = max(slack * (greatest - least), ROUNDING * max(abs(least), abs(greatest)))
    return least - beyond, greatest + beyond


def range_from_json(value: object) -> Range:
    """Return the range of a fitted column from its JSON. Raises InvalidInput."""
    ends = cast(list[object], value)
    if type(ends) is not list or len(ends) != 2:
        raise InvalidInput("range", f"expected the least and the greatest number, got {shown(ends)}")
    least = real_number(Place("range", 0), ends[0])
    return least, real_number(Place("range", 1), ends[1], least=least)


def text_of(cell: object) -> str:
    """Return the text of a cell as warnings show it."""
    if is_missing(cell):
        return ""
    text = cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
