"""Networks of other libraries: scikit-learn's own, and arrays as PyTorch and Keras hand them over, by the formulas."""

import re
import subprocess
import sys
import warnings
from collections import OrderedDict

import numpy as np
import pytest
from scipy.special import erf, expit, softmax
from sklearn.decomposition import IncrementalPCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, StandardScaler

from layerwise import MLP, InvalidInput, Maxout, Plan, fit
from layerwise.imports import from_keras, from_sklearn, from_torch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)) * [1, 10, 0.1, 5, 2] + [0, 100, 3, -7, 1]
THREE = np.array(["a", "b", "ç"])[RNG.integers(0, 3, 60)]
STANDARD = (X - X.mean(axis=0)) / X.std(axis=0)


def fitted(estimator, rows, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(rows, y)


def classifier(y=THREE, rows=STANDARD, **given):
    return fitted(MLPClassifier((7, 4), max_iter=15, random_state=0, **given), rows, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_a_classifier_of_scikit_learn_predicts_the_same(activation, dtype):
    rows = STANDARD.astype(dtype)
    theirs = classifier(rows=rows, activation=activation)

    ours = from_sklearn(theirs)

    assert ours.dtype == dtype
    assert ours.labels == ("a", "b", "ç")
    assert ours.predict(rows).tolist() == theirs.predict(rows).tolist()
    np.testing.assert_allclose(ours.predict_proba(rows), theirs.predict_proba(rows), rtol=0, atol=1e-5)


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [3, 8], [0.0, 1.0]])
def test_two_classes_of_scikit_learn_are_told_apart_by_one_output(labels):
    theirs = classifier(np.array(labels)[(X[:, 0] > 0).astype(int)])

    ours = from_sklearn(theirs)

    assert ours.architecture.outputs == 1
    assert ours.predict(STANDARD).tolist() == theirs.predict(STANDARD).tolist()
    np.testing.assert_allclose(ours.predict_proba(STANDARD), theirs.predict_proba(STANDARD), rtol=0, atol=1e-5)


def test_several_labels_a_row_of_scikit_learn_are_flags():
    theirs = classifier((X[:, :3] > X[:, :3].mean(axis=0)).astype(int))

    ours = from_sklearn(theirs)

    assert ours.labels is None
    assert ours.predict(STANDARD).tolist() == theirs.predict(STANDARD).tolist()
    np.testing.assert_allclose(ours.predict_proba(STANDARD), theirs.predict_proba(STANDARD), rtol=0, atol=1e-5)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_regressor_of_scikit_learn_predicts_the_same(outputs):
    y = STANDARD[:, 0] if outputs == 1 else STANDARD[:, :2]
    theirs = fitted(MLPRegressor(hidden_layer_sizes=(6,), max_iter=15, random_state=0), STANDARD, y)

    ours = from_sklearn(theirs)

    assert ours.loss == "squared_error"
    np.testing.assert_allclose(ours.predict(STANDARD), theirs.predict(STANDARD), rtol=0, atol=1e-5)


def test_a_regressor_of_scikit_learn_with_a_logarithmic_link_predicts_the_same():
    theirs = fitted(
        MLPRegressor(hidden_layer_sizes=(6,), loss="poisson", max_iter=15, random_state=0),
        STANDARD,
        np.exp(STANDARD[:, 0]),
    )

    ours = from_sklearn(theirs)

    assert ours.loss == "poisson"
    np.testing.assert_allclose(ours.predict(STANDARD), theirs.predict(STANDARD), rtol=1e-5)


