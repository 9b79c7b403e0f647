"""Predictions for the rows of a stored table, block by block, all by one version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import counted, shown
from layerwise.errors import Place
from layerwise.tables import Format, NumberFormat, TableWarning
from layerwise.tables.doubt import Doubt
from layerwise.tables.unusual import moved
from layerwise.wording import did_you_mean
from layerwise_service.domain.datasets import Table, rows_of
from layerwise_service.domain.table_datasets import Cell, DatasetColumn, as_read_by, as_text, cells
from layerwise_service.domain.tables import listed
from layerwise_service.domain.targets import Stored, TrueValues
from layerwise_service.errors import InvalidRequest, OutputNotFinite
from layerwise_service.usecases.loaded_version import LoadedVersion
from layerwise_service.usecases.outputs import USUAL, Prediction, Wanted, joined

_MOST_OUTPUTS = 2**20  # of a block: 4 MiB of probabilities
_NO_NUMBERS = ("date", "time")


@dataclass(frozen=True, slots=True)
class PredictedRows:
    """The predictions for some rows, the columns that are kept, and in `truth` what `TrueValues` reads, or None."""

    prediction: Prediction
    kept: Mapping[str, Sequence[Cell]]
    truth: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.prediction.predictions)


@dataclass(frozen=True, slots=True)
class PredictedTable:
    """The predictions for all rows of a table, the columns that are kept, and those that were not used."""

    prediction: Prediction
    kept: Mapping[str, Sequence[Cell]]
    unused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeasuredRows:
    """The outputs (n, k) of a version for some rows, and in `truth` (n,) what `TrueValues` reads.

    `unknown` counts the true values that are no label of the version, as texts.
    """

    outputs: NDArray[Any]
    truth: NDArray[np.float64]
    unknown: Counter[str]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows (n,) have a value that the version knows."""
        known: NDArray[np.bool_] = ~np.isnan(self.truth)
        return known & (self.truth >= 0) if self.unknown else known


