"""Everything that `evaluate` tells of a network, as scikit-learn tells it of the same predictions."""

import dataclasses
import json

import numpy as np
import pytest
import sklearn.dummy as sk_dummy
import sklearn.metrics as sk

from helpers.predictions import quietly
from layerwise import (
    MLP,
    Architecture,
    Evaluation,
    Hinge,
    InvalidInput,
    Layer,
    Plan,
    SquaredHinge,
    evaluate,
    fit,
    permutation_importance,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
NAMES = np.array(["ant", "bee", "cat"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0.3)]
FLAGS = (X[:, :3] + RNG.normal(size=(90, 3)) > 0.3).astype(int)
AMOUNTS = np.exp(X[:, :2] / 2) + 0.1
WEIGHTS = RNG.integers(0, 4, 90) / 2


def trained(loss, y, outputs, dtype=np.float64):
    model = MLP(Architecture(4, (Layer(6, "tanh"), Layer(outputs))), seed=1, dtype=dtype)
    for _ in fit(model, X, y, plan=Plan(loss=loss, epochs=3)):
        pass
    return model


SOFTMAX = trained("softmax_cross_entropy", NAMES, 3)
SIGMOID = trained("sigmoid_cross_entropy", NAMES == "bee", 1)
FLAGGED = trained("sigmoid_cross_entropy", FLAGS, 3)
SQUARED = trained("squared_error", AMOUNTS[:, 0], 1)
GAMMA = trained("gamma", AMOUNTS, 2)

both = pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])


@both
def test_a_classifier_is_told_label_by_label(weights):
    said, p = SOFTMAX.predict(X), SOFTMAX.predict_proba(X)
    theirs = {"sample_weight": weights}

    found = evaluate(SOFTMAX, X, NAMES, weights=weights)

    assert (found.kind, found.rows, found.loss_name) == ("classes", 90, "softmax_cross_entropy")
    assert found.weight == (90 if weights is None else weights.sum())
    assert found.loss == pytest.approx(sk.log_loss(NAMES, p, **theirs))
    assert found.log_loss == pytest.approx(sk.log_loss(NAMES, p, **theirs))
    assert found.accuracy == pytest.approx(sk.accuracy_score(NAMES, said, **theirs))
    assert found.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(NAMES, said, **theirs))
    assert found.macro_f1 == pytest.approx(sk.f1_score(NAMES, said, average="macro", **theirs))
    assert found.roc_auc == pytest.approx(sk.roc_auc_score(NAMES, p, multi_class="ovr", **theirs))
    assert found.brier_score == pytest.approx(sk.brier_score_loss(NAMES, p, **theirs))
    np.testing.assert_allclose(found.confusion_matrix, sk.confusion_matrix(NAMES, said, **theirs))
    each = sk.precision_recall_fscore_support(NAMES, said, zero_division=0, **theirs)
    table = [(entry.precision, entry.recall, entry.f1, entry.support) for entry in found.classes]
    np.testing.assert_allclose(np.array(table).T, each)
    assert [entry.label for entry in found.classes] == ["ant", "bee", "cat"]


@both
def test_a_single_output_tells_two_labels_apart(weights):
    y, p = NAMES == "bee", SIGMOID.predict_proba(X)[:, 1]
    theirs = {"sample_weight": weights}

    found = evaluate(SIGMOID, X, y, weights=weights)

    assert found.loss == pytest.approx(sk.log_loss(y, p, **theirs))
    assert found.roc_auc == pytest.approx(sk.roc_auc_score(y, p, **theirs))
    assert [entry.roc_auc for entry in found.classes] == [found.roc_auc, found.roc_auc]
    assert found.brier_score == pytest.approx(sk.brier_score_loss(y, p, **theirs))
    assert [entry.label for entry in found.classes] == [False, True]


