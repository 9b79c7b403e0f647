"""A training record from the core to the SDK: every hand on the way goes by its fields."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

import msgspec
import pytest
from google.protobuf.message import Message

import layerwise_client.results as sdk
from layerwise import Finding, LayerHealth
from layerwise.training.records import EpochRecord
from layerwise_client._transport.messages import record_of
from layerwise_proto.v1 import training_pb2
from layerwise_service.domain.jobs import record_values
from layerwise_service.rpc.job_converters import write_record

FULL = EpochRecord(
    step=20,
    epoch=2,
    loss=0.5,
    metric=0.75,
    validation_loss=0.625,
    validation_metric=0.0,
    learning_rate=0.001,
    rows_per_second=1000.0,
    seconds_left=1.5,
    layers=(LayerHealth(0.25, None, 1.0, 2.0, 1e-3), LayerHealth(None, None, 1.0, 2.0, 0.0)),
    kept=True,
    stopped="converged",
    findings=(Finding("dead", 0, 0.25, 2, "layer 0: dead"), Finding("overfitting", None, 1.5, 1, "over-fitting")),
)
BARE = EpochRecord(
    step=1, epoch=1, loss=2.5, metric=0.0, validation_loss=None, validation_metric=None, learning_rate=0.1
)


def names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


@pytest.mark.parametrize(
    ("core", "message", "of_sdk"),
    [
        (EpochRecord, training_pb2.TrainRecord, sdk.Record),
        (LayerHealth, training_pb2.LayerHealth, sdk.LayerHealth),
        (Finding, training_pb2.Finding, sdk.Finding),
    ],
)
def test_core_training_api_and_sdk_have_the_same_fields(core: type, message: type[Message], of_sdk: type) -> None:
    assert names(core) == {field.name for field in message.DESCRIPTOR.fields} == names(of_sdk)


@pytest.mark.parametrize("record", [FULL, BARE])
def test_a_record_comes_to_the_sdk_as_the_core_made_it(record: EpochRecord) -> None:
    sent = write_record(record).SerializeToString()

    assert asdict(record_of(training_pb2.TrainRecord.FromString(sent))) == asdict(record)


@pytest.mark.parametrize("record", [FULL, BARE])
def test_a_stored_record_is_read_as_it_was(record: EpochRecord) -> None:
    stored = json.loads(json.dumps(record_values(record)))

    assert asdict(msgspec.convert(stored, EpochRecord)) == asdict(record)
