"""A new activation, loss and optimiser: each is one class and an entry in its table, and everything follows from it.

The classes below say all that the library knows of them. Training, files, ONNX and standalone programs need no more.
"""

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import pytest

from layerwise import (
    MLP,
    Architecture,
    InvalidInput,
    Layer,
    MinMax,
    Plan,
    TableEncoder,
    fit,
    fit_packed,
    gradient_check,
)
from layerwise.activations import ACTIVATIONS, Activation
from layerwise.limits import Fraction, Positive
from layerwise.losses import LOSSES, Loss
from layerwise.onnx import to_onnx
from layerwise.optimizers import OPTIMIZERS, FullBatchOptimizer, Optimizer
from layerwise.optimizers.line_search import strong_wolfe
from layerwise.standalone import to_standalone
from layerwise.tables import ENCODINGS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = np.sin(X[:, 0]) + 0.3 * X[:, 1] * X[:, 2]


@dataclass(frozen=True, slots=True)
class Softsign(Activation):
    """a = z / (1 + |z|). Turian et al. 2009."""

    kind = "example_activation"
    saturation = -0.8, 0.8
    onnx_operator = "Softsign"
    formula = "z / (1 + np.abs(z))"

    def value(self, z, _slope, out, scratch, /):
        np.absolute(z, out=scratch)
        np.add(scratch, 1.0, out=scratch)
        np.divide(z, scratch, out=out)

    def derivative(self, buffers, /):
        """da/dz = (1 - |a|)²."""
        np.absolute(buffers.a, out=buffers.scratch)
        np.subtract(1.0, buffers.scratch, out=buffers.scratch)
        np.square(buffers.scratch, out=buffers.scratch)
        np.multiply(buffers.delta, buffers.scratch, out=buffers.z_gradient)


@dataclass(frozen=True, slots=True)
class LogCosh(Loss):
    """width² log cosh(d / width), with d = score - target; its gradient is width · tanh(d / width)."""

    width: Positive = 1.0

    kind = "example_loss"
    targets = "values"
    link = "identity"

    def measure(self, scores, targets, buffers, /):
        np.subtract(scores, targets, out=buffers.scratch)
        np.divide(buffers.scratch, self.width, out=buffers.scratch)
        np.tanh(buffers.scratch, out=buffers.gradient)
        np.multiply(buffers.gradient, self.width, out=buffers.gradient)
        np.add.reduce(np.logaddexp(buffers.scratch, -buffers.scratch) - np.log(2), axis=1, out=buffers.losses)
        np.multiply(buffers.losses, self.width**2, out=buffers.losses)
        buffers.scale(1 / scores.shape[1])


@dataclass(frozen=True, slots=True)
class Lion(Optimizer):
    """p ← p - η sign(β₁ m + (1 - β₁) g), m ← β₂ m + (1 - β₂) g. Chen et al. 2023, algorithm 2."""

    learning_rate: Positive | None = None
    beta1: Fraction = 0.9
    beta2: Fraction = 0.99

    kind = "example_optimizer"
    usual_rate = 3e-3
    state_vectors = ("mean",)

    def move(self, p, g, vectors, scratch, numbers, /):
        (m,), (s,), (rate,) = vectors, scratch, numbers
        np.subtract(m, g, out=s)
        np.multiply(s, self.beta1, out=s)
        np.add(s, g, out=s)
        np.sign(s, out=s)
        np.multiply(s, rate, out=s)
        np.subtract(p, s, out=p)
        np.multiply(m, self.beta2, out=m)
        m += (1 - self.beta2) * g


@dataclass(frozen=True, slots=True)
class SteepestDescent(FullBatchOptimizer):
    """p ← p - t g, with t from a line search. Cauchy 1847."""

    learning_rate: Positive | None = None

    kind = "example_full_batch"
    usual_rate = 1.0

    def direction(self, state, out, _scratch):
        np.negative(state["gradient"], out=out)

    def search(self, phi, start, *, first):
        return strong_wolfe(phi, start, first=first, c1=1e-4, c2=0.9, max_evaluations=20)

    def store_pair(self, state, step, change):
        """It learns nothing."""

    def drop_pairs(self, state):
        return False

    def knows_curvature(self, state):
        return False


@pytest.fixture(autouse=True)
def _entries(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "example_activation", Softsign)
    monkeypatch.setitem(ACTIVATIONS, "example_linear", Straight)
    monkeypatch.setitem(LOSSES, "example_loss", LogCosh)
    monkeypatch.setitem(OPTIMIZERS, "example_optimizer", Lion)
    monkeypatch.setitem(OPTIMIZERS, "example_full_batch", SteepestDescent)
    monkeypatch.setitem(ENCODINGS, "example_encoding", Span)


@dataclass(frozen=True, slots=True)
class Span(MinMax):
    """The same as min_max, by a name of its own."""

    kind = "example_encoding"


@dataclass(frozen=True, slots=True)
class Straight(Activation):
    """a = z, by a name of its own."""

    kind = "example_linear"
    formula = "z"

    @property
    def slope_below_zero(self):
        return 1.0

    def value(self, z, _slope, out, _scratch, /):
        np.copyto(out, z)

    def derivative(self, at, /):
        """da/dz = 1."""


def network(**arguments):
    return MLP(Architecture(3, (Layer(16, "example_activation"), Layer(1))), seed=1, **arguments)


def plan(**options):
    chosen = {
        "loss": "example_loss",
        "optimizer": "example_optimizer",
        "batch_size": 50,
        "epochs": 30,
        "keep_optimizer": True,
    }
    return Plan(**chosen | options)


