"""Predictions over gRPC and over REST: the same results, the same errors."""

from __future__ import annotations

import threading
from dataclasses import asdict

import numpy as np
import pytest

from helpers.waiting import wait_until
from layerwise_client import (
    InvalidRequest,
    ServiceFault,
)
from layerwise_proto.v1 import models_pb2, tables_pb2, tensors_pb2

LABELS = {
    "integers": tensors_pb2.Labels(integers=tensors_pb2.IntegerLabels(values=[7, 3])),
    "strings": tensors_pb2.Labels(strings=tensors_pb2.StringLabels(values=["setosa", "b"])),
    "booleans": tensors_pb2.Labels(booleans=tensors_pb2.BooleanLabels(values=[True, False])),
}
X = [[1.0, 2.0], [3.0, 4.0]]


def tensor(values):
    block = np.array(values, dtype="<f4")
    return tensors_pb2.Tensor(data_type=tensors_pb2.DATA_TYPE_FLOAT32, shape=block.shape, data=block.tobytes())


@pytest.mark.parametrize(("kind", "dtype"), [("integers", "i"), ("strings", "U"), ("booleans", "b")])
def test_labels_come_over_grpc_as_they_were_sent(service, client, kind, dtype):
    service.answers["Predict"] = lambda request, context: models_pb2.PredictResponse(
        model="digits",
        version=3,
        labels=LABELS[kind],
        probabilities=tensor([[0.9, 0.1], [0.2, 0.8]]),
        classes=LABELS[kind],
    )

    answer = client.predict("digits", X)

    assert (answer.model, answer.version, answer.values, len(answer)) == ("digits", 3, None, 2)
    assert answer.labels.dtype.kind == dtype
    assert answer.labels.tolist() == answer.classes.tolist() == list(getattr(LABELS[kind], kind).values)
    assert answer.classes.dtype.kind == dtype
    assert answer.probabilities.tolist() == np.float32([[0.9, 0.1], [0.2, 0.8]]).tolist()


WARNING = {"reason": "GAP", "column": "a", "rows": 2, "row": 1, "value": "", "message": "training had no gaps"}


def test_warnings_come_over_grpc_one_for_each_column_and_reason_of_all_blocks(service, client):
    service.answers["Predict"] = lambda request, context: models_pb2.PredictResponse(
        model="digits",
        version=3,
        values=tensor([[0.5]] * request.rows.shape[0]),
        warnings=[tables_pb2.TableWarning(**WARNING)] if request.rows.shape[0] < 4_096 else [],
    )

    assert client.predict("digits", np.zeros((4_096, 2))).warnings == ()
    (warning,) = client.predict("digits", np.zeros((4_100, 2))).warnings

    assert asdict(warning) == WARNING | {"row": 4_097}


def test_warnings_come_over_rest(rest, asking):
    rest.answer = lambda question: (
        200,
        {"model": "digits", "version": 3, "predictions": [0.5, 0.5], "warnings": [WARNING | {"later": 1}]},
    )

    (warning,) = asking.predict("digits", X).warnings

    assert asdict(warning) == WARNING
    rest.answer = lambda question: (
        200,
        {"model": "digits", "version": 3, "predictions": [0.5, 0.5], "warnings": ["no object"]},
    )
    with pytest.raises(ServiceFault, match="gave an answer that is not a prediction"):
        asking.predict("digits", X)


@pytest.mark.parametrize(("predictions", "dtype"), [([7, 3], "i"), (["setosa", "b"], "U"), ([True, False], "b")])
def test_labels_come_over_rest_as_they_were_sent(rest, asking, predictions, dtype):
    rest.answer = lambda question: (
        200,
        {
            "model": "digits",
            "version": 3,
            "predictions": predictions,
            "probabilities": [[0.9, 0.1], [0.2, 0.8]],
            "classes": predictions,
        },
    )

    answer = asking.predict("digits", X)

    assert (answer.model, answer.version, answer.values, len(answer)) == ("digits", 3, None, 2)
    assert (answer.labels.dtype.kind, answer.labels.tolist()) == (dtype, predictions)
    assert (answer.classes.dtype.kind, answer.classes.tolist()) == (dtype, predictions)
    assert answer.probabilities.tolist() == np.float32([[0.9, 0.1], [0.2, 0.8]]).tolist()


