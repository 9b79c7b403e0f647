"""Base class of fitted columns: one column of a table, encoded as one or more outputs."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from layerwise.tables.doubt import Doubt
from layerwise.tables.encoding import Encoding
from layerwise.tables.format import Format
from layerwise.tables.table import RawColumn
from layerwise.tables.unusual import Range, TableWarning, text_of
from layerwise.types import Floats

E_co = TypeVar("E_co", bound=Encoding, covariant=True)
F_co = TypeVar("F_co", bound=Format, covariant=True)
CellWriter: TypeAlias = Callable[[Any, Floats], str | None]
Unusual: TypeAlias = dict[str, NDArray[np.bool_]]
"""The rows (n,) that are unlike those of the fit, by the reason of the warning."""


class UnusualError(Exception):
    """A cell has an unusual type; the table is then read column by column, which handles it or reports the error."""


@dataclass(frozen=True, slots=True)
class FittedColumn(ABC, Generic[E_co, F_co]):
    """A column with the encoding that was fitted to its values; `format` is how its cells are read.

    `constant` are the outputs, from 0, that had one value in all rows of the fit. Nothing can be learnt from them, so
    they are encoded as 0 in every row.
    """

    name: str
    encoding: E_co

    format: F_co = field(kw_only=True)

    doubts: tuple[Doubt, ...] = field(default=(), repr=False, compare=False, kw_only=True)
    """What is doubtful about an inferred format, such as texts that were taken for gaps. Not part of the JSON."""

    constant: tuple[int, ...] = field(default=(), kw_only=True)

    gaps: bool | None = field(default=None, kw_only=True)
    """Whether values were missing in the fit; None if that is not known, as of older model files."""

    range: Range | None = field(default=None, kw_only=True)
    """The least and the greatest number of the fit, or second of a date; None if there are none, or not known."""

    kind: ClassVar[str]
    """"number", "category", "date" or "text"."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names of the outputs."""

    @property
    def width(self) -> int:
        """The number of outputs."""
        return len(self.names)

    @abstractmethod
    def read(self, column: RawColumn, /, unusual: Unusual | None = None) -> NDArray[Any]:
        """Return the values (n,) that `write` takes, and add to `unusual`.

        Raises InvalidInput, naming row and column.
        """

    @abstractmethod
    def write(self, read: NDArray[Any], out: Floats, /) -> None:
        """Write the outputs of the values `read` (n,) into `out` (n, width), which holds zeros."""

    @abstractmethod
    def cell_writer(self, start: int, /) -> CellWriter:
        """Return a function that writes one cell into a row (outputs,) of zeros from `start` on, the same bits as
        `write`, and returns the reason of a warning, or None.

        It raises UnusualError or OverflowError for cells that are not of the usual type.
        """

    @property
    def is_ignored(self) -> bool:
        """Whether all outputs are constant, so that predictions do not depend on the column."""
        return len(self.constant) == self.width

    def warning(self, reason: str, *, rows: int, row: int, cell: object) -> TableWarning:
        """Return the warning about `rows` rows, of which `row` is the first and has the `cell`."""
        value = text_of(cell)
        why, then, remedy = self._explained(reason, value)
        if self.is_ignored:
            then = "predictions ignore this column, since it had one value in training"
        return TableWarning(reason, self.name, rows, row, value, f"{why}; {then}. {remedy}.")

    def _explained(self, reason: str, value: str) -> tuple[str, str, str]:
        """Return what is unusual about a cell, what is done with it, and what helps."""
        return "training had no gaps in this column", self._instead, "Fill it in, or train with rows that have gaps"

    @property
    @abstractmethod
    def _instead(self) -> str:
        """What a gap counts as, in words."""

    def to_json(self) -> dict[str, object]:
        """Return the column as JSON."""
        found: dict[str, object] = {
            "name": self.name,
            "encoding": self.encoding.to_json(),
            "format": self.format.to_json(),
        }
        found |= self._fitted_json()
        if self.gaps is not None:
            found["gaps"] = self.gaps
        if self.range is not None:
            found["range"] = list(self.range)
        return found | {"constant": list(self.constant)} if self.constant else found

    @abstractmethod
    def _fitted_json(self) -> dict[str, object]:
        """Return what was fitted, as JSON."""
