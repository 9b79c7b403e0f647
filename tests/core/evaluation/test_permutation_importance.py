"""Permutation importance: how far the metric falls when a column is shuffled."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import permutation_importance as theirs

from layerwise import (
    MLP,
    Adam,
    Architecture,
    Importances,
    InvalidInput,
    Layer,
    Plan,
    TableEncoder,
    fit,
    permutation_importance,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3)).astype(np.float32)
AMOUNTS = 3 * X[:, 0] - X[:, 1]
TABLE = {"size": X[:, 0], "pet": RNG.choice(["ant", "bee", "cat"], 300), "noise": X[:, 1]}
LABELS = np.where(TABLE["pet"] == "bee", "yes", "no")


def linear(weights):
    model = MLP(Architecture(3, (Layer(1),)), weights={"layer0/weight": np.array(weights)[:, None]})
    model.plan = Plan(loss="squared_error")
    return model


@pytest.fixture(scope="module")
def of_table():
    encoder = TableEncoder().fit(TABLE)
    model = MLP(Architecture(encoder.width, (Layer(8, "relu"), Layer(2))), seed=1)
    model.encoder = encoder
    for _ in fit(model, TABLE, LABELS, plan=Plan(epochs=30, optimizer=Adam(0.05))):
        pass
    return model


@pytest.mark.parametrize("weights", [None, RNG.integers(0, 3, 300) / 2], ids=["plain", "weighted"])
def test_importances_are_those_of_scikit_learn(weights):
    class Estimator(RegressorMixin, BaseEstimator):
        def fit(self):
            pass

        def predict(self, x):
            return linear([2.0, -1.0, 0.0]).predict(x)

    expected = theirs(Estimator(), X, AMOUNTS, scoring="r2", n_repeats=50, random_state=0, sample_weight=weights)

    found = permutation_importance(linear([2.0, -1.0, 0.0]), X, AMOUNTS, repeats=50, weights=weights)

    assert [each.name for each in found.columns] == [0, 1, 2]
    assert (found.metric, found.rows, found.repeats) == ("r2", 300, 50)
    for each in found.columns:
        error = 5 * expected.importances_std[each.name] / np.sqrt(25)
        assert each.mean == pytest.approx(expected.importances_mean[each.name], abs=error + 1e-6)
        assert each.deviation == pytest.approx(expected.importances_std[each.name], rel=0.5, abs=1e-6)
    assert found.columns[2].mean == found.columns[2].deviation == 0


def test_a_column_is_shuffled_with_all_inputs_that_it_becomes(of_table):
    found = permutation_importance(of_table, TABLE, LABELS)

    assert found.score == 1
    assert found.columns[0].name == "pet"
    assert {each.name for each in found.columns} == set(TABLE)
    # a third of the rows are bees: a shuffled one is right with 1/3 · 1/3 + 2/3 · 2/3
    assert found.columns[0].mean == pytest.approx(4 / 9, abs=0.06)
    assert max(abs(each.mean) for each in found.columns[1:]) < 0.02


def test_encoded_rows_have_the_importances_of_their_columns(of_table):
    encoded = of_table.encoder.encode(TABLE)

    assert permutation_importance(of_table, encoded, LABELS) == permutation_importance(of_table, TABLE, LABELS)


def test_the_seed_decides_and_the_rows_stay_as_they_are():
    given = X.copy()
    found, again, other = (permutation_importance(linear([1, 1, 1]), given, AMOUNTS, seed=seed) for seed in (1, 1, 2))

    assert found == again != other
    np.testing.assert_array_equal(given, X)


def test_importances_have_a_json_form_and_a_table(of_table):
    found = permutation_importance(of_table, TABLE, LABELS)

    back = Importances.from_json(json.loads(json.dumps(dataclasses.asdict(found)), parse_int=float))

    assert back == found
    lines = str(found).splitlines()
    assert lines[0].split() == ["importance", "fall", "of", "accuracy", "±"]
    assert lines[1].split()[0] == "pet"
    assert lines[-1].startswith("if its values are shuffled: mean of 5 shuffles of 300 rows")


@pytest.mark.parametrize(
    ("X", "y", "named", "message"),
    [
        (X[:0], [], {}, "X: expected at least one row, got none"),
        (X, AMOUNTS[:4], {}, "y: expected"),
        (X, AMOUNTS, {"repeats": 0}, "repeats: expected a whole number of at least 1, got 0"),
        (X * 1e30, AMOUNTS, {}, "X: expected rows whose outputs are finite in float32"),
    ],
    ids=["no rows", "too few targets", "no repeats", "overflow"],
)
def test_what_has_no_importances_is_refused(X, y, named, message):
    with pytest.raises(InvalidInput, match=message):
        permutation_importance(linear([1e20, 1, 1]), X, y, **named)
