"""Metrics of probabilities: scikit-learn's, and the error of calibration by hand."""

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from helpers.predictions import MANY, probabilities, quietly, scored
from layerwise import InvalidInput, metrics


@MANY
@given(scored(1), st.data())
def test_scores_of_two_labels_are_scikit_learns(case, data):
    _, p, weights = case
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(p), max_size=len(p))))
    p = p[:, 0]
    table = np.stack([1 - p, p], axis=1)

    loss = quietly(sk.log_loss, y, p, labels=[0, 1], sample_weight=weights)
    brier = quietly(sk.brier_score_loss, y, p, pos_label=1, sample_weight=weights)
    for given_as in p, table:
        assert metrics.log_loss(y, given_as, weights=weights) == pytest.approx(loss, abs=1e-12)
        assert metrics.brier_score(y, given_as, weights=weights) == pytest.approx(brier, abs=1e-12)


@MANY
@given(scored(4), st.sampled_from([np.float32, np.float64]))
def test_scores_of_several_labels_are_scikit_learns(case, dtype):
    """Of float32 scikit-learn computes in that; ours are exact beside it."""
    y, scores, weights = case
    p = probabilities(scores).astype(dtype)
    theirs = {"labels": [0, 1, 2, 3], "sample_weight": weights}
    within = {"rel": 3e-6, "abs": 3e-7} if dtype == np.float32 else {"rel": 1e-12, "abs": 1e-12}

    assert metrics.log_loss(y, p, weights=weights) == pytest.approx(quietly(sk.log_loss, y, p, **theirs), **within)
    assert metrics.brier_score(y, p, weights=weights) == pytest.approx(
        quietly(sk.brier_score_loss, y, p, **theirs), **within
    )


@MANY
@given(scored(1), st.integers(1, 12), st.sampled_from(["uniform", "quantile"]), st.data())
def test_a_reliability_table_is_scikit_learns_calibration_curve(case, bins, strategy, data):
    _, p, _ = case
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(p), max_size=len(p))))

    table = metrics.reliability(y, p[:, 0], bins=bins, strategy=strategy)

    seen, said = calibration_curve(y, p[:, 0], pos_label=1, n_bins=bins, strategy=strategy)
    some = table.rows > 0
    np.testing.assert_allclose(table.accuracy[some], seen)
    np.testing.assert_allclose(table.confidence[some], said)
    assert np.isnan(table.accuracy[~some]).all()
    assert table.rows.sum() == len(y)


def test_the_calibration_error_is_the_mean_gap_between_said_and_seen():
    """Two bins: of 0.2, 0.4 one of two came true, of 0.7, 0.9 and 1 two of three."""
    y, p = [0, 1, 1, 0, 1], [0.2, 0.4, 0.7, 0.9, 1.0]

    table = metrics.reliability(y, p, bins=2)

    np.testing.assert_allclose(table.confidence, [0.3, 2.6 / 3])
    np.testing.assert_allclose(table.accuracy, [0.5, 2 / 3])
    assert table.expected_error == pytest.approx((2 * 0.2 + 3 * 0.2) / 5)
    assert table.maximum_error == pytest.approx(0.2)
    assert metrics.expected_calibration_error(y, p, bins=2) == pytest.approx(0.2)


def test_weights_count_rows_of_a_bin_by_what_they_weigh():
    """As if the third row stood there three times, and the last not at all."""
    y, p = [0, 1, 1, 0, 1], [0.2, 0.4, 0.7, 0.9, 1.0]
    repeated = metrics.reliability([0, 1, 1, 1, 1, 0], [0.2, 0.4, 0.7, 0.7, 0.7, 0.9], bins=4)

    table = metrics.reliability(y, p, bins=4, weights=[1, 1, 3, 1, 0])

    np.testing.assert_allclose(table.weight, [1, 1, 3, 1])
    np.testing.assert_allclose(table.accuracy, [0, 1, 1, 0])
    assert table.rows.tolist() == [1, 1, 1, 2]
    assert table.expected_error == pytest.approx((0.2 + 0.6 + 3 * 0.3 + 0.9) / 6)
    assert repeated.expected_error == pytest.approx((0.2 + 0.6 + 3 * 0.3 + 0.9) / 6)


