"""What stands under a mask is neither trained on nor predicted."""

from __future__ import annotations

import numpy as np
import pytest

from layerwise_client import Client, InvalidRequest, Prediction, Signature

X = np.array([[-1.0], [1.0]])
Y = [0.0, 0.5]
MASK = [False, True]


def masked(values):
    return np.ma.masked_array(values, MASK)


class Table:
    """A transport to a model of the column a, which predicts 1 for every row."""

    number_bytes = 8

    def signature(self, model, version):
        return Signature("m", 1, {"a": "number"})

    def predict(self, model, version, rows):
        return Prediction("m", 1, None, np.ones(len(rows)), None)

    def close(self):
        pass


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"y": masked([0.0, 1000.0])}, ("y",)),
        ({"y": masked([0, 1])}, ("y",)),
        ({"y": masked(["a", "b"])}, ("y",)),
        ({"y": masked([True, False])}, ("y",)),
        ({"y": [0.0, np.ma.masked]}, ("y", 1)),
        ({"y": [np.array([0.0, 0.0]), masked([0.0, 1.0])]}, ("y", 1)),
        ({"X": {"a": [1.0, 2.0], "b": masked([0, 1])}, "y": "b"}, ("y",)),
        ({"X": [{"a": 1.0, "b": 0}, {"a": 2.0, "b": np.ma.masked}], "y": "b"}, ("y", 1)),
        ({"weights": masked([1.0, 1.0])}, ("weights",)),
        ({"weights": [1.0, np.ma.masked]}, ("weights", 1)),
        ({"classes": masked([0, 1]), "y": [0, 1]}, ("classes", 1)),
        ({"X": [X[0], np.ma.masked_array(X[1], [True])]}, ("X", 1)),
    ],
)
def test_no_masked_value_is_trained_on(arguments, place):
    with (
        Client("127.0.0.1:1", timeout=1) as client,
        pytest.raises(InvalidRequest, match="expected an array without a mask") as caught,
    ):
        client.train("m", {"layers": [{}]}, progress=False, **{"X": X, "y": Y, **arguments})

    assert caught.value.place == place


@pytest.mark.parametrize(
    ("rows", "place"),
    [(np.ma.masked_array(X, [[False], [True]]), ("X",)), ([X[0], np.ma.masked_array(X[1], [True])], ("X", 1))],
)
def test_no_masked_row_is_predicted_by_its_position(rows, place):
    with Client(transport=Table()) as client, pytest.raises(InvalidRequest, match="without a mask") as caught:
        client.predict("m", rows)

    assert caught.value.place == place
