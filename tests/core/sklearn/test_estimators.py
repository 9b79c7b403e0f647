"""The estimators of scikit-learn's kind: its own checks, its tools, and its networks as the measure of accuracy."""

import os
import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.fixes import parse_version
from threadpoolctl import threadpool_limits

from layerwise import (
    LBFGS,
    MLP,
    SGD,
    Adam,
    Architecture,
    EarlyStopping,
    Huber,
    InvalidInput,
    Layer,
    Maxout,
    Plan,
    evaluate,
    fit,
)
from layerwise.sklearn import MLPClassifier, MLPRegressor

ARRAY_API = "check_array_api_input"
"""scikit-learn leaves it out unless SciPy was imported with support for other arrays: it has a test of its own."""


WEIGHTS = "check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"
"""A row of weight 2 can stand for two rows only if both would be treated alike: none held out, nor normalised."""

VARIANTS = {
    "classifier": MLPClassifier(),
    "early": MLPClassifier((Layer(20, "tanh", normalization="layer"), 10), early_stopping=True, optimizer="nadam"),
    "hinge": MLPClassifier(loss="squared_hinge", standardize=False, learning_rate=0.01),
    "sigmoid": MLPClassifier(loss="sigmoid_cross_entropy", hidden=20, activation=Maxout(2)),
    "regressor": MLPRegressor(),
    "lbfgs": MLPRegressor((), loss=Huber(), optimizer=LBFGS()),
    "normalised": MLPRegressor(
        Layer(20, "relu", normalization="batch"), early_stopping=EarlyStopping("validation_metric"), batch_size=256
    ),
    "planned": MLPRegressor(
        plan=Plan(loss="squared_error", optimizer=SGD(0.01, momentum=0.9), epochs=50, batch_size=64)
    ),
}


def checks():
    """Every check that scikit-learn has for each of the variants."""
    for variant, estimator in VARIANTS.items():
        left_out = {ARRAY_API, *WEIGHTS} if variant in {"early", "normalised"} else {ARRAY_API}
        for i, (own, check) in enumerate(estimator_checks_generator(estimator)):
            name = getattr(check, "func", check).__name__
            if name not in left_out:
                yield pytest.param(own, check, id=f"{variant}-{name}-{i}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


def test_scikit_learns_check_of_other_arrays_passes():
    code = f"""
from sklearn.utils.estimator_checks import estimator_checks_generator
from layerwise.sklearn import MLPClassifier, MLPRegressor
found = 0
for estimator in MLPClassifier(), MLPRegressor():
    for own, check in estimator_checks_generator(estimator):
        if getattr(check, "func", check).__name__ == "{ARRAY_API}":
            check(own)
            found += 1
print(found)
"""
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100, check=False
    )

    assert ended.returncode == 0, ended.stderr
    # older ones have no such check
    assert ended.stdout.strip() == ("2" if parse_version(sklearn.__version__) >= parse_version("1.9") else "0")


# --- how well ---


@pytest.mark.parametrize(("load", "epochs"), [(load_iris, 200), (load_digits, 30)])
def test_classes_are_told_apart_as_well_as_by_scikit_learns_network_of_scaled_rows(load, epochs):
    X, y = load(return_X_y=True)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    theirs = make_pipeline(StandardScaler(), TheirClassifier(max_iter=epochs, batch_size=64, random_state=0))
    with threadpool_limits(1), warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        reference = cross_val_score(theirs, X, y, cv=folds).mean()

    ours = cross_val_score(MLPClassifier(random_state=0), X, y, cv=folds).mean()

    assert reference > 0.9
    assert ours > reference - 0.015


def test_values_are_found_better_than_by_scikit_learns_network_and_as_well_as_by_a_line():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    folds = KFold(3, shuffle=True, random_state=0)
    line = cross_val_score(LinearRegression(), X, y, cv=folds).mean()
    with threadpool_limits(1), warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        theirs = cross_val_score(make_pipeline(StandardScaler(), TheirRegressor(random_state=0)), X, y, cv=folds).mean()

    ours = cross_val_score(MLPRegressor(random_state=0), X, y, cv=folds).mean()

    assert line > 0.45
    assert ours > max(line - 0.1, theirs)


