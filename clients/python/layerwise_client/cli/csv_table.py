"""A CSV file as a table and a target to train on. It is read twice, and never held: once to look at, once to send."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerwise_client._data.places import invalid
from layerwise_client._data.tables import TableRows
from layerwise_client._data.targets import TargetValues
from layerwise_client.cli.csv_records import Record, column_of, misplaced, number_of, read
from layerwise_client.cli.csv_target import CellKind, Target, Task, values_of
from layerwise_client.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy.typing as npt

_BLOCK = 4_096  # records looked at together
_MOSTLY = 0.95  # so many numbers in a column, and a text among them is a mistake, or stands for a gap
_SURE = 1_000  # values after which a column of texts is known to be one


@dataclass(frozen=True, slots=True)
class CsvTraining:
    """Rows and labels or numbers as `Client.train` takes them; `classes` is None for numbers.

    `dropped` rows without a target were left out. `line(row)` is the line on which a row stands.
    """

    table: TableRows
    targets: TargetValues
    classes: int | None
    dropped: int
    file: CSVFile

    def line(self, row: int) -> int:
        return next(islice(self.file.kept(), row, None))[0]


@dataclass(frozen=True, slots=True)
class CSVFile:
    """The records of the file at `path`. Cells among `missing` have no value.

    `drop`: a record without a value of `target` is left out; else it is refused.
    """

    path: Path
    header: tuple[str, ...]
    target: str
    missing: Collection[str]
    drop: bool

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def place(self) -> int:
        """That of the target among the columns."""
        return self.header.index(self.target)

    def kept_of(self, block: Sequence[Record]) -> Sequence[Record]:
        """The records of `block` to train on; raises `InvalidRequest` at one that should have a target."""
        place, missing = self.place, self.missing
        kept = [record for record in block if record[1][place] not in missing]
        if len(kept) == len(block) or self.drop:
            return kept
        line, cells = next(record for record in block if record[1][place] in missing)
        hint = "--drop-missing-target leaves out rows without a target"
        where = f"{self.name} line {line}, column {self.target}"
        raise InvalidRequest(
            f"{where}: expected a value, got {cells[place] or 'nothing'}; {hint}", reason="MISSING_TARGET"
        )

    def records(self) -> Iterator[Record]:
        """All of them, each with its line; raises `InvalidRequest`."""
        with self.path.open("rb") as data:
            yield from read(data, self.name)[1]

    def kept(self) -> Iterator[Record]:
        """Those to train on."""
        place, missing = self.place, self.missing
        return (record for record in self.records() if record[1][place] not in missing)


def open_file(
    path: Path,
    *,
    target: str,
    task: Task | None,
    drop: bool,
    missing: Collection[str],
    encodings: Collection[str] = (),
    ignored: Collection[str] = (),
    inferred: bool = True,
) -> CsvTraining:
    """The file at `path`, looked at once from its beginning to its end.

    `encodings` are the columns that have one, `ignored` those that are left out. In all others, if their values decide
    what they are, a few texts among numbers are refused. Raises `InvalidRequest`, naming the line.
    """
    with path.open("rb") as data:
        header, _ = read(data, path.name)
    column_of(header, target, path.name)
    for part, names in (("columns", encodings), ("ignore", ignored)):
        for name in names:
            try:
                column_of(header, name, path.name)
            except InvalidRequest as exc:
                raise invalid(("encoder", part, name), str(exc)) from exc
            if name == target:
                raise invalid(("encoder", part, name), f"{name} is the target, and no column to encode or to ignore")
    if len(header) == 1:
        raise InvalidRequest(f"{path.name} has no column beside the target {target}")
    if {target, *ignored} >= set(header):
        raise invalid(("encoder", "ignore"), f"no column of {path.name} is left to learn from")
    file = CSVFile(path, header, target, missing, drop)
    place = file.place
    found = Target(path.name, target)
    known = {target, *encodings, *ignored}
    columns = [_Numbers(name) for name in header if inferred and name not in known]
    places = [header.index(column.name) for column in columns]
    rows = every = 0
    records = file.records()
    while block := list(islice(records, _BLOCK)):
        every += len(block)
        kept = file.kept_of(block)
        if not kept:
            continue
        rows += len(kept)
        lines = [line for line, _ in kept]
        cells = list(zip(*(each for _, each in kept), strict=True))
        found.add(cells[place], lines)
        for column, index in zip(columns, places, strict=True):
            column.add(cells[index], lines, missing)
    if not rows:
        raise InvalidRequest(f"{path.name} column {target}: no row has a value", reason="EMPTY_BATCH")
    for column in columns:
        column.check(path.name)
    kind = found.kind(task)
    sending = _Sending(file, rows)
    names = tuple(name for name in header if name != target)
    table = TableRows(rows, names, sending.columns)
    targets = TargetValues(rows, lambda start, stop: sending.targets(start, stop, kind), kind, kind != "number")
    return CsvTraining(table, targets, None if kind == "number" else found.classes, every - rows, file)


@contextmanager
def told_by_line(file: CsvTraining | None) -> Generator[None]:
    """Has errors about a row of X or y told with the file and the line, about a whole column with the file."""
    try:
        yield
    except InvalidRequest as exc:
        if file is None:
            raise
        detail = exc.detail
        match exc.place:
            case ("X", int(row), str(column)):
                where = f"line {file.line(row)}, column {column}"
            case ("y", int(row)):
                where = f"line {file.line(row)}, column {file.file.target}"
            case ("X" | "y",):
                raise InvalidRequest(f"{file.file.name}: {detail}", reason=exc.reason) from exc
            case ("X", str(column)):
                where = f"column {column}"
                if exc.reason == "EMPTY_COLUMN":
                    way_out = f"--ignore {shlex.quote(column)} leaves it out"
                    detail = f"expected at least one value, all are missing; {way_out}"
            case _:
                raise
        raise InvalidRequest(f"{file.file.name} {where}: {detail}", reason=exc.reason) from exc


class _Numbers:
    """Counts the numbers of a column, and keeps the first text among them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._numbers = self._texts = 0
        self._first: tuple[int, str] | None = None

    def add(self, cells: Sequence[str], lines: Sequence[int], missing: Collection[str]) -> None:
        if self._texts > _SURE and self._texts > self._numbers:
            return
        present = [cell for cell in cells if cell not in missing]
        try:
            if "_" not in "".join(present):
                self._numbers += len(list(map(float, present)))
                return
        except ValueError:
            pass
        for line, cell in zip(lines, cells, strict=True):
            if cell in missing:
                continue
            if number_of(cell) is None:
                self._texts += 1
                self._first = self._first or (line, cell)
            else:
                self._numbers += 1

    def check(self, file: str) -> None:
        """Raises `InvalidRequest` if almost all values are numbers, but not all."""
        if self._first is None or self._numbers < _MOSTLY * (self._numbers + self._texts):
            return
        line, cell = self._first
        hint = (
            f", as {self._numbers:,} of {self._numbers + self._texts:,} values are; "
            f"--missing {cell!r} takes it for a gap, --columns {self.name}=one_hot takes them all for categories"
        )
        raise misplaced(file, line, self.name, "a number", cell, hint=hint)