def test_of_several_labels_the_highest_probability_of_each_row_is_said():
    """0.6 and right, 0.6 and wrong, 0.9 and right."""
    p = [[0.6, 0.3, 0.1], [0.6, 0.2, 0.2], [0.0, 0.1, 0.9]]

    assert metrics.expected_calibration_error([0, 2, 2], p) == pytest.approx((2 * 0.1 + 0.1) / 3)


def test_a_bin_where_nothing_weighs_says_nothing():
    table = metrics.reliability([0, 1], [0.1, 0.9], bins=2, weights=[0, 1])

    assert np.isnan(table.accuracy[0])
    assert table.expected_error == pytest.approx(0.1)


def test_a_reliability_table_prints_as_one():
    lines = str(metrics.reliability([0, 1, 1], [0.25, 0.75, 1.0], bins=4)).splitlines()

    assert lines == [
        "probability        rows  confidence  accuracy",
        "0.000 – 0.250         1      0.2500    0.0000",
        "0.250 – 0.500         0",
        "0.500 – 0.750         1      0.7500    1.0000",
        "0.750 – 1.000         1      1.0000    1.0000",
    ]


def test_flags_are_cases_of_their_own():
    """-(log 0.8 + log 0.6 + log 0.9 + log 0.5) / 4; the squares of 0.2, 0.4, 0.1, 0.5."""
    flags, p = [[1, 0], [0, 1]], [[0.8, 0.4], [0.1, 0.5]]

    assert metrics.log_loss(flags, p) == pytest.approx(-np.log(0.8 * 0.6 * 0.9 * 0.5) / 4)
    assert metrics.brier_score(flags, p) == pytest.approx((0.04 + 0.16 + 0.01 + 0.25) / 4)
    assert metrics.reliability(flags, p, bins=1).confidence == pytest.approx(0.45)
    assert metrics.reliability(flags, p, bins=1, weights=[3, 1]).confidence == pytest.approx((3 * 1.2 + 0.6) / 8)


def test_labels_in_another_order_are_those_of_the_columns():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])

    found = metrics.log_loss(["cat", "ant"], p, labels=["cat", "ant", "bee"])

    assert found == pytest.approx(-np.log(0.7 * 0.8) / 2)


def test_a_probability_of_zero_costs_no_more_than_its_type_resolves():
    assert metrics.log_loss([1, 1], np.array([0.0, 0.0])) == pytest.approx(52 * np.log(2))
    assert metrics.log_loss([1, 1], np.array([0.0, 0.0], np.float32)) == pytest.approx(23 * np.log(2))


BAD = [
    ([0, 1], [0.5, 1.5], {}, r"probabilities\[1\]: expected a number from 0 to 1, got 1.5"),
    ([0, 1, 2], [[0.5, 0.5, 0], [1, 0, 0], [2, -1, 0]], {}, r"probabilities\[2\]\[0\]: expected a number from 0 to 1"),
    ([0, 1], [[0.5, 0.4], [0.5, 0.5]], {}, r"probabilities\[0\]: expected probabilities whose sum is 1, got 0.9"),
    ([0, 1], [0.5, 0.5], {"bins": 0}, "bins: expected a whole number of at least 1, got 0"),
    ([0, 1], [0.5, 0.5], {"strategy": "equal"}, "strategy: expected one of uniform, quantile, got 'equal'"),
    (["a", "b"], [0.5, 0.5], {"positive": "c"}, "positive: expected one of the labels, got 'c'"),
]


@pytest.mark.parametrize(("y", "p", "named", "message"), BAD, ids=[case[3][:40] for case in BAD])
def test_what_is_no_probability_is_refused(y, p, named, message):
    with pytest.raises(InvalidInput, match=message):
        metrics.reliability(y, p, **named)
