"""Weights of classes against scikit-learn's, and as weights of rows."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils.class_weight import compute_sample_weight

from layerwise import (
    LBFGS,
    MLP,
    SGD,
    Architecture,
    InvalidInput,
    Layer,
    Plan,
    find_learning_rate,
    fit,
    gradient_check,
    partial_fit,
)
from layerwise.losses import Hinge

ROWS = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 4))
Y = np.array(["a", "b", "c"])[RNG.choice(3, ROWS, p=[0.7, 0.2, 0.1])]
WEIGHTS = RNG.uniform(0.1, 2, ROWS)


def network(outputs=3):
    return MLP(Architecture(4, (Layer(outputs),)), seed=1, dtype=np.float64)


def trained(plan, y=Y, **arguments):
    model = network(arguments.pop("outputs", 3))
    return model, list(fit(model, X, y, plan=plan, **arguments))


@pytest.mark.parametrize("given", ["balanced", (1.0, 0.0, 5.0)])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sigmoid_cross_entropy", "hinge", "squared_hinge"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_class_weights_multiply_the_rows(given, loss, weights):
    by_class = given if given == "balanced" else dict(zip("abc", given, strict=True))
    expected = compute_sample_weight(by_class, Y) * (1 if weights is None else weights)

    one, _ = trained(Plan(loss=loss, epochs=3, class_weight=given), weights=weights)
    two, _ = trained(Plan(loss=loss, epochs=3), weights=expected)

    np.testing.assert_allclose(one.parameters, two.parameters, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("y", "by_label"),
    [
        (Y, {"c": 5, "b": 0.5}),
        (np.searchsorted(["a", "b", "c"], Y), {2: 5, np.int64(1): 0.5}),
        (np.searchsorted(["a", "b", "c"], Y), {"2": 5, "1": 0.5}),
        (Y == "a", {True: 5}),
    ],
)
def test_weights_may_be_given_by_label(y, by_label):
    outputs = len(np.unique(y))
    labels = np.unique(y).tolist()
    plan = Plan(epochs=3, class_weight=by_label)
    in_order = [float(plan.class_weight.get(str(label).lower(), 1.0)) for label in labels]

    one, _ = trained(plan, y, outputs=outputs)
    two, _ = trained(Plan(epochs=3, class_weight=in_order), y, outputs=outputs)

    assert one.parameters.tobytes() == two.parameters.tobytes()
    assert sorted(in_order) != [1.0] * outputs
    assert Plan.from_json(plan.to_json()) == plan
    assert Plan.from_json({"class_weight": dict(plan.class_weight)}) == Plan(class_weight=by_label)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "class_weight: expected a weight for at least one label, got none"),
        ({1.5: 1}, "class_weight: expected weights by integers, strings or booleans, got 1.5"),
        ({"a": -1}, r"class_weight\.a: expected a finite number of at least 0"),
        ({1: 1, "1": 2}, "class_weight: expected labels of one type, got 1 twice"),
    ],
)
def test_weights_by_label_are_checked(given, message):
    with pytest.raises(InvalidInput, match=message):
        Plan(class_weight=given)


def test_two_classes_of_one_output_have_weights_too():
    y = Y == "a"

    one, _ = trained(Plan(loss="sigmoid_cross_entropy", epochs=3, class_weight="balanced"), y, outputs=1)
    two, _ = trained(
        Plan(loss="sigmoid_cross_entropy", epochs=3), y, outputs=1, weights=compute_sample_weight("balanced", y)
    )

    np.testing.assert_allclose(one.parameters, two.parameters, rtol=1e-12, atol=1e-15)


def test_a_balanced_softmax_layer_is_scikit_learns_balanced_logistic_regression():
    l2 = 0.05
    reference = LogisticRegression(C=1 / (l2 * ROWS), class_weight="balanced", tol=1e-10, max_iter=10_000).fit(X, Y)

    model, _ = trained(
        Plan(optimizer=SGD(0.5, momentum=0.9), l2=l2, class_weight="balanced", batch_size=ROWS, epochs=1500)
    )

    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("optimizer", [SGD(1e-300), LBFGS(max_evaluations=5)], ids=["sgd", "lbfgs"])
def test_the_accuracy_of_balanced_classes_is_the_mean_of_their_recalls(optimizer):
    model, records = trained(Plan(optimizer=optimizer, epochs=1, class_weight="balanced"))

    assert records[0].metric == pytest.approx(balanced_accuracy_score(Y, model.predict(X)))


def test_classes_are_counted_in_the_rows_trained_on():
    """The rows held out are weighed as those trained on, whatever classes they are of."""
    held = np.where(np.arange(ROWS) % 2 == 0, "c", "a")
    plan = Plan(optimizer=SGD(1e-300), epochs=1, class_weight="balanced")

    model, records = trained(plan, validation=(X, held, WEIGHTS))

    counts = {label: np.sum(label == Y) for label in "abc"}
    weights = WEIGHTS * np.array([ROWS / (3 * counts[label]) for label in held])
    p = model.predict_proba(X)[np.arange(ROWS), np.where(held == "c", 2, 0)]
    assert records[0].validation_loss == pytest.approx(weights @ -np.log(p) / ROWS, rel=1e-12)
    assert records[0].validation_metric == pytest.approx(np.average(model.predict(X) == held, weights=weights))


def test_a_class_that_no_training_row_has_counts_as_one():
    plan = Plan(optimizer=SGD(1e-300), epochs=1, class_weight="balanced")
    model = network()

    record = next(fit(model, X, np.arange(ROWS) % 2, plan=plan, validation=(X, np.full(ROWS, 2))))

    p = model.predict_proba(X)[:, 2]
    assert record.validation_loss == pytest.approx(-np.log(p).mean() * ROWS / 3, rel=1e-12)


def test_gradients_with_class_weights_are_those_of_central_differences():
    for loss in "softmax_cross_entropy", Hinge("one_vs_rest"):
        plan = Plan(loss=loss, class_weight="balanced")

        assert gradient_check(network(), X, Y, plan=plan, weights=WEIGHTS).relative_error < 1e-7


def test_the_learning_rate_finder_weighs_classes_as_training_does():
    one = find_learning_rate(network(), X, Y, plan=Plan(class_weight="balanced"), steps=30)
    two = find_learning_rate(network(), X, Y, plan=Plan(), steps=30, weights=compute_sample_weight("balanced", Y))

    np.testing.assert_allclose(one.losses, two.losses, rtol=1e-9)


def test_a_batch_of_a_stream_is_weighed_by_the_classes_given():
    one, two = network(), network()
    one.labels = two.labels = ("a", "b", "c")

    partial_fit(one, X, Y, plan=Plan(class_weight=(1, 2, 3)))
    partial_fit(two, X, Y, plan=Plan(), weights=compute_sample_weight(dict(zip("abc", (1, 2, 3), strict=True)), Y))

    np.testing.assert_allclose(one.parameters, two.parameters, rtol=1e-12)


@pytest.mark.parametrize(
    ("plan", "outputs", "y", "message"),
    [
        (
            Plan(class_weight=(1, 2)),
            3,
            Y,
            "class_weight: expected 3 weights, one for each of the classes 'a', 'b', 'c', got 2",
        ),
        (
            Plan(loss="sigmoid_cross_entropy", class_weight=(1, 2, 3)),
            1,
            Y == "a",
            "class_weight: expected 2 weights, one for each of the classes False, True, got 3",
        ),
        (
            Plan(class_weight={"d": 2}),
            3,
            Y,
            "class_weight: expected classes among 'a', 'b', 'c', got 'd'",
        ),
        (
            Plan(class_weight={"a": 0, "b": 0, "c": 0}),
            3,
            Y,
            "class_weight: expected a weight above 0 for at least one class",
        ),
        (
            Plan(loss="huber", class_weight="balanced"),
            3,
            X[:, :3],
            "class_weight: expected None, as the targets are not classes",
        ),
        (
            Plan(loss="sigmoid_cross_entropy", class_weight=(1, 2, 3)),
            3,
            (X[:, :3] > 0).astype(int),
            "class_weight: expected None, as the targets are not classes",
        ),
        (
            Plan(class_weight=(0, 0, 1)),
            3,
            np.arange(ROWS) % 2,
            "weights: expected a weight above 0 for at least one of the rows to train on",
        ),
    ],
)
def test_class_weights_that_fit_no_class_are_refused(plan, outputs, y, message):
    with pytest.raises(InvalidInput) as caught:
        fit(network(outputs), X, y, plan=plan)

    assert str(caught.value) == message


def test_rows_held_out_that_weigh_nothing_are_refused():
    weights = np.ones(ROWS)
    weights[-10:] = 0
    plan = Plan(validation=1 / 6, split="temporal")

    with pytest.raises(InvalidInput, match="weights: expected a weight above 0 for at least one of the rows held out"):
        fit(network(), X, Y, plan=plan, weights=weights)


def test_a_stream_cannot_be_balanced():
    with pytest.raises(InvalidInput, match="class_weight: expected a weight for each class, because later rows cannot"):
        partial_fit(network(), X, Y, plan=Plan(class_weight="balanced"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "by_label", "weights": [1, 2]}, "class_weight.weights: expected weights by label, got"),
        ({"kind": "per_class", "weights": {"a": 1}}, "class_weight.weights: expected a list of weights, got"),
        ({"kind": "mine", "weights": [1]}, "class_weight.kind: expected one of per_class, by_label, got 'mine'"),
        ({"kind": "per_class"}, "class_weight.weights: expected a value, the field is missing"),
    ],
)
def test_weights_in_json_that_are_not_of_their_kind_are_refused(given, message):
    with pytest.raises(InvalidInput, match=message):
        Plan.from_json({"class_weight": given})
