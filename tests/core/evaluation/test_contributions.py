"""Integrated gradients: what each column contributes to the prediction of a row."""

import numpy as np
import pytest

from layerwise import (
    MLP,
    Adam,
    Architecture,
    Contributions,
    InvalidInput,
    Layer,
    Plan,
    TableEncoder,
    fit,
    integrated_gradients,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 5))
WAVES = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
CLASSES = np.digitize(WAVES, [-0.5, 0.5])
FLAGS = np.column_stack([WAVES > 0, X[:, 3] > 0]).astype(float)
NETWORKS = {
    "dropout": Architecture(5, [Layer(16, "tanh", dropout=0.3), Layer(1)], input_dropout=0.1, input_noise=0.1),
    "batch normalisation": Architecture(5, [Layer(16, "gelu", normalization="batch"), Layer(1)], input_scale=0.5),
    "layer normalisation": Architecture(5, [Layer(16, "silu", normalization="layer"), Layer(1)], input_shift=1.0),
    "a residual layer": Architecture(5, [Layer(5, "softplus", residual=True), Layer(1)]),
    "ReLU": Architecture(5, [Layer(16, "relu"), Layer(16, "relu"), Layer(1)]),
    "PReLU": Architecture(5, [Layer(16, "prelu", normalization="batch"), Layer(1)]),
    "maxout": Architecture(5, [Layer(8, "maxout", normalization="batch", dropout=0.2), Layer(1)]),
}
KINKED = {"ReLU", "PReLU", "maxout"}


def trained(architecture, y, loss):
    model = MLP(architecture, dtype=np.float64)
    for _ in fit(model, X, y, plan=Plan(loss=loss, epochs=10, optimizer=Adam(0.02))):
        pass
    return model


def with_outputs(outputs):
    return Architecture(5, [Layer(16, "tanh"), Layer(outputs)])


def gaps(found: Contributions):
    """By how much the sums of the contributions differ from the differences that they explain."""
    return np.abs(found.values.sum(axis=1) - (found.outputs - found.baselines))


@pytest.mark.parametrize("name", NETWORKS)
def test_contributions_add_up_to_the_difference_from_the_baseline(name):
    model = trained(NETWORKS[name], WAVES, "squared_error")

    found = integrated_gradients(model, X, steps=200)

    assert found.values.shape == X.shape
    assert found.columns == (0, 1, 2, 3, 4)
    np.testing.assert_allclose(found.outputs, model.predict(X), rtol=1e-12)
    np.testing.assert_allclose(found.baselines, model.predict(np.zeros((200, 5))), rtol=1e-12)
    assert gaps(found).max() < (0.01 if name in KINKED else 1e-9)


@pytest.mark.parametrize(
    ("y", "loss", "outputs"),
    [
        (CLASSES, "softmax_cross_entropy", 3),
        (CLASSES, "sigmoid_cross_entropy", 3),
        (CLASSES > 0, "sigmoid_cross_entropy", 1),
        (FLAGS, "sigmoid_cross_entropy", 2),
    ],
    ids=["softmax", "one against the rest", "two labels", "flags"],
)
def test_probabilities_are_explained_where_the_loss_gives_them(y, loss, outputs):
    model = trained(with_outputs(outputs), y, loss)

    for target, probability in enumerate(model.predict_proba(X).T):
        found = integrated_gradients(model, X, target=target)

        assert found.kind == "probability"
        np.testing.assert_allclose(found.outputs, probability, rtol=1e-12)
        assert gaps(found).max() < 1e-9


def test_scores_of_a_hinge_are_explained():
    model = trained(with_outputs(3), CLASSES, "hinge")

    found = integrated_gradients(model, X)

    np.testing.assert_allclose(found.outputs, model.outputs(X).max(axis=1))
    assert found.kind == "score"
    assert gaps(found).max() < 1e-9


def test_the_value_of_a_logarithmic_link_is_explained():
    model = trained(with_outputs(1), np.exp(WAVES), "gamma")

    found = integrated_gradients(model, X)

    assert found.kind == "value"
    np.testing.assert_allclose(found.outputs, model.predict(X))
    assert gaps(found).max() < 1e-9


def test_the_class_that_is_predicted_is_explained():
    model = trained(with_outputs(3), CLASSES, "softmax_cross_entropy")

    found = integrated_gradients(model, X)

    np.testing.assert_array_equal(found.outputs, model.predict_proba(X).max(axis=1))
    predicted = model.predict(X)
    for label in np.unique(predicted):
        own = integrated_gradients(model, X, target=int(label))
        np.testing.assert_allclose(found.values[predicted == label], own.values[predicted == label], atol=1e-12)