# --- the network of raw rows ---

FIRST = {
    "plain": Layer(8, "relu", dropout=0.1),
    "pieces": Layer(8, Maxout(3)),
    "batch": Layer(8, "tanh", normalization="batch"),
    "layer": Layer(8, "relu", normalization="layer"),
    "residual": Layer(5, "tanh", residual=True),
    "none": (),
}


def raw(rows=120, seed=0):
    """Columns of very different places and sizes, one of them constant."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 5)) * [1, 50, 1e-3, 7, 0] + [0, 1000, 5e-3, -20, 3]
    return X, (X[:, 1] - 1000) / 50 + np.sin(X[:, 0])


@pytest.mark.parametrize("hidden", FIRST.values(), ids=FIRST.keys())
def test_the_model_answers_for_raw_rows_what_the_trained_network_answers_for_standardised_ones(hidden):
    X, z = raw()
    Y = np.column_stack([100 * z + 7, -z])
    plan = Plan(loss="squared_error", epochs=5, seed=3)
    columns, targets = StandardScaler().fit(X), StandardScaler().fit(Y)
    layers = hidden if isinstance(hidden, tuple) else (hidden,)
    network = MLP(Architecture(5, (*layers, Layer(2))), seed=3, dtype=np.float64)
    list(fit(network, columns.transform(X), targets.transform(Y), plan=plan))

    estimator = MLPRegressor(hidden, plan=plan).fit(X, Y)

    expected = targets.inverse_transform(network.predict(columns.transform(X)))
    np.testing.assert_allclose(estimator.predict(X), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(estimator.model_.predict(X), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_targets_of_a_logarithmic_link_are_divided_by_their_mean(loss):
    X, z = raw()
    y = np.exp(8 + z / 4)
    plan = Plan(loss=loss, epochs=5)
    columns = StandardScaler().fit(X)
    network = MLP(Architecture(5, (Layer(8, "relu"), Layer(1))), dtype=np.float64)
    list(fit(network, columns.transform(X), y / y.mean(), plan=plan))

    estimator = MLPRegressor(8, plan=plan).fit(X, y)

    np.testing.assert_allclose(estimator.predict(X), network.predict(columns.transform(X)) * y.mean(), rtol=1e-9)


def test_rows_count_by_their_weights_when_columns_are_standardised():
    X, z = raw()
    weights = np.arange(120) % 3
    plan = Plan(loss="squared_error", epochs=5, batch_size=240)

    weighted = MLPRegressor(8, plan=plan).fit(X, z, sample_weight=weights * 10.0)
    repeated = MLPRegressor(8, plan=plan).fit(X.repeat(weights, axis=0), z.repeat(weights))

    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-8)


def test_the_model_is_saved_and_served_with_the_classes_as_labels(tmp_path):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"], object)[y]
    for labels, wanted in (names, ("setosa", "versicolor", "virginica")), (y * 2.0, (0, 2, 4)), (y > 0, (False, True)):
        estimator = MLPClassifier(8, epochs=3, random_state=0).fit(X, labels)

        estimator.model_.save(tmp_path / "iris.npz")
        model = MLP.load(tmp_path / "iris.npz")

        assert model.labels == wanted
        assert estimator.classes_.dtype == labels.dtype
        assert np.array_equal(model.predict(X), estimator.predict(X))
        assert np.array_equal(model.predict_proba(X), estimator.predict_proba(X))


def test_numbers_are_computed_in_the_type_of_the_rows():
    X, z = raw()

    for dtype, wanted in (np.float32, np.float32), (np.float64, np.float64), (np.int64, np.float64):
        estimator = MLPRegressor(4, epochs=1).fit(X.astype(dtype), z)

        assert estimator.model_.dtype == estimator.predict(X.astype(dtype)).dtype == wanted


def test_losses_are_those_of_the_standardised_targets_as_an_evaluation_has_them():
    X, z = raw()

    model = MLPRegressor(4, epochs=3, validation=0.5, random_state=0).fit(X, 1000 * z).model_

    assert model.metrics.keys() == {"r2", "loss", "validation_r2", "validation_loss"}
    assert 0 < model.metrics["loss"] < 10
    found = evaluate(model, X, 1000 * z)
    assert found.loss == pytest.approx(1 - found.mean.r2, rel=0.3)


# --- the tools of scikit-learn ---


def test_a_pipeline_is_searched_and_its_best_predicts_after_a_pickle(tmp_path):
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(MinMaxScaler(), MLPClassifier(epochs=20, random_state=0))
    grid = {"mlpclassifier__hidden": [(4,), (16, Layer(8, "tanh"))], "mlpclassifier__optimizer": ["adam", Adam(0.03)]}

    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)

    joblib.dump(search, tmp_path / "search.joblib")
    for again in pickle.loads(pickle.dumps(search)), joblib.load(tmp_path / "search.joblib"):
        assert np.array_equal(again.predict_proba(X), search.predict_proba(X))
    assert search.best_params_["mlpclassifier__optimizer"] == Adam(0.03)
    assert search.best_score_ > 0.9
    assert cross_val_predict(clone(search.best_estimator_), X, y, cv=3, method="predict_log_proba").shape == (150, 3)


def test_names_of_columns_are_kept_and_compared():
    X, z = raw()
    table = pd.DataFrame(X, columns=list("abcde"))

    estimator = MLPRegressor(4, epochs=1).fit(table, z)

    assert list(estimator.feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict(table.rename(columns={"a": "z"}))


def test_the_curves_are_those_of_the_epochs():
    X, y = load_iris(return_X_y=True)

    estimator = MLPClassifier(8, epochs=7, validation=0.2, early_stopping=None, random_state=0).fit(X, y)

    assert estimator.n_iter_ == len(estimator.loss_curve_) == len(estimator.validation_curve_) == 7
    assert [record.loss for record in estimator.records_] == estimator.loss_curve_
    assert estimator.records_[-1].validation_loss == estimator.validation_curve_[-1]
    assert estimator.model_.plan.split == "stratified"


@pytest.mark.parametrize(
    ("given", "rule", "held_out"),
    [
        ("loss", EarlyStopping("loss", tolerance=1e-4, restore=False), 0.0),
        (True, EarlyStopping(), 0.1),
        ("validation_metric", EarlyStopping("validation_metric"), 0.1),
        (EarlyStopping("metric", 3), EarlyStopping("metric", 3), 0.0),
        (False, None, 0.0),
        (None, None, 0.0),
    ],
)
def test_early_stopping_is_a_rule_a_value_or_none(given, rule, held_out):
    X, y = load_iris(return_X_y=True)

    plan = MLPClassifier(4, epochs=1, early_stopping=given).fit(X, y).model_.plan

    assert (plan.early_stopping, plan.validation) == (rule, held_out)


def test_training_ends_when_the_loss_no_longer_falls():
    X, y = load_iris(return_X_y=True)

    estimator = MLPClassifier(16, learning_rate=0.05, epochs=1000, random_state=0).fit(X, y)

    assert estimator.n_iter_ < 500
    assert min(estimator.loss_curve_[:-10]) - min(estimator.loss_curve_) < 1e-4


def test_several_labels_a_row_are_flags():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)) * 10 + 5
    Y = (X[:, :3] > 5).astype(int)

    estimator = MLPClassifier(16, learning_rate=0.01, random_state=0).fit(X, Y)

    assert estimator.score(X, Y) > 0.9
    assert np.array_equal(estimator.classes_, [0, 1, 2])
    assert np.array_equal(estimator.predict(X), estimator.predict_proba(X) > 0.5)
    assert np.array_equal(
        estimator.predict(X), MLPClassifier(16, learning_rate=0.01, random_state=0).fit(X, csr_array(Y)).predict(X)
    )


@pytest.mark.parametrize(("loss", "classes"), [("hinge", 2), ("squared_hinge", 3), ("softmax_cross_entropy", 3)])
def test_scores_are_there_where_probabilities_are_not(loss, classes):
    X, y = load_iris(return_X_y=True)
    X, y = X[y < classes], y[y < classes]

    estimator = MLPClassifier(8, loss=loss, epochs=30, random_state=0).fit(X, y)

    assert hasattr(estimator, "predict_proba") == hasattr(estimator, "predict_log_proba") == (loss[0:7] == "softmax")
    assert hasattr(estimator, "decision_function") != hasattr(estimator, "predict_proba")
    if hasattr(estimator, "decision_function"):
        scores = estimator.decision_function(X)
        assert np.array_equal(estimator.predict(X), scores > 0 if classes == 2 else scores.argmax(axis=1))


def test_class_weights_go_by_class():
    X, y = load_iris(return_X_y=True)
    names = np.array(["c", "b", "a"])[y]

    by_name = MLPClassifier(4, epochs=2, random_state=0, class_weight={"a": 5, "c": 0.5}).fit(X, names)
    in_order = MLPClassifier(4, epochs=2, random_state=0, class_weight=(5, 1, 0.5)).fit(X, names)

    assert np.array_equal(by_name.predict_proba(X), in_order.predict_proba(X))
    assert by_name.model_.plan.class_weight == (5, 1, 0.5)


# --- a stream ---


def test_rows_are_learnt_as_they_arrive():
    X, y = load_digits(return_X_y=True)
    estimator = MLPClassifier(32, learning_rate=0.01, random_state=0)

    for start in range(0, 1400, 200):
        part = slice(start, start + 200)
        estimator.partial_fit(X[part], y[part], classes=range(10))
    before = estimator.score(X[1400:], y[1400:])
    again = pickle.loads(pickle.dumps(estimator))
    for one in estimator, again:
        one.partial_fit(X[:1400], y[:1400])

    assert before > 0.7
    assert estimator.n_iter_ == 7 * 4 + 22
    assert np.array_equal(again.predict_proba(X), estimator.predict_proba(X))
    assert np.array_equal(estimator.model_.predict(X), estimator.predict(X))


def test_a_stream_goes_on_from_a_training_and_keeps_its_scales():
    X, z = raw()
    estimator = MLPRegressor(16, random_state=0).fit(X, z * 1000)
    fitted = estimator.score(X, z * 1000)

    estimator.partial_fit(X[:1], z[:1] * 1000, sample_weight=[2.0]).partial_fit(X, z * 1000)

    assert estimator.score(X, z * 1000) == pytest.approx(fitted, abs=0.02)
    assert fitted > 0.85


def test_a_stream_must_name_its_classes_and_keep_to_them():
    X, y = load_iris(return_X_y=True)
    estimator = MLPClassifier(4)

    with pytest.raises(InvalidInput, match="classes: expected all classes in the first call of partial_fit, got None"):
        estimator.partial_fit(X, y)
    estimator.partial_fit(X[:5], y[:5], classes=[2, 1, 0])
    with pytest.raises(InvalidInput, match=r"classes: expected \[0, 1, 2\], got \[0, 1\]"):
        estimator.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(InvalidInput, match=r"y\[1\]: expected one of \[0, 1, 2\], got 3"):
        estimator.partial_fit(X[:2], [0, 3])


# --- what is refused ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"hidden": (10, 0)}, r"hidden\[1\]: expected a whole number of at least 1, got 0"),
        ({"hidden": "wide"}, "hidden: expected numbers of units, or Layers, got 'wide'"),
        ({"hidden": None}, "hidden: expected numbers of units, or Layers, got None"),
        ({"activation": "step"}, "activation: expected one of "),
        ({"dropout": 1}, "dropout: expected a finite number of at least 0 and below 1, got 1"),
        ({"optimizer": "best"}, "optimizer: expected one of sgd, "),
        ({"learning_rate": 0}, "learning_rate: expected a finite number above 0, got 0"),
        ({"batch_size": 0}, "batch_size: expected a whole number"),
        ({"early_stopping": "accuracy"}, "early_stopping: expected one of loss, metric, validation_loss"),
        ({"standardize": "yes"}, "standardize: expected true or false, got 'yes'"),
        ({"random_state": -1}, "random_state: expected a whole number of at least 0, got -1"),
        ({"plan": {}}, "plan: expected a Plan, got {}"),
        ({"plan": Plan(), "epochs": 5}, "epochs: expected the default, as the plan replaces this argument, got 5"),
        ({"loss": "huber"}, "loss: expected a loss of classes, got huber"),
        ({"class_weight": {"d": 1}}, r"class_weight: expected classes among \['a', 'b', 'c'\], got 'd'"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_by_name_when_fitted(arguments, words):
    X, y = load_iris(return_X_y=True)

    with pytest.raises(InvalidInput, match=f"^{words}"):
        MLPClassifier(**arguments).fit(X, np.array(["a", "b", "c"])[y])


def test_targets_that_cannot_be_used_are_refused():
    X, y = load_iris(return_X_y=True)

    with pytest.raises(InvalidInput, match=r"^plan\.loss: expected a loss of values, got softmax_cross_entropy"):
        MLPRegressor(plan=Plan()).fit(X, y)
    with pytest.raises(InvalidInput, match=r"^y\[3\]\[0\]: expected a number of at least 0 for poisson, got -5"):
        MLPRegressor(loss="poisson").fit(X, np.where(np.arange(150) == 3, -5.0, y))
    with pytest.raises(InvalidInput, match=r"^loss: expected sigmoid_cross_entropy for flags, got hinge"):
        MLPClassifier(loss="hinge").fit(X, np.eye(3, dtype=int)[y])
    with pytest.raises(
        InvalidInput, match="y: expected one class a row, or flags of 0 and 1, got 2 columns of classes"
    ):
        MLPClassifier().fit(X, np.column_stack([y, y]))
    with pytest.raises(InvalidInput, match=r"^X: expected columns of finite deviation, column 1 is too large"):
        MLPClassifier().fit(np.where(np.arange(4) == 1, X * 1e200, X), y)
    with pytest.raises(InvalidInput, match=r"^X: expected at least 2 rows, as some are held out, got 1 sample"):
        MLPRegressor(validation=0.1).fit(X[:1], [1.0])


def test_an_optimiser_of_all_rows_has_no_stream():
    assert not hasattr(MLPRegressor(optimizer="lbfgs"), "partial_fit")
    assert not hasattr(MLPClassifier(plan=Plan(optimizer=LBFGS())), "partial_fit")
    assert hasattr(MLPClassifier(), "partial_fit")


def test_the_seed_fixes_a_training_and_its_absence_leaves_it_to_chance():
    X, z = raw()

    def first(**arguments):
        return MLPRegressor(4, epochs=1, **arguments).fit(X, z).predict(X[:1])[0]

    assert first(random_state=7) == first(random_state=7) != first(random_state=8)
    assert first() != first()
    assert first(random_state=np.random.RandomState(3)) == first(random_state=np.random.RandomState(3))
    one, other = (MLPRegressor(4, plan=Plan(loss="huber", epochs=1, seed=seed)).fit(X, z) for seed in (5, 5))
    assert np.array_equal(one.predict(X), other.predict(X))
    assert one.model_.plan.seed == 5


def test_without_scikit_learn_the_import_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None; import layerwise.sklearn"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert "ImportError: layerwise.sklearn needs scikit-learn: pip install 'layerwise[sklearn]'" in ended.stderr
