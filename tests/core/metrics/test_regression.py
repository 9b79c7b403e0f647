"""Metrics of values: scikit-learn's, also of constant targets and single rows."""

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from helpers.predictions import MANY, numbers, quietly
from layerwise import MLP, Architecture, InvalidInput, Layer, Plan, evaluate, fit, metrics

THEIRS = {
    "mean_squared_error": sk.mean_squared_error,
    "root_mean_squared_error": sk.root_mean_squared_error,
    "mean_absolute_error": sk.mean_absolute_error,
    "median_absolute_error": sk.median_absolute_error,
    "r2": sk.r2_score,
    "explained_variance": sk.explained_variance_score,
}


@MANY
@given(numbers(), st.integers(0, 8).map(lambda k: k / 8))
def test_scores_are_scikit_learns(case, quantile):
    y, predicted, weights = case

    each = metrics.regression_scores(y, predicted, weights=weights)
    counting = np.ones(len(y), bool) if weights is None else weights > 0

    for name, theirs in THEIRS.items():
        rows = slice(None)
        if name == "median_absolute_error" and counting.any():  # scikit-learn 1.8 lets rows of weight 0 move the median
            rows = counting
        own = None if weights is None else weights[rows]
        expected = quietly(theirs, y[rows], predicted[rows], sample_weight=own, multioutput="raw_values")
        if name == "r2" and len(y) == 1:  # scikit-learn gives NaN; ours is that of targets that are all equal
            expected = (y[0] == predicted[0]).astype(float)
        np.testing.assert_allclose(getattr(each, name), np.broadcast_to(expected, y.shape[1]), atol=1e-12, err_msg=name)
        mean = getattr(metrics, name)(y, predicted, weights=weights)
        np.testing.assert_allclose(mean, np.mean(expected), atol=1e-12, err_msg=name)
    found = metrics.quantile_loss(y, predicted, quantile=quantile, weights=weights)
    assert found == pytest.approx(sk.mean_pinball_loss(y, predicted, alpha=quantile, sample_weight=weights), abs=1e-12)
    largest = [sk.max_error(y[counting, j], predicted[counting, j]) for j in range(y.shape[1])]
    assert each.max_error.tolist() == largest
    assert metrics.max_error(y, predicted, weights=weights) == max(largest)


@MANY
@given(numbers(least=1, outputs=1), st.sampled_from([-1.5, 0, 1, 1.2, 1.5, 2, 2.5, 3]), st.booleans())
def test_deviances_are_scikit_learns(case, power, zeros):
    y, predicted, weights = case
    y, predicted = y[:, 0], predicted[:, 0]
    if zeros and power < 2:
        y = np.maximum(y - 2, 0) if power >= 1 else y - 2

    found = metrics.mean_tweedie_deviance(y, predicted, power=power, weights=weights)

    with np.errstate(all="ignore"):
        expected = quietly(sk.mean_tweedie_deviance, y, predicted, power=power, sample_weight=weights)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    if power == 1:
        assert found == metrics.mean_poisson_deviance(y, predicted, weights=weights)
    if power == 2:
        assert found == metrics.mean_gamma_deviance(y, predicted, weights=weights)


def test_targets_all_equal_are_explained_wholly_or_not_at_all():
    """0.1 has no exact mean: the deviations from it are zero all the same."""
    y = np.full(7, 0.1)

    assert metrics.r2(y, y) == metrics.explained_variance(y, y) == 1
    assert metrics.r2(y, y + 0.3) == 0
    assert metrics.explained_variance(y, np.zeros(7)) == 1
    assert metrics.explained_variance(y, np.arange(7)) == 0


def test_a_single_row_is_explained_wholly_or_not_at_all():
    assert metrics.r2([1], [2]) == 0
    assert metrics.r2([2], [2]) == metrics.explained_variance([1], [2]) == 1


ONE_APART = np.array([5e8, np.nextafter(np.float32(5e8), np.float32(1e9))] * 10, np.float32)