@pytest.fixture(name="model")
def trained():
    model = network()
    records = list(fit(model, X, Y, plan=plan()))
    assert records[-1].loss < 0.3 * records[0].loss
    return model


def test_the_gradients_of_a_new_activation_and_loss_are_checked():
    found = gradient_check(network(dtype=np.float64), X[:20], Y[:20], plan=Plan(loss="example_loss"))

    assert found.relative_error < 1e-6


def test_a_new_activation_loss_and_optimiser_are_saved_and_loaded(model, tmp_path):
    model.save(tmp_path / "m.npz")

    loaded = MLP.load(tmp_path / "m.npz")

    assert loaded.architecture == model.architecture
    assert loaded.plan.loss == LogCosh()
    assert loaded.plan.optimizer.kind == "example_optimizer"
    assert loaded.predict(X).tobytes() == model.predict(X).tobytes()


def test_a_loaded_training_goes_on_with_the_state_of_a_new_optimiser(model, tmp_path):
    model.save(tmp_path / "m.npz")

    again = MLP.load(tmp_path / "m.npz")
    before = again.kept_optimizer
    for _ in fit(again, X, Y, plan=plan()):
        pass

    assert before.vectors["mean"].tobytes() == model.kept_optimizer.vectors["mean"].tobytes()
    assert again.kept_optimizer.updates == 2 * before.updates


def test_a_new_variant_is_read_from_json_and_its_fields_are_checked():
    read = Plan.from_json(
        {"loss": {"kind": "example_loss", "width": 2}, "optimizer": {"kind": "example_optimizer", "beta1": 0.5}}
    )

    assert (read.loss, read.optimizer) == (LogCosh(2.0), Lion(beta1=0.5))
    with pytest.raises(InvalidInput, match=r"^loss\.width: expected a finite number above 0, got -1"):
        Plan.from_json({"loss": {"kind": "example_loss", "width": -1}})


def test_targets_are_standardized_for_a_new_linear_output():
    far = Y * 1e4 + 1e6
    models = [
        MLP(Architecture(3, (Layer(16, "relu"), Layer(1, last))), seed=1) for last in ("example_linear", "identity")
    ]

    for model in models:
        list(fit(model, X, far, plan=Plan(loss="squared_error", epochs=2)))

    assert models[0].target_scale == models[1].target_scale is not None
    np.testing.assert_allclose(models[0].predict(X), models[1].predict(X), rtol=1e-6)


def test_a_new_optimiser_that_takes_all_rows_at_once_trains_a_network():
    model = network()

    records = list(fit(model, X, Y, plan=Plan(loss="squared_error", optimizer="example_full_batch", epochs=30)))

    assert records[-1].loss < 0.5 * records[0].loss
    with pytest.raises(InvalidInput, match="clip_norm: expected None, because example_full_batch needs a loss"):
        fit(model, X, Y, plan=Plan(loss="squared_error", optimizer="example_full_batch", clip_norm=1.0))


def test_the_doctor_knows_a_new_activation():
    model = network()
    model.weights["layer0/weight"][:] *= 100

    first = next(fit(model, X, Y, plan=plan()))

    assert first.layers[0].saturated > 0.5
    assert first.layers[0].dead is None


def test_new_variants_train_in_packed_networks():
    models = [network(), network()]

    records = list(fit_packed(models, X, Y, plans=[plan(seed=0), plan(seed=1)]))

    assert all(np.isfinite(model.parameters).all() for model in models)
    assert records


def test_a_network_with_new_variants_is_exported_to_onnx(model):
    session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())

    (values,) = session.run(["values"], {"rows": X.astype(np.float32)})

    np.testing.assert_allclose(values.reshape(-1), model.predict(X), rtol=1e-5, atol=1e-5)


def test_a_network_with_new_variants_is_exported_as_a_program(model, tmp_path):
    (tmp_path / "program.py").write_text(to_standalone(model))
    spec = importlib.util.spec_from_file_location("program", tmp_path / "program.py")
    program = importlib.util.module_from_spec(spec)

    spec.loader.exec_module(program)

    np.testing.assert_allclose(program.predict(X), model.predict(X), rtol=1e-5, atol=1e-6)


def test_a_table_is_trained_on_saved_and_exported_with_a_new_encoding(tmp_path):
    rows = {"x": [0.0, 2.0, 4.0, 8.0], "y": [1.0, 3.0, 2.0, 4.0]}
    model = MLP(Architecture(2, (Layer(2),)))
    model.encoder = TableEncoder({"x": "example_encoding", "y": {"kind": "example_encoding"}}).fit(rows)
    list(fit(model, rows, [0, 1, 0, 1], plan=Plan(epochs=2)))
    model.save(tmp_path / "m.npz")

    loaded = MLP.load(tmp_path / "m.npz")
    program: dict[str, Any] = {"__name__": "program"}
    exec(to_standalone(model), program)
    graph = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    columns = {name: np.array(values)[:, None] for name, values in rows.items()}

    assert loaded.encoder.columns[0].encoding == Span(missing="mean")
    assert model.encoder.encode(rows)[:, 0].tolist() == [0.0, 0.25, 0.5, 1.0]
    assert loaded.outputs(rows).tobytes() == model.outputs(rows).tobytes()
    np.testing.assert_allclose(program["outputs"](rows), model.outputs(rows), atol=1e-6)
    np.testing.assert_allclose(graph.run(["probabilities"], columns)[0], model.predict_proba(rows), atol=1e-5)
