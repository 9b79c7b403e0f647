"""What a network answers, before and after training."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from layerwise import MLP, Architecture, InvalidInput, Layer, Maxout, Plan, fit

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
CLASSES = np.random.default_rng(1).integers(0, 3, 30)


def trained(loss, y=CLASSES, outputs=3, **arguments):
    model = MLP(Architecture(4, (Layer(5, "relu"), Layer(outputs))), seed=1, **arguments)
    for _ in fit(model, X, y, plan=Plan(loss=loss, epochs=2)):
        pass
    return model


def test_an_untrained_network_predicts_its_raw_outputs():
    model = MLP(Architecture(4, (Layer(5, "relu"), Layer(3))))

    assert np.array_equal(model.predict(X), model.outputs(X))
    assert (model.loss, model.plan, model.labels, model.metrics, model.lineage) == (None, None, None, {}, {})
    assert not model.is_classifier
    assert not model.gives_probabilities


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "hinge"])
def test_a_classifier_predicts_the_label_of_its_largest_output(loss):
    model = trained(loss, np.array(["ant", "bee", "cat"])[CLASSES])

    assert model.predict(X).tolist() == [("ant", "bee", "cat")[i] for i in model.outputs(X).argmax(axis=1)]
    assert model.is_classifier
    assert model.loss == loss


def test_probabilities_are_the_softmax_of_the_outputs():
    model = trained("softmax_cross_entropy", dtype=np.float64)
    scores = model.outputs(X)

    probabilities = model.predict_proba(X)

    np.testing.assert_allclose(probabilities, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True))
    assert np.array_equal(probabilities, model.probabilities(scores))
    assert model.gives_probabilities


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (trained("hinge"), "a network trained with hinge gives no probabilities"),
        (trained("squared_error", X[:, :3]), "a network trained with squared_error gives no probabilities"),
        (MLP(Architecture(4, (Layer(3),))), "an untrained network gives no probabilities"),
    ],
    ids=["hinge", "squared_error", "untrained"],
)
def test_networks_without_probabilities_say_so(model, message):
    with pytest.raises(InvalidInput, match=message):
        model.predict_proba(X)


@pytest.mark.parametrize(("y", "outputs", "shape"), [(X[:, 0], 1, (30,)), (X[:, :1], 1, (30,)), (X[:, :2], 2, (30, 2))])
def test_a_regression_predicts_values(y, outputs, shape):
    model = trained("squared_error", y, outputs)

    assert model.predict(X).shape == shape
    assert model.labels is None
    assert not model.is_classifier


def test_many_rows_are_predicted_in_blocks_with_the_same_result():
    model = MLP(Architecture(3, (Layer(4000, "tanh"), Layer(2))), dtype=np.float64)
    rows = np.random.default_rng(0).normal(size=(2500, 3))

    together = model.outputs(rows)

    np.testing.assert_allclose(together, np.vstack([model.outputs(part) for part in np.split(rows, 5)]), rtol=1e-12)


def test_rows_that_were_checked_before_give_the_same():
    model = trained("hinge")

    assert np.array_equal(model.outputs(X, check=False), model.outputs(X.tolist()))


def test_predicting_leaves_the_rows_alone():
    model = MLP(Architecture(4, (Layer(3, "relu"),)))
    rows = X.copy()

    model.predict(rows)

    assert np.array_equal(rows, X)


def test_threads_may_predict_on_one_model_at_once():
    layers = (Layer(64, "prelu"), Layer(64, Maxout(3)), Layer(10, "sigmoid"))
    model = MLP(Architecture(4, layers))
    tables = [np.random.default_rng(i).normal(size=(i % 7 + 1, 4)).astype(np.float32) for i in range(200)]
    alone = [model.outputs(table) for table in tables]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(model.outputs, tables))

    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_the_parameters_are_one_vector_that_the_layers_see():
    model = MLP(Architecture(2, (Layer(1),)))

    model.parameters[:] = [2, 3, 10]

    assert model.outputs([[1, 1]]).tolist() == [[15]]
    assert model.parameters.flags.c_contiguous


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_is_trained_as_its_original_is_and_leaves_it_alone(copied):
    model = MLP(Architecture(4, (Layer(5, "relu", normalization="batch"), Layer(3))), seed=1)
    list(fit(model, X, CLASSES, plan=Plan(epochs=2)))
    before, metrics = model.outputs(X), dict(model.metrics)

    other = copied(model)
    list(fit(other, X, CLASSES, plan=Plan(epochs=3)))

    assert np.array_equal(model.outputs(X), before)
    assert model.metrics == metrics
    list(fit(model, X, CLASSES, plan=Plan(epochs=3)))
    assert np.array_equal(model.outputs(X), other.outputs(X))
    assert (other.plan, other.labels, other.metrics) == (model.plan, model.labels, model.metrics)


def test_a_network_is_shown_with_its_layers_and_its_loss():
    assert repr(MLP(Architecture(4, (Layer(5, "relu"), Layer(3))))) == "<MLP 4-5-3, untrained>"
    assert repr(trained("hinge")) == "<MLP 4-5-3, loss hinge>"