class TablePrediction:
    """The predictions of `version` for a table of `rows` rows.

    `block` returns the rows from a first one on, at most so many. The columns `keep` are returned with the
    predictions, and what `truth` reads; with `explain`, what each column contributes. `unused` are columns that the
    version does not know. `doubts` about the table as a whole are warnings of the first block. Raises `InvalidRequest`.
    """

    def __init__(
        self,
        version: LoadedVersion,
        columns: Sequence[DatasetColumn],
        rows: int,
        block: Callable[[int, int], Table],
        *,
        keep: Sequence[str] = (),
        truth: TrueValues | None = None,
        wanted: Wanted = USUAL,
        explain: bool = False,
        doubts: Sequence[Doubt] = (),
    ) -> None:
        self.version = version
        self._doubts = [
            TableWarning(each.reason, each.column or "", 0, 0, each.example, each.message) for each in doubts
        ]
        self.rows = rows
        most = version.most_explained if explain else version.most_rows
        self._most = max(1, min(most, _MOST_OUTPUTS // version.network.architecture.outputs))
        self._wanted = wanted
        self._explain = explain
        self._kinds = {column.name: column.kind for column in columns}
        self._block = block
        self._truth = truth
        for name in keep:
            check_column(name, self._kinds, "keep")
        self.kept = {name: self._kinds[name] for name in keep}
        """The kinds of the columns that are kept, by name."""
        target = None if truth is None else truth.column.name
        if (encoder := version.network.encoder) is None:
            self._formats: dict[str, Format] = {}
            self._inputs = _number_columns(version, self._kinds, {*keep, target})
            self.unused: tuple[str, ...] = ()
            return
        self._formats = {column.name: column.format for column in encoder.columns}
        if target in self._formats:
            detail = f"expected the column that {version.model} predicts, {shown(target)} is one that it predicts from"
            raise InvalidRequest(detail, pointer="target")
        there = [name for name in self._kinds if name in self._formats]
        # if one is missing, the encoder says so, and names all that there are
        self._inputs = there if len(there) == len(self._formats) else list(self._kinds)
        chosen: Any = encoder.to_json()
        others = [name for name in self._kinds if name not in {*self._formats, *chosen["ignore"], *keep, target}]
        self.unused = () if "ignore" in (chosen["extra"], chosen["rest"]) else tuple(others)

    def blocks(self, start: int = 0) -> Iterator[PredictedRows]:
        """Yield the predictions for the rows from `start` on.

        Raises `InvalidRequest` and `OutputNotFinite` with row and column of the table, and what `block` raises.
        """
        while start < self.rows:
            block = self._block(start, self._most)
            yield self._predicted(block, start)
            start += rows_of(block)

    def whole(self) -> PredictedTable:
        """Return the predictions for all rows. Raises what `blocks` raises."""
        first, *more = self.blocks()
        kept = {
            name: [*cells, *(cell for part in more for cell in part.kept[name])] for name, cells in first.kept.items()
        }
        return PredictedTable(joined([first.prediction, *(part.prediction for part in more)]), kept, self.unused)

    def measure(self, numbers: NDArray[np.intp]) -> MeasuredRows:
        """Return the outputs and the true values of the rows with these numbers, which are sorted.

        Raises as `blocks` does.
        """
        assert self._truth is not None
        outputs = np.empty((len(numbers), self.version.network.architecture.outputs), self.version.network.dtype)
        truth, unknown = np.empty(len(numbers)), Counter[str]()
        start = done = 0
        while done < len(numbers):
            block = self._block(start, self._most)
            stop = start + rows_of(block)
            own = slice(done, int(np.searchsorted(numbers, stop)))
            if rows := (numbers[own] - start).tolist():
                chosen = block if len(rows) == stop - start else _chosen(block, rows)
                target = chosen[self._truth.column.name]
                with self._placing(numbers[own].tolist()):
                    outputs[own] = self.version.outputs(self._inputs_in(chosen), at="")
                    truth[own] = self._truth.read(target)
                if self.version.network.is_classifier and (truth[own] < 0).any():
                    said = cells(self._truth.column.kind, target)
                    unknown.update(as_text(said[row]) for row in np.flatnonzero(truth[own] < 0).tolist())
            start, done = stop, own.stop
        return MeasuredRows(outputs, truth, unknown)

    def _predicted(self, block: Table, start: int) -> PredictedRows:
        with self._placing(range(start, start + rows_of(block))):
            found = self.version.predict(self._inputs_in(block), at="", wanted=self._wanted, explain=self._explain)
            doubts = () if start else self._doubts
            prediction = replace(found, warnings=(*doubts, *moved(found.warnings, start)))
            if (explained := found.contributions) is not None and not self._formats:
                prediction = replace(prediction, contributions=replace(explained, columns=tuple(self._inputs)))
            truth = None if self._truth is None else self._truth.read(block[self._truth.column.name])
        kept = {name: cells(kind, block[name]) for name, kind in self.kept.items()}
        return PredictedRows(prediction, kept, truth)

    def _inputs_in(self, block: Table) -> Table | NDArray[np.float32]:
        return self._table(block) if self._formats else self._numbers(block)

    def _table(self, block: Table) -> Table:
        return {name: as_read_by(self._formats.get(name), self._kinds[name], block[name]) for name in self._inputs}

    def _numbers(self, block: Table) -> NDArray[np.float32]:
        columns = [_as_numbers(name, block[name]) for name in self._inputs]
        with np.errstate(over="ignore"):  # what is beyond float32 is refused as infinite
            return np.column_stack(columns).astype(np.float32)

    @contextmanager
    def _placing(self, numbers: Sequence[int]) -> Generator[None]:
        """Raise errors about the rows with these `numbers` as errors about the row and column of the table."""
        try:
            yield
        except (InvalidRequest, OutputNotFinite) as error:
            match error.place:
                case ("rows", int(row), *rest):
                    place = Place("rows", numbers[row], *rest)
                case (int(row), int(column)):
                    place = Place("rows", numbers[row], self._inputs[column])
                case (int(row), *_):
                    place = Place("rows", numbers[row])
                case other:
                    place = Place(*other)
            raise type(error)(error.detail, pointer=place, reason=error.reason) from error


def _chosen(block: Table, rows: list[int]) -> Table:
    """Return the rows of a table with these numbers."""
    return {
        name: [values[row] for row in rows] if isinstance(values, list) else values[rows]
        for name, values in block.items()
    }


def check_column(name: str, known: Mapping[str, object], pointer: str) -> None:
    """Raise `InvalidRequest` if a table with the columns `known` has no column of this name."""
    if name not in known:
        detail = f"there is no column {shown(name)}; the columns are {listed(known)}{did_you_mean(name, known)}"
        raise InvalidRequest(detail, pointer=pointer, reason="COLUMN_NOT_FOUND")


def _number_columns(version: LoadedVersion, kinds: Mapping[str, str], others: set[str | None]) -> list[str]:
    """Return the columns that a version takes by their order: all but `others`."""
    names = [name for name in kinds if name not in others]
    inputs = version.network.architecture.inputs
    if len(names) != inputs:
        wanted = f"version {version.version} of {version.model} takes {counted(inputs, 'column')} of numbers in order"
        got = f"the table has {len(names)}: {listed(names)}"
        hint = "name the column with the truth as target, and further ones in keep" if len(names) > inputs else ""
        raise InvalidRequest(f"{wanted}, {got}{'; ' if hint else ''}{hint}", reason="WRONG_FEATURE_COUNT")
    for name in names:
        if kinds[name] in _NO_NUMBERS:
            detail = f"expected a column of numbers, got {kinds[name]}s"
            raise InvalidRequest(detail, pointer=Place("columns", name), reason="WRONG_KIND_OF_ROWS")
    return names


def _as_numbers(name: str, stored: Stored) -> NDArray[np.float64]:
    if not isinstance(stored, list):
        return stored
    read = NumberFormat().reader()
    found: list[float] = []
    for row, text in enumerate(stored):
        try:
            number = read(text)
        except (ValueError, OverflowError):
            place = Place("rows", row, name)
            raise InvalidRequest(f"expected a number, got {shown(text)}", pointer=place) from None
        found.append(np.nan if number is None else number)
    return np.array(found, np.float64)