@both
def test_flags_are_told_one_by_one(weights):
    p, said = FLAGGED.predict_proba(X), FLAGGED.predict(X)
    theirs = {"sample_weight": weights}

    found = evaluate(FLAGGED, X, FLAGS, weights=weights)

    assert found.kind == "flags"
    assert found.exact_match == pytest.approx(sk.accuracy_score(FLAGS, said, **theirs))
    assert found.macro_f1 == pytest.approx(sk.f1_score(FLAGS, said, average="macro", **theirs))
    assert found.roc_auc == pytest.approx(sk.roc_auc_score(FLAGS, p, **theirs))
    losses = [sk.log_loss(FLAGS[:, j], p[:, j], **theirs) for j in range(3)]
    assert found.loss == pytest.approx(np.mean(losses))
    for j, flag in enumerate(found.flags):
        assert flag.accuracy == pytest.approx(sk.accuracy_score(FLAGS[:, j], said[:, j], **theirs))
        assert flag.recall == pytest.approx(sk.recall_score(FLAGS[:, j], said[:, j], **theirs))
        assert flag.average_precision == pytest.approx(sk.average_precision_score(FLAGS[:, j], p[:, j], **theirs))
        assert flag.log_loss == pytest.approx(losses[j])
        assert flag.brier_score == pytest.approx(sk.brier_score_loss(FLAGS[:, j], p[:, j], **theirs))
    assert found.accuracy == pytest.approx(np.mean([flag.accuracy for flag in found.flags]))


def test_a_flag_that_is_a_probability_is_set_above_a_half():
    """The loss takes it as it is."""
    soft = FLAGS * 0.5 + 0.2

    found, whole = evaluate(FLAGGED, X, soft), evaluate(FLAGGED, X, FLAGS)

    assert found.flags == whole.flags
    p = FLAGGED.predict_proba(X)
    assert found.loss == pytest.approx(-np.mean(soft * np.log(p) + (1 - soft) * np.log(1 - p)))


@both
def test_a_regression_is_told_output_by_output(weights):
    said = GAMMA.predict(X)
    theirs = {"sample_weight": weights, "multioutput": "raw_values"}

    found = evaluate(GAMMA, X, AMOUNTS, weights=weights)

    assert found.kind == "values"
    deviances = [sk.mean_gamma_deviance(AMOUNTS[:, j], said[:, j], sample_weight=weights) for j in range(2)]
    assert found.loss == pytest.approx(np.mean(deviances))
    for name, score in (
        ("mean_squared_error", sk.mean_squared_error),
        ("root_mean_squared_error", sk.root_mean_squared_error),
        ("mean_absolute_error", sk.mean_absolute_error),
        ("median_absolute_error", sk.median_absolute_error),
        ("r2", sk.r2_score),
        ("explained_variance", sk.explained_variance_score),
    ):
        expected = score(AMOUNTS, said, **theirs)
        assert [getattr(output, name) for output in found.outputs] == pytest.approx(expected)
        assert getattr(found.mean, name) == pytest.approx(np.mean(expected))


def test_without_weights_the_loss_is_the_one_of_a_record():
    model = MLP(Architecture(4, (Layer(6, "relu"), Layer(3))), seed=2)

    *_, record = fit(model, X[:60], NAMES[:60], plan=Plan(epochs=2), validation=(X[60:], NAMES[60:]))

    found = evaluate(model, X[60:], NAMES[60:])
    assert found.loss == pytest.approx(record.validation_loss, rel=1e-6)
    assert found.accuracy == pytest.approx(record.validation_metric)


def test_a_row_of_weight_two_is_two_rows():
    twice = np.r_[0:90, 0:30]

    found = evaluate(SOFTMAX, X, NAMES, weights=np.r_[np.full(30, 2), np.full(60, 1)])

    repeated = evaluate(SOFTMAX, X[twice], NAMES[twice])
    assert found.loss == pytest.approx(repeated.loss)
    assert found.calibration_error == pytest.approx(repeated.calibration_error)
    assert found.confusion_matrix == repeated.confusion_matrix


