"""Predictions of every kind, degenerate ones among them, as hypothesis draws them."""

from __future__ import annotations

import warnings

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

MANY = settings(max_examples=30, deadline=None)
POOLS = (
    [0, 1],
    [-1, 1],
    [False, True],
    ["no", "yes"],
    [3, 7, 11],
    [0, 1, 2, 3],
    ["ant", "bee", "cat"],
    [10**15, 0, -5],
)


def quietly(function, *arguments, **named):
    """What scikit-learn gives, whatever it warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **named)


def weights_of(rows):
    """None, or a weight for each row, some zero, whose sums are exact."""
    quarters = st.lists(st.integers(0, 8), min_size=rows, max_size=rows).filter(any)
    return st.one_of(st.none(), quarters.map(lambda drawn: np.array(drawn) / 4))


@st.composite
def labelled(draw):
    """(y, predicted, weights, the pool of labels): often one class alone, a constant prediction, a single row."""
    pool = draw(st.sampled_from(POOLS))
    rows = draw(st.integers(1, 12))
    some = st.lists(st.sampled_from(pool), min_size=rows, max_size=rows)
    constant = st.sampled_from(pool).map(lambda label: [label] * rows)
    y, predicted = draw(st.one_of(some, constant)), draw(st.one_of(some, constant))
    return np.array(y), np.array(predicted), draw(weights_of(rows)), pool


@st.composite
def scored(draw, classes):
    """(class numbers, scores (n, classes) with many ties, weights)."""
    rows = draw(st.integers(1, 12))
    y = draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows))
    eighths = st.integers(0, 8).map(lambda k: k / 8)
    one = st.one_of(eighths, st.floats(0, 1))
    scores = [draw(st.lists(one, min_size=classes, max_size=classes)) for _ in range(rows)]
    return np.array(y), np.array(scores), draw(weights_of(rows))


def probabilities(scores):
    """`scores` (n, c) as probabilities whose sum is 1."""
    total = scores.sum(axis=1, keepdims=True)
    return np.where(total > 1e-6, scores, 1.0) / np.where(total > 1e-6, total, scores.shape[1])


@st.composite
def numbers(draw, least=-40, outputs=None):
    """(y, predicted, weights), (n, k) multiples of 1/8: often constant, or perfect."""
    rows, columns = draw(st.integers(1, 10)), draw(st.integers(1, 3)) if outputs is None else outputs
    column = st.lists(st.integers(least, 40), min_size=rows, max_size=rows)
    constant = st.integers(least, 40).map(lambda value: [value] * rows)
    y = [draw(st.one_of(column, constant)) for _ in range(columns)]
    other = [draw(st.one_of(column, constant, st.just(y[j]))) for j in range(columns)]
    return np.array(y).T / 8, np.array(other).T / 8, draw(weights_of(rows))
