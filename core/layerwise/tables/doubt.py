"""Something doubtful about a column or a file."""

from dataclasses import dataclass


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