@pytest.mark.parametrize("loss", [Hinge(), SquaredHinge("one_vs_rest")], ids=["weston_watkins", "one_vs_rest"])
def test_a_hinge_has_no_probabilities_but_ranks_by_the_lead_of_an_output(loss):
    model = trained(loss, NAMES, 3)
    s = model.outputs(X)
    leads = np.stack([s[:, j] - np.delete(s, j, axis=1).max(axis=1) for j in range(3)], axis=1)

    found = evaluate(model, X, NAMES)

    assert (found.log_loss, found.brier_score, found.calibration_error) == (None, None, None)
    areas = [sk.roc_auc_score(label == NAMES, leads[:, j]) for j, label in enumerate(model.labels)]
    assert [entry.roc_auc for entry in found.classes] == pytest.approx(areas)
    assert found.roc_auc == pytest.approx(np.mean(areas))


def test_the_sign_of_a_hinges_single_output_ranks_two_labels():
    y = np.where(X[:, 0] > 0, "yes", "no")
    model = trained(Hinge("one_vs_rest"), y, 1)

    found = evaluate(model, X, y)

    assert found.roc_auc == pytest.approx(sk.roc_auc_score(y == "yes", model.outputs(X)[:, 0]))


def test_a_label_without_rows_has_no_area_and_is_left_out_of_the_means():
    some = np.isin(NAMES, ["ant", "bee"])
    p, said = SOFTMAX.predict_proba(X[some]), SOFTMAX.predict(X[some])

    found = evaluate(SOFTMAX, X[some], NAMES[some])

    assert found.classes[2].roc_auc is None
    assert found.classes[2].support == 0
    areas = [sk.roc_auc_score(NAMES[some] == name, p[:, j]) for j, name in enumerate(["ant", "bee"])]
    assert found.roc_auc == pytest.approx(np.mean(areas))
    assert found.macro_f1 == pytest.approx(quietly(sk.f1_score, NAMES[some], said, average="macro"))
    assert evaluate(SOFTMAX, X[:1], NAMES[:1]).roc_auc is None


def test_a_single_row_of_a_regression_is_explained_wholly_or_not_at_all():
    found = evaluate(SQUARED, X[:1], AMOUNTS[:1, 0])

    assert found.mean.r2 == 0
    assert found.outputs[0].root_mean_squared_error == pytest.approx(abs(SQUARED.predict(X[:1])[0] - AMOUNTS[0, 0]))


@pytest.mark.parametrize(
    ("model", "y"),
    [(SOFTMAX, NAMES), (SIGMOID, NAMES == "bee"), (FLAGGED, FLAGS), (SQUARED, AMOUNTS[:, 0]), (GAMMA, AMOUNTS)],
    ids=["softmax", "sigmoid", "flags", "squared", "gamma"],
)
def test_json_has_what_fits_the_loss_and_nothing_else(model, y):
    found = evaluate(model, X, y)

    plain = found.to_json()

    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert None not in plain.values()
    assert plain["rows"] == 90
    assert set(plain) & {"classes", "flags", "outputs"} == {{"values": "outputs"}.get(found.kind, found.kind)}


@pytest.mark.parametrize(
    ("model", "y"),
    [(SOFTMAX, NAMES), (SIGMOID, NAMES == "bee"), (FLAGGED, FLAGS), (GAMMA, AMOUNTS)],
    ids=["softmax", "sigmoid", "flags", "gamma"],
)
def test_an_evaluation_is_the_same_after_json_whose_numbers_are_all_floats(model, y):
    found = dataclasses.replace(
        evaluate(model, X, y),
        importances=permutation_importance(model, X, y),
        unknown_labels={"dog": 2},
        unknown_rows=2,
        sampled_from=900,
        target="price",
        measured_on="held_out",
    )

    back = Evaluation.from_json(json.loads(json.dumps(found.to_json()), parse_int=float) | {"later": 1})

    assert back == found
    assert str(back) == str(found)


