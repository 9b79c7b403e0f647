"""Data that cannot be used is refused with the row and the column."""

import numpy as np
import pytest

from layerwise import MLP, Architecture, InvalidInput, Layer, Plan, fit

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1, 2, 3]], "X[0]: expected 4 numbers, got 3"),
        (np.ones((2, 5)), "X[0]: expected 4 numbers, got 5"),
        ([[1, 2, 3, 4], [1, 2, 3]], "X[1]: expected 4 numbers, got 3"),
        ([[1, 2, 3, 4], 5], "X[1]: expected 4 numbers, got 5"),
        ([[1, 2, 3, 4], {"a": 1}], "X[1]: expected 4 numbers, got {'a': 1}"),
        ([[1, 2, 3, 4], [1, NAN, 3, 4]], "X[1][1]: expected a finite number, got nan"),
        (np.full((2, 4), -INF), "X[0][0]: expected a finite number, got -inf"),
        ([[1, 2, 3, 1e39]], "X[0][3]: expected a number within float32, got 1e+39"),
        ([[1, 2, 3, 10**400]], "X[0][3]: expected a number, got 1000000"),
        ([[1, 2, 3, "4"]], "X[0][3]: expected a number, got '4'"),
        ([[1, 2, None, 4]], "X[0][2]: expected a number, got None"),
        ([[1, 2, 3, [4]]], "X[0][3]: expected a number, got [4]"),
        (np.array([["a", "b", "c", "d"]]), "X[0][0]: expected a number, got 'a'"),
        (np.ones((2, 4), complex), "X: expected real numbers, got complex128"),
        (np.ones((2, 4), "M8[s]"), "X: expected real numbers, got datetime64[s]"),
        ([1, 2, 3, 4], "X: expected rows of 4 numbers, got a flat list; put a single row in a list"),
        (np.ones((1, 2, 4)), "X: expected rows of 4 numbers, got 3 dimensions"),
        ("rows", "X: expected rows of 4 numbers, got 'rows'"),
        (None, "X: expected rows of 4 numbers, got None"),
    ],
)
def test_rows_that_cannot_be_used_are_named(X, message):
    model = MLP(Architecture(4, (Layer(3),)))

    for use in model.predict, model.outputs, lambda X: fit(model, X, [0], plan=Plan()):
        with pytest.raises(InvalidInput) as caught:
            use(X)
        assert str(caught.value).startswith(message)


def test_a_number_that_is_not_finite_is_found_far_down_a_long_table():
    X = np.zeros((300_000, 8), np.float32)
    X[299_999, 7] = NAN

    with pytest.raises(InvalidInput, match=r"^X\[299999\]\[7\]: expected a finite number, got nan$"):
        MLP(Architecture(8, (Layer(1),))).predict(X)


def test_no_rows_are_predicted_but_not_trained_on():
    model = MLP(Architecture(4, (Layer(3),)))

    assert model.predict(np.empty((0, 4))).shape == (0, 3)
    with pytest.raises(InvalidInput, match="X: expected at least 1 row, got 0"):
        fit(model, np.empty((0, 4)), [], plan=Plan())


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1], "y: expected 3 labels, one for each row of X, got 2"),
        ([0, 5, 0], "y: expected 3 different labels, as the network has 3 outputs, got 2: 0, 5"),
        (["a", "b", "a"], "y: expected 3 different labels, as the network has 3 outputs, got 2: 'a', 'b'"),
        (["a", 1, "b"], "y[1]: expected labels of one type, got 1 after 'a'"),
        ([None, "a", "b"], "y[0]: expected a label (an integer, a string or a boolean), got None"),
        (
            [0.5, 1, 2],
            "y[0]: expected a label (an integer, a string or a boolean) for softmax_cross_entropy, got 0.5; "
            'for a regression, choose its loss: Plan(loss="squared_error")',
        ),
        (
            [1.0, 0, 2],
            "y[0]: expected a label (an integer, a string or a boolean) for softmax_cross_entropy, got 1; "
            'for a regression, choose its loss: Plan(loss="squared_error"); convert class numbers by y.astype(int)',
        ),
        ([[0.5, np.nan], [1, np.inf], [2, 3]], "y[0]: expected a label (an integer, a string or a boolean) for soft"),
        (["a", "a\0", "b"], "y[1]: expected a label that does not end in a NUL character, which NumPy drops"),
        (["a", "b", "\ud800"], "y[2]: expected text that UTF-8 can hold, got '\\ud800'"),
        ([0, 1, 10**30], "y[2]: expected an integer of 64 bits, got 1000"),
        ([[0, 1], [1, 0], [0, 0]], "y: expected one label for each row, got 2 dimensions"),
        ([[0], [1, 2], [3]], "y: expected one label for each row, got lists of different lengths"),
        ("abc", "y: expected one label for each row, got 0 dimensions"),
    ],
)
def test_labels_that_cannot_be_used_are_named(y, message):
    with pytest.raises(InvalidInput) as caught:
        fit(MLP(Architecture(1, (Layer(3),))), [[1], [2], [3]], y, plan=Plan())

    assert str(caught.value).startswith(message)


