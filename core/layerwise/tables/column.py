"""What a fitted column is: one column of a table, as the outputs that its encoding makes of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from numpy.typing import NDArray

from layerwise.tables.encodings import Encoding
from layerwise.tables.table import RawColumn
from layerwise.types import Floats

E_co = TypeVar("E_co", bound=Encoding, covariant=True)
CellWriter: TypeAlias = Callable[[Any, Floats], None]


class UnusualError(Exception):
    """A cell is not of the usual kind: the whole table is read instead, which tells what is wrong if anything is."""


@dataclass(frozen=True, slots=True)
class FittedColumn(ABC, Generic[E_co]):
    """The column `name`, fitted: everything that turns its values into outputs."""

    name: str
    encoding: E_co

    doubt: str | None = field(default=None, repr=False, compare=False, kw_only=True)
    """Of categories that nobody chose: that they would have been numbers or dates, but for few of the texts; or None.

    Such as "rows[17].x: expected a number, got 'abc'; 999 of 1,000 texts are numbers". Known where it was fitted alone:
    its JSON does not have it.
    """

    constant: tuple[int, ...] = field(default=(), kw_only=True)
    """Its outputs, from 0, that were the same in every row it was fitted on: nothing can be learnt from them.

    They are 0 in every row encoded, whatever its value: what a network makes of another value is chance.
    """

    kind: ClassVar[str]
    """"number", "category" or "date"."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names of its outputs."""

    @property
    def width(self) -> int:
        """The number of its outputs."""
        return len(self.names)

    @abstractmethod
    def read(self, column: RawColumn, /) -> NDArray[Any]:
        """What `column` holds, (n,), as `write` takes it. Raises InvalidInput, naming row and column."""

    @abstractmethod
    def write(self, read: NDArray[Any], out: Floats, /) -> None:
        """Writes the outputs of what was `read` (n,) into `out` (n, width), which holds zeros."""

    @abstractmethod
    def cell_writer(self, start: int, /) -> CellWriter:
        """A function that writes one cell into a row (outputs,) of zeros from `start` on, to the same bits as `write`.

        It raises UnusualError or OverflowError for all that is not of the usual kind.
        """

    @property
    def is_ignored(self) -> bool:
        """Whether all of its outputs are constant: predictions do not depend on the column."""
        return len(self.constant) == self.width

    def to_json(self) -> dict[str, object]:
        """Everything, as JSON."""
        found = {"name": self.name, "encoding": self.encoding.to_json(), **self._fitted_json()}
        return found | {"constant": list(self.constant)} if self.constant else found

    @abstractmethod
    def _fitted_json(self) -> dict[str, object]:
        """What was found in the rows it was fitted on, as JSON."""
