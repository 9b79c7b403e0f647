"""The rows of a dataset that a job trains on, and those that it holds out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerwise.errors import Place
from layerwise_service.domain.datasets import Label, Table
from layerwise_service.domain.jobs import Task
from layerwise_service.domain.table_datasets import DatasetColumn
from layerwise_service.domain.targets import TargetValues, has_value, target_values
from layerwise_service.errors import InvalidRequest
from layerwise_service.stores.table_reader import StoredTable


@dataclass(frozen=True, slots=True)
class DatasetPart:
    """Rows to train on, or to hold out: all rows of `table`, or those marked as `held_out` in the column `marks`.

    `at` is the place of errors about its rows.
    """

    table: StoredTable
    at: str = ""
    marks: str = ""
    held_out: bool = False

    def blocks(self, target: str, names: Collection[str] = ()) -> Iterator[tuple[int, Table, NDArray[np.bool_]]]:
        """Yield blocks of the columns `names`, or all, each with its first row, and which of its rows have a target.

        Raises `InvalidRequest` for a mark that is neither 0 nor 1.
        """
        start = 0
        for block in self.table.blocks(names):
            there = has_value(block[target])
            if self.marks:
                marks = np.asarray(block[self.marks])
                if (wrong := (marks != 0) & (marks != 1)).any():
                    place = Place("rows", start + int(wrong.argmax()), self.marks)
                    raise InvalidRequest("expected 1 for a row to hold out and 0 for the others", pointer=place)
                there &= marks == self.held_out
            yield start, block, there
            start += len(there)

    def values(self, target: str) -> TargetValues:
        """Return what is known of the target's values."""
        found = TargetValues()
        for _, block, _ in self.blocks(target, [target, self.marks]):
            own = block[target]
            found.add(chosen_rows(own, np.asarray(block[self.marks]) == self.held_out) if self.marks else own)
        return found

    def labels(self, target: DatasetColumn) -> Counter[Label]:
        """Return how many rows have each label of a target of classes."""
        found = Counter[Label]()
        for _, block, there in self.blocks(target.name, [target.name, self.marks]):
            found.update(target_values(target, Task.CLASSES, chosen_rows(block[target.name], there)))
        return found


def chosen_rows(values: NDArray[np.float64] | list[str], there: NDArray[np.bool_]) -> NDArray[np.float64] | list[str]:
    """Return the values of the rows that are `there`."""
    if there.all():
        return values
    if isinstance(values, list):
        return [text for text, wanted in zip(values, there.tolist(), strict=True) if wanted]
    return values[there]
