"""fit() and its data: labels, what it costs in memory, and how the numbers lie there."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from helpers.small_trainings import digits, run, small, table
from helpers.tracing import least_peak
from layerwise import MLP, Adam, Architecture, Layer, Maxout, Plan, fit, gradient_check
from layerwise.network.parameters import views


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (["b", "a", "c"] * 4, ("a", "b", "c")),
        ([30, 10, 20] * 4, (10, 20, 30)),
        ([0, 2, 2] * 4, (0, 1, 2)),
        (np.array(["x", "yy", "zzz"] * 4, dtype=object), ("x", "yy", "zzz")),
        (np.array([1, 0, 2] * 4, dtype=np.uint8), (0, 1, 2)),
    ],
)
def test_labels_come_back_as_they_went_in(y, labels):
    X = np.tile(np.eye(3, 4), (4, 1)) * 3
    model = small()

    run(model, X, y, plan=Plan(epochs=200, optimizer=Adam(0.05)))

    assert model.labels == labels
    assert all(type(label) in (int, str) for label in model.labels)
    assert model.predict(X).tolist() == list(y)


def test_booleans_are_labels_too():
    X, y = table(40, outputs=2)
    model = small(2)

    run(model, X, y == 1, plan=Plan(epochs=1))

    assert model.labels == (False, True)
    assert model.predict(X).dtype == bool


def test_labels_that_are_set_decide_which_output_is_which():
    X, y = table(30)
    by_index, by_name = small(), small()
    by_name.labels = ["c", "b", "a"]

    run(by_index, X, y, plan=Plan(epochs=2))
    run(by_name, X, np.array(["c", "b", "a"])[y], plan=Plan(epochs=2))

    assert by_index.parameters.tobytes() == by_name.parameters.tobytes()


@pytest.mark.parametrize("every", ["step", "epoch"])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "hinge", "squared_error"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_allocates_nothing(loss, every, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 16)).astype(dtype)
    y = rng.normal(size=(700, 10)) if loss == "squared_error" else rng.integers(0, 10, 700).astype(np.int32)
    layers = (Layer(16, "relu", dropout=0.1), Layer(12, Maxout(2)), Layer(12, "prelu"), Layer(10, "sigmoid"))
    model = MLP(Architecture(16, layers, input_dropout=0.1, input_noise=0.1))
    steps = fit(model, X, y, plan=Plan(loss=loss, l2=1e-4, batch_size=300, epochs=1000, doctor=False), every=every)

    def go_on():
        for _ in range(300 if every == "step" else 100):
            next(steps)

    for _ in range(10):
        next(steps)
    peak = least_peak(go_on)

    # the activations of the smallest layer take 12,000 bytes; some thousand are Python objects and generators
    assert peak < 10_000


def test_training_on_a_file_keeps_memory_flat(tmp_path):
    rows, inputs = 100_000, 64
    X = np.memmap(tmp_path / "X", np.float32, "w+", shape=(rows, inputs))
    X[:] = np.random.default_rng(0).random((1000, inputs), np.float32)[np.arange(rows) % 1000]
    y = np.memmap(tmp_path / "y", np.int32, "w+", shape=rows)
    y[:] = X[:, 0] > 0.5
    model = MLP(Architecture(inputs, (Layer(8, "relu"), Layer(2))))

    tracemalloc.start()
    run(model, X, y, plan=Plan(epochs=1, batch_size=256), validation=0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 0.5 * X.nbytes


def test_files_that_were_checked_before_train_as_arrays_do(tmp_path):
    X, y = digits()
    mapped = np.memmap(tmp_path / "X", np.float32, "w+", shape=X.shape)
    mapped[:] = X
    indices = np.memmap(tmp_path / "y", np.int32, "w+", shape=y.shape)
    indices[:] = y
    by_array, by_file = (MLP(Architecture(64, (Layer(16, "relu"), Layer(10)))) for _ in range(2))

    run(by_array, X, y, plan=Plan(epochs=2, validation=0.1))
    run(by_file, mapped, indices, plan=Plan(epochs=2, validation=0.1), check=False)

    assert by_file.parameters.tobytes() == by_array.parameters.tobytes()
    assert by_file.labels == tuple(range(10))


@pytest.mark.parametrize(
    "view",
    [
        lambda X: X.tolist(),
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: X.astype(">f8"),
        lambda X: X.astype(object),
        lambda X: np.hstack([X, X])[:, :4],
    ],
)
def test_how_the_numbers_lie_in_memory_changes_nothing(view):
    X, y = table(50)
    X = X.astype(np.float32).astype(np.float64)
    plain, other = small(), small()

    run(plain, X, y, plan=Plan(epochs=2, batch_size=20, validation=0.2))
    run(other, view(X), y, plan=Plan(epochs=2, batch_size=20, validation=0.2))

    assert plain.parameters.tobytes() == other.parameters.tobytes()


def test_training_leaves_the_callers_data_alone():
    X, y = table(50)
    before = X.tobytes(), y.tobytes()
    model = MLP(Architecture(4, (Layer(3),), input_noise=1.0, input_dropout=0.5), dtype=np.float64)

    run(model, X, y, plan=Plan(epochs=2))

    assert (X.tobytes(), y.tobytes()) == before


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint16, bool, np.float16])
def test_numbers_of_any_type_train_as_the_floats_they_stand_for(dtype):
    X, y = table(50)
    X = (np.abs(X) * 3).astype(dtype)
    as_floats, as_given = small(), small()

    run(as_floats, X.astype(np.float64), y, plan=Plan(epochs=2, batch_size=20, validation=0.2))
    run(as_given, X, y, plan=Plan(epochs=2, batch_size=20, validation=0.2))

    assert as_floats.parameters.tobytes() == as_given.parameters.tobytes()
    assert np.array_equal(as_given.outputs(X), as_given.outputs(X.astype(np.float64)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_scales_the_inputs_is_a_part_of_the_network(dtype):
    X, y = load_digits(return_X_y=True)
    pixels, floats = X.astype(np.uint8), X.astype(dtype) * dtype(1 / 16) + dtype(-0.5)
    layers = (Layer(16, "relu"), Layer(10))
    inside = MLP(Architecture(64, layers, input_scale=1 / 16, input_shift=-0.5), dtype=dtype)
    outside = MLP(Architecture(64, layers), dtype=dtype)
    plan = Plan(epochs=2, batch_size=100, validation=0.1)

    expected = run(outside, floats, y, plan=plan)
    found = run(inside, pixels, y, plan=plan)

    assert inside.parameters.tobytes() == outside.parameters.tobytes()
    assert found == expected
    assert np.array_equal(inside.outputs(pixels), outside.outputs(floats))
    assert np.array_equal(next(iter(inside.layer_outputs(pixels))), next(iter(outside.layer_outputs(floats))))
    assert gradient_check(inside, pixels[:20], y[:20]).relative_error < 1e-6
    assert pixels.dtype == np.uint8
    assert pixels.max() == 16


def test_the_doctor_looks_at_the_inputs_as_they_enter_the_network():
    X = np.random.default_rng(0).integers(0, 256, (60, 4), np.uint8)
    y = table(60)[1]

    as_bytes = run(small(), X, y, plan=Plan(epochs=1))[-1]
    scaled = run(small(input_scale=1 / 255), X, y, plan=Plan(epochs=1))[-1]

    assert "inputs" in [finding.kind for finding in as_bytes.findings]
    assert "inputs" not in [finding.kind for finding in scaled.findings]


def test_a_network_in_a_file_scales_its_inputs_as_it_did(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (20, 4), np.uint8)
    model = small(input_scale=1 / 255, input_shift=-0.1)

    model.save(tmp_path / "model.npz")
    loaded = MLP.load(tmp_path / "model.npz")

    assert loaded.architecture.input_scale == 1 / 255
    by_hand = np.maximum((X / 255 - 0.1) @ first(model).weight, 0)
    assert np.allclose(next(iter(loaded.layer_outputs(X))), by_hand, atol=1e-6)
    assert np.array_equal(loaded.outputs(X), model.outputs(X))


def first(model):
    return views(model.architecture, model.parameters)[0]


def test_the_example_of_the_documentation_runs(capsys):
    text = (Path(__file__).parents[3] / "docs" / "core.md").read_text().split("## Data")[1]
    (code,) = re.findall(r"```python\n(.*?)```", text.split("\n## ")[0], re.DOTALL)

    exec(code, {})

    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["1", "2"]