@pytest.mark.parametrize(
    "scalers",
    [
        [StandardScaler()],
        [StandardScaler(with_mean=False)],
        [StandardScaler(with_std=False)],
        [StandardScaler(with_mean=False, with_std=False)],
        [MinMaxScaler((-1, 1))],
        [MinMaxScaler(), StandardScaler()],
        [MinMaxScaler((-1, 2), clip=True)],
        [StandardScaler(), MinMaxScaler(clip=True), StandardScaler()],
    ],
    ids=str,
)
def test_a_pipeline_of_scikit_learn_predicts_from_rows_that_are_not_scaled(scalers):
    theirs = fitted(make_pipeline(*scalers, MLPClassifier((7,), max_iter=15, random_state=0)), X, THREE)

    ours = from_sklearn(theirs)

    assert ours.predict(X).tolist() == theirs.predict(X).tolist()
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_scaler_that_clips_bounds_what_lies_outside(dtype):
    rows = X.astype(dtype)
    theirs = fitted(make_pipeline(MinMaxScaler((-1, 2), clip=True), MLPClassifier((7,), max_iter=15)), rows, THREE)
    outside = np.vstack([rows * 1_000, rows - 1e7, np.full_like(rows[:1], 1e30), rows])

    ours = from_sklearn(theirs)

    np.testing.assert_allclose(ours.predict_proba(outside), theirs.predict_proba(outside), rtol=0, atol=1e-5)


@pytest.mark.parametrize("nothing", [None, "passthrough"])
def test_steps_of_a_pipeline_that_do_nothing_are_skipped(nothing):
    theirs = fitted(make_pipeline(nothing, MLPClassifier((7,), max_iter=15, random_state=0)), STANDARD, THREE)

    assert from_sklearn(theirs).predict(STANDARD).tolist() == theirs.predict(STANDARD).tolist()


def test_an_imported_network_is_trained_on_and_saved(tmp_path):
    model = from_sklearn(classifier())

    losses = [each.loss for each in fit(model, STANDARD, THREE, plan=Plan(epochs=20))]
    model.save(tmp_path / "m.npz")

    loaded = MLP.load(tmp_path / "m.npz")
    assert losses[-1] < losses[0]
    assert loaded.predict(STANDARD).tolist() == model.predict(STANDARD).tolist()
    assert loaded.lineage == {"imported_from": "scikit-learn"}


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (MLPClassifier(), "estimator: expected a fitted MLPClassifier or MLPRegressor, MLPClassifier has no coefs_"),
        (StandardScaler(), "estimator: expected a fitted MLPClassifier or MLPRegressor, StandardScaler has no coefs_"),
        (
            fitted(make_pipeline(QuantileTransformer(n_quantiles=9), MLPClassifier((3,), max_iter=2)), X, THREE),
            "estimator: expected StandardScaler or MinMaxScaler before the network, got QuantileTransformer",
        ),
        (
            fitted(make_pipeline(IncrementalPCA(), MLPClassifier((3,), max_iter=2)), X, THREE),
            "estimator: expected StandardScaler or MinMaxScaler before the network, got IncrementalPCA",
        ),
        (
            classifier(THREE.astype("U2") == "a", activation="relu").set_params(activation="sine"),
            "estimator.activation",
        ),
    ],
)
def test_an_estimator_that_cannot_be_read_is_told_why(estimator, message):
    with pytest.raises(InvalidInput, match=re.escape(message)):
        from_sklearn(estimator)


def array(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(np.float32)


def positive(size):
    return np.random.default_rng(size).gamma(2.0, size=size).astype(np.float32)


ROWS = array(20, 5)


class Elsewhere:
    """A matrix as a tensor on a GPU, which NumPy cannot read."""

    shape = (3, 4)

    def __array__(self, *_given, **_named):
        raise TypeError("it is on a GPU")


def torch_state(**extra):
    """A Sequential of Linear, BatchNorm1d, an activation, and Linear."""
    return OrderedDict(
        {
            "0.weight": array(4, 5),
            "0.bias": array(4),
            "1.weight": array(4, seed=1),
            "1.bias": array(4, seed=2),
            "1.running_mean": array(4, seed=3),
            "1.running_var": positive(4),
            "1.num_batches_tracked": np.array(7),
            "3.weight": array(3, 4),
            "3.bias": array(3),
        }
        | extra
    )


def batch_normal(z, scale, shift, mean, variance, epsilon):
    return scale * (z - mean) / np.sqrt(variance + epsilon) + shift


def layer_normal(z, scale, shift, epsilon):
    return scale * (z - z.mean(axis=1, keepdims=True)) / np.sqrt(z.var(axis=1, keepdims=True) + epsilon) + shift


def assert_close(model, scores):
    np.testing.assert_allclose(model.outputs(ROWS), scores, rtol=0, atol=1e-5)


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3, 1e-8])
def test_the_state_of_a_batch_normalised_network_of_pytorch(epsilon):
    state = torch_state()
    z = ROWS @ array(4, 5).T + array(4)
    h = batch_normal(z, array(4, seed=1), array(4, seed=2), array(4, seed=3), positive(4), epsilon)

    model = from_torch(state, loss="softmax_cross_entropy", labels=("a", "b", "c"), activation="tanh", epsilon=epsilon)

    scores = np.tanh(h) @ array(3, 4).T + array(3)
    assert_close(model, scores)
    np.testing.assert_allclose(model.predict_proba(ROWS), softmax(scores, axis=1), rtol=0, atol=1e-5)
    assert model.predict(ROWS).tolist() == np.array(["a", "b", "c"])[scores.argmax(axis=1)].tolist()
    assert model.lineage == {"imported_from": "PyTorch"}


