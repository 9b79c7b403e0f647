"""The target column of a CSV file: whether its cells are classes or amounts, found block by block."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from layerwise_client.cli.csv_records import misplaced, number_of
from layerwise_client.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy.typing as npt

Task = Literal["classification", "regression"]
CellKind = Literal["integer", "string", "number"]

_MANY_CLASSES = 50
_FEW_ROWS = 10  # of a class: with fewer it can hardly be learnt
_MOST_KEPT = 100_000  # different cells; a network of so many classes is out of reach
_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")  # of 64 bits
_CODE = re.compile(r"-?0\d|-?nan|[-+]?inf", re.IGNORECASE)  # 007 is a name, and infinity no target


class Target:
    """What is known of the cells of the column `column` in the file `name`, while blocks of them are added."""

    def __init__(self, name: str, column: str) -> None:
        self._name = name
        self.column = column
        self._count = 0
        self._different: set[str] = set()
        self._whole = True  # every cell is a whole number
        self._rounded = True  # every cell is a number that equals a whole one, such as 2.0
        self._text: tuple[int, str] | None = None  # the first line with a cell that is no number

    @property
    def classes(self) -> int:
        return len(self._different)

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Looks at `cells`, none of them empty, of these lines."""
        self._count += len(cells)
        new = set(cells) - self._different
        if len(self._different) < _MOST_KEPT:
            self._different |= new
        for cell in new:
            if _WHOLE.fullmatch(cell):
                continue
            self._whole = False
            number = None if _CODE.match(cell) else number_of(cell)
            if number is None or number % 1 or not abs(number) < 2**63:
                self._rounded = False
            if number is None and (self._text is None or lines[cells.index(cell)] < self._text[0]):
                self._text = lines[cells.index(cell)], cell

    def kind(self, task: Task | None) -> CellKind:
        """As what the cells are sent: labels, integer or text, or numbers. `task` forces whether they are labels.

        Without it whole numbers and text are labels, other numbers are not. Raises `InvalidRequest` where whole numbers
        could be either, more than 50 different ones and more than one in ten rows, and where there is a single class.
        """
        if task != "regression" and self._whole:
            if task is None:
                self._refuse_amounts()
            self._refuse_one_class()
            return "integer"
        if self._text is not None:
            if task == "regression":
                raise misplaced(self._name, self._text[0], self.column, "a number", self._text[1])
            self._refuse_one_class()
            return "string"
        if task == "classification":
            self._refuse_one_class()
            return "integer" if self._rounded else "string"
        return "number"

    def _refuse_amounts(self) -> None:
        if self.classes > _MANY_CLASSES and self.classes * _FEW_ROWS > self._count:
            raise InvalidRequest(
                f"{self._name} column {self.column}: {self.classes} different whole numbers in {self._count} rows; "
                "pass --task regression if they are amounts, --task classification if each is a class",
                reason="AMBIGUOUS_TARGET",
            )

    def _refuse_one_class(self) -> None:
        if self.classes == 1:
            raise InvalidRequest(
                f"{self._name} column {self.column}: expected two classes or more, "
                f"got {next(iter(self._different))!r} in all {self._count} rows",
                reason="ONE_CLASS",
            )


def values_of(cells: Sequence[str], kind: CellKind) -> npt.NDArray[Any]:
    """`cells` as labels or numbers of this kind, (rows,): int64, text or float64."""
    import numpy as np

    if kind == "integer":
        return np.array([int(cell) if _WHOLE.fullmatch(cell) else int(float(cell)) for cell in cells], dtype=np.int64)
    return np.array(cells) if kind == "string" else np.array([float(cell) for cell in cells], dtype=np.float64)