@both
def test_the_baseline_is_the_best_constant(weights):
    told = sk_dummy.DummyClassifier(strategy="prior").fit(X, NAMES, weights)
    mean = sk_dummy.DummyRegressor().fit(X, AMOUNTS, weights)

    classes = evaluate(SOFTMAX, X, NAMES, weights=weights).baseline
    values = evaluate(GAMMA, X, AMOUNTS, weights=weights).baseline
    flags = evaluate(FLAGGED, X, FLAGS, weights=weights).baseline

    assert classes.label == told.predict(X[:1])[0]
    assert classes.accuracy == pytest.approx(told.score(X, NAMES, weights))
    assert classes.log_loss == pytest.approx(sk.log_loss(NAMES, told.predict_proba(X), sample_weight=weights))
    assert values.values == pytest.approx(mean.predict(X)[0])
    errors = {"sample_weight": weights}
    assert values.root_mean_squared_error == pytest.approx(
        sk.root_mean_squared_error(AMOUNTS, mean.predict(X), **errors)
    )
    assert values.mean_absolute_error == pytest.approx(sk.mean_absolute_error(AMOUNTS, mean.predict(X), **errors))
    shares = np.average(FLAGS, axis=0, weights=weights)
    assert flags.accuracy == pytest.approx(np.maximum(shares, 1 - shares).mean())


def test_residuals_are_told_by_their_quantiles():
    residuals = AMOUNTS[:, 1] - GAMMA.predict(X)[:, 1]

    found = evaluate(GAMMA, X, AMOUNTS).outputs[1].residual_quantiles

    assert found == pytest.approx(np.quantile(residuals, [0.05, 0.25, 0.5, 0.75, 0.95], method="inverted_cdf"))


def test_of_many_labels_only_the_most_frequent_are_listed_if_asked():
    whole = evaluate(SOFTMAX, X, NAMES)
    rarest = min(whole.classes, key=lambda each: each.support).label
    place = [each.label for each in whole.classes].index(rarest)
    kept = [i for i in range(3) if i != place]

    found = evaluate(SOFTMAX, X, NAMES, most_classes=2)

    assert found.classes == tuple(whole.classes[i] for i in kept)
    assert found.classes_left_out == 1
    order = [*kept, place]
    np.testing.assert_array_equal(found.confusion_matrix, np.array(whole.confusion_matrix)[order][:, order])
    assert found.accuracy == whole.accuracy
    assert "1 more label with fewer rows: not listed" in str(found)


def test_labels_that_training_never_saw_are_counted_in_the_report():
    found = dataclasses.replace(evaluate(SOFTMAX, X, NAMES), unknown_labels={"dog": 9, "emu": 1}, unknown_rows=10)

    lines = str(found).splitlines()

    wrong = f"counted as wrong, they make the accuracy {found.accuracy * 0.9:.4f}"
    assert lines[2] == f"10 rows left out, with labels that training never saw: dog (9), emu (1); {wrong}"


def test_a_report_is_a_table():
    model = MLP(Architecture(1, (Layer(2),)), weights={"layer0/weight": [[-1, 1]]}, dtype=np.float64)
    model.plan, model.labels = Plan(), ["no", "yes"]

    lines = str(evaluate(model, [[-1], [2], [3], [-2]], ["no", "yes", "no", "no"])).splitlines()

    # the probabilities of yes are the sigmoids of -2, 4, 6 and -4: 0.1192, 0.9820, 0.9975 and 0.0180;
    # the loss is (0.1269 + 0.0181 + 6.0025 + 0.0181) / 4, the gaps are 0.0180, 0.1192 and twice 0.9898 - 0.5
    assert lines == [
        "4 rows, softmax_cross_entropy 1.5414",
        "",
        "accuracy           0.7500",
        "balanced accuracy  0.8333",
        "macro F1           0.7333",
        "ROC AUC            0.6667",
        "log loss           1.5414",
        "Brier score        0.2525",
        "calibration error  0.2792",
        "",
        "always predicting no, the most frequent label: accuracy 0.7500, log loss 0.5623 with the shares of the labels",
        "",
        "calibration: 96.1% sure of its predictions on average, 75.0% are right: "
        "well calibrated, as far as so few rows can show",
        "",
        "label  precision  recall      F1  ROC AUC  support",
        "no        1.0000  0.6667  0.8000   0.6667        3",
        "yes       0.5000  1.0000  0.6667   0.6667        1",
        "",
        "actual \\ predicted  no  yes",
        "no                   2    1",
        "yes                  0    1",
    ]


