"""Training data from the arguments of `Client.train`: rows, labels or targets, and weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerwise_client._data.encoder import check_encoder, kinds_of
from layerwise_client._data.names import column_name
from layerwise_client._data.rows import NumberRows, open_rows, tensor
from layerwise_client._data.table_rows import TableBlock, TableRows
from layerwise_client._data.tables import UncheckedTable, is_table, open_table
from layerwise_client._data.targets import TargetValues, chosen_rows, open_targets, split_gaps
from layerwise_client._data.weights import LossWeights, open_weights
from layerwise_client.errors import InvalidRequest
from layerwise_client.outcome import level_of_caller
from layerwise_client.wording import counted
from layerwise_proto.v1 import tables_pb2, training_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from layerwise_client._data.targets import Chosen


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Rows, their labels or targets, and their weights in the loss; None if all weights are equal."""

    rows: NumberRows | TableRows
    targets: TargetValues
    weights: LossWeights | None
    sent: npt.NDArray[np.bool_] | None = None
    """Which rows are sent: those with a target. None: all."""

    @property
    def count(self) -> int:
        """Number of rows to send."""
        return self.rows.count if self.sent is None else int(self.sent.sum())

    @property
    def row_bytes(self) -> int:
        """Size of a row in a message, with its targets and weight."""
        return self.rows.row_bytes(4) + 4 * (self.targets.outputs + (self.weights is not None))

    def rows_sent(self, start: int, stop: int) -> Sequence[int]:
        """Return the numbers of the rows from `start` to `stop` that are sent."""
        return chosen_rows(start, stop, self._chosen(start, stop))

    def _chosen(self, start: int, stop: int) -> Chosen:
        return slice(None) if self.sent is None else self.sent[start:stop]

    def batch(self, start: int, stop: int) -> training_pb2.TrainBatch:
        """Return those of the rows `start` to `stop` that are sent as a message.

        Raises `InvalidRequest` with the row that is wrong.
        """
        chosen = self._chosen(start, stop)
        block = self.rows.block(start, stop)
        if isinstance(block, TableBlock):
            batch = training_pb2.TrainBatch(table=block.chosen(chosen).message())
        else:
            batch = training_pb2.TrainBatch(rows=tensor(block[chosen]))
        self.targets.fill(batch, start, stop, chosen)
        if self.weights is not None:
            self.weights.fill(batch, start, stop, chosen)
        return batch


def open_training_data(
    X: object,
    y: object,
    weights: object,
    *,
    encoder: tables_pb2.Encoder,
    loss: str | None,
    classification: bool | None,
    fitted: bool,
) -> TrainingData:
    """Check the arguments.

    `loss` is the name of the plan's loss, if it has one, and `classification` the task, if it is chosen. If `fitted`,
    the service uses the encoder of the version to start from. Raises `InvalidRequest`.
    """
    rows, labels = _open_rows_and_y(X, y, encoder, fitted=fitted)
    labels, sent = split_gaps(labels)
    targets = open_targets(labels, loss, classification=classification, by_values=not fitted)
    if rows.count != targets.count:
        raise InvalidRequest(f"X has {rows.count} rows, y has {targets.count}", pointer="y")
    weighted = None if weights is None else open_weights(weights, rows.count)
    data = TrainingData(rows, targets, weighted, sent)
    if (missing := rows.count - data.count) > 0:
        left_out = counted(missing, "row without a target is", "rows without a target are")
        warnings.warn(f"{left_out} left out, {data.count:,} remain", stacklevel=level_of_caller())
    return data


def _open_rows_and_y(
    X: object, y: object, encoder: tables_pb2.Encoder, *, fitted: bool
) -> tuple[NumberRows | TableRows, object]:
    """Open `X`, and return it with the values of `y`, which may be the name of one of its columns."""
    if isinstance(X, TableRows | NumberRows):
        return X, y
    if not isinstance(X, UncheckedTable) and not is_table(X):
        for what, named in (("y", isinstance(y, str)), ("encoder", encoder.ByteSize() > 0)):
            if named:
                wanted = "a table, such as a DataFrame or a mapping of column names to values"
                raise InvalidRequest(f"{what}: expected X to be {wanted}, since this names columns", pointer=what)
        return open_rows(X), y
    given, target = X if isinstance(X, UncheckedTable) else open_table(X), column_name(y)
    for doubt in given.doubts:
        warnings.warn(f"X: {doubt.message}", stacklevel=level_of_caller())
    check_encoder(encoder, given, target)
    if target is not None:
        given, y = given.without(target, "y")
    return given.opened(kinds={} if fitted else kinds_of(encoder, given)), y
