"""What a network trained with each loss predicts: labels, flags, values and probabilities."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, softmax

from layerwise import MLP, Adam, Architecture, InvalidInput, Layer, Plan, fit
from layerwise.losses import LOSSES, Hinge, SquaredHinge

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
SIDE = np.array(["left", "right"])[(X[:, 0] > 0).astype(int)]
THREE = X[:, :3].argmax(axis=1)
FLAGS = (X[:, :3] > 0).astype(int)


def trained(loss, y, outputs, *, epochs=3, dtype=np.float64):
    model = MLP(Architecture(4, (Layer(outputs),)), seed=1, dtype=dtype)
    for _ in fit(model, X, y, plan=Plan(loss=loss, epochs=epochs, optimizer=Adam(0.1))):
        pass
    return model


@pytest.mark.parametrize("loss", ["sigmoid_cross_entropy", Hinge("one_vs_rest"), SquaredHinge("one_vs_rest")])
def test_one_output_tells_two_labels_apart(loss):
    model = trained(loss, SIDE, 1, epochs=60)

    assert model.labels == ("left", "right")
    assert model.is_classifier
    assert (model.predict(X) == np.where(model.outputs(X)[:, 0] > 0, "right", "left")).all()
    assert np.mean(model.predict(X) == SIDE) > 0.95


def test_the_probabilities_of_two_labels_are_those_of_the_sigmoid():
    model = trained("sigmoid_cross_entropy", SIDE, 1)
    p = expit(model.outputs(X)[:, 0])

    np.testing.assert_allclose(model.predict_proba(X), np.column_stack([1 - p, p]), rtol=1e-12)


@pytest.mark.parametrize(
    "loss", ["softmax_cross_entropy", "sigmoid_cross_entropy", "hinge", Hinge("one_vs_rest"), "squared_hinge"]
)
def test_the_largest_of_several_outputs_decides(loss):
    model = trained(loss, np.array(["x", "y", "z"])[THREE], 3, epochs=60)

    assert (model.predict(X) == np.array(["x", "y", "z"])[model.outputs(X).argmax(axis=1)]).all()
    assert np.mean(model.predict(X) == np.array(["x", "y", "z"])[THREE]) > 0.9


def test_the_probabilities_of_one_against_all_are_sigmoids_that_add_up_to_one():
    model = trained("sigmoid_cross_entropy", THREE, 3)
    p = expit(model.outputs(X))

    np.testing.assert_allclose(model.predict_proba(X), p / p.sum(axis=1, keepdims=True), rtol=1e-12)


def test_flags_are_predicted_each_for_itself():
    model = trained("sigmoid_cross_entropy", FLAGS, 3, epochs=60)

    assert model.labels is None
    assert not model.is_classifier
    assert model.gives_probabilities
    np.testing.assert_allclose(model.predict_proba(X), expit(model.outputs(X)), rtol=1e-12)
    assert np.array_equal(model.predict(X), (model.predict_proba(X) > 0.5).astype(int))
    assert model.predict(X).dtype.kind == "i"
    assert np.mean(model.predict(X) == FLAGS) > 0.9


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_logarithmic_link_predicts_the_exponential(loss, outputs):
    model = trained(loss, np.exp(X[:, :outputs]), outputs)
    scores = model.outputs(X)

    np.testing.assert_allclose(model.predict(X), np.exp(scores[:, 0] if outputs == 1 else scores), rtol=1e-12)
    assert not model.gives_probabilities


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_prediction_beyond_the_range_is_the_largest_number(dtype):
    model = trained("poisson", np.ones(60), 1, dtype=dtype)
    model.parameters[:] = 0, 0, 0, 0, 1000

    assert model.predict(X[:1])[0] == np.finfo(dtype).max


@pytest.mark.parametrize("scores", [[[800.0, -800.0, 0.0]], [[-800.0, -800.0, -800.0]]])
def test_probabilities_of_extreme_outputs_are_finite(scores):
    one_vs_rest = trained("sigmoid_cross_entropy", THREE, 3)
    flags = trained("sigmoid_cross_entropy", FLAGS, 3)
    exact = trained("softmax_cross_entropy", THREE, 3)

    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert one_vs_rest.probabilities(np.array(scores)).sum() == pytest.approx(1)
        np.testing.assert_allclose(flags.probabilities(np.array(scores)), expit(scores), atol=1e-300)
        np.testing.assert_allclose(exact.probabilities(np.array(scores)), softmax(scores, axis=1), atol=1e-300)


def test_a_loaded_model_of_one_output_has_its_two_labels(tmp_path):
    model = trained("sigmoid_cross_entropy", SIDE, 1)
    model.save(tmp_path / "model.npz")

    loaded = MLP.load(tmp_path / "model.npz")

    assert loaded.labels == ("left", "right")
    assert (loaded.predict(X) == model.predict(X)).all()


def test_the_documentation_says_what_the_outputs_of_every_loss_mean():
    text = (Path(__file__).parents[3] / "docs" / "format.md").read_text()

    for name, loss in LOSSES.items():
        line = next(line for line in text.splitlines() if line.startswith("|") and f"`{name}`" in line)
        assert all(f"`{field.name}`" in line for field in fields(loss))


@pytest.mark.parametrize("labels", [("a",), ("a", "b", "c")])
def test_one_output_has_two_labels(labels):
    model = MLP(Architecture(4, (Layer(1),)))

    with pytest.raises(
        InvalidInput, match=f"labels: expected 2 labels, as the network has 1 output, got {len(labels)}"
    ):
        model.labels = labels


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "prelu"])
def test_a_large_network_predicts_many_rows_as_it_predicts_each_alone(activation):
    model = MLP(Architecture(100, (Layer(600, activation), Layer(80, activation), Layer(3))), seed=0)
    rows = RNG.normal(size=(33, 100)).astype(np.float32)
    h = rows.astype(np.float64)
    for i in range(3):
        h = h @ model.weights[f"layer{i}/weight"] + model.weights[f"layer{i}/bias"]
        if i < 2:
            slopes = {"relu": 0.0, "leaky_relu": 0.01, "prelu": 0.25}
            h = np.where(h > 0, h, slopes[activation] * h)

    found = model.outputs(rows)

    assert model.parameters.size > 100_000
    np.testing.assert_allclose(found, h, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found, np.vstack([model.outputs(row[None]) for row in rows]), rtol=0, atol=1e-4)