@pytest.mark.parametrize("slopes", [1, 4])
@pytest.mark.parametrize("epsilon", [1e-5, 0.1])
def test_the_state_of_a_layer_normalised_network_with_learnt_slopes(slopes, epsilon):
    state = {
        "body.fc.weight": array(4, 5),
        "body.norm.weight": array(4, seed=1),
        "body.norm.bias": array(4, seed=2),
        "body.act.weight": array(slopes),
        "head.weight": array(1, 4),
        "head.bias": array(1),
    }
    h = layer_normal(ROWS @ array(4, 5).T, array(4, seed=1), array(4, seed=2), epsilon)
    a = np.maximum(h, 0) + array(slopes) * np.minimum(h, 0)

    activation = "relu" if slopes == 1 else "prelu"
    model = from_torch(
        state, loss="sigmoid_cross_entropy", labels=["no", "yes"], activation=activation, epsilon=epsilon
    )

    scores = a @ array(1, 4).T + array(1)
    assert_close(model, scores)
    np.testing.assert_allclose(model.predict_proba(ROWS)[:, 1:], expit(scores), rtol=0, atol=1e-5)


def test_activations_may_differ_from_layer_to_layer():
    state = {"a.weight": array(6, 5), "b.weight": array(3, 3), "c.weight": array(2, 3), "c.bias": array(2)}
    hidden = np.maximum(np.tanh((ROWS @ array(6, 5).T).reshape(20, 2, 3).max(axis=1) @ array(3, 3).T), -9)

    model = from_torch(state, loss="squared_error", activation=[Maxout(2), "tanh"], output_activation="softplus")

    assert_close(model, np.log1p(np.exp(hidden @ array(2, 3).T + array(2))))
    assert model.labels is None


def test_without_labels_classes_are_counted():
    model = from_torch({"weight": array(3, 5)}, loss="softmax_cross_entropy")

    assert model.labels == (0, 1, 2)
    assert_close(model, ROWS @ array(3, 5).T)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coefs_": []}, "estimator: expected a weight and a bias for each of at least one layer, got 0 coefs_"),
        ({"intercepts_": [array(3)]}, "estimator: expected a weight and a bias for each of at least one layer, got 3"),
        ({"classes_": np.array([np.nan, 1])}, "estimator.classes_: expected whole numbers of 64 bits, got [nan, 1.0]"),
        ({"classes_": np.array([1e300, 1])}, "estimator.classes_: expected whole numbers of 64 bits, got [1e+300"),
        ({"classes_": np.array([0.5, 1.5])}, "estimator.classes_: expected whole numbers of 64 bits, got [0.5, 1.5]"),
        ({"classes_": np.array([np.inf, 1])}, "estimator.classes_: expected whole numbers of 64 bits, got [inf, 1.0]"),
    ],
)
def test_an_estimator_with_forged_attributes_is_refused(changes, message):
    estimator = classifier(THREE == "a", activation="relu")
    vars(estimator).update(changes)

    with pytest.raises(InvalidInput, match=re.escape(message)):
        from_sklearn(estimator)


