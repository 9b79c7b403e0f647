"""The loss, or else the type of y, says whether it holds labels or targets."""

import warnings

import numpy as np
import pandas as pd
import pytest

from layerwise.losses import LOSSES
from layerwise_client import InvalidRequest
from layerwise_client._data.targets import labels_array, labels_message, labels_of, open_targets
from layerwise_client._data.task import classifies
from layerwise_proto.v1 import training_pb2, types_pb2

ANY = None
SOFTMAX = "softmax_cross_entropy"
SIGMOID = "sigmoid_cross_entropy"
HINGE = "hinge"
SQUARED = "squared_error"
EVERY_LOSS = [kind.name for kind in types_pb2.Loss.DESCRIPTOR.oneofs_by_name["kind"].fields]


def sent(y, loss):
    """(kind, values) of the batch that holds all of y."""
    expected = open_targets(y, loss)
    batch = training_pb2.TrainBatch()
    expected.fill(batch, 0, expected.count)
    if batch.WhichOneof("expected") == "labels":
        return batch.labels.WhichOneof("kind"), labels_of(batch.labels)
    return "targets", np.frombuffer(batch.targets.data, dtype="<f4").reshape(tuple(batch.targets.shape)).tolist()


@pytest.mark.parametrize(
    ("y", "loss", "kind", "values"),
    [
        ([2, 0, 1], ANY, "integers", [2, 0, 1]),
        (np.array([2, 0], dtype=np.uint8), ANY, "integers", [2, 0]),
        (["a", "b"], ANY, "strings", ["a", "b"]),
        (np.array(["a", "b"]), ANY, "strings", ["a", "b"]),
        ([True, False], ANY, "booleans", [True, False]),
        (np.array([True, False]), HINGE, "booleans", [True, False]),
        ([0.5, 1.0], ANY, "targets", [0.5, 1.0]),
        ([1, 2.5], ANY, "targets", [1.0, 2.5]),
        (np.array([[1], [2]]), SQUARED, "targets", [[1.0], [2.0]]),
        (np.array([[1.0], [2.0]]), ANY, "targets", [[1.0], [2.0]]),
        ([[1, 0], [0, 1]], SQUARED, "targets", [[1.0, 0.0], [0.0, 1.0]]),
        ([[1, 0], [1, 1]], ANY, "targets", [[1.0, 0.0], [1.0, 1.0]]),
        ([[1.0, 0.0], [0.0, 1.0]], ANY, "targets", [[1.0, 0.0], [0.0, 1.0]]),
        ([[1, 2], [3, 4]], SQUARED, "targets", [[1.0, 2.0], [3.0, 4.0]]),
        ([3, 4], SQUARED, "targets", [3.0, 4.0]),
        ([3.0, 4.0], SOFTMAX, "integers", [3, 4]),
        ([1.0, 0.0], SIGMOID, "integers", [1, 0]),
        ([True, False], SIGMOID, "booleans", [True, False]),
        (["a", "b"], SIGMOID, "strings", ["a", "b"]),
        ([[1, 0], [0, 1]], SIGMOID, "targets", [[1.0, 0.0], [0.0, 1.0]]),
        (np.array([[True, False], [True, True]]), SIGMOID, "targets", [[1.0, 0.0], [1.0, 1.0]]),
        ([[0.25, 1.0], [0.0, 0.5]], SIGMOID, "targets", [[0.25, 1.0], [0.0, 0.5]]),
        (pd.DataFrame({"cat": [1, 0], "dog": [1, 1]}), SIGMOID, "targets", [[1.0, 1.0], [0.0, 1.0]]),
        (np.array([3.0, 4.0], dtype=np.float32), HINGE, "integers", [3, 4]),
        (pd.Series([1, 2], index=[5, 6]), ANY, "integers", [1, 2]),
        (pd.Series(["a", "b"]), ANY, "strings", ["a", "b"]),
        (pd.Series(["a", "b"], dtype="category"), ANY, "strings", ["a", "b"]),
        (pd.Series([1, 2], dtype="Int64"), ANY, "integers", [1, 2]),
        (pd.DataFrame({"a": [1.0], "b": [2.0]}), ANY, "targets", [[1.0, 2.0]]),
        (pd.DataFrame({"y": ["a", "b"]}), ANY, "strings", ["a", "b"]),
        (pd.DataFrame({"y": ["a", "b"]}), SIGMOID, "strings", ["a", "b"]),
        ([["a"], ["b"]], ANY, "strings", ["a", "b"]),
        (pd.DataFrame({"y": [1, 2]}), SOFTMAX, "integers", [1, 2]),
        (np.array([[True], [False]]), HINGE, "booleans", [True, False]),
        ([-(2**63), 2**63 - 1], ANY, "integers", [-(2**63), 2**63 - 1]),
    ],
)
def test_y_is_sent_as_what_it_means(y, loss, kind, values):
    assert sent(y, loss) == (kind, values)


