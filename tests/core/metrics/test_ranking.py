"""Metrics of scores: scikit-learn's, ties and classes without rows included."""

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from helpers.predictions import MANY, probabilities, quietly, scored
from layerwise import InvalidInput, metrics

NAN = float("nan")


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-10)


@MANY
@given(scored(1), st.data())
def test_the_area_under_a_roc_curve_is_scikit_learns(case, data):
    _, scores, weights = case
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(scores), max_size=len(scores))))

    close(
        metrics.roc_auc(y, scores[:, 0], weights=weights), quietly(sk.roc_auc_score, y, scores, sample_weight=weights)
    )
    close(
        metrics.average_precision(y, scores[:, 0], weights=weights),
        quietly(sk.average_precision_score, y, scores[:, 0], sample_weight=weights),
    )


@MANY
@given(scored(1), st.booleans(), st.data())
def test_curves_are_scikit_learns(case, drop, data):
    _, scores, weights = case
    y = np.array(data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(scores), max_size=len(scores))))

    roc = metrics.roc_curve(y, scores[:, 0], weights=weights, drop_intermediate=drop)
    pairs = metrics.precision_recall_curve(y, scores[:, 0], weights=weights)

    expected = quietly(sk.roc_curve, y, scores[:, 0], sample_weight=weights, drop_intermediate=drop)
    for own, other in zip((roc.false_positive_rate, roc.true_positive_rate, roc.thresholds), expected, strict=True):
        close(own, other)
    expected = quietly(sk.precision_recall_curve, y, scores[:, 0], sample_weight=weights)
    for own, other in zip((pairs.precision, pairs.recall, pairs.thresholds), expected, strict=True):
        close(own, other)


@MANY
@given(scored(3), st.sampled_from(["macro", "weighted", "micro"]))
def test_one_class_against_the_others_is_scikit_learns(case, average):
    y, scores, weights = case
    p = probabilities(scores)
    theirs = {"multi_class": "ovr", "labels": [0, 1, 2], "average": average, "sample_weight": weights}

    close(metrics.roc_auc(y, p, average=average, weights=weights), quietly(sk.roc_auc_score, y, p, **theirs))
    flags = np.eye(3, dtype=int)[y]
    expected = quietly(sk.average_precision_score, flags, p, average=average, sample_weight=weights)
    close(metrics.average_precision(y, p, average=average, weights=weights), expected)


@MANY
@given(scored(2), st.sampled_from(["macro", "weighted", "micro"]), st.data())
def test_flags_are_scored_as_scikit_learn_scores_them(case, average, data):
    _, scores, weights = case
    table = st.lists(st.integers(0, 1), min_size=scores.size, max_size=scores.size)
    flags = np.array(data.draw(table)).reshape(scores.shape)
    theirs = {"average": average, "sample_weight": weights}

    close(
        metrics.roc_auc(flags, scores, average=average, weights=weights),
        quietly(sk.roc_auc_score, flags, scores, **theirs),
    )
    expected = quietly(sk.average_precision_score, flags, scores, **theirs)
    close(metrics.average_precision(flags, scores, average=average, weights=weights), expected)


@MANY
@given(scored(4), st.integers(1, 5))
def test_the_top_k_are_scikit_learns(case, k):
    y, scores, weights = case

    found = metrics.top_k_accuracy(y, scores, k=k, weights=weights)

    theirs = {"k": k, "labels": [0, 1, 2, 3], "sample_weight": weights}
    close(found, quietly(sk.top_k_accuracy_score, y, scores, **theirs))


@MANY
@given(scored(1), st.integers(1, 2), st.sampled_from([1, -3]), st.data())
def test_the_top_of_two_labels_is_scikit_learns(case, k, factor, data):
    _, scores, weights = case
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(scores), max_size=len(scores))))
    only = factor * scores[:, 0]

    found = metrics.top_k_accuracy(y, only, k=k, weights=weights)

    close(found, quietly(sk.top_k_accuracy_score, y, only, k=k, labels=[0, 1], sample_weight=weights))


@MANY
@given(scored(3), st.sampled_from([0, 1, 2]))
def test_the_score_of_one_label_is_that_of_its_column(case, positive):
    y, scores, weights = case

    found = metrics.roc_auc(y, scores, positive=positive, weights=weights)

    expected = quietly(sk.roc_auc_score, y == positive, scores[:, positive], sample_weight=weights)
    close(found, expected)


def test_strings_and_booleans_are_labels_too():
    scores = [0.1, 0.4, 0.35, 0.8]

    assert metrics.roc_auc(["no", "no", "yes", "yes"], scores) == 0.75
    assert metrics.roc_auc([False, False, True, True], scores) == 0.75
    assert metrics.roc_auc(["no", "no", "yes", "yes"], scores, positive="no") == 0.25
    assert metrics.roc_auc(["no", "no", "yes", "yes"], scores, labels=["yes", "no"]) == 0.25
    assert metrics.roc_auc(["a", "b", "c", "a"], scores, positive="a") == 0.5