@pytest.mark.parametrize(("sent", "values"), [([[1.5], [2.0]], [1.5, 2.0]), ([[1.5, 2], [3, 4]], [[1.5, 2], [3, 4]])])
def test_values_of_a_regression_over_grpc(service, client, sent, values):
    service.answers["Predict"] = lambda request, context: models_pb2.PredictResponse(
        model="prices", version=1, values=tensor(sent)
    )

    answer = client.predict("prices", X)

    assert (answer.values.tolist(), answer.labels, answer.probabilities) == (values, None, None)


@pytest.mark.parametrize("values", [[1.5, 2.0], [[1.5, 2.0], [3.0, 4.0]]])
def test_values_of_a_regression_over_rest(rest, asking, values):
    rest.answer = lambda question: (200, {"model": "prices", "version": 1, "predictions": values})

    answer = asking.predict("prices", X)

    assert (answer.values.tolist(), answer.labels, answer.probabilities) == (values, None, None)


def test_flags_come_with_their_probabilities_over_both(service, client, rest, asking):
    flags, probabilities = [[1.0, 0.0], [1.0, 1.0]], [[0.75, 0.25], [0.5, 0.875]]
    service.answers["Predict"] = lambda request, context: models_pb2.PredictResponse(
        model="tags", version=1, values=tensor(flags), probabilities=tensor(probabilities)
    )
    said = {"model": "tags", "version": 1, "predictions": flags, "probabilities": probabilities}
    rest.answer = lambda question: (200, said)

    for answer in (client.predict("tags", X), asking.predict("tags", X)):
        assert answer.labels is None
        assert answer.values.tolist() == flags
        assert answer.probabilities.tolist() == probabilities


def test_hinge_labels_come_without_probabilities(rest, asking):
    rest.answer = lambda question: (200, {"model": "svm", "version": 1, "predictions": [1, 0]})

    answer = asking.predict("svm", X)

    assert (answer.labels.tolist(), answer.probabilities) == ([1, 0], None)


def test_the_question_over_rest_is_that_of_the_api(rest, asking):
    rest.answer = lambda question: (200, {"model": "digits", "version": 2, "predictions": [1, 0]})

    rest.signature = {"model": "digits", "version": 2, "columns": []}

    for _ in range(2):
        asking.predict("digits", X, version="champion")
    for _ in range(2):
        asking.predict(None, X)

    asked = [(each["path"], each.get("model"), each.get("version"), each["instances"]) for each in rest.questions]
    assert asked == [
        ("/predict", "digits", "2", X),
        ("/predict", "digits", "champion", X),
        ("/predict", "digits", "2", X),
        ("/predict", None, None, X),
    ]
    assert rest.looks == ["/predict/signature?model=digits&version=champion", "/predict/signature?"]


def test_many_rows_go_in_several_requests_to_the_version_that_answered_first(service, client):
    def predict(request, context):
        rows = request.rows.shape[0]
        labels = tensors_pb2.Labels(integers=tensors_pb2.IntegerLabels(values=range(rows)))
        return models_pb2.PredictResponse(model="digits", version=4, labels=labels)

    service.answers["Predict"] = predict
    service.publishes(models_pb2.ModelVersion(model="digits", version=4))
    client.predict("", np.zeros((1, 64), dtype=np.float32), version="champion")

    answer = client.predict("", np.zeros((10_000, 64), dtype=np.float32), version="champion")

    requests = service.requests["Predict"][1:]
    assert [each.rows.shape[0] for each in requests] == [4096, 4096, 1808]
    assert [(each.model, each.version) for each in requests] == [("", "champion"), ("digits", "4"), ("digits", "4")]
    assert len(answer) == 10_000