def test_a_first_regression_with_one_output_is_told_which_loss_it_needs():
    X = np.random.default_rng(0).normal(size=(20, 3))

    for y, place in ((X[:, 0], "y[0]: "), ((X[:, 0] > 0).astype(int), "layers[1].units: ")):
        with pytest.raises(InvalidInput, match=r'choose its loss: Plan\(loss="squared_error"\)') as caught:
            fit(MLP(Architecture(3, (Layer(8, "relu"), Layer(1)))), X, y, plan=Plan())
        assert str(caught.value).startswith(place)


@pytest.mark.parametrize(
    ("labels", "y", "message"),
    [
        (("a", "b", "c"), ["a", "d", "b"], "y[1]: expected one of 'a', 'b', 'c', got 'd'"),
        (("a", "b", "c"), [0, 1, 2], "y[0]: expected one of 'a', 'b', 'c', got 0"),
        ((3, 5, 7), [3, 5, 6], "y[2]: expected one of 3, 5, 7, got 6"),
        ((0, 1, 2), [0, 1, 3], "y[2]: expected one of 0, 1, 2, got 3"),
        ((0, 1, 2), [0, -1, 3], "y[1]: expected one of 0, 1, 2, got -1"),
    ],
)
def test_a_label_that_the_model_does_not_have_is_named(labels, y, message):
    model = MLP(Architecture(1, (Layer(3),)))
    model.labels = labels

    with pytest.raises(InvalidInput) as caught:
        fit(model, [[1], [2], [3]], y, plan=Plan())

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("a", "b"), "labels: expected 3 labels, as the network has 3 outputs, got 2"),
        (("a", "b", "a"), "labels: expected distinct labels, got 'a' twice"),
        (
            ("a", "b", "a\0"),
            "labels[2]: expected a label that does not end in a NUL character, which NumPy drops, got 'a\\x00'",
        ),
        (("a", "b", 1), "labels[2]: expected labels of one type, got 1 after 'a'"),
        ((0, 1, True), "labels[2]: expected labels of one type, got True after 0"),
        ((0.0, 1.0, 2.0), "labels[0]: expected a label (an integer, a string or a boolean), got 0.0"),
    ],
)
def test_labels_that_do_not_fit_the_outputs_are_refused(labels, message):
    model = MLP(Architecture(1, (Layer(3),)))

    with pytest.raises(InvalidInput) as caught:
        model.labels = labels

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("outputs", "y", "message"),
    [
        (1, [1, 2], "y: expected 3 rows, as many as X has, got 2"),
        (1, [1, NAN, 2], "y[1]: expected a finite number, got nan"),
        (1, [1, "a", 2], "y[1]: expected a number, got 'a'"),
        (1, [[1], [INF], [2]], "y[1][0]: expected a finite number, got inf"),
        (1, [[1, 2], [1, 2], [1, 2]], "y[0]: expected 1 number, got 2"),
        (2, [1, 2, 3], "y: expected 2 numbers a row, one for each output, got 1"),
        (2, [[1, 2], [3], [4, 5]], "y[1]: expected 2 numbers, got 1"),
    ],
)
def test_targets_that_cannot_be_used_are_named(outputs, y, message):
    with pytest.raises(InvalidInput) as caught:
        fit(MLP(Architecture(1, (Layer(outputs),))), [[1], [2], [3]], y, plan=Plan(loss="squared_error"))

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("loss", "outputs", "y", "message"),
    [
        ("poisson", 1, [0, 1, -1], "y[2]: expected a number of at least 0 for poisson, got -1.0"),
        ("tweedie", 2, [[0, 1], [1, -0.5], [1, 1]], "y[1][1]: expected a number of at least 0 for tweedie, got -0.5"),
        ("gamma", 1, [1, 0, 1], "y[1]: expected a number above 0 for gamma, got 0.0"),
        ("gamma", 1, [[1], [1e-50], [1]], "y[1][0]: expected a number above 0 for gamma, got 1e-50"),
        (
            "sigmoid_cross_entropy",
            2,
            [[0, 1], [1, 1], [2, 0]],
            "y[2][0]: expected a number from 0 to 1 for sigmoid_cross_entropy, got 2.0",
        ),
        ("sigmoid_cross_entropy", 2, [[0, 1], [1], [0, 0]], "y[1]: expected 2 numbers, got 1"),
        ("sigmoid_cross_entropy", 2, [[0, 1, 0]] * 3, "y[0]: expected 2 numbers, got 3"),
        ("sigmoid_cross_entropy", 2, [0, 1, 2], "y: expected 2 different labels, as the network has 2 outputs, got 3"),
        ("sigmoid_cross_entropy", 1, [0, 1, 2], "y: expected 2 different labels, as the network has 1 output, got 3"),
        ("sigmoid_cross_entropy", 1, [5, 5, 5], "y: expected 2 different labels, as the network has 1 output, got 1"),
        ("sigmoid_cross_entropy", 1, [0.1, 0.2, 1], "y[0]: expected a label (an integer, a string or a boolean)"),
        ("hinge", 1, [0, 1, 1], "layers[0].units: expected an output for each class, at least 2, got 1"),
    ],
)
def test_targets_that_the_loss_has_no_use_for_are_named(loss, outputs, y, message):
    with pytest.raises(InvalidInput) as caught:
        fit(MLP(Architecture(1, (Layer(outputs),))), [[1], [2], [3]], y, plan=Plan(loss=loss))

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1], "weights: expected 3 rows, as many as X has, got 2"),
        ([1, -1, 1], "weights[1]: expected a weight of at least 0, got -1"),
        ([1, NAN, 1], "weights[1]: expected a finite number, got nan"),
        ([0, 0, 0], "weights: expected at least one weight above 0"),
        ("abc", "weights: expected rows of 1 number, got 'abc'"),
    ],
)
def test_weights_that_cannot_be_used_are_named(weights, message):
    with pytest.raises(InvalidInput) as caught:
        fit(MLP(Architecture(1, (Layer(2),))), [[1], [2], [3]], [0, 1, 0], plan=Plan(), weights=weights)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(3), "y: expected class indices below 3, got float64 in 1 dimension"),
        (np.zeros(2, int), "y: expected 3 labels, one for each row of X, got 2"),
    ],
)
def test_shape_and_type_are_checked_even_of_data_that_was_checked_before(y, message):
    model = MLP(Architecture(1, (Layer(3),)))

    with pytest.raises(InvalidInput) as caught:
        fit(model, np.zeros((3, 1), np.float32), y, plan=Plan(), check=False)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[1], [1, 2]], "y: expected one label for each row, got lists of different lengths"),
        ([[1, 2], [1, 2]], "y: expected one label for each row, got 2 dimensions"),
        ([1], "y: expected 2 labels, one for each row of X, got 1"),
    ],
)
def test_labels_in_another_shape_are_refused(y, message):
    with pytest.raises(InvalidInput, match=message):
        fit(MLP(Architecture(4, (Layer(3),))), np.ones((2, 4)), y, plan=Plan())


def test_a_number_that_no_float_holds_is_refused():
    with pytest.raises(InvalidInput, match="l2: expected a finite number of at least 0, got 1000"):
        Plan(l2=10**400)