def test_of_many_labels_the_most_frequent_confusions_are_listed():
    labels = np.arange(20)
    model = MLP(Architecture(20, (Layer(20),)), weights={"layer0/weight": np.eye(20)}, dtype=np.float64)
    model.plan, model.labels = Plan(), labels.tolist()
    y = np.r_[labels, [3, 3, 5]]

    report = str(evaluate(model, np.eye(20)[np.r_[labels, [4, 4, 1]]], y))

    assert report.endswith("actual  predicted  rows\n3               4     2\n5               1     1")
    assert str(evaluate(model, np.eye(20), labels)).endswith("no label was confused with another")


def test_rows_in_blocks_are_the_same_as_at_once(monkeypatch):
    whole = evaluate(SOFTMAX, X, NAMES)
    monkeypatch.setattr("layerwise.model.network.BLOCK_NUMBERS", 60)

    found = evaluate(SOFTMAX, X, NAMES)

    assert found.loss == pytest.approx(whole.loss)
    assert found.confusion_matrix == whole.confusion_matrix


HUGE = MLP(Architecture(1, (Layer(1),)), weights={"layer0/weight": [[1e38]]})
HUGE.plan = Plan(loss="squared_error")


@pytest.mark.parametrize(
    ("model", "X", "y", "named", "message"),
    [
        (MLP(Architecture(4, (Layer(3),))), X, NAMES, {}, "model: expected a trained model, got an untrained one"),
        (SOFTMAX, X[:0], NAMES[:0], {}, "X: expected at least one row, got none"),
        (SOFTMAX, X[:2], NAMES[:3], {}, "y: expected 2 labels, one for each row of X, got 3"),
        (SOFTMAX, X[:2], ["ant", "dog"], {}, r"y\[1\]: expected one of 'ant', 'bee', 'cat', got 'dog'"),
        (SOFTMAX, X[:2], NAMES[:2], {"weights": [1]}, "weights: expected 2 rows, as many as y has, got 1"),
        (GAMMA, X[:2], [[1, 1], [1, -1]], {}, r"y\[1\]\[1\]: expected a number above 0 for gamma, got -1.0"),
        (HUGE, [[0], [1e3]], [0, 0], {}, r"X\[1\]: expected a row whose outputs are finite in float32"),
    ],
    ids=["untrained", "no rows", "too many labels", "unknown label", "too few weights", "below 0", "overflow"],
)
def test_what_cannot_be_evaluated_is_refused(model, X, y, named, message):
    with np.errstate(over="ignore"), pytest.raises(InvalidInput, match=message):
        evaluate(model, X, y, **named)


def test_a_report_has_a_line_for_each_flag_or_output_and_their_mean():
    flags = str(evaluate(FLAGGED, X, FLAGS)).splitlines()
    outputs = str(evaluate(GAMMA, X, AMOUNTS)).splitlines()

    heading = next(i for i, line in enumerate(flags) if line.split()[:1] == ["flag"])
    assert [line.split()[0] for line in flags[heading + 1 : heading + 4]] == ["0", "1", "2"]
    heading = next(i for i, line in enumerate(outputs) if line.split()[:1] == ["output"])
    assert [line.split()[0] for line in outputs[heading + 1 : heading + 4]] == ["0", "1", "mean"]
    assert [line.split()[0] for line in outputs[heading + 5 :]] == ["actual", "0", "1"]