class _Sending:
    """The rows of a file from its beginning, block after block; the last one stays until the next is asked for."""

    def __init__(self, file: CSVFile, rows: int) -> None:
        self._file = file
        self._rows = rows
        self._place = file.place
        self._records: Iterator[Record] = iter(())
        self._next = 0  # row that the records go on with
        self._held: tuple[int, list[list[str]]] = (0, [])

    def columns(self, start: int, stop: int) -> list[list[str]]:
        """The cells of rows `start` to `stop` of every column but the target, "" where there is no value."""
        missing = self._file.missing
        columns = list(zip(*self._block(start, stop), strict=True))
        del columns[self._place]
        return [["" if cell in missing else cell for cell in column] for column in columns]

    def targets(self, start: int, stop: int, kind: CellKind) -> npt.NDArray[Any]:
        return values_of([cells[self._place] for cells in self._block(start, stop)], kind)

    def _block(self, start: int, stop: int) -> list[list[str]]:
        held_from, held = self._held
        if start < held_from or self._next == 0:  # the first time, or once more after a connection broke
            self._records, held_from, held = self._file.kept(), start, []
            self._next = start
        held = held[start - held_from :]
        held += [cells for _, cells in islice(self._records, max(0, stop - self._next))]
        self._next = start + len(held)
        if len(held) < stop - start:
            raise InvalidRequest(f"{self._file.name} has changed while it was read: it had {self._rows} rows")
        self._held = start, held
        return held[: stop - start]
