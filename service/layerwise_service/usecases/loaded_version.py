"""A version in memory: rows of numbers or of a table in, predictions out."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise import MLP, TableEncoder
from layerwise.checks import counted
from layerwise.errors import Place
from layerwise.tables.format import Format
from layerwise.tables.unusual import TableWarning, merged
from layerwise_service.domain.datasets import AnyColumns, rows_of
from layerwise_service.domain.json_words import json_word
from layerwise_service.domain.tables import encoded, listed
from layerwise_service.errors import InvalidRequest, OutputNotFinite, TooLarge
from layerwise_service.process.overflow import overflowing
from layerwise_service.process.prediction_request import current_request
from layerwise_service.process.threads import in_turn
from layerwise_service.usecases.batching import Batches, joined_parts, joins
from layerwise_service.usecases.explanation import check_explained, explained, most_explained
from layerwise_service.usecases.outputs import USUAL, Prediction, Wanted, check_wanted, top_classes
from layerwise_service.usecases.pass_waiter import Computed


@dataclass(frozen=True, slots=True)
class Instances:
    """Rows of a table in JSON: objects by column name, or lists in the order of the columns."""

    rows: list[dict[str, object] | list[object]]


Rows = list[list[float]] | Instances | NDArray[Any] | AnyColumns


_QUICK = 400_000
"""Multiplications that are quicker done at once than handed to another thread; too few to wait for a batch."""
_OF_A_CELL = 20_000
"""What encoding a cell of a table costs, in multiplications."""


@dataclass(slots=True)
class LoadedVersion:
    """A version whose network is in memory. It predicts at most `most_rows` rows at once."""

    model: str
    version: int
    network: MLP
    most_rows: int
    batches: Batches
    _quick_rows: int = field(init=False)
    """Predicting fewer rows takes less time than to hand them to another thread."""

    def __post_init__(self) -> None:
        encoder = self.network.encoder
        of_a_row = self.network.parameters.size + (len(encoder.columns) * _OF_A_CELL if encoder else 0)
        self._quick_rows = _QUICK // of_a_row + 1

    @property
    def formats(self) -> dict[str, Format]:
        """How the cells of its columns are read, by name; empty if it takes rows of numbers."""
        encoder = self.network.encoder
        return {} if encoder is None else {column.name: column.format for column in encoder.columns}

    @property
    def most_explained(self) -> int:
        """The most rows that it explains at once."""
        return min(self.most_rows, most_explained(self.network))

    def outputs(self, rows: Rows, *, at: str) -> NDArray[Any]:
        """Return the outputs (n, k) of the network for `rows`. Raises what `VersionPredictor.predict_soon` raises."""
        return self._outputs(self._inputs(rows, at), at).outputs

    def predict(self, rows: Rows, *, at: str, wanted: Wanted = USUAL, explain: bool = False) -> Prediction:
        """Predict `rows` as `VersionPredictor.predict_soon` does."""
        warnings: list[TableWarning] = []
        inputs = self._begin(rows, at, wanted, warnings)
        if not explain:
            return self._end(self._outputs(inputs, at), wanted, warnings)
        check_explained(self.network, _count(rows), at=at)
        with np.errstate(over="ignore"):  # checked in the outputs
            inputs = list(inputs)
        found = self._outputs(inputs, at)
        prediction = self._end(found, wanted, warnings)
        contributions = explained(self.network, inputs, found.outputs)
        self._check_finite(contributions.values, at)
        return replace(prediction, contributions=contributions)

    async def predict_soon(self, rows: Rows, *, at: str, wanted: Wanted = USUAL, explain: bool = False) -> Prediction:
        """Predict `rows` as `VersionPredictor.predict_soon` does."""
        count = _count(rows)
        if current_request().threads is None or (count < self._quick_rows and not explain):
            return self.predict(rows, at=at, wanted=wanted, explain=explain)
        if explain or self.network.encoder is not None or not joins(self.network, count):
            return await in_turn(partial(self.predict, rows, at=at, wanted=wanted, explain=explain))
        warnings: list[TableWarning] = []
        (inputs,) = self._begin(rows, at, wanted, warnings)
        found = await self.batches.compute_soon(self.network, inputs)
        return self._end(self._joined([found], at), wanted, warnings)

    def _begin(
        self, rows: Rows, at: str, wanted: Wanted, warnings: list[TableWarning]
    ) -> Iterable[NDArray[np.float32]]:
        """Return the inputs (n, inputs) of the network, in blocks."""
        current_request().check()
        check_wanted(wanted, self.network)
        return self._inputs(rows, at, warnings)

    def _end(self, found: Computed, wanted: Wanted, warnings: list[TableWarning]) -> Prediction:
        """Return the prediction that follows from the outputs."""
        network, outputs, request = self.network, found.outputs, current_request()
        request.waited(found.queue_seconds)
        request.computed(rows=len(outputs), seconds=found.infer_seconds, executions=found.executions)
        probabilities = network.probabilities(outputs) if wanted.needs_probabilities(network) else None
        for warning in warnings:
            request.warned(warning.reason, warning.rows)
        return Prediction(
            self.model,
            self.version,
            network.decide(outputs),
            None if wanted.probabilities is False else probabilities,
            network.labels if network.is_classifier else None,
            tuple(merged(warnings)) if warnings else (),
            logits=outputs if wanted.logits else None,
            top=top_classes(outputs, probabilities, network, wanted.top_k) if wanted.top_k else None,
        )

    def _inputs(self, rows: Rows, at: str, warnings: list[TableWarning] | None = None) -> Iterable[NDArray[np.float32]]:
        """Return the inputs (n, inputs) of the network, in blocks; `warnings` gets what is unlike the training."""
        network, count = self.network, _count(rows)
        if count > self.most_rows:
            detail = f"expected at most {counted(self.most_rows, 'row')} at once, got {count:,}"
            raise TooLarge(f"{detail}; send them in several requests", pointer=at, reason="TOO_MANY_ROWS")
        if count == 0:
            raise InvalidRequest("expected at least one row", pointer=at, reason="EMPTY_BATCH")
        if (encoder := network.encoder) is not None:
            return _encoded(encoder, rows, at, warnings)
        return (_check(rows, network.architecture.inputs, at),)

    def _outputs(self, inputs: Iterable[NDArray[np.float32]], at: str) -> Computed:
        """Return the outputs (n, k) for blocks of rows. Raises `OutputNotFinite`, and what `Batches.compute` raises."""
        return self._joined([self.batches.compute(self.network, block) for block in inputs], at)

    def _joined(self, parts: Sequence[Computed], at: str) -> Computed:
        found = parts[0] if len(parts) == 1 else joined_parts(parts)
        self._check_finite(found.outputs, at)
        return found

    def _check_finite(self, numbers: NDArray[Any], at: str) -> None:
        if not _all_finite(numbers):
            row = int(np.argmin(np.isfinite(numbers).all(axis=1)))
            detail = f"version {self.version} of {self.model} predicts NaN or infinity for this row"
            raise OutputNotFinite(detail, pointer=Place(at, row))


def _count(rows: Rows) -> int:
    if isinstance(rows, Instances):
        return len(rows.rows)
    return rows_of(rows) if isinstance(rows, Mapping) else len(rows)


def _encoded(
    encoder: TableEncoder, rows: Rows, at: str, warnings: list[TableWarning] | None
) -> Iterable[NDArray[np.float32]]:
    """Return the rows of a table as inputs of the network, and add to `warnings`. Raises `InvalidRequest`."""
    names = [column.name for column in encoder.columns]
    if isinstance(rows, np.ndarray) and rows.dtype.kind == "f" and rows.itemsize < 8:
        # different categories may have become the same number
        detail = f"expected a table, since this version takes the columns {listed(names)}; got rows of numbers"
        raise InvalidRequest(detail, pointer=at, reason="WRONG_KIND_OF_ROWS")
    if isinstance(rows, Mapping):
        return encoded(encoder, [rows], lambda row: Place(at, "rows", row), table=at, warnings=warnings)
    plain = rows.tolist() if isinstance(rows, np.ndarray) else rows.rows if isinstance(rows, Instances) else rows
    given = _by_name(plain, names, at)
    return encoded(encoder, [given], lambda row: Place(at, row), table=at, warnings=warnings)


def _by_name(
    rows: Sequence[dict[str, object] | Sequence[object]], names: list[str], at: str
) -> list[dict[str, object]]:
    """Return `rows` as mappings by column name; the values of lists are in the order of `names`."""
    found: list[dict[str, object]] = []
    for index, row in enumerate(rows):
        if isinstance(row, dict):
            found.append(row)
            continue
        if len(row) != len(names):
            detail = (
                f"expected an object, or {counted(len(names), 'value')} in the order of the columns {listed(names)}"
            )
            raise InvalidRequest(f"{detail}; got {len(row)}", pointer=Place(at, index), reason="WRONG_FEATURE_COUNT")
        found.append(dict(zip(names, row, strict=True)))
    return found


def _check(rows: Rows, inputs: int, at: str) -> NDArray[np.float32]:
    """Return `rows` as (n, inputs) float32, all finite. Raises `InvalidRequest`."""
    if isinstance(rows, Instances | Mapping):
        raise _no_table(rows, inputs, at)
    if isinstance(rows, list):
        for index, numbers in enumerate(rows):
            if len(numbers) != inputs:
                detail = f"expected {counted(inputs, 'number')}, got {len(numbers)}"
                raise InvalidRequest(detail, pointer=Place(at, index), reason="WRONG_FEATURE_COUNT")
        array = _as_float32(rows).reshape(len(rows), inputs)
    else:
        if rows.ndim != 2 or rows.shape[1] != inputs:
            shape = f"rows of {rows.shape[1]}" if rows.ndim == 2 else f"shape {rows.shape}"
            detail = f"expected rows of {counted(inputs, 'number')}, got {shape}"
            raise InvalidRequest(detail, pointer=at, reason="WRONG_FEATURE_COUNT")
        array = _as_float32(rows)
    if not _all_finite(array):
        finite = np.isfinite(array)
        row, column = (int(index) for index in np.unravel_index(int(np.argmin(finite)), array.shape))
        got = rows[row][column]
        detail = f"expected a finite number within float32, got {got}"
        raise InvalidRequest(detail, pointer=Place(at, row, column), reason="NOT_FINITE")
    return array


def _as_float32(rows: list[list[float]] | NDArray[Any]) -> NDArray[np.float32]:
    """Return `rows` as float32; numbers beyond it become infinite."""
    return overflowing(np.ascontiguousarray, rows, np.float32)


def _all_finite(numbers: NDArray[Any]) -> bool:
    """Return whether all numbers are finite. If the sum of their squares is, they are, and that takes least time."""
    return math.isfinite(np.vdot(numbers, numbers)) or bool(np.isfinite(numbers).all())


def _no_table(rows: Instances | AnyColumns, inputs: int, at: str) -> InvalidRequest:
    """Return the error for rows of a table, given to a version that takes rows of `inputs` numbers."""
    wanted = f"expected {counted(inputs, 'number')}, since this version was not trained on a table"
    if not isinstance(rows, Instances):
        return InvalidRequest(f"{wanted}; got columns", pointer=at, reason="WRONG_KIND_OF_ROWS")
    for index, row in enumerate(rows.rows):
        if isinstance(row, dict):
            return InvalidRequest(f"{wanted}; got an object", pointer=Place(at, index), reason="WRONG_KIND_OF_ROWS")
        for column, value in enumerate(row):
            if not isinstance(value, float | int) or isinstance(value, bool):
                return InvalidRequest(f"expected a number, got {json_word(value)}", pointer=Place(at, index, column))
            if abs(value) > sys.float_info.max:  # a whole number of hundreds of digits
                detail = "expected a finite number within float32, got one beyond every float"
                return InvalidRequest(detail, pointer=Place(at, index, column), reason="NOT_FINITE")
    raise AssertionError("rows of floats would have been decoded as such")