@pytest.mark.parametrize(
    ("y", "loss", "message"),
    [
        ([0.0, 1.5], SOFTMAX, "y row 1: expected a whole number of 64 bits as a label, got 1.5"),
        ([0.0, float("nan")], SOFTMAX, "y row 1: expected a label or a number, got nan"),
        (np.array([0.0, np.nan]), SOFTMAX, "y row 1: expected a whole number of 64 bits as a label, got nan"),
        (np.array([np.inf]), HINGE, "y row 0: expected a whole number of 64 bits as a label, got inf"),
        ([1, 2**63], ANY, "y row 1: expected a whole number of 64 bits as a label, got 9223372036854775808"),
        (np.array([2**63], dtype=np.uint64), ANY, "y row 0: expected a whole number of 64 bits"),
        ([1, "a"], ANY, "y row 1: expected only integer values, got 'a'"),
        (["a", None], ANY, "y row 1: expected a label or a number, got None"),
        (pd.Series(["a", None]), ANY, "y row 1: expected a label or a number"),
        ([True, 2], ANY, "y row 1: expected only boolean values, got 2"),
        ([b"a"], ANY, "y row 0: expected a label or a number, got b'a'"),
        (np.array([b"a"]), ANY, r"y: expected labels or numbers, got \|S1"),
        (["1", "2"], SQUARED, "y row 0: expected a number, got '1'"),
        (
            [[1], [2]],
            ANY,
            r"y: one column of integer values, shape \(2, 1\), .* pass y\.ravel\(\) for labels, or task=\"regression\"",
        ),
        (np.array([[True], [False]]), ANY, r"y: one column of boolean values, .* for labels, or task=\"regression\""),
        (pd.DataFrame({"a": [1, 2]}), ANY, "y: one column of integer values"),
        (np.eye(3, dtype=int)[[0, 2]], ANY, r"y: one-hot rows, shape \(2, 3\), .* pass y\.argmax\(axis=1\) for labels"),
        ([[True, False], [False, True]], ANY, "y: one-hot rows"),
        ([["a", "b"]], ANY, r"y: expected one label a row, \(n,\), got shape \(1, 2\)"),
        ([[1], [0]], SIGMOID, r"y: sigmoid_cross_entropy expects labels .*, got shape \(2, 1\); pass y\.ravel\(\)"),
        ([["a", "b"]], SIGMOID, "y row 0: expected a number, got 'a'"),
        ([0.5, 1.0], SIGMOID, "y row 0: expected a whole number of 64 bits as a label, got 0.5"),
        ([[1, 2]], SOFTMAX, r"y: expected one label a row, \(n,\), got shape \(1, 2\)"),
        (np.zeros((1, 1, 1)), ANY, r"y: expected \(n,\) or \(n, outputs\), got shape \(1, 1, 1\)"),
        ([[1], [2, 3]], ANY, "y: expected rows of equal length"),
        ([0.5, float("inf")], SQUARED, "y row 1: expected"),
        (np.array([0.5, 1e39]), SQUARED, "y row 1: expected a number within float32's range"),
        (np.array([[1.0, np.nan]]), ANY, "y row 0, column 1: expected a finite number, got nan"),
        ("text", ANY, "y: expected one value a row, got str"),
        (["ok", "\ud800"], ANY, "y row 1: expected text that UTF-8 can hold"),
        (["a", "a\0"], ANY, "y row 1: expected a label that does not end in a NUL character"),
    ],
)
def test_a_y_that_cannot_be_learnt_is_refused_with_its_row(y, loss, message):
    with pytest.raises(InvalidRequest, match=message):
        sent(y, loss)