def test_the_columns_of_a_table_are_those_of_the_labels_given():
    y = ["cat", "ant", "cat", "bee"]
    table = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.2, 0.3], [0.4, 0.1, 0.5]])

    assert metrics.roc_auc(y, table, labels=["cat", "ant", "bee"]) == 1
    assert metrics.top_k_accuracy(y, table, k=1, labels=["cat", "ant", "bee"]) == 1
    assert metrics.roc_auc(y, table[:, [1, 2, 0]]) == 1


def test_of_two_columns_the_second_says_all():
    table = np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]])

    assert metrics.roc_auc([0, 0, 1, 1], table) == 0.75
    assert metrics.roc_auc([0, 0, 1, 1], table, positive=0) == 0.75
    assert metrics.roc_curve([0, 0, 1, 1], table).thresholds.tolist() == [np.inf, 0.8, 0.4, 0.35, 0.1]


def test_one_class_alone_has_no_area():
    assert np.isnan(metrics.roc_auc([1, 1], [0.2, 0.3]))
    assert np.isnan(metrics.roc_auc([0, 1], [0.2, 0.3], weights=[1, 0]))
    assert np.isnan(metrics.roc_auc(["a", "a"], [0.2, 0.3], positive="b"))
    assert np.isnan(metrics.roc_auc([0, 1], [[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]))
    assert metrics.average_precision([0, 0], [0.2, 0.3]) == 0


BAD = [
    ([0, 1, 2], [0.1, 0.2, 0.3], {}, "scores: expected a column for each of the 3 labels of y, got one column"),
    ([0, 1], [0.1, 0.2, 0.3], {}, "scores: expected 2 rows, as many as y has, got 3"),
    ([0, 1], [0.1, np.nan], {}, r"scores\[1\]: expected a finite number, got nan"),
    ([0, 1], ["a", "b"], {}, r"scores\[0\]: expected a number, got 'a'"),
    ([0, 1], [[0.1, 0.9], [0.2]], {}, r"scores\[1\]: expected 2 numbers, got 1"),
    ([0, 1], [[], []], {}, "scores: expected at least one column, got none"),
    ([0, 1], np.ones((2, 2, 2)), {}, "scores: expected rows of 2 numbers, got 3 dimensions"),
    (["a", "a"], [0.1, 0.2], {}, "labels: expected two labels, because y has only 'a'"),
    (["a", "b"], np.ones((2, 3)), {}, "labels: expected 3 labels, one for each column of scores, because y has 2"),
    (["a", "b"], np.ones((2, 3)), {"labels": ["a", "b"]}, "scores: expected 2 columns, one for each label, got 3"),
    (["a", "b"], np.ones((2, 2)), {"labels": ["a", "c"]}, r"y\[1\]: expected one of the labels, got 'b'"),
    (["a", "b"], [1, 2], {"labels": ["a", "c"]}, r"y\[1\]: expected one of the labels, got 'b'"),
    (["a", "b"], [1, 2], {"labels": ["a"]}, "scores: expected a column for each of 1 label, or two labels, got one"),
    (["a", "b"], [1, 2], {"positive": "c"}, "positive: expected one of the labels, got 'c'"),
    (["a", "b"], [1, 2], {"positive": 1}, "positive: expected a string as the labels of y are, got 1"),
    ([0, 1], np.ones((2, 2)), {"positive": 7}, "positive: expected one of the labels, got 7"),
    ([[0, 1], [1, 0]], [0.5, 0.5], {}, r"scores: expected shape \(2, 2\) as y has, got \(2, 1\)"),
    ([0, 1], [0.5, 0.5], {"average": "samples"}, "average: expected one of macro, micro, weighted, got 'samples'"),
]


@pytest.mark.parametrize(("y", "scores", "named", "message"), BAD, ids=[case[3][:40] for case in BAD])
def test_what_cannot_be_ranked_is_refused(y, scores, named, message):
    with pytest.raises(InvalidInput, match=message):
        metrics.roc_auc(y, scores, **named)


def test_a_curve_is_of_one_label():
    with pytest.raises(InvalidInput, match="positive: expected the label of the curve"):
        metrics.roc_curve([0, 1, 2], np.eye(3))
    with pytest.raises(InvalidInput, match="y: expected one label for each row, got flags"):
        metrics.top_k_accuracy([[0, 1], [1, 0]], np.eye(2))
    with pytest.raises(InvalidInput, match="k: expected a whole number of at least 1, got 0"):
        metrics.top_k_accuracy([0, 1], np.eye(2), k=0)
