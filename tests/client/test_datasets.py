"""The built-in data sets are what their sources say they are."""

import hashlib

import numpy as np
import pytest
import sklearn.datasets

from layerwise_client import InvalidRequest, NotFound, datasets

GENERATED = ["spiral", "circles", "xor", "moons"]


def test_digits_are_those_of_the_uci_test_set():
    X, y = datasets.load("digits")

    reference = sklearn.datasets.load_digits()
    assert X.dtype == np.float32
    assert np.array_equal(X, reference.data)
    assert np.array_equal(y, reference.target)
    assert X.shape == (1797, 64)
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_iris_is_fishers():
    X, y = datasets.load("iris")

    reference = sklearn.datasets.load_iris()
    assert np.array_equal(X, reference.data.astype(np.float32))
    assert np.array_equal(y, reference.target_names[reference.target])


@pytest.mark.parametrize("name", datasets.names())
def test_a_data_set_is_as_large_as_it_says(name):
    X, y = datasets.load(name)

    told = datasets.info(name)
    assert X.shape == (told.rows, len(told.columns))
    assert sorted(set(y.tolist())) == list(told.classes)
    assert X.dtype == np.float32


@pytest.mark.parametrize("name", ["digits", "iris"])
def test_real_data_has_citation_and_licence(name):
    told = datasets.info(name)

    assert told.citation
    assert told.licence == "CC BY 4.0"


@pytest.mark.parametrize("name", GENERATED)
def test_the_same_seed_draws_the_same_points(name):
    def digest(seed):
        X, y = datasets.load(name, rows=50, noise=0.1, seed=seed)
        return hashlib.sha256(X.tobytes() + y.tobytes()).hexdigest()

    assert digest(1) == digest(1) == digest(1)
    assert digest(1) != digest(2)


@pytest.mark.parametrize("name", GENERATED)
@pytest.mark.parametrize("rows", [7, 1000])
def test_the_classes_of_a_generated_set_are_even(name, rows):
    _, y = datasets.load(name, rows=rows)

    counts = np.bincount(y)
    assert counts.sum() == rows
    assert counts.max() - counts.min() <= 1


def test_without_noise_the_points_lie_on_their_curves():
    X, y = datasets.load("circles", noise=0.0)
    assert np.allclose(np.hypot(X[:, 0], X[:, 1]), np.where(y == 0, 1.0, 0.5), atol=1e-6)

    X, y = datasets.load("xor", noise=0.0)
    assert np.array_equal(np.abs(X), np.ones_like(X))
    assert np.array_equal(X[:, 0] * X[:, 1] < 0, y == 1)

    X, y = datasets.load("moons", noise=0.0)
    centres = np.where((y == 0)[:, np.newaxis], [0.0, 0.0], [1.0, 0.5])
    assert np.allclose(np.hypot(*(X - centres).T), 1.0, atol=1e-6)
    assert np.all(((X - centres)[:, 1] >= -1e-6) == (y == 0) | (np.abs((X - centres)[:, 1]) < 1e-6))

    X, y = datasets.load("spiral", noise=0.0)
    radius, angle = np.hypot(X[:, 0], X[:, 1]), np.arctan2(X[:, 0], X[:, 1])
    turned = ((angle - 4 * y - 4 * radius) / (2 * np.pi))[radius > 0]
    assert np.allclose(turned, np.round(turned), atol=1e-4)


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(NotFound, match="'mnist'; expected one of digits, iris, spiral"):
        datasets.load("mnist")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("digits", {"rows": 5}, "rows: only generated data sets take it, digits is real data"),
        ("iris", {"seed": 5}, "seed: only generated data sets take it, iris is real data"),
        ("xor", {"rows": 1}, "rows: expected at least 2, one for each class, got 1"),
        ("xor", {"seed": -1}, "seed: expected a whole number of at least 0"),
        ("xor", {"noise": -1}, "noise: expected a finite number of at least 0"),
        ("xor", {"noise": float("nan")}, "noise: expected a finite number of at least 0"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(name, arguments, message):
    with pytest.raises(InvalidRequest, match=message):
        datasets.load(name, **arguments)
