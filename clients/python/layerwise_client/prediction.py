"""Predictions: what comes back, and the rows cut into requests that a service takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layerwise_client._data.places import placed
from layerwise_client._data.rows import Rows, from_tensor, tensor
from layerwise_client._data.tables import Table, TableBlock
from layerwise_client._data.targets import labels_array, labels_of
from layerwise_client._transport.connection import MESSAGE_BYTES, Connection
from layerwise_client.errors import InvalidRequest, LayerwiseError, ServiceFault
from layerwise_proto.v1 import models_pb2

if TYPE_CHECKING:
    import numpy as np

    from layerwise_client._data.rows import Block

    Array = np.ndarray[Any, np.dtype[Any]]

_BLOCK_BYTES = MESSAGE_BYTES // 2
_BLOCK_ROWS = 4_096
"""Rows of one question, at most: the answer of a model of many classes is larger than the question."""


_TOO_MANY = "TOO_MANY_ROWS"  # the service's reason
WRONG_KIND = "WRONG_KIND_OF_ROWS"
"""The service's reason where a version takes a table and got rows of numbers, or the other way round."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What version `version` of `model` says of n rows, in their order.

    Of a classifier: `labels` (n,), int64, str or bool as they were sent for training, and `probabilities`
    (n, classes), None if the model's loss gives none. Of a regression: `values` (n,), or (n, outputs). Of a model
    that was trained on flags: `values` (n, outputs), each 0 or 1, and the `probabilities` of 1.
    """

    model: str
    version: int
    labels: Array | None
    values: Array | None
    probabilities: Array | None

    def __len__(self) -> int:
        answer = self.values if self.labels is None else self.labels
        return 0 if answer is None else len(answer)


# (model or "", version or "", a block of rows) -> what the service says of the block
Ask = Callable[[str, str, "Block | TableBlock"], Prediction]


def predict(ask: Ask, model: str, version: str, rows: Rows | Table, *, number_bytes: int) -> Prediction:
    """All of `rows` by as many questions as their size and the service's limits need.

    All go to the version that answered the first. `number_bytes` is the room that one number takes in a question.
    """
    step = min(max(1, _BLOCK_BYTES // rows.row_bytes(number_bytes)), _BLOCK_ROWS)
    answers: list[Prediction] = []
    start = 0
    while start < rows.count:
        block = rows.block(start, min(start + step, rows.count))
        try:
            answer = ask(model, version, block)
        except LayerwiseError as exc:
            if exc.reason != _TOO_MANY or len(block) == 1:
                if isinstance(exc, InvalidRequest) and isinstance(block, TableBlock):
                    raise placed(exc, [start]) from exc
                raise
            step = len(block) // 2  # the model has more outputs than the service writes for so many rows
            continue
        if len(answer) != len(block):
            raise ServiceFault(f"the service gave {len(answer)} predictions for {len(block)} rows")
        model, version = answer.model, str(answer.version)
        answers.append(answer)
        start += len(block)
    return joined(answers)


def check_size(size: int, rows: int) -> None:
    """Raises what has a question of `rows` rows and `size` bytes asked in halves, if it does not fit a message."""
    if size > MESSAGE_BYTES - 1024:
        detail = f"X: a row does not fit a question of {MESSAGE_BYTES >> 20} MiB"
        raise InvalidRequest(detail, reason=_TOO_MANY if rows > 1 else "ROW_TOO_LARGE", pointer="X")


def over_grpc(connection: Connection) -> Ask:
    """Asks the prediction service."""

    def ask(model: str, version: str, block: Block | TableBlock) -> Prediction:
        request = models_pb2.PredictRequest(model=model, version=version)
        if isinstance(block, TableBlock):
            request.table.CopyFrom(block.message())
        else:
            request.rows.CopyFrom(tensor(block))
        check_size(request.ByteSize(), len(block))
        answer = connection.call(connection.prediction.Predict, request)
        classified = answer.WhichOneof("predictions") == "labels"
        values = None if classified else from_tensor(answer.values)
        return Prediction(
            model=answer.model,
            version=answer.version,
            labels=labels_array(labels_of(answer.labels)) if classified else None,
            values=values[:, 0] if values is not None and values.ndim == 2 and values.shape[1] == 1 else values,
            probabilities=from_tensor(answer.probabilities) if answer.HasField("probabilities") else None,
        )

    return ask


def joined(answers: Sequence[Prediction]) -> Prediction:
    """The answers to blocks of rows as one."""
    import numpy as np

    first = answers[0]
    if len(answers) == 1:
        return first

    def join(part: str) -> Array | None:
        arrays = [getattr(answer, part) for answer in answers]
        return None if arrays[0] is None else np.concatenate(arrays)

    return Prediction(first.model, first.version, join("labels"), join("values"), join("probabilities"))