class Shaped:
    """An object whose shape is no sequence."""

    shape = 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0.weight": Shaped()}, "state.0: expected a Linear first"),
        (
            {"3.weight": np.ma.array(array(3, 4), mask=np.eye(3, 4))},
            "state.3.weight: expected an array without a mask",
        ),
        ({"3.weight": array(3, 5)}, "state.3.weight: expected 4 inputs, as many as the layer before has units, got 5"),
        ({"3.bias": array(4)}, "state.3.bias: expected shape (3,), got (4,)"),
        ({"3.weight": array(3, 4, 2)}, "state.3.weight: expected a matrix, got shape (3, 4, 2)"),
        ({"3.weight": np.full((3, 4), np.nan)}, "state.3.weight: expected finite numbers, got NaN or infinity"),
        ({"3.weight_g": array(3)}, "state.3.weight_g: expected names that end in weight, bias, running_mean"),
        ({"3.weight": np.full((3, 4), "x")}, "state.3.weight: expected an array of numbers, got"),
        ({"1.running_mean": array(3)}, "state.0.weight: expected 4 numbers as its mean, got shape (3,)"),
        ({"1.bias": array(4, 1)}, "state.1.bias: expected an array of one dimension, got shape (4, 1)"),
        ({"4.weight": array(2)}, "state.3.weight: expected 3 numbers as its slope, got shape (2,)"),
        ({"3.weight": Elsewhere()}, "state.3.weight: expected an array that NumPy reads: it is on a GPU"),
        ({"1.running_mean": array(4, 4)}, "state.1.running_mean: expected an array of one dimension"),
    ],
)
def test_a_state_that_does_not_fit_is_told_where(change, message):
    with pytest.raises(InvalidInput, match=re.escape(message)):
        from_torch(torch_state(**change), loss="softmax_cross_entropy")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "state: expected arrays by name, got {}"),
        ({"0.weight": array(4)}, "state.0: expected a Linear first, with a weight of shape (out, in)"),
        (
            {"0.weight": array(4, 5), "2.weight": array(4), "2.bias": array(4)},
            "state.2: expected it directly after its Linear 0: normalisation after the activation is not supported",
        ),
        (
            {"0.weight": array(4, 5), "0.bias": array(4), "1.weight": array(4), "1.bias": array(4)},
            "state.0.weight: expected no bias before a layer normalisation, which has its own",
        ),
        (
            {"0.weight": array(4, 5), "1.running_mean": array(4)},
            "state.1.running_var: expected the variances, there are none",
        ),
        (
            {
                "0.weight": array(4, 5),
                "1.running_mean": array(4),
                "1.running_var": positive(4),
                "2.running_mean": array(4),
                "2.running_var": positive(4),
            },
            "state.2: expected a normalisation only between a Linear and its activation",
        ),
        (
            {"0.weight": array(4, 5), "1.weight": array(4), "2.weight": array(4)},
            "state.2: expected a Linear after a PReLU, got another PReLU",
        ),
        (
            {"0.weight": array(4, 5), "1.weight": array(4), "2.weight": array(2, 4)},
            "state.1.weight: expected activation='prelu' for the layer 0 if these are the slopes of a PReLU",
        ),
    ],
)
def test_a_state_that_cannot_be_expressed_is_told_why(state, message):
    with pytest.raises(InvalidInput, match=re.escape(message)):
        from_torch(state, loss="hinge")


def test_what_the_outputs_mean_is_checked():
    state = {"0.weight": array(4, 5), "2.weight": array(1, 4)}

    for given, message in (
        ({"loss": "softmax_cross_entropy"}, "loss: expected one that takes a single output"),
        ({"loss": "huber", "labels": [0, 1]}, "labels: expected none, because huber is a loss of regression"),
        ({"loss": "hinge", "labels": [0, 1, 2]}, "labels: expected 2 labels"),
        (
            {"loss": "hinge", "activation": "prelu"},
            r"state.0.weight: expected the slopes of its prelu, there are none",
        ),
        ({"loss": "mse"}, "loss: expected one of softmax_cross_entropy"),
        (
            {"loss": "huber", "activation": ["relu", "relu"]},
            "activation: expected one activation, or one for each of 1",
        ),
    ):
        with pytest.raises(InvalidInput, match=message):
            from_torch(state, **given)


