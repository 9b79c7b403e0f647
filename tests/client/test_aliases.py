"""Aliases that are moved, rolled back and deleted, and versions that are deleted, by the SDK and the command."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import grpc
import pytest

from layerwise_client import Conflict, InvalidRequest, NotFound
from layerwise_proto.v1 import models_pb2, tensors_pb2

MAIN = "from layerwise_client.cli import main; main()"


@pytest.fixture
def iris(service):
    """A service that knows "iris" with versions 2 and 1, whose alias champion is version 2, and answers every move."""
    versions = [models_pb2.ModelVersion(model="iris", version=number) for number in (2, 1)]
    service.publishes(*versions, champion=2)
    service.answers |= {
        "SetAlias": lambda request, context: models_pb2.Model(
            name=request.model, latest=2, aliases={request.alias: request.version}
        ),
        "RollbackAlias": lambda request, context: models_pb2.Model(
            name=request.model, latest=2, aliases={request.alias: 1}
        ),
        "DeleteAlias": lambda request, context: models_pb2.Model(name=request.model, latest=2),
        "ListAliasMoves": lambda request, context: models_pb2.ListAliasMovesResponse(
            moves=[
                models_pb2.AliasMove(time={"seconds": 9}, before=2),
                models_pb2.AliasMove(time={"seconds": 8}, before=1, after=2, rollback=True),
                models_pb2.AliasMove(time={"seconds": 7}, after=1),
            ]
        ),
        "DeleteVersion": lambda request, context: models_pb2.DeleteVersionResponse(),
    }
    return service


def test_an_alias_is_moved_in_any_case_or_on_a_condition(iris, client):
    assert client.set_alias("iris", "champion", 2).aliases == {"champion": 2}
    client.set_alias("iris", "champion", 2, expected=1)
    client.set_alias("iris", "canary", 1, expected=0)

    first, second, third = iris.requests["SetAlias"]
    assert not first.HasField("expected")
    assert (second.expected, third.expected, third.HasField("expected")) == (1, 0, True)
    assert len({first.request_id, second.request_id, third.request_id}) == 3


def test_a_model_rolls_an_alias_back_deletes_it_and_lists_its_moves(iris, client):
    model = client.model("iris")

    assert model.rollback("champion", expected=2).aliases == {"champion": 1}
    assert model.delete_alias("champion").aliases == {}

    sent = iris.requests["RollbackAlias"][0]
    assert (sent.model, sent.alias, sent.expected, bool(sent.request_id)) == ("iris", "champion", 2, True)
    assert not iris.requests["DeleteAlias"][0].HasField("expected")
    moves = [(move.time.timestamp(), move.before, move.after, move.rollback) for move in model.moves("champion")]
    assert moves == [(9, 2, None, False), (8, 1, 2, True), (7, None, 1, False)]


def test_a_move_that_is_tried_again_has_the_same_id(iris, client):
    def roll_back(request, context):
        if iris.called("RollbackAlias") < 3:
            iris.fail(context, grpc.StatusCode.UNAVAILABLE, "the answer was lost")
        return models_pb2.Model(name="iris", latest=2, aliases={"champion": 1})

    iris.answers["RollbackAlias"] = roll_back

    assert client.model("iris").rollback("champion").aliases == {"champion": 1}
    assert len({request.request_id for request in iris.requests["RollbackAlias"]}) == 1


def test_who_comes_second_learns_what_the_alias_points_at(iris, client):
    def refuse(request, context):
        message = "expected champion of iris to point at version 1, but it points at version 2; nothing was changed"
        iris.fail(context, grpc.StatusCode.ABORTED, message, "ALIAS_MOVED", place=("expected",))

    iris.answers["SetAlias"] = refuse

    with pytest.raises(Conflict, match="but it points at version 2") as caught:
        client.set_alias("iris", "champion", 2, expected=1)
    assert (caught.value.reason, caught.value.pointer) == ("ALIAS_MOVED", "expected")


@pytest.mark.parametrize("expected", ["1", 1.5, True, 10**30])
def test_an_expected_version_that_is_no_number_is_refused(iris, client, expected):
    with pytest.raises(InvalidRequest, match="expected: expected a whole number"):
        client.set_alias("iris", "champion", 1, expected=expected)


def test_a_version_is_deleted(iris, client):
    client.model("iris").at(1).delete()

    (sent,) = iris.requests["DeleteVersion"]
    assert (sent.model, sent.version) == ("iris", 1)


@pytest.mark.parametrize("what", ["predict", "signature"])
def test_the_newest_version_is_asked_once_that_of_this_client_was_deleted(service, client, what):
    def missing(request, context):
        if request.version == "2":
            service.fail(context, grpc.StatusCode.NOT_FOUND, "version 2 of digits was deleted", "VERSION_NOT_FOUND")

    def predict(request, context):
        missing(request, context)
        integers = tensors_pb2.IntegerLabels(values=[7])
        return models_pb2.PredictResponse(model="digits", version=1, labels=tensors_pb2.Labels(integers=integers))

    def signature(request, context):
        missing(request, context)
        return models_pb2.Signature(model="digits", version=1)

    service.answers |= {
        "GetJob": lambda request, context: service.job("SUCCEEDED", version=2),
        "Predict": predict,
        "GetSignature": signature,
    }
    assert client.job("job-1").version == 2

    for _ in range(2):
        answer = client.predict("digits", [[1.0]]) if what == "predict" else client.signature("digits")
        assert answer.version == 1
    with pytest.raises(NotFound):
        client.signature("digits", version=2)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("alias iris champion 1 --expected 2", "iris: champion is version 1"),
        ("alias iris champion --delete --expected 2", "iris: champion is deleted"),
        ("rollback iris champion --expected 2", "iris: champion is version 1"),
        ("delete iris/1 --yes", "deleted version 1 of iris"),
    ],
)
def test_a_command_says_what_it_has_done(run, iris, command, said):
    done = run("models", *command.split())

    assert (done.exit_code, done.stdout) == (0, f"{said}\n"), done.output
    for name in ("SetAlias", "DeleteAlias", "RollbackAlias"):
        assert all(request.expected == 2 for request in iris.requests.get(name, []))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("alias iris champion", "give the number of a version, or --delete"),
        ("alias iris champion 2 --delete", "give the number of a version, or --delete"),
        ("alias iris champion 2 --expected -1", "Invalid value for '--expected'"),
        ("delete iris", "expected NAME/VERSION with the number of a version, got 'iris'"),
        ("delete iris/champion --yes", "expected NAME/VERSION with the number of a version, got 'iris/champion'"),
        ("delete iris/1", "--yes deletes iris/1 without asking; nothing was deleted"),
    ],
)
def test_a_command_line_that_leaves_out_what_matters_changes_nothing(run, iris, command, words):
    done = run("models", *command.split())

    assert done.exit_code == 2
    assert words in done.stderr
    assert not {"SetAlias", "DeleteAlias", "DeleteVersion"} & iris.requests.keys()


@pytest.mark.parametrize(("answer", "code", "deleted"), [("y", 0, 1), ("n", 1, 0), ("", 1, 0)])
def test_on_a_terminal_it_asks_before_a_version_is_deleted(iris, answer, code, deleted):
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "models", "delete", "iris/1", "--rpc", iris.address],
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)

    assert "delete version 1 of iris? [y/N]" in done.stderr
    assert (done.returncode, iris.called("DeleteVersion")) == (code, deleted)
