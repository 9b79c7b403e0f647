"""Metrics of predicted labels: scikit-learn's, also of what is degenerate."""

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from helpers.predictions import MANY, labelled, quietly
from layerwise import InvalidInput, metrics


@MANY
@given(labelled())
def test_accuracies_are_scikit_learns(case):
    y, predicted, weights, _ = case

    assert metrics.accuracy(y, predicted, weights=weights) == pytest.approx(
        sk.accuracy_score(y, predicted, sample_weight=weights), abs=1e-12
    )
    assert metrics.balanced_accuracy(y, predicted, weights=weights) == pytest.approx(
        quietly(sk.balanced_accuracy_score, y, predicted, sample_weight=weights), abs=1e-12
    )


@MANY
@given(labelled(), st.sampled_from([None, "true", "predicted", "all"]), st.booleans())
def test_a_confusion_matrix_is_scikit_learns(case, normalize, whole_pool):
    y, predicted, weights, pool = case
    labels = pool[::-1] if whole_pool else None

    found = metrics.confusion_matrix(y, predicted, labels=labels, weights=weights, normalize=normalize)

    theirs = {"predicted": "pred"}.get(normalize, normalize)
    expected = quietly(sk.confusion_matrix, y, predicted, labels=labels, sample_weight=weights, normalize=theirs)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.dtype == expected.dtype


@MANY
@given(labelled(), st.sampled_from([0.0, 1.0, np.nan]), st.sampled_from(["macro", "micro", "weighted"]))
def test_precision_recall_and_f1_are_scikit_learns(case, zero_division, average):
    y, predicted, weights, _ = case
    common = {"weights": weights, "zero_division": zero_division}
    theirs = {"sample_weight": weights, "zero_division": zero_division}

    found = [getattr(metrics, name)(y, predicted, average=average, **common) for name in ("precision", "recall", "f1")]
    each = metrics.class_scores(y, predicted, **common)

    expected = quietly(sk.precision_recall_fscore_support, y, predicted, average=average, **theirs)
    np.testing.assert_allclose(found, expected[:3], atol=1e-12)
    by_class = quietly(sk.precision_recall_fscore_support, y, predicted, average=None, **theirs)
    for own, other in zip((each.precision, each.recall, each.f1, each.support), by_class, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-12)
    assert each.labels.tolist() == np.union1d(y, predicted).tolist()


@MANY
@given(labelled(), st.data())
def test_the_scores_of_one_label_are_scikit_learns(case, data):
    y, predicted, weights, _ = case
    positive = data.draw(st.sampled_from(sorted(set(y.tolist()) | set(predicted.tolist()))))

    for name in ("precision", "recall", "f1"):
        found = getattr(metrics, name)(y, predicted, positive=positive, weights=weights)
        expected = getattr(sk, f"{name}_score")(
            y, predicted, labels=[positive], average=None, sample_weight=weights, zero_division=0.0
        )
        assert found == pytest.approx(expected[0], abs=1e-12)


@MANY
@given(labelled(), st.sampled_from(["macro", "micro", "weighted"]))
def test_averages_over_some_labels_are_scikit_learns(case, average):
    y, predicted, weights, pool = case

    found = metrics.f1(y, predicted, labels=pool[1:], average=average, weights=weights)

    expected = quietly(sk.f1_score, y, predicted, labels=pool[1:], average=average, sample_weight=weights)
    assert found == pytest.approx(expected, abs=1e-12)


@MANY
@given(st.integers(1, 8), st.integers(2, 4), st.data())
def test_scores_of_flags_are_scikit_learns(rows, columns, data):
    table = st.lists(st.integers(0, 1), min_size=rows * columns, max_size=rows * columns)
    y, predicted = (np.array(data.draw(table)).reshape(rows, columns) for _ in range(2))
    weights = np.arange(1, rows + 1) / 4

    assert metrics.accuracy(y, predicted, weights=weights) == pytest.approx(
        sk.accuracy_score(y, predicted, sample_weight=weights), abs=1e-12
    )
    for average in ("macro", "micro", "weighted"):
        found = [getattr(metrics, name)(y, predicted, average=average) for name in ("precision", "recall", "f1")]
        expected = quietly(sk.precision_recall_fscore_support, y, predicted, average=average, zero_division=0)
        np.testing.assert_allclose(found, expected[:3], atol=1e-12)
    assert metrics.class_scores(y == 1, predicted, labels=[1]).support.tolist() == [y[:, 1].sum()]


