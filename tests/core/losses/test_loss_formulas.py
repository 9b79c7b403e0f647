"""Each loss against scikit-learn, SciPy or its formula in float64, and its gradient against central differences."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax
from sklearn.metrics import (
    hinge_loss,
    log_loss,
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    mean_tweedie_deviance,
)

from helpers.tracing import least_peak
from layerwise import InvalidInput, Plan
from layerwise.losses import (
    LOSSES,
    AbsoluteError,
    Gamma,
    Hinge,
    Huber,
    LossBuffers,
    Poisson,
    Quantile,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SquaredError,
    SquaredHinge,
    Tweedie,
)
from layerwise.metrics.running import metric_of
from layerwise.workspace import Arena

ROWS, OUTPUTS = 40, 3
RNG = np.random.default_rng(0)
SCORES = RNG.normal(0, 2, (ROWS, OUTPUTS))
CLASSES = RNG.integers(0, OUTPUTS, ROWS)
TWO = RNG.integers(0, 2, ROWS)
FLAGS = RNG.integers(0, 2, (ROWS, OUTPUTS)).astype(float)
SHARES = RNG.random((ROWS, OUTPUTS))
VALUES = RNG.normal(0, 2, (ROWS, OUTPUTS))
COUNTS = RNG.poisson(1.5, (ROWS, OUTPUTS)).astype(float)
AMOUNTS = RNG.gamma(2, 1, (ROWS, OUTPUTS))
WEIGHTS = RNG.integers(0, 4, ROWS).astype(float)

ONE_HOT = np.eye(OUTPUTS)[CLASSES]
ONE = SCORES[:, :1]


def smoothed(share):
    wanted = (1 - share) * ONE_HOT + share / OUTPUTS
    return -np.sum(wanted * log_softmax(SCORES, axis=1), axis=1)


def margins(form):
    own = SCORES[np.arange(ROWS), CLASSES][:, None]
    if form == "weston_watkins":
        return np.where(ONE_HOT == 1, 0, np.maximum(0, 1 + SCORES - own))
    return np.maximum(0, 1 - np.where(ONE_HOT == 1, 1, -1) * SCORES)


def entropies(targets):
    return -(targets * np.log(expit(SCORES)) + (1 - targets) * np.log(expit(-SCORES))).mean(axis=1)


def huber(delta):
    d = np.abs(SCORES - VALUES)
    return np.where(d <= delta, d**2 / 2, delta * (d - delta / 2)).mean(axis=1)


def by_row(metric, targets, scores, **options):
    return np.array([metric(t, s, **options) for t, s in zip(targets, scores, strict=True)])


CASES = {
    "softmax": (SoftmaxCrossEntropy(), SCORES, CLASSES, smoothed(0)),
    "softmax, smoothed": (SoftmaxCrossEntropy(0.1), SCORES, CLASSES, smoothed(0.1)),
    "sigmoid, flags": (SigmoidCrossEntropy(), SCORES, FLAGS, entropies(FLAGS)),
    "sigmoid, shares": (SigmoidCrossEntropy(), SCORES, SHARES, entropies(SHARES)),
    "sigmoid, classes": (SigmoidCrossEntropy(), SCORES, CLASSES, entropies(ONE_HOT)),
    "sigmoid, one output": (SigmoidCrossEntropy(), ONE, TWO, -np.log(expit(ONE[:, 0] * (2 * TWO - 1)))),
    "hinge": (Hinge(), SCORES, CLASSES, margins("weston_watkins").sum(axis=1)),
    "hinge, one vs rest": (Hinge("one_vs_rest"), SCORES, CLASSES, margins("one_vs_rest").sum(axis=1)),
    "hinge, one output": (Hinge("one_vs_rest"), ONE, TWO, np.maximum(0, 1 - ONE[:, 0] * (2 * TWO - 1))),
    "squared hinge": (SquaredHinge(), SCORES, CLASSES, (margins("weston_watkins") ** 2).sum(axis=1)),
    "squared hinge, one vs rest": (
        SquaredHinge("one_vs_rest"), SCORES, CLASSES, (margins("one_vs_rest") ** 2).sum(axis=1),
    ),
    "squared hinge, one output": (
        SquaredHinge("one_vs_rest"), ONE, TWO, np.maximum(0, 1 - ONE[:, 0] * (2 * TWO - 1)) ** 2,
    ),
    "squared": (SquaredError(), SCORES, VALUES, by_row(mean_squared_error, VALUES, SCORES)),
    "absolute": (AbsoluteError(), SCORES, VALUES, by_row(mean_absolute_error, VALUES, SCORES)),
    "huber": (Huber(), SCORES, VALUES, huber(1.0)),
    "huber, wide": (Huber(2.5), SCORES, VALUES, huber(2.5)),
    "quantile": (Quantile(), SCORES, VALUES, by_row(mean_pinball_loss, VALUES, SCORES, alpha=0.5)),
    "quantile, high": (Quantile(0.9), SCORES, VALUES, by_row(mean_pinball_loss, VALUES, SCORES, alpha=0.9)),
    "poisson": (Poisson(), SCORES, COUNTS, by_row(mean_poisson_deviance, COUNTS, np.exp(SCORES))),
    "gamma": (Gamma(), SCORES, AMOUNTS, by_row(mean_gamma_deviance, AMOUNTS, np.exp(SCORES))),
    "tweedie": (Tweedie(), SCORES, COUNTS, by_row(mean_tweedie_deviance, COUNTS, np.exp(SCORES), power=1.5)),
    "tweedie, 1.2": (Tweedie(1.2), SCORES, AMOUNTS, by_row(mean_tweedie_deviance, AMOUNTS, np.exp(SCORES), power=1.2)),
}  # fmt: skip


def evaluated(loss, scores, targets, weights=None):
    """The loss, and its gradient in the scores."""
    buffers = LossBuffers(len(scores), scores.shape[1], scores.dtype, Arena())
    for buffer in buffers.gradient, buffers.losses_column, buffers.row_scratch, buffers.scratch, buffers.second_scratch:
        buffer[:] = np.nan  # what is read before it is written shows
    return loss.evaluate(scores, targets, buffers, weights), buffers.gradient


def test_every_loss_is_among_the_cases():
    assert {loss.kind for loss, *_ in CASES.values()} == set(LOSSES)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_a_loss_is_what_its_reference_gives(case, weights):
    loss, scores, targets, rows = CASES[case]
    expected = rows.mean() if weights is None else weights @ rows / ROWS

    assert evaluated(loss, scores, targets, weights)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_its_gradient_is_that_of_central_differences(case, weights):
    loss, scores, targets, _ = CASES[case]
    numerical, step = np.empty_like(scores), 1e-5
    for place in np.ndindex(scores.shape):
        above, below = scores.copy(), scores.copy()
        above[place] += step
        below[place] -= step
        rise = evaluated(loss, above, targets, weights)[0] - evaluated(loss, below, targets, weights)[0]
        numerical[place] = rise / (2 * step)

    gradient = evaluated(loss, scores, targets, weights)[1]

    np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("case", CASES)
def test_float32_gives_the_same_to_its_own_precision(case):
    loss, scores, targets, rows = CASES[case]
    narrow = targets if targets.ndim == 1 else targets.astype(np.float32)

    value, gradient = evaluated(loss, scores.astype(np.float32), narrow, WEIGHTS.astype(np.float32))

    assert gradient.dtype == np.float32
    assert value == pytest.approx(WEIGHTS @ rows / ROWS, rel=1e-5)
    np.testing.assert_allclose(gradient, evaluated(loss, scores, targets, WEIGHTS)[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_neither_a_loss_nor_its_metric_allocates(case):
    loss, scores, targets, _ = CASES[case]
    scores, targets = scores.repeat(100, axis=0), targets.repeat(100, axis=0)
    weights, rows = np.ones(len(scores)), np.arange(len(scores))
    buffers = LossBuffers(scores.shape[0], scores.shape[1], np.float64, Arena())
    metric = metric_of(loss, targets, rows, len(rows), np.dtype(np.float64), weights=weights)
    sums = np.zeros(metric.sums)

    def evaluate():
        loss.evaluate(scores, targets, buffers, weights)
        metric.measure(scores, targets, sums, weights)

    peak = least_peak(evaluate)

    assert peak < 2000  # an array of a byte a row takes 4,000 bytes


def test_losses_of_classes_are_scikit_learns_means():
    p = np.exp(log_softmax(SCORES, axis=1))
    sign = 2 * TWO - 1

    assert evaluated(SoftmaxCrossEntropy(), SCORES, CLASSES)[0] == pytest.approx(log_loss(CLASSES, p))
    assert evaluated(SigmoidCrossEntropy(), ONE, TWO)[0] == pytest.approx(log_loss(TWO, expit(ONE[:, 0])))
    assert evaluated(Hinge("one_vs_rest"), ONE, TWO)[0] == pytest.approx(hinge_loss(sign, ONE[:, 0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("loss", "scores", "targets", "expected", "slope"),
    [
        (SigmoidCrossEntropy(), [[1000.0]], [1], 0.0, 0.0),
        (SigmoidCrossEntropy(), [[1000.0]], [0], 1000.0, 1.0),
        (SigmoidCrossEntropy(), [[-1000.0]], [1], 1000.0, -1.0),
        (SigmoidCrossEntropy(), [[-30.0]], [0], np.exp(-30.0), np.exp(-30.0)),
        (Poisson(), [[-1000.0]], [[0.0]], 0.0, 0.0),
        (Poisson(), [[np.log(3.0)]], [[3.0]], 0.0, 0.0),
        (Gamma(), [[1000.0]], [[1.0]], 1998.0, 2.0),
        (Tweedie(), [[-180.0]], [[0.0]], 4 * np.exp(-90.0), 2 * np.exp(-90.0)),
        (AbsoluteError(), [[2.0]], [[2.0]], 0.0, 0.0),
        (Quantile(0.9), [[2.0]], [[2.0]], 0.0, 0.0),
    ],
)
def test_extreme_scores_are_exact(dtype, loss, scores, targets, expected, slope):
    targets = np.array(targets) if np.ndim(targets) == 1 else np.array(targets, dtype)

    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, gradient = evaluated(loss, np.array(scores, dtype), targets)

    assert value == pytest.approx(expected, rel=1e-5, abs=1e-6 if expected == 0 else 0)
    assert gradient[0, 0] == pytest.approx(slope, rel=1e-5, abs=1e-6 if slope == 0 else 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SoftmaxCrossEntropy(1), "label_smoothing: expected a finite number of at least 0 and below 1, got 1"),
        (lambda: SoftmaxCrossEntropy(-0.1), "label_smoothing: expected a finite number of at least 0 and below 1"),
        (lambda: Hinge("crammer"), "form: expected one of weston_watkins, one_vs_rest, got 'crammer'"),
        (lambda: SquaredHinge(1), "form: expected one of weston_watkins, one_vs_rest, got 1"),
        (lambda: Huber(0), "delta: expected a finite number above 0, got 0"),
        (lambda: Quantile(1), "quantile: expected a finite number above 0 and below 1, got 1"),
        (lambda: Quantile(0), "quantile: expected a finite number above 0 and below 1, got 0"),
        (lambda: Tweedie(1), "power: expected a finite number above 1 and below 2, got 1"),
        (lambda: Tweedie(2.0), "power: expected a finite number above 1 and below 2, got 2"),
        (lambda: Plan.from_json({"loss": {"kind": "huber", "delta": "1"}}), "loss.delta: expected a finite number"),
    ],
)
def test_options_that_no_loss_has_are_refused(make, message):
    with pytest.raises(InvalidInput) as caught:
        make()

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("case", CASES)
def test_a_plan_remembers_its_loss(case):
    plan = Plan(loss=CASES[case][0])

    assert Plan.from_json(plan.to_json()) == plan
