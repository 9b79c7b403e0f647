"""The dataset that a job trains on, and what is doubtful about it, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerwise_client.profile import DatasetFinding


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something about a table or a column that its owner should know.

    Attributes
    ----------
    reason : str
        A stable word, such as DATE_ORDER.
    message : str
        A sentence for people.
    choice : str
        What to choose if the guess is wrong: a kind of column, or "ignore"; "" if there is nothing to choose.
    example : str
        A cell that it is about, or "".
    row, column : int and str, or None
        Where that cell is first, if that is known; rows count from 0.
    """

    reason: str
    message: str
    choice: str = ""
    example: str = ""
    row: int | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The dataset that a job trains on, and how its rows were made.

    Attributes
    ----------
    dataset : str
        Id of the dataset, which may have been deleted since.
    target : str
        Name of the column to predict.
    task : str
        What the target was taken for: "classification" or "regression".
    why : str
        Why, in words.
    left_out : int
        Number of rows that were left out, since they have no target.
    ignored : tuple of str
        Columns that were left out: also those without any value, and indexes without a name.
    weight : str or None
        Column with the weights of the rows; None if all weigh alike.
    validation_dataset, validation_column : str or None
        Dataset of the rows held out, or column that marks them.
    doubts : tuple of Doubt
        What was doubtful about the dataset and its columns, but those that you ignored; `column` names them.
    findings : tuple of DatasetFinding
        What a quick look at the dataset found before the training.
    """

    dataset: str
    target: str
    task: str
    why: str
    left_out: int
    ignored: tuple[str, ...]
    weight: str | None
    validation_dataset: str | None = None
    validation_column: str | None = None
    doubts: tuple[Doubt, ...] = ()
    findings: tuple[DatasetFinding, ...] = ()