def test_of_a_linear_network_they_are_weight_times_difference():
    weights = RNG.normal(size=(5, 2))
    model = MLP(Architecture(5, [Layer(2)], input_scale=2.0), dtype=np.float64, weights={"layer0/weight": weights})
    baseline = RNG.normal(size=5)

    found = integrated_gradients(model, X, baseline=baseline, target=1, steps=1)

    np.testing.assert_allclose(found.values, 2 * weights[:, 1] * (X - baseline), atol=1e-12)


def test_many_rows_and_few_have_the_same_contributions():
    model = trained(NETWORKS["batch normalisation"], WAVES, "squared_error")
    many = np.tile(X, (5, 1))  # several blocks, the last one shorter

    found = integrated_gradients(model, many)

    for start in (0, 640, 999):
        alone = integrated_gradients(model, many[start : start + 1])
        np.testing.assert_allclose(found.values[start], alone.values[0], atol=1e-12)
    parts = [integrated_gradients(model, many[own]) for own in (slice(0, 300), slice(300, None))]
    np.testing.assert_allclose(Contributions.joined(parts).values, found.values, atol=1e-12)


TABLE = {
    "size": X[:, 0],
    "pet": RNG.choice(["ant", "bee", "cat"], 200),
    "day": np.array(["2024-01-01"], "M8[D]") + RNG.integers(0, 500, 200),
    "same": ["x"] * 200,
}


@pytest.fixture(scope="module")
def of_table():
    encoder = TableEncoder().fit(TABLE)
    model = MLP(Architecture(encoder.width, (Layer(8, "tanh"), Layer(2))), dtype=np.float64)
    model.encoder = encoder
    labels = np.where(TABLE["pet"] == "bee", "yes", "no")
    for _ in fit(model, TABLE, labels, plan=Plan(epochs=30, optimizer=Adam(0.05))):
        pass
    return model


def test_the_inputs_of_a_column_are_added_up(of_table):
    found = integrated_gradients(of_table, TABLE)

    assert found.columns == ("size", "pet", "day", "same")
    assert gaps(found).max() < 1e-9
    assert (found.values[:, 3] == 0).all()
    plain = MLP(of_table.architecture, dtype=np.float64, weights=of_table.weights)
    plain.plan, plain.labels = of_table.plan, of_table.labels
    inputs = of_table.encoder.encode(TABLE, dtype=np.float64)
    by_input = integrated_gradients(plain, inputs, baseline=np.zeros(inputs.shape[1])).values
    pets = [place for place, name in enumerate(of_table.encoder.names) if name.startswith("pet")]
    np.testing.assert_allclose(found.values[:, 1], by_input[:, pets].sum(axis=1), atol=1e-12)


def test_a_baseline_may_be_a_row_of_the_table(of_table):
    row = {name: values[7] for name, values in TABLE.items()}

    found = integrated_gradients(of_table, [row], baseline=[row])

    assert (found.values == 0).all()
    assert found.outputs == pytest.approx(found.baselines)


def test_rows_are_compared_with_the_average_row_of_the_model(tmp_path):
    model = trained(with_outputs(1), WAVES, "squared_error")
    model.average_row = tuple(X.mean(axis=0).tolist())
    model.save(tmp_path / "model.npz")

    found = integrated_gradients(MLP.load(tmp_path / "model.npz"), X)

    np.testing.assert_allclose(found.baselines, model.predict([X.mean(axis=0)])[0])
    assert gaps(found).max() < 1e-9


@pytest.mark.parametrize(
    ("given", "at", "detail"),
    [
        ({"steps": 0}, "steps", "expected a whole number of at least 1"),
        ({"target": 2}, "target", "of at most 1, got 2"),
        ({}, "target", "expected the output to explain, 0 to 1, since the model has 2"),
        ({"baseline": [[0.0] * 5] * 2, "target": 0}, "baseline", "expected one row, got 2"),
        ({"baseline": [0.0] * 4, "target": 0}, "baseline", ""),
    ],
)
def test_arguments_are_checked(given, at, detail):
    model = trained(with_outputs(2), np.column_stack([WAVES, WAVES]), "squared_error")

    with pytest.raises(InvalidInput) as error:
        integrated_gradients(model, X, **given)

    assert error.value.place[0] == at
    assert detail in str(error.value)


def test_a_row_whose_outputs_are_not_finite_is_named():
    model = MLP(Architecture(1, [Layer(1)]), weights={"layer0/weight": [[1e30]]})

    with pytest.raises(InvalidInput, match=r"outputs and gradients are finite in float32") as error:
        integrated_gradients(model, [[1.0], [1e30]])

    assert error.value.place == ("X", 1)
