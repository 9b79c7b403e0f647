"""Weights of rows in the loss, checked and sent in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from layerwise_client._data.masks import refuse_masked
from layerwise_client._data.places import invalid
from layerwise_client._data.rows import tensor
from layerwise_client.errors import InvalidRequest
from layerwise_proto.v1 import training_pb2

if TYPE_CHECKING:
    from layerwise_client._data.rows import Array, Block
    from layerwise_client._data.targets import Chosen


@dataclass(frozen=True, slots=True)
class LossWeights:
    """`values` (n,), one weight for each row, at least 0."""

    values: Block

    def fill(self, batch: training_pb2.TrainBatch, start: int, stop: int, chosen: Chosen) -> None:
        """Put the weights of the `chosen` rows from `start` to `stop` into `batch`."""
        batch.weights.CopyFrom(tensor(self.values[start:stop][chosen]))


def open_weights(weights: object, rows: int) -> LossWeights:
    """Check `weights`: one finite number of at least 0 for each row, not all 0. Raises `InvalidRequest`."""
    import numpy as np

    from layerwise.data.arrays import checked_weights
    from layerwise.errors import InvalidInput

    if isinstance(weights, str):
        named = "a column is named only of a file, a dataset, or a table that becomes a dataset"
        raise InvalidRequest(f"weights: expected one number a row, got {weights!r}; {named}", pointer="weights")
    refuse_masked(weights, "weights")
    if hasattr(weights, "iloc"):  # pandas, whose missing value is not a float
        array = cast("Array", cast(Any, weights).to_numpy(dtype="float64", na_value=float("nan")))
    else:
        try:
            array = cast("Array", np.asarray(cast(Any, weights)))
        except ValueError as exc:  # lists of different lengths
            raise InvalidRequest("weights: expected one number a row", pointer="weights") from exc
    if array.shape != (rows,):
        detail = f"weights: expected one for each of the {rows} rows, got shape {array.shape}"
        raise InvalidRequest(detail, pointer="weights")
    try:
        values = checked_weights(array, rows=rows, dtype=np.float32)
    except InvalidInput as error:
        raise invalid(error.place, error.detail) from error
    return LossWeights(values.astype(np.float32))
