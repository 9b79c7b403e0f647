"""Aliases over gRPC: moved on a condition, rolled back, deleted; and versions that are deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from helpers.rpc_requests import error_of, tensor
from layerwise_proto.v1 import models_pb2, training_pb2
from layerwise_proto.v1.models_pb2_grpc import ModelServiceStub, PredictionServiceStub
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain.models import Version

MISSING, IMPOSSIBLE = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION
ABORTED = grpc.StatusCode.ABORTED


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str, str]:
    """Status, reason and pointer."""
    code, _, reason, pointer = error_of(call)
    return code, reason, pointer


def test_aliases_are_moved_rolled_back_and_deleted_and_predictions_follow_at_once(
    channel: grpc.Channel, publish: Callable[..., Version]
) -> None:
    for seed in range(2):
        publish("xor", seed=seed)
    models, predictions = ModelServiceStub(channel), PredictionServiceStub(channel)

    def predicted() -> int:
        request = models_pb2.PredictRequest(model="xor", version="champion", rows=tensor([[0, 1]]))
        return int(predictions.Predict(request, timeout=10).version)

    first = models_pb2.SetAliasRequest(model="xor", alias="champion", version=1, expected=0)
    assert dict(models.SetAlias(first, timeout=10).aliases) == {"champion": 1}
    assert predicted() == 1
    second = models_pb2.SetAliasRequest(model="xor", alias="champion", version=2, expected=1, request_id="once")
    for _ in range(2):
        assert dict(models.SetAlias(second, timeout=10).aliases) == {"champion": 2}
    assert predicted() == 2
    assert refused(lambda: models.SetAlias(first, timeout=10)) == (ABORTED, "ALIAS_MOVED", "expected")
    rollback = models_pb2.RollbackAliasRequest(model="xor", alias="champion")
    assert dict(models.RollbackAlias(rollback, timeout=10).aliases) == {"champion": 1}
    assert predicted() == 1
    assert refused(lambda: models.RollbackAlias(rollback, timeout=10)) == (
        IMPOSSIBLE,
        "NOTHING_TO_ROLL_BACK",
        "alias",
    )
    deleting = models_pb2.DeleteVersionRequest(model="xor", version=1)
    assert refused(lambda: models.DeleteVersion(deleting, timeout=10)) == (
        IMPOSSIBLE,
        "VERSION_IN_USE",
        "version",
    )
    delete = models_pb2.DeleteAliasRequest(model="xor", alias="champion", expected=1)
    assert dict(models.DeleteAlias(delete, timeout=10).aliases) == {}
    assert refused(lambda: models.DeleteAlias(delete, timeout=10)) == (
        grpc.StatusCode.NOT_FOUND,
        "ALIAS_NOT_FOUND",
        "alias",
    )
    models.DeleteVersion(deleting, timeout=10)

    listed = models.ListAliasMoves(models_pb2.ListAliasMovesRequest(model="xor", alias="champion"), timeout=10)
    moves = [(move.before, move.after, move.rollback) for move in listed.moves]
    assert moves == [(1, 0, False), (2, 1, True), (1, 2, False), (0, 1, False)]
    assert listed.moves[0].time.seconds > 1_700_000_000
    assert models.GetModel(models_pb2.GetModelRequest(name="xor"), timeout=10).latest == 2


def test_a_job_whose_version_was_deleted_is_watched_to_its_end(
    channel: grpc.Channel, training: TrainingServiceStub, publish: Callable[..., Version]
) -> None:
    version = publish("xor")
    ModelServiceStub(channel).DeleteVersion(models_pb2.DeleteVersionRequest(model="xor", version=1), timeout=10)

    events = [*training.WatchJob(training_pb2.WatchJobRequest(job_id=version.job), timeout=10)]

    assert events[-1].transition.state == training_pb2.JOB_STATE_SUCCEEDED
    assert training.GetJob(training_pb2.GetJobRequest(job_id=version.job), timeout=10).version == 1
