"""A dataset's profile: each column is read once, looked at, and let go."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from layerwise_service.domain.dataset_findings import DatasetFinding
from layerwise_service.domain.datasets import Shape
from layerwise_service.domain.jobs import Task
from layerwise_service.domain.profiles import ColumnProfile, Profile
from layerwise_service.domain.table_datasets import TableDataset, stored_columns
from layerwise_service.domain.targets import TargetValues, decide_task
from layerwise_service.profiling.columns import column_profile
from layerwise_service.profiling.findings import column_findings, ignore, names_rows, time_order
from layerwise_service.profiling.pairs import SameColumns
from layerwise_service.profiling.rows import RowHashes
from layerwise_service.profiling.sample import QUICK_CELLS, ColumnSample, Sample, sampled_rows
from layerwise_service.profiling.target import Target, input_width
from layerwise_service.stores.files import reading_stored
from layerwise_service.stores.table_reader import StoredTable


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """A dataset, and the folder of its columns."""

    dataset: TableDataset
    folder: str

    def sample(self, *, quick: bool) -> Sample:
        columns = stored_columns(self.dataset.columns)
        table = StoredTable(Path(self.folder), Shape(self.dataset.rows, len(columns), 0, None, columns))
        return Sample(table, sampled_rows(self.dataset.rows, len(columns), quick=quick))


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """What is asked.

    `target` may be "", `task` None: decided from the target's values. The columns to `ignore` have no findings.
    `quick`: from few rows.
    """

    stored: StoredDataset
    target: str = ""
    task: Task | None = None
    validation: StoredDataset | None = None
    ignore: tuple[str, ...] = ()
    quick: bool = False

    @property
    def is_small(self) -> bool:
        """Whether the answer takes no longer than a tenth of a second or so."""
        asked = [each.dataset for each in (self.stored, self.validation) if each is not None]
        cells = [each.column_count * sampled_rows(each.rows, each.column_count, quick=self.quick) for each in asked]
        return sum(cells) <= len(cells) * QUICK_CELLS


def profile(request: ProfileRequest) -> Profile:
    """Return the profile. Raises `InvalidRequest` if the target cannot be one, and `DataLoss`."""
    with reading_stored("dataset", request.stored.dataset.id, "DATASET"):
        return _Profiling(request).run()


class _Profiling:
    """The profile while it is made. Columns are read one after the other, since together they may be large."""

    def __init__(self, request: ProfileRequest) -> None:
        self._request = request
        self._dataset = request.stored.dataset
        self._sample = request.stored.sample(quick=request.quick)
        self._columns = {column.name: column for column in self._dataset.columns}
        self._findings: list[DatasetFinding] = []
        self._constant: list[str] = []
        self._empty: list[str] = []
        self._indexes: list[str] = []
        self._ids: list[str] = []
        self._widths: dict[str, int] = {}
        self._rows = RowHashes(self._sample.rows)
        self._same = SameColumns()

    def run(self) -> Profile:
        target, why = self._target()
        profiles: list[ColumnProfile] = []
        for name in self._columns:
            sample = self._read(name)
            profiles.append(column_profile(sample, columns=len(self._columns)))
            if name == self._request.target:
                self._rows.add(sample)
            elif name not in self._request.ignore:
                self._look_at(sample, target)
        return Profile(
            dataset=self._dataset.id,
            rows=self._dataset.rows,
            sampled_rows=self._sample.rows,
            target=self._request.target,
            task=None if target is None else target.task,
            why=why,
            columns=tuple(profiles),
            findings=tuple(self._all_findings(target)),
        )

    def _target(self) -> tuple[Target | None, str]:
        """Return the target and why it is taken for classes or an amount. Raises `InvalidRequest`."""
        if not (name := self._request.target):
            return None, ""
        sample = self._read(name)
        values = TargetValues(rows=sample.rows - sample.gaps)
        if sample.is_numeric:
            values = TargetValues()
            for block in self._sample.all_numbers(sample.column):
                values.add(block)
        task, why = decide_task(sample.column, values, self._request.task)
        return Target(sample, task), why

    def _look_at(self, sample: ColumnSample, target: Target | None) -> None:
        """Add what is found in a column other than the target. Of an index, which is left out, no more is said."""
        if sample.column.is_index:
            self._indexes.append(sample.name)
            return
        if target is not None and (found := target.given_away_by(sample)) is not None:
            self._findings.append(found)
        if (found := time_order(sample)) is not None:
            self._findings.append(found)
        if sample.gaps == sample.rows:
            self._empty.append(sample.name)
            return
        self._widths[sample.name] = input_width(sample)
        if sample.is_constant:
            self._constant.append(sample.name)
        elif names_rows(sample):
            self._ids.append(sample.name)
        else:
            self._findings += column_findings(sample)
            self._same.add(sample)
            self._rows.add(sample)

    def _all_findings(self, target: Target | None) -> Iterator[DatasetFinding]:
        """Yield the findings: on the target, on rows, on columns."""
        if target is not None:
            yield from target.findings()
            if (found := target.too_few_rows(self._widths)) is not None:
                yield found
        if (found := self._rows.duplicates()) is not None:
            yield found
        if self._request.validation is not None:
            yield from self._validation(self._request.validation)
        if self._empty:
            yield DatasetFinding("EMPTY", tuple(self._empty), "no row has a value, so nothing can be learnt from it")
        if self._indexes:
            message = "numbers the rows, like the index of a DataFrame, so it is left out unless it is chosen"
            flags = " ".join(f"--column {shlex.quote(f'{name}=number')}" for name in self._indexes)
            yield DatasetFinding("INDEX", tuple(self._indexes), message, flags)
        if self._constant:
            message = "the same in every row, so nothing can be learnt from it"
            yield DatasetFinding("CONSTANT", tuple(self._constant), message, ignore(self._constant))
        if self._ids:
            message = "differs in every row, so it says only which row it is"
            yield DatasetFinding("ALL_DIFFERENT", tuple(self._ids), message, ignore(self._ids))
        yield from self._findings
        yield from self._same.findings
        yield from self._same.correlated(self._read)

    def _validation(self, stored: StoredDataset) -> Iterator[DatasetFinding]:
        """Yield what is found by comparing the rows with those of a validation dataset."""
        sample = stored.sample(quick=self._request.quick)
        ours, theirs = RowHashes(self._sample.rows), RowHashes(sample.rows)
        for column in stored.dataset.columns:
            own = self._columns.get(column.name)
            if own is None or column.name in (*self._ids, *self._indexes, *self._request.ignore):
                continue
            if own.kind != column.kind:
                message = (
                    f"{own.kind} in the training rows, {column.kind} in the validation rows: choose one kind for both"
                )
                yield DatasetFinding("OTHER_KIND", (column.name,), message)
                continue
            ours.add(self._read(column.name))
            theirs.add(sample.column(column))
        all_rows = self._sample.rows == self._dataset.rows and sample.rows == stored.dataset.rows
        if (found := ours.shared(theirs, all_rows=all_rows)) is not None:
            yield found

    def _read(self, name: str) -> ColumnSample:
        return self._sample.column(self._columns[name])
