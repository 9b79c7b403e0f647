"""Predictions over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layerwise_client._data.rows import from_tensor, tensor
from layerwise_client._data.table_rows import TableBlock
from layerwise_client._data.targets import labels_array, labels_of
from layerwise_client._transport.predict import check_size
from layerwise_client.prediction import Prediction, contributions_of, warnings_of
from layerwise_client.transport import Signature
from layerwise_proto.json_form import enum_name
from layerwise_proto.v1 import models_pb2, tables_pb2

if TYPE_CHECKING:
    from layerwise import Contributions
    from layerwise_client._data.rows import Block
    from layerwise_client._transport.connection import Connection


class GrpcTransport:
    """Transport over the client's gRPC connection, which it does not close."""

    number_bytes = 4

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def signature(self, model: str, version: str) -> Signature:
        request = models_pb2.GetSignatureRequest(model=model, version=version)
        answer = self._connection.call(self._connection.prediction.GetSignature, request)
        kinds = tables_pb2.ColumnKind.DESCRIPTOR
        columns = {column.name: enum_name(kinds, column.kind) for column in answer.columns}
        return Signature(answer.model, answer.version, columns)

    def predict(self, model: str, version: str, rows: Block | TableBlock, *, explain: bool = False) -> Prediction:
        request = models_pb2.PredictRequest(model=model, version=version, explain=explain)
        if isinstance(rows, TableBlock):
            request.table.CopyFrom(rows.message())
        else:
            request.rows.CopyFrom(tensor(rows))
        check_size(request.ByteSize(), len(rows))
        return prediction_of(self._connection.call(self._connection.prediction.Predict, request))

    def close(self) -> None:
        """Do nothing, since the client closes the connection."""


def prediction_of(answer: models_pb2.PredictResponse) -> Prediction:
    """Return the prediction in a message."""
    classified = answer.WhichOneof("predictions") == "labels"
    values = None if classified else from_tensor(answer.values)
    return Prediction(
        model=answer.model,
        version=answer.version,
        labels=labels_array(labels_of(answer.labels)) if classified else None,
        values=values[:, 0] if values is not None and values.ndim == 2 and values.shape[1] == 1 else values,
        probabilities=from_tensor(answer.probabilities) if answer.HasField("probabilities") else None,
        classes=labels_array(labels_of(answer.classes)) if answer.HasField("classes") else None,
        warnings=warnings_of(
            [{field.name: getattr(each, field.name) for field in each.DESCRIPTOR.fields} for each in answer.warnings]
        ),
        contributions=_contributions(answer.contributions) if answer.HasField("contributions") else None,
    )


def _contributions(answer: models_pb2.Contributions) -> Contributions:
    values = from_tensor(answer.values)
    columns = answer.columns or range(values.shape[-1])
    outputs, baselines = from_tensor(answer.outputs), from_tensor(answer.baselines)
    return contributions_of(answer.kind, columns, values=values, outputs=outputs, baselines=baselines)
