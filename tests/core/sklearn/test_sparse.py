"""Sparse matrices train and are predicted as the dense ones that they stand for, without becoming one."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from layerwise import LBFGS, EarlyStopping, Plan
from layerwise.sklearn import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(5)
X = RNG.normal(size=(300, 12)) * (RNG.random((300, 12)) < 0.2) * np.logspace(-2, 2, 12)
X[:, 3] = 0
X[:, 4] = 7
Y = X[:, 0] * 100 + np.sign(X[:, 6])
CLASSES = np.where(Y > 0, "high", np.where(Y < 0, "low", "none"))
FORMATS = [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array, sparse.lil_array]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_a_sparse_matrix_trains_the_network_of_the_dense_one(form, dtype):
    dense = X.astype(dtype)
    arguments = {"epochs": 4, "random_state": 0, "validation": 0.2}

    ours = MLPClassifier(16, **arguments).fit(form(dense), CLASSES)

    expected = MLPClassifier(16, **arguments).fit(dense, CLASSES)
    tolerance = 1e-3 if dtype == np.float32 else 1e-9
    np.testing.assert_allclose(ours.predict_proba(form(dense)), expected.predict_proba(dense), atol=tolerance)
    np.testing.assert_allclose(ours.predict_proba(dense), expected.predict_proba(dense), atol=tolerance)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(loss="squared_error", epochs=3),
        Plan(loss="squared_error", epochs=3, validation=0.2, early_stopping=EarlyStopping()),
        Plan(loss="squared_error", epochs=3, validation=0.2, split="temporal"),
        Plan(loss="squared_error", epochs=3, optimizer=LBFGS()),
    ],
    ids=["plain", "stopping", "temporal", "lbfgs"],
)
def test_values_are_learnt_from_a_sparse_matrix(plan):
    weights = RNG.random(300)

    ours = MLPRegressor(8, plan=plan).fit(sparse.csr_matrix(X), Y, sample_weight=weights)

    expected = MLPRegressor(8, plan=plan).fit(X, Y, sample_weight=weights)
    np.testing.assert_allclose(ours.predict(sparse.csr_matrix(X)), expected.predict(X), rtol=1e-6, atol=1e-6)


def test_sparse_batches_are_learnt_as_they_arrive():
    ours, expected = (MLPClassifier(8, random_state=0) for _ in range(2))

    for part in slice(0, 100), slice(100, 300):
        ours.partial_fit(sparse.csr_matrix(X[part]), CLASSES[part], classes=["high", "low", "none"])
        expected.partial_fit(X[part], CLASSES[part], classes=["high", "low", "none"])

    np.testing.assert_allclose(ours.predict_proba(X), expected.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("standardize", [True, False])
def test_a_matrix_that_memory_would_not_hold_dense_is_learnt_batch_by_batch(standardize):
    wide = sparse.random(10_000, 4_000, density=1e-3, format="csr", dtype=np.float32, random_state=0)
    labels = np.arange(10_000) % 2
    tracemalloc.start()

    fitted = MLPClassifier(4, epochs=1, random_state=0, standardize=standardize).fit(wide, labels)
    fitted.predict(wide)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80e6  # dense it has 160 MB


def test_entries_of_the_same_place_are_added():
    twice = sparse.csr_matrix(([1.0, 1.0, 3.0, 5.0], [0, 0, 0, 0], [0, 2, 3, 4]), shape=(3, 1))
    assert not twice.has_canonical_format

    ours = MLPRegressor(4, epochs=2, random_state=0).fit(twice, [1.0, 2.0, 3.0])

    expected = MLPRegressor(4, epochs=2, random_state=0).fit(twice.toarray(), [1.0, 2.0, 3.0])
    np.testing.assert_allclose(ours.predict(twice), expected.predict(twice.toarray()))


def test_what_is_not_finite_in_a_sparse_matrix_is_refused():
    wrong = sparse.csr_matrix(np.array([[0.0, np.nan], [1.0, 0.0]]))

    with pytest.raises(ValueError, match="NaN"):
        MLPClassifier(4).fit(wrong, [0, 1])