def test_two_kinds_of_numbers_are_one_label():
    """A flag predicted as 0 or 1 for a target that is a comparison."""
    y = np.array([True, False, True])

    assert metrics.accuracy(y, [1, 0, 0]) == pytest.approx(2 / 3)
    assert metrics.confusion_matrix(y, np.array([1, 0, 0], np.uint8)).tolist() == [[1, 0], [1, 1]]
    assert metrics.f1(y, [1, 0, 0], positive=True) == pytest.approx(2 / 3)


def test_the_labels_of_an_object_array_are_strings_or_numbers():
    y = np.array(["a", "b", "b"], dtype=object)

    assert metrics.confusion_matrix(y, ["b", "b", "a"]).tolist() == [[0, 1], [1, 1]]
    assert metrics.class_scores(y, ["b", "b", "a"]).labels.tolist() == ["a", "b"]


def test_whole_weights_leave_a_matrix_of_whole_numbers():
    found = metrics.confusion_matrix([0, 1], [1, 1], weights=[2, 3])

    assert found.tolist() == [[0, 2], [0, 3]]
    assert found.dtype == np.int64


BAD = [
    ({"y": [], "predicted": []}, "y: expected at least one row, got none"),
    ({"y": [0, 1], "predicted": [0]}, "predicted: expected 2 labels, as many as y has, got 1"),
    ({"y": ["a", "b"], "predicted": [0, 1]}, r"predicted\[0\]: expected a string as the labels of y are, got 0"),
    ({"y": [0, 1], "predicted": ["a", "b"]}, r"predicted\[0\]: expected an integer or a boolean .*, got 'a'"),
    ({"y": [0.5, 1], "predicted": [0, 1]}, r"y\[0\]: expected a label .*, got 0.5"),
    ({"y": [0, None], "predicted": [0, 1]}, r"y\[1\]: expected a label .*, got None"),
    ({"y": [0, 1], "predicted": [0, 1], "weights": [1]}, "weights: expected 2 rows, as many as y has, got 1"),
    ({"y": [0, 1], "predicted": [0, 1], "weights": [1, -1]}, r"weights\[1\]: expected a weight of at least 0, got -1"),
    ({"y": [0, 1], "predicted": [0, 1], "weights": [0, 0]}, "weights: expected at least one weight above 0"),
    ({"y": [0, 1], "predicted": [0, 1], "weights": 3}, "weights: expected rows of numbers, got 3"),
    ({"y": [0, 1], "predicted": [0, 1], "average": "mean"}, "average: expected one of macro, micro, weighted, got"),
    ({"y": [0, 1], "predicted": [0, 1], "positive": 5}, "positive: expected one of the labels, got 5"),
    ({"y": [0, 1], "predicted": [0, 1], "positive": 1, "labels": [1]}, "labels: expected None together with positive"),
    ({"y": [0, 1], "predicted": [0, 1], "labels": []}, "labels: expected at least one label, got none"),
    ({"y": [0, 1], "predicted": [0, 1], "labels": [1, 1]}, "labels: expected distinct labels, got 1 twice"),
    ({"y": [0, 1], "predicted": [0, 1], "zero_division": 0.5}, "zero_division: expected 0, 1 or NaN, got 0.5"),
    ({"y": [[0, 1], [1, 2]], "predicted": [[0, 1], [1, 1]]}, r"y\[1\]\[1\]: expected a flag, 0 or 1, got 2"),
    ({"y": [[0, 1], [1, 0]], "predicted": [[0], [1]]}, r"predicted: expected shape \(2, 2\) as y has, got \(2, 1\)"),
    ({"y": [[0, 1], [1]], "predicted": [[0], [1]]}, r"y\[1\]: expected 2 numbers, got 1"),
    ({"y": [[0, 1], [1, 0]], "predicted": [[0, 1], [1, 1]], "labels": [2]}, "labels: expected numbers of flags below"),
    ({"y": np.array([2**63], np.uint64), "predicted": [1]}, "expected an integer of 64 bits"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_what_cannot_be_compared_is_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        metrics.f1(**arguments)


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(InvalidInput, match="normalize: expected one of true, predicted, all, got 'rows'"):
        metrics.confusion_matrix([0, 1], [0, 1], normalize="rows")  # type: ignore[arg-type]