def test_questions_over_rest_stay_far_below_8_mebibytes_and_8192_rows(rest, asking):
    rest.answer = lambda question: (200, {"model": "m", "version": 1, "predictions": [0] * len(question["instances"])})
    wide = np.full((2_000, 784), -1.1754943508222875e-38, dtype=np.float32)
    narrow = np.zeros((9_000, 1), dtype=np.float32)

    assert (len(asking.predict("m", wide)), len(asking.predict("m", narrow))) == (2_000, 9_000)

    assert len(rest.questions) > 2
    assert max(each["size"] for each in rest.questions) < 5 << 20
    assert max(len(each["instances"]) for each in rest.questions) <= 8_192


def test_every_float32_travels_over_rest_as_it_is_in_few_characters(rest, asking):
    rest.answer = lambda question: (200, {"model": "m", "version": 1, "predictions": [0] * len(question["instances"])})
    bits = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
    X = bits[np.isfinite(bits)][:16_000].reshape(-1, 8)

    asking.predict("m", X)

    question = rest.questions[0]
    assert np.array_equal(np.array(question["instances"], dtype=np.float32).view(np.uint32), X.view(np.uint32))
    assert question["size"] / X.size <= 16


def test_a_question_with_too_many_rows_for_the_model_is_asked_in_smaller_ones(rest, asking):
    def answer(question):
        rows = len(question["instances"])
        if rows > 30:
            return 413, {"detail": "at most 30 rows at once", "reason": "TOO_MANY_ROWS"}
        return 200, {"model": "m", "version": 1, "predictions": [int(row[0]) for row in question["instances"]]}

    rest.answer = answer

    assert asking.predict("m", np.arange(100.0)[:, None]).labels.tolist() == list(range(100))
    assert [len(each["instances"]) for each in rest.questions] == [100, 50, 25, 25, 25, 25]


def test_threads_that_have_ended_leave_no_connections_behind(rest, asking):
    together = threading.Barrier(20)

    def answer(question):
        together.wait(20)
        return 200, {"model": "m", "version": 1, "predictions": [0]}

    rest.answer = answer
    threads = [threading.Thread(target=asking.predict, args=("m", [[1.0]])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    wait_until(lambda: len(rest.open) <= 8)
    asking.close()
    wait_until(lambda: not rest.open)
    with pytest.raises(RuntimeError, match="the client is closed"):
        asking.predict("m", [[1.0]])


def test_one_connection_is_kept_for_many_predictions(rest, asking):
    rest.answer = lambda question: (200, {"model": "m", "version": 1, "predictions": [0]})

    for _ in range(5):
        asking.predict("m", [[1.0]])

    assert len(rest.connections) == 1


@pytest.mark.parametrize("X", [[1.0, 2.0], np.zeros(64)])
def test_a_single_row_without_its_brackets_is_refused_with_the_way_to_write_it(client, X):
    with pytest.raises(InvalidRequest, match=r"for a single row write \[\[…\]\]"):
        client.predict("digits", X)


@pytest.mark.parametrize("version", [1.5, b"1", True, ""])
def test_a_version_is_a_number_or_an_alias(client, version):
    with pytest.raises(InvalidRequest, match="version: expected a number or an alias"):
        client.predict("digits", X, version=version)


@pytest.mark.parametrize(
    ("predictions", "probabilities"),
    [
        ([None], None),
        ([{"a": 1}], None),
        (["a"], [[0.5], [0.5]]),
        (["a"], []),
        (["a"], [["0.5"]]),
        ([0.5], [[None]]),
        ([[None]], None),
        ([["0.5"]], None),
    ],
)
def test_a_broken_answer_over_rest_is_a_fault_of_the_service(rest, asking, predictions, probabilities):
    answer = {"model": "m", "version": 1, "predictions": predictions, "probabilities": probabilities}
    rest.answer = lambda question: (200, answer)

    with pytest.raises(ServiceFault):
        asking.predict("m", [[1.0]])