@pytest.mark.parametrize("name", ["softplus", "silu", "relu"])
def test_the_weights_of_a_network_of_keras(name):
    value = {
        "softplus": lambda z: np.log1p(np.exp(z)),
        "silu": lambda z: z * expit(z),
        "relu": lambda z: np.maximum(z, 0),
    }[name]
    weights = [array(5, 4), array(4), array(4, 3), array(3)]

    model = from_keras(weights, loss="sigmoid_cross_entropy", activation=name)

    scores = value(ROWS @ weights[0] + weights[1]) @ weights[2] + weights[3]
    assert_close(model, scores)
    np.testing.assert_allclose(model.predict_proba(ROWS), expit(scores), rtol=0, atol=1e-5)
    assert model.predict(ROWS).tolist() == (scores > 0).astype(int).tolist()


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("sloped", [False, True])
@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_the_weights_of_a_normalised_network_of_keras(kind, sloped, biased):
    bias = array(4, seed=5) if kind == "batch" else np.full(4, 0.5, np.float32)
    scale, shift, mean, variance, slope = (*(array(4, seed=i) for i in range(3)), positive(4), array(4, seed=9))
    normal = [scale, shift, mean, variance] if kind == "batch" else [scale, shift]
    weights = [array(5, 4), *([bias] if biased else []), *normal, *([slope] if sloped else []), array(4, 2), array(2)]
    z = ROWS @ array(5, 4) + bias * biased
    h = batch_normal(z, scale, shift, mean, variance, 1e-3) if kind == "batch" else layer_normal(z, scale, shift, 1e-3)

    model = from_keras(weights, loss="squared_error", activation="prelu" if sloped else "relu")

    assert_close(model, (np.maximum(h, 0) + slope * sloped * np.minimum(h, 0)) @ array(4, 2) + array(2))
    assert model.architecture.layers[0].normalization == kind


@pytest.mark.parametrize(
    ("weights", "given", "message"),
    [
        ([], {}, "weights: expected a list of arrays, got []"),
        ([Shaped()], {}, "weights[0]: expected an array of numbers"),
        ([array(4)], {}, "weights[0]: expected the kernel of a Dense layer, of shape (in, out)"),
        ([array(5, 4), array(3)], {}, "weights[1]: expected shape (4,), got (3,)"),
        ([array(5, 4), array(4), array(3, 2)], {}, "weights[2]: expected 4 inputs"),
        ([array(5, 4, 3)], {}, "weights[0]: expected a matrix, got shape (5, 4, 3)"),
        ([array(5, 4), *[array(4)] * 6], {}, "weights[0]: expected at most bias, then gamma and beta"),
        ([array(5, 4)], {"output_activation": "prelu"}, "weights[0]: expected the slopes of a PReLU"),
        ([array(5, 4)], {"epsilon": 0}, "epsilon: expected a finite number above 0, got 0"),
        ([array(5, 4), array(4), array(4), array(4), array(4), -positive(4)], {}, "variances of at least 0"),
    ],
)
def test_weights_that_do_not_fit_are_told_where(weights, given, message):
    with pytest.raises(InvalidInput, match=re.escape(message)):
        from_keras(weights, loss="squared_error", **given)


def test_the_documented_distance_of_gelus_holds():
    z = np.linspace(-6, 6, 10001).reshape(-1, 1)
    model = from_keras([np.ones((1, 1))], loss="squared_error", output_activation="gelu")

    exact = z * (1 + erf(z / np.sqrt(2))) / 2

    assert 1e-4 < np.abs(model.outputs(z) - exact).max() < 5e-4


def test_no_other_library_is_imported():
    code = """
import sys
sys.modules |= dict.fromkeys(("onnx", "onnxruntime", "sklearn", "torch", "keras", "scipy"))  # to import one is an error
import layerwise, layerwise.imports, layerwise.standalone
"""

    subprocess.run([sys.executable, "-c", code], check=True)
