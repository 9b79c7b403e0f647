"""The request for a training on a dataset, from the arguments of `Client.train`."""

from __future__ import annotations

from layerwise_client._data.task import classifies, task_number
from layerwise_client.dataset import Dataset
from layerwise_client.errors import InvalidRequest
from layerwise_proto.v1 import tables_pb2, training_pb2


def open_dataset_job(
    header: training_pb2.TrainHeader,
    dataset: Dataset,
    y: object,
    *,
    encoder: tables_pb2.Encoder,
    weights: object,
    task: str | None,
) -> training_pb2.CreateJobRequest:
    """Return the arguments as a message. Raises `InvalidRequest`."""
    if not isinstance(y, str):
        raise InvalidRequest(
            f"y: expected the name of a column of X, a file or dataset, got {type(y).__name__}", pointer="y"
        )
    if not isinstance(weights, str | None):
        wanted = "expected the name of a column of X, a file or dataset"
        raise InvalidRequest(f"weights: {wanted}, got {type(weights).__name__}", pointer="weights")
    if header.HasField("classes"):
        detail = "expected none with a file or dataset, whose column has the classes; pass rows in memory for others"
        raise InvalidRequest(f"classes: {detail}", pointer="classes")
    loss = header.plan.loss.WhichOneof("kind")
    if task is None and loss is not None:
        task = "classification" if classifies(loss) else "regression"
    request = training_pb2.CreateJobRequest(
        model=header.model,
        dataset=dataset.id,
        target=y,
        ignore=encoder.ignore,
        weight=weights or "",
        architecture=header.architecture,
        plan=header.plan,
        request_id=header.request_id,
        task=task_number(task),
        labels=header.labels,
        note=header.note,
        priority=header.priority,
    )
    if header.HasField("start_from"):
        request.start_from.CopyFrom(header.start_from)
    rest = tables_pb2.Encoder()
    rest.CopyFrom(encoder)
    rest.ClearField("ignore")
    if rest.ByteSize():
        request.encoder.CopyFrom(rest)
    return request