@pytest.mark.parametrize(
    ("y", "kind", "warning"),
    [
        ([1, 0] * 50, "integers", None),
        (list(range(20)), "integers", None),
        (list(range(21)), "targets", "y: more than 20 different whole numbers are an amount; give task='class"),
        (np.arange(748), "targets", "y: more than 20 different whole numbers are an amount"),
        (
            [0.0, 1.0],
            "integers",
            "y: 2 different whole numbers are classes, as up to 20 are; give task='regression' if",
        ),
        (pd.Series([0.0, 1.0, 2.0]), "integers", "y: 3 different whole numbers are classes, as up to 20 are"),
        (np.array([0, 1.0], dtype=object), "integers", "y: 2 different whole numbers are classes"),
        (np.arange(30.0), "targets", None),
        ([0.5, 1.0], "targets", None),
    ],
)
def test_few_whole_numbers_are_classes_and_other_numbers_an_amount(y, kind, warning):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = sent(y, ANY)[0]

    assert found == kind
    assert len(caught) == (warning is not None)
    assert all(str(each.message).startswith(warning) for each in caught)


def test_the_task_decides_what_numbers_are():
    assert open_targets([1, 0], ANY, classification=False).classification is False
    assert open_targets(np.arange(748), ANY, classification=True).classification is True
    assert open_targets(np.array([[1], [0]]), ANY, classification=True).classification is True
    with pytest.raises(InvalidRequest, match="y row 0: expected a number, got 'a'"):
        open_targets(["a", "b"], ANY, classification=False)


def test_what_goes_on_from_a_version_is_what_its_type_says():
    assert open_targets(np.arange(30), ANY, by_values=False).classification is True
    assert open_targets([0.0, 1.0], ANY, by_values=False).classification is False


def test_blanks_around_labels_are_said():
    with pytest.warns(UserWarning, match="y: blanks before and after labels are left out, as in ' yes'"):
        sent(["no", " yes"], ANY)


@pytest.mark.parametrize("loss", EVERY_LOSS)
def test_every_loss_takes_what_the_library_says_it_takes(loss):
    wants = LOSSES[loss].targets
    several = [[1, 0], [0, 1]]

    assert sent([1, 0], loss)[0] == ("targets" if wants == "values" else "integers")
    assert classifies(loss) == (wants != "values")
    if wants == "classes":
        with pytest.raises(InvalidRequest, match="y: expected one label a row"):
            sent(several, loss)
    else:
        assert sent(several, loss) == ("targets", several)


@pytest.mark.parametrize("loss", [ANY, SIGMOID])
def test_one_column_of_flags_is_ambiguous(loss):
    with pytest.raises(InvalidRequest) as caught:
        sent([[1], [0]], loss)

    assert (caught.value.reason, caught.value.pointer) == ("AMBIGUOUS_TARGET", "y")


@pytest.mark.parametrize("labels", [[3, -1], ["a", "b"], [True, False]])
def test_labels_come_back_as_they_went(labels):
    assert labels_of(labels_message(labels, "classes")) == labels


def test_label_arrays_are_integers_text_or_booleans():
    assert labels_array([1, 2]).dtype == np.int64
    assert labels_array(["a", "bc"]).dtype.kind == "U"
    assert labels_array([True]).dtype == np.bool_
