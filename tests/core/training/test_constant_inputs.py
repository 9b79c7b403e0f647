"""Inputs that did not vary in training are 0 for whatever comes later: nothing was learnt of them."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from layerwise import (
    MLP,
    Architecture,
    DateParts,
    Hashing,
    InvalidInput,
    Layer,
    Log,
    MinMax,
    OneHot,
    Ordinal,
    Plan,
    Quantiles,
    Standardize,
    TableEncoder,
    Unscaled,
    fit,
)
from layerwise.data.variation import negligible
from layerwise.onnx import to_onnx
from layerwise.sklearn import MLPRegressor
from layerwise.standalone import export_standalone

ROWS = 200
RNG = np.random.default_rng(3)


@pytest.mark.parametrize("encoding", [Standardize(), MinMax(), Log(), Quantiles(), Unscaled()])
def test_a_number_that_never_varied_is_0_whatever_comes(encoding):
    encoder = TableEncoder({"x": encoding}).fit({"x": [50_000.0] * ROWS})

    for given in ([60_000.0, 0.0, 1e9], [{"x": 60_000.0}, {"x": 0}, {"x": 1e9}]):
        table = given if isinstance(given[0], dict) else {"x": given}
        assert encoder.encode(table).tolist() == [[0.0]] * 3
    assert encoder.columns[0].is_ignored


@pytest.mark.parametrize(
    "values",
    [
        [14.62] * 1_000,
        [0.3, 0.1 + 0.2] * 50,
        [1e15 + 0.25] * 999,
        np.full(1_000, 1e-300),
        [1 / 3] * 99_999 + [np.nextafter(1 / 3, 1)],
    ],
)
def test_what_differs_by_rounding_alone_does_not_vary(values):
    encoder = TableEncoder().fit({"x": values})

    assert encoder.encode({"x": [values[0], values[0] * 1.01, values[0] + 1]}).tolist() == [[0.0]] * 3


@pytest.mark.parametrize(
    "values", [[1e9, 1e9 + 1], [1.7e12 + i for i in range(1_000)], [0.0, 1e-30], [1.0, 1.0 + 1e-13]]
)
def test_small_differences_that_are_no_rounding_are_kept(values):
    encoder = TableEncoder().fit({"x": values})

    found = encoder.encode({"x": values}, dtype=np.float64)

    assert found.std() == pytest.approx(1, rel=1e-2)
    assert not encoder.constant


def test_the_tolerance_grows_with_rows_and_magnitude():
    assert negligible(1e-10, 1e6, 100)
    assert not negligible(1e-10, 1.0, 100)
    assert negligible(1e-13, 1.0, 10**8)
    assert not negligible(1e-13, 1.0, 10)
    assert negligible(1e-7, 1.0, 10, np.float32)


DAYS = ["2024-03-01", "2024-03-15T00:00", datetime(2024, 3, 20)]


def test_parts_of_a_date_that_never_varied_are_0():
    encoding = DateParts(parts=("year", "month_cycle", "day", "hour_cycle"))
    encoder = TableEncoder({"x": encoding}).fit({"x": DAYS})

    found = encoder.encode({"x": ["2031-11-15T17:00"]}, dtype=np.float64)

    assert encoder.constant == (0, 1, 2, 4, 5)
    np.testing.assert_allclose(found, [[0, 0, 0, 14 / 30, 0, 0]])


@pytest.mark.parametrize(
    ("encoding", "seen", "asked", "wanted"),
    [
        (OneHot(), ["a", "a"], ["a", "b"], [[0], [0]]),
        (OneHot(), ["a", None], ["a", None], [[1, 0], [0, 1]]),
        (
            OneHot(unseen="other", missing="own"),
            ["a", "b"],
            ["a", "c", None],
            [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        ),
        (Ordinal(order=("low", "high")), ["low", "low"], ["low", "high"], [[0], [0]]),
        (Ordinal(missing="own"), ["a", "b"], ["b", None], [[1, 0], [0, 0]]),
        (Standardize(missing="indicator"), [1, 3], [None, 3], [[0, 0], [1, 0]]),
        (Hashing(buckets=2), ["a", "a"], ["a", "b"], [[0, 0], [0, 0]]),
    ],
)
def test_outputs_that_no_row_told_apart_are_0(encoding, seen, asked, wanted):
    encoder = TableEncoder({"x": encoding}).fit({"x": seen})

    assert encoder.encode({"x": asked}).tolist() == wanted
    assert encoder.encode([{"x": value} for value in asked]).tolist() == wanted


def test_a_bucket_that_no_category_fell_into_is_0():
    seen = [f"c{i}" for i in range(5)]
    encoder = TableEncoder({"x": Hashing(buckets=64)}).fit({"x": seen})

    new = encoder.encode({"x": [f"new{i}" for i in range(500)]})

    used = encoder.encode({"x": seen}).any(axis=0)
    assert not new[:, ~used].any()
    assert new[:, used].any()


def test_the_kind_of_blocks_makes_no_difference():
    table = {"x": [7.0] * 10, "day": ["2024-03-01"] * 10, "c": ["a"] * 10, "y": list(range(10))}
    whole = TableEncoder().fit(table)
    blocks = [{name: values[i : i + 3] for name, values in table.items()} for i in range(0, 10, 3)]

    assert TableEncoder().fit_blocks(blocks) == whole
    assert {column.name for column in whole.columns if column.is_ignored} == {"x", "day", "c"}


@pytest.mark.parametrize("first", [Layer(8, "relu"), Layer(2, "tanh", residual=True), Layer(8, normalization="batch")])
def test_an_estimator_ignores_a_column_that_never_varied(first):
    X = np.column_stack([RNG.normal(size=1_000), np.full(1_000, 14.62)])
    y = X[:, 0] * 2

    fitted = MLPRegressor(first, epochs=3, random_state=0).fit(X, y)

    later = np.column_stack([X[:, 0], np.full(1_000, 60_000.0)])
    np.testing.assert_allclose(fitted.predict(later), fitted.predict(X))
    np.testing.assert_allclose(fitted.predict(X.astype(np.float32)), fitted.predict(X), rtol=1e-4, atol=1e-4)
    assert fitted.score(X.astype(np.float32), y) > 0.5


def test_what_is_to_be_learnt_batch_by_batch_may_vary_later():
    X = RNG.normal(size=(400, 2))
    y = X @ [1.0, -2.0]
    estimator = MLPRegressor(8, random_state=0, learning_rate=0.02, batch_size=16)

    estimator.partial_fit(X[:1], y[:1])
    for _ in range(10):
        estimator.partial_fit(X[1:], y[1:])

    assert estimator.score(X, y) > 0.9


def test_the_json_form_keeps_what_is_constant():
    encoder = TableEncoder().fit({"x": [7.0, 7.0], "y": [1.0, 2.0]})

    again = TableEncoder.from_json(encoder.to_json())

    assert again == encoder
    assert again.encode({"x": [9.0], "y": [1.0]}).tolist() == encoder.encode({"x": [9.0], "y": [1.0]}).tolist()


@pytest.mark.parametrize("wrong", [[1], [-1], [0, 0], "0", [True], [0.0], None])
def test_a_wrong_list_of_constant_outputs_is_refused(wrong):
    given = TableEncoder().fit({"x": [7.0, 7.0]}).to_json()
    given["fitted"][0]["constant"] = wrong

    with pytest.raises(InvalidInput, match=r"^fitted\[0\]\.constant"):
        TableEncoder.from_json(given)


@pytest.fixture(scope="module")
def model() -> MLP:
    """Trained on a table, half of whose columns do not vary."""
    n = 64
    table = {
        "x": RNG.normal(size=n).tolist(),
        "same": [50_000.0] * n,
        "day": ["2024-03-01"] * n,
        "kind": ["only"] * n,
        "colour": [("red", "green")[i % 2] for i in range(n)],
    }
    encoder = TableEncoder().fit(table)
    model = MLP(Architecture(inputs=encoder.width, layers=(Layer(8), Layer(1))), seed=1)
    model.encoder = encoder
    y = np.array(table["x"]) * 2
    for _ in fit(model, table, y, plan=Plan(loss="squared_error", epochs=5)):
        pass
    return model


SEEN = {"x": 0.5, "same": 50_000.0, "day": "2024-03-01", "kind": "only", "colour": "red"}
LATER = {"x": 0.5, "same": 60_000.0, "day": "2031-12-24", "kind": "new", "colour": "red"}


def test_predictions_do_not_depend_on_what_never_varied(model):
    seen, later = model.predict([SEEN, LATER])

    assert seen == later


def test_the_doctor_names_what_never_varied():
    table = {"x": [1.0, 2.0, 3.0, 4.0], "same": [7] * 4, "day": ["2024-03-01", "2024-03-02"] * 2, "kind": ["a"] * 4}
    model = MLP(Architecture(TableEncoder().fit(table).width, (Layer(1),)))
    model.encoder = TableEncoder().fit(table)

    *_, record = fit(model, table, [1.0, 2.0, 3.0, 5.0], plan=Plan(loss="squared_error", epochs=2))

    (finding,) = (finding for finding in record.findings if finding.kind == "constant")
    assert finding.message == (
        "column 'same', 'day.year', 'day.month_sin', 'day.month_cos', column 'kind' were the same in every row, so "
        "they are ignored: predictions do not depend on them"
    )
    assert finding.value == 5


def test_the_doctor_names_inputs_that_never_vary_unless_they_are_small():
    X = np.column_stack([RNG.normal(size=50), np.full(50, 3.0), np.full(50, -0.5)])
    model = MLP(Architecture(3, (Layer(2),)))

    *_, record = fit(model, X, np.arange(50) % 2, plan=Plan(epochs=2))

    messages = [finding.message for finding in record.findings if finding.kind == "constant"]
    assert messages == [
        "input 1 is the same in every row examined: leave it out; predictions for another value would be arbitrary"
    ]


def test_onnx_and_the_exported_program_agree(model, tmp_path: Path):
    session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    feeds = {
        "x": np.array([[0.5], [0.5]]),
        "same": np.array([[50_000.0], [60_000.0]]),
        "day": np.array([["2024-03-01"], ["2031-12-24"]], "M8[s]").astype(np.int64),
        "kind": np.array([["only"], ["new"]], object),
        "colour": np.array([["red"], ["red"]], object),
    }
    (onnx,) = session.run(["values"], feeds)
    export_standalone(model, tmp_path / "program.py")

    command = [sys.executable, "-I", str(tmp_path / "program.py")]
    printed = subprocess.run(command, input=json.dumps([SEEN, LATER]), capture_output=True, text=True, check=True)
    program = [json.loads(line) for line in printed.stdout.splitlines()]

    np.testing.assert_allclose(onnx, model.predict([SEEN, LATER]), rtol=1e-5)
    np.testing.assert_allclose(program, model.predict([SEEN, LATER]), rtol=1e-5)
    assert onnx[0] == onnx[1]