@pytest.mark.parametrize("y", [np.full(1_000, 14.62), np.array([0.3, 0.1 + 0.2] * 10), np.array([0.7]), ONE_APART])
def test_targets_that_do_not_vary_are_scored_alike_in_training_in_an_evaluation_and_by_the_metric(y):
    X = np.random.default_rng(0).normal(size=(len(y), 2))
    model = MLP(Architecture(2, (Layer(1),)))

    *_, record = fit(model, X, y, plan=Plan(loss="squared_error", epochs=2))

    assert record.metric == model.metrics["r2"] == metrics.r2(y, model.predict(X)) == 0
    assert evaluate(model, X, y).mean.r2 == 0


def test_outputs_are_averaged():
    """Errors 0 and 2 in the first output, 4 and 0 in the second."""
    y, predicted = [[0, 0], [0, 0]], [[0, 4], [2, 0]]

    assert metrics.mean_squared_error(y, predicted) == (2 + 8) / 2
    assert metrics.root_mean_squared_error(y, predicted) == pytest.approx((np.sqrt(2) + np.sqrt(8)) / 2)
    assert metrics.max_error(y, predicted) == 4
    assert metrics.regression_scores(y, predicted).mean_absolute_error.tolist() == [1, 2]


def test_a_median_of_weights_is_that_of_rows_repeated():
    y, predicted = [0, 0, 0], [1, 2, 5]

    assert metrics.median_absolute_error(y, predicted, weights=[1, 1, 1]) == 2
    assert metrics.median_absolute_error(y, predicted, weights=[2, 1, 1]) == 1.5
    assert metrics.median_absolute_error(y, predicted, weights=[1, 1, 3]) == 5
    assert metrics.median_absolute_error(y, predicted, weights=[0, 0, 3]) == 5


def test_a_column_and_a_flat_list_are_the_same():
    assert metrics.mean_squared_error([[1], [2]], [1, 4]) == 2


BAD = [
    ("r2", [], [], {}, "y: expected at least one row, got none"),
    ("r2", [1, 2], [1], {}, "predicted: expected 2 rows, as many as y has, got 1"),
    ("r2", [1, 2], [1, np.inf], {}, r"predicted\[1\]: expected a finite number, got inf"),
    ("r2", [1, np.nan], [1, 2], {}, r"y\[1\]: expected a finite number, got nan"),
    ("r2", [1, "a"], [1, 2], {}, r"y\[1\]: expected a number, got 'a'"),
    ("r2", [[1, 2], [3, 4]], [1, 2], {}, "predicted: expected 2 numbers a row, one for each output, got 1"),
    ("r2", [[1, 2], [3, np.nan]], [[1, 2], [3, 4]], {}, r"y\[1\]\[1\]: expected a finite number, got nan"),
    ("r2", 3, [1], {}, "y: expected rows of numbers, got 3"),
    ("quantile_loss", [1], [1], {"quantile": 1.5}, "quantile: expected a number from 0 to 1, got 1.5"),
    ("mean_tweedie_deviance", [1], [1], {"power": 0.5}, "power: expected a number of at most 0 or of at least 1"),
    ("mean_poisson_deviance", [1, 2], [1, 0], {}, r"predicted\[1\]: expected a number above 0 for power 1, got 0.0"),
    ("mean_poisson_deviance", [1, -2], [1, 1], {}, r"y\[1\]: expected a number of at least 0 for power 1, got -2.0"),
    ("mean_gamma_deviance", [[1, 0]], [[1, 1]], {}, r"y\[0\]\[1\]: expected a number above 0 for power 2, got 0.0"),
]


@pytest.mark.parametrize(("name", "y", "predicted", "named", "message"), BAD, ids=[case[4][:40] for case in BAD])
def test_what_has_no_error_is_refused(name, y, predicted, named, message):
    with pytest.raises(InvalidInput, match=message):
        getattr(metrics, name)(y, predicted, **named)
