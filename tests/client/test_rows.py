"""Rows as users have them become float32 blocks, or an error that says which cell is wrong."""

import numpy as np
import pytest
from scipy import sparse

from layerwise_client import InvalidRequest
from layerwise_client._data.rows import open_rows


@pytest.mark.parametrize(
    "X",
    [
        np.array([[1, 2], [3, 4], [5, 6]]),
        np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float16),
        np.asfortranarray(np.array([[1.0, 2], [3, 4], [5, 6]])),
        [[1, 2], [3.0, 4], (5, 6)],
        [np.array([1, 2]), np.array([3, 4]), np.array([5, 6])],
        sparse.csr_matrix([[1, 2], [3, 4], [5, 6]]),
        sparse.csc_matrix([[1, 2], [3, 4], [5, 6]]),
        sparse.coo_matrix([[1, 2], [3, 4], [5, 6]]),
        sparse.csr_array([[1.0, 2], [3, 4], [5, 6]]),
        sparse.dok_array([[1.0, 2], [3, 4], [5, 6]]),
    ],
    ids=["ints", "float16", "fortran", "lists", "list of arrays", "csr", "csc", "coo", "array", "dictionary"],
)
def test_every_kind_of_rows_gives_the_same_blocks(X):
    rows = open_rows(X)

    assert (rows.count, rows.features) == (3, 2)
    assert rows.block(1, 3).tolist() == [[3, 4], [5, 6]]
    assert rows.block(0, 2).dtype == np.float32


def test_booleans_become_zeros_and_ones():
    assert open_rows([[True, False]]).block(0, 1).tolist() == [[1, 0]]


def test_a_memory_mapped_array_is_read_block_by_block(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(12, dtype=np.float32).reshape(6, 2))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")

    rows = open_rows(mapped)

    assert isinstance(rows.take(2, 4), np.memmap)
    assert rows.block(2, 4).tolist() == [[4, 5], [6, 7]]


def test_a_sparse_matrix_is_never_dense_as_a_whole():
    wide = sparse.csr_matrix(([7.0], ([500_000], [3])), shape=(10**6, 10**6))  # dense, 4 TB

    rows = open_rows(wide)

    assert (rows.count, rows.features) == (10**6, 10**6)
    assert rows.block(499_999, 500_001)[:, :5].tolist() == [[0] * 5, [0, 0, 0, 7, 0]]


NAN = float("nan")


@pytest.mark.parametrize(
    ("X", "message", "pointer"),
    [
        ([1, 2, 3], r"shape \(3,\); for a single row write \[\[…\]\]", "X"),
        (np.zeros(4), r"shape \(4,\); for a single row", "X"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)$", "X"),
        ([[[1], [2]], [[3], [4]]], r"shape \(2, 2, 1\)", "X"),
        (3, r"shape \(\)", "X"),
        ("text", r"shape \(\)", "X"),
        (sparse.coo_array(np.ones(3)), r"shape \(3,\)", "X"),
        (sparse.csr_matrix([[1, 2], [3, NAN]]), "X row 1, column 1: expected a finite number, got nan", "X[1][1]"),
        ([], "X has no rows", "X"),
        (np.zeros((0, 3)), "X has no rows", "X"),
        (np.zeros((3, 0)), "X has rows without numbers", "X"),
        ([[1, 2], [3]], "X row 1: expected 2 numbers, got 1", "X[1]"),
        ([[1, 2], 3], "X row 1: expected 2 numbers, got a value that is not a row", "X[1]"),
        ([[1, 2], [3, None]], "X row 1, column 1: expected a number, got None", "X[1][1]"),
        ([[1, 2], [3, "4"]], "X row 1, column 1: expected a number, got '4'", "X[1][1]"),
        ([[1, 2], [3, [4]]], "X rows 0 to 1: expected numbers only", "X"),
        (np.array([["1", "2"]]), "expected numbers, got an array of <U1", "X"),
        (np.array([["1", 2]], dtype=object), "X row 0, column 0: expected a number, got '1'", "X[0][0]"),
        (np.array([[1 + 2j]]), "expected numbers, got an array of complex128", "X"),
        ([[1, 2], [3, NAN]], "X row 1, column 1: expected a finite number, got nan", "X[1][1]"),
        ([[1, 2], [float("-inf"), 4]], "X row 1, column 0: expected a finite number, got -inf", "X[1][0]"),
        (
            [[1, 1e39]],
            r"X row 0, column 1: expected a number within float32's range \(±3.4e38\), got 1e\+39",
            "X[0][1]",
        ),
        (np.ma.masked_array([[1.0, 2.0]], mask=[[False, True]]), "X row 0, column 1: expected a finite", "X[0][1]"),
    ],
)
def test_rows_that_cannot_be_trained_on_are_refused_with_their_place(X, message, pointer):
    with pytest.raises(InvalidRequest, match=message) as caught:
        open_rows(X).block(0, 2)

    assert caught.value.pointer == pointer


def test_the_row_in_an_error_counts_from_the_start_of_all_rows():
    rows = open_rows(np.array([[0.0], [1.0], [2.0], [NAN]]))

    rows.block(0, 2)
    with pytest.raises(InvalidRequest, match="X row 3, column 0"):
        rows.block(2, 4)
