"""A regression learns standardised targets, and everything that reads the model predicts in the targets' own units."""

import copy
import json
import subprocess
import sys
import tracemalloc

import numpy as np
import onnxruntime
import pytest
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score

from layerwise import (
    LBFGS,
    MLP,
    SGD,
    Adam,
    Architecture,
    EarlyStopping,
    Huber,
    InvalidInput,
    Layer,
    Maxout,
    Plan,
    TrainingState,
    evaluate,
    find_learning_rate,
    fit,
    fit_packed,
    gradient_check,
    partial_fit,
)
from layerwise.data.reader import Split
from layerwise.losses import LOSSES
from layerwise.network.target_scale import TargetScale
from layerwise.onnx import export_onnx
from layerwise.sklearn import MLPRegressor
from layerwise.standalone import export_standalone
from layerwise.training import standardized_targets

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 5)).astype(np.float32)
SIGNAL = X @ np.array([1.0, -2.0, 0.5, 0.0, 1.0]) / 2.5 + 0.3 * np.abs(X[:, 3]) + 0.1 * RNG.normal(size=300)
PRICES = 70_000 + 27_000 * SIGNAL
BOTH = np.stack([PRICES, 1e-3 * X[:, 0] - 5], axis=1)


def network(outputs=1, *hidden, last="identity", **fields):
    layers = hidden or (Layer(32, "relu"),)
    return MLP(Architecture(5, (*layers, Layer(outputs, last, **fields))), seed=1)


def trained(model, y=PRICES, rows=X, *, weights=None, **plan):
    return list(
        fit(
            model,
            rows,
            y,
            plan=Plan(**{"loss": "squared_error", "epochs": 20, "batch_size": 32} | plan),
            weights=weights,
        )
    )


# --- it learns ---


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", Huber(1.35), "quantile"])
@pytest.mark.parametrize(("size", "middle"), [(1, 0), (27_000, 70_000), (1e-4, 3), (1e30, -1e30)])
def test_targets_of_any_size_are_learnt_as_well_as_those_of_size_one(loss, size, middle):
    usual, model = network(), network()
    trained(usual, SIGNAL, loss=loss)

    record = trained(model, middle + size * SIGNAL, loss=loss)[-1]

    predicted = (model.predict(X).astype(np.float64) - middle) / size
    assert r2_score(SIGNAL, predicted) == pytest.approx(r2_score(SIGNAL, usual.predict(X)), abs=0.01)
    assert r2_score(SIGNAL, predicted) > 0.8
    assert record.loss < 0.5


def test_a_table_that_comes_with_scikit_learn_is_better_than_its_mean():
    rows, y = load_diabetes(return_X_y=True)
    model = MLP(Architecture(10, (Layer(64, "relu"), Layer(1))))

    record = trained(model, y, rows / rows.std(axis=0), validation=0.2, epochs=20)[-1]

    assert record.validation_metric > 0.2
    assert record.findings == ()


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
@pytest.mark.parametrize("size", [1e-3, 1, 2e4])
def test_a_deviance_starts_at_the_mean_of_the_targets_and_learns_them(loss, size):
    y = size * np.exp(SIGNAL)
    model = network()

    still = trained(copy.copy(model), y, loss=loss, optimizer=SGD(1e-30), epochs=1)[-1]
    training = fit(model, X, y, plan=Plan(loss=loss, optimizer=SGD(1e-30), epochs=1))
    list(training)
    first = model.predict(X)
    record = trained(network(), y, loss=loss)[-1]

    assert model.weights["layer1/bias"] == pytest.approx(np.log(y.mean()), rel=1e-5)
    assert 0.2 < np.median(first) / y.mean() < 5
    assert still.loss > 3 * record.loss
    assert record.metric > 0.6


def test_each_output_has_a_scale_of_its_own():
    model = network(2)

    trained(model, BOTH, epochs=40)

    assert min(r2_score(BOTH, model.predict(X), multioutput="raw_values")) > 0.8
    assert r2_score(BOTH[:, 0], model.predict(X)[:, 0]) > 0.9
    np.testing.assert_allclose(model.target_scale.shift, BOTH.mean(axis=0))
    np.testing.assert_allclose(model.target_scale.scale, BOTH.std(axis=0))


def test_mean_and_deviation_are_those_of_the_rows_trained_on_by_their_weights():
    weights = RNG.integers(0, 3, 300).astype(float)
    model = network()

    trained(model, PRICES, validation=0.25, split="temporal", weights=weights, epochs=1)

    mean = np.average(PRICES[:225], weights=weights[:225])
    assert model.target_scale.shift == pytest.approx((mean,))
    deviation = np.sqrt(np.average((PRICES[:225] - mean) ** 2, weights=weights[:225]))
    assert model.target_scale.scale == pytest.approx((deviation,))


@pytest.mark.parametrize("value", [0.0, 70_000.0, 1e-300, 0.1 + 0.2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_targets_are_predicted(value, dtype):
    y = np.full(300, value).astype(dtype)
    y[::2] = np.nextafter(y[::2], dtype(1e9)) if value == 0.1 + 0.2 else y[::2]
    model = network()

    record = trained(model, y, epochs=60)[-1]

    np.testing.assert_allclose(model.predict(X), value, rtol=1e-5, atol=1e-5)
    assert "precision" not in {finding.kind for finding in record.findings}


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie"])
@pytest.mark.parametrize("value", [7.0, 14.62])
def test_every_loss_predicts_constant_targets(loss, value):
    model = network()

    trained(model, np.full(300, value), loss=loss, epochs=5, validation=0.2)

    np.testing.assert_allclose(model.predict(X), value, rtol=1e-5)


def test_a_deviance_predicts_next_to_nothing_where_all_targets_are_zero():
    model = network()

    trained(model, np.zeros(300), loss="poisson", epochs=5)

    assert model.predict(X).max() < 0.01


@pytest.mark.parametrize("value", [14.62, 0.0])
def test_a_constant_output_beside_one_that_varies_is_predicted(value):
    model = network(2)

    trained(model, np.stack([PRICES, np.full(300, value)], axis=1), epochs=40)

    np.testing.assert_allclose(model.predict(X)[:, 1], value, rtol=1e-5, atol=1e-5)
    assert r2_score(PRICES, model.predict(X)[:, 0]) > 0.8


def test_a_network_of_constant_targets_learns_others_afterwards(tmp_path):
    """Others that vary, and another constant."""
    model = network()
    trained(model, np.full(300, 14.62), keep_optimizer=True)
    model.save(tmp_path / "m.npz")

    varying, streamed, still = (MLP.load(tmp_path / "m.npz") for _ in range(3))
    trained(varying, keep_optimizer=True, optimizer=Adam(0.01), epochs=60)
    for _ in range(200):
        partial_fit(streamed, X, PRICES, plan=Plan(loss="squared_error", optimizer=Adam(0.01), keep_optimizer=True))
    trained(still, np.full(300, 15.0), keep_optimizer=True, optimizer=Adam(0.01))
    trained(model, np.full(300, 14.62), keep_optimizer=True)

    assert r2_score(PRICES, varying.predict(X)) > 0.8
    assert r2_score(PRICES, streamed.predict(X)) > 0.8
    np.testing.assert_allclose(still.predict(X), 15, rtol=0.05)
    np.testing.assert_allclose(model.predict(X), 14.62, rtol=1e-5)


def test_a_state_of_constant_targets_goes_on_with_the_same_alone():
    plan = Plan(loss="squared_error", epochs=2, batch_size=100)
    model, whole = network(), network()
    training = fit(model, X, np.full(300, 14.62), plan=plan, every="step")
    next(training)
    arrays = training.state.to_arrays()
    list(fit(whole, X, np.full(300, 14.62), plan=plan))

    list(fit(model, X, np.full(300, 14.62), plan=plan, state=TrainingState.from_arrays(arrays)))

    assert model.parameters.tobytes() == whole.parameters.tobytes()
    for y in (PRICES, np.full(300, 15.0)):
        with pytest.raises(InvalidInput, match=r"^state: expected one of targets that vary, its targets were"):
            partial_fit(model, X, y, plan=plan, state=TrainingState.from_arrays(arrays))


def test_a_stream_whose_first_batch_is_constant_learns_what_follows():
    model = MLPRegressor(learning_rate=0.01, random_state=0).partial_fit(X[:20], np.full(20, 70_000.0))

    for _ in range(200):
        model.partial_fit(X, PRICES)

    assert model.score(X, PRICES) > 0.8


@pytest.mark.parametrize("loss", ["squared_error", "gamma"])
@pytest.mark.parametrize("check", [True, False])
def test_targets_to_which_answers_could_overflow_are_refused(loss, check):
    huge = np.abs(np.clip(SIGNAL, -1, 1)) * 3e38 + 1

    with pytest.raises(InvalidInput, match=r"^y: expected targets within about 3e.32, .* overflow float32: divide"):
        fit(network(), X, huge, plan=Plan(loss=loss), check=check)
    wide = MLP(Architecture(5, (Layer(8, "relu"), Layer(1))), dtype=np.float64)
    list(fit(wide, X, huge, plan=Plan(loss=loss, epochs=2), check=check))
    assert np.isfinite(wide.predict(X)).all()


@pytest.mark.parametrize(("dtype", "eps"), [(np.float32, 2.0**-23), (np.float64, 2.0**-52)])
def test_a_spread_that_is_only_rounding_is_none(dtype, eps):
    y = np.full(300, 14.62, dtype)
    y[::3] *= dtype(1 + 2 * eps)
    assert 0 < np.std(y.astype(np.float64)) < 1e-5
    model, real = network(), network()

    trained(model, y, epochs=1)
    trained(real, y + np.where(X[:, 0] > 0, 1e4 * eps, 0).astype(dtype) * 14, epochs=1)

    assert model.target_scale.scale[0] < 1e-5
    np.testing.assert_allclose(model.predict(X), 14.62, rtol=1e-5)
    assert real.target_scale.scale[0] < 1e5 * eps * 14


@pytest.mark.parametrize("last", ["relu", "sigmoid", "softplus", Maxout(2)])
def test_an_output_layer_that_is_not_linear_learns_the_targets_as_they_are(last):
    model = network(last=last)

    trained(model, epochs=1)

    assert model.target_scale is None


def test_an_output_layer_that_normalises_takes_the_scale_into_its_own():
    model = network(2, normalization="batch")

    trained(model, BOTH, epochs=40)

    assert r2_score(BOTH[:, 0], model.predict(X)[:, 0]) > 0.8
    assert model.weights["layer1/scale"][0] > 1000


def test_lbfgs_learns_standardised_targets():
    model = network()

    record = trained(model, optimizer=LBFGS(), epochs=30)[-1]

    assert record.metric > 0.95
    assert r2_score(PRICES, model.predict(X)) == pytest.approx(record.metric, abs=1e-3)


# --- the option ---


def test_without_it_the_bits_are_those_of_targets_that_were_standardised_before():
    wide = PRICES.astype(np.float64)
    shift, scale = wide.mean(), wide.std()
    by_hand, model = network(), network()

    trained(by_hand, (wide - shift) / scale, standardize_targets=False, validation=0.2)
    trained(by_hand.__class__(by_hand.architecture), PRICES, standardize_targets=False, epochs=1)
    trained(model, PRICES, standardize_targets=True, validation=0.2)

    assert by_hand.target_scale is None
    np.testing.assert_allclose(model.predict(X), by_hand.predict(X) * scale + shift, rtol=2e-2)
    assert model.plan.standardize_targets
    assert not by_hand.plan.standardize_targets
    assert Plan.from_json(by_hand.plan.to_json()) == by_hand.plan


# --- what is told ---


@pytest.mark.parametrize("loss", [kind for kind, cls in LOSSES.items() if cls.targets == "values"])
def test_the_loss_told_is_that_of_an_evaluation_of_the_loaded_model(tmp_path, loss):
    y = 1000 * np.exp(SIGNAL)
    model = network()

    record = trained(model, y, loss=loss, validation=0.25, split="temporal")[-1]
    model.save(tmp_path / "m.npz")
    found = evaluate(MLP.load(tmp_path / "m.npz"), X[225:], y[225:])

    assert found.loss == pytest.approx(record.validation_loss, rel=1e-4)
    assert found.mean.r2 == pytest.approx(record.validation_metric, abs=1e-4)
    assert found.mean.root_mean_squared_error > 50  # in the targets' units


def test_the_scores_of_a_record_are_those_of_the_model_as_it_is_then():
    model = network()

    for record in fit(model, X, PRICES, plan=Plan(loss="squared_error", epochs=5, validation=0.25, split="temporal")):
        assert r2_score(PRICES[225:], model.predict(X[225:])) == pytest.approx(record.validation_metric, abs=1e-4)


def test_the_model_predicts_in_the_targets_units_after_any_step():
    stepped, model = network(), network()
    plan = Plan(loss="squared_error", epochs=2)

    for _ in fit(stepped, X, PRICES, plan=plan, every="step"):
        assert 50_000 < stepped.predict(X).mean() < 90_000
    list(fit(model, X, PRICES, plan=plan))

    assert stepped.parameters.tobytes() == model.parameters.tobytes()


@pytest.mark.parametrize("plan", [{"average": 0.9}, {"early_stopping": EarlyStopping("loss", patience=2)}])
def test_averages_and_restored_epochs_are_in_the_targets_units(plan):
    model = network()

    trained(model, epochs=30, validation=0.1, **plan)

    assert r2_score(PRICES, model.predict(X)) > 0.8


def test_gradients_and_rates_are_found_in_the_units_of_the_training():
    model = network()
    assert gradient_check(model, X[:50], PRICES[:50], plan=Plan(loss="squared_error")).relative_error < 1e-6

    trained(model)

    assert gradient_check(model, X[:50], PRICES[:50]).relative_error < 1e-6
    before = model.parameters.copy()
    finding = find_learning_rate(network(), X, PRICES, plan=Plan(loss="squared_error"))
    assert finding.losses.max() < 100
    assert finding.suggested > 1e-4
    assert model.parameters.tobytes() == before.tobytes()


# --- going on ---


def test_the_next_training_goes_on_from_what_the_model_predicts_and_keeps_its_scale():
    model = network()
    trained(model, PRICES[:200], X[:200], epochs=30)
    scale, before = model.target_scale, model.predict(X)

    trained(model, PRICES[200:], X[200:], optimizer=SGD(1e-30), epochs=1)

    np.testing.assert_allclose(model.predict(X), before, rtol=1e-5)
    assert model.target_scale == scale


def test_targets_far_outside_get_a_new_scale_and_the_model_goes_on_from_what_it_predicts():
    model = network()
    trained(model, SIGNAL, epochs=5)
    before = model.predict(X)

    trained(model, PRICES, optimizer=SGD(1e-30), epochs=1)

    np.testing.assert_allclose(model.predict(X), before, atol=0.05)  # of prices of 70,000 in float32
    assert model.target_scale.scale == pytest.approx((PRICES.std(),))


def test_a_network_that_learnt_raw_targets_goes_on_from_what_it_predicts():
    model = network()
    trained(model, SIGNAL * 10, standardize_targets=False, epochs=20)
    before = model.predict(X)

    trained(model, SIGNAL * 10, optimizer=SGD(1e-30), epochs=1)

    np.testing.assert_allclose(model.predict(X), before, rtol=1e-4, atol=1e-4)
    assert model.target_scale is not None
    trained(model, SIGNAL * 10, standardize_targets=False, optimizer=SGD(1e-30), epochs=1)
    np.testing.assert_allclose(model.predict(X), before, rtol=1e-4, atol=1e-4)
    assert model.target_scale is None


def test_a_kept_optimiser_goes_on_in_the_units_it_has_learnt_in(tmp_path):
    plan = {"keep_optimizer": True, "epochs": 2, "shuffle": False}
    whole, model = network(), network()
    trained(whole, **plan | {"epochs": 4})

    trained(model, **plan)
    model.save(tmp_path / "m.npz")
    model = MLP.load(tmp_path / "m.npz")
    trained(model, **plan)

    np.testing.assert_allclose(model.predict(X), whole.predict(X), rtol=1e-3)
    assert model.kept_optimizer.updates == 40
    trained(model, **plan, standardize_targets=False)
    assert model.kept_optimizer.updates == 20  # those were of other units


@pytest.mark.parametrize("optimizer", [Adam(), LBFGS()])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_a_training_taken_up_again_ends_with_the_same_bits(optimizer, loss):
    plan = Plan(
        loss=loss,
        optimizer=optimizer,
        epochs=6,
        validation=0.2,
        average=None if optimizer.full_batch else 0.9,
        early_stopping=EarlyStopping(patience=5),
    )
    y = np.abs(PRICES)
    whole, model, other = network(), network(), network()
    list(fit(whole, X, y, plan=plan))

    training = fit(model, X, y, plan=plan, every="step")
    for _ in range(4):
        next(training)
    arrays = training.state.to_arrays()
    resumed = fit(other, X, y, plan=plan, state=TrainingState.from_arrays(arrays))
    if optimizer.full_batch:
        assert other.parameters.tobytes() == model.parameters.tobytes()
    list(resumed)

    assert other.parameters.tobytes() == whole.parameters.tobytes()
    assert other.metrics == whole.metrics
    assert other.target_scale == whole.target_scale


def test_a_stream_goes_on_with_the_scale_of_its_first_batch():
    model, state = network(), None
    plan = Plan(loss="squared_error", optimizer=Adam(0.01))

    for _ in range(20):
        for start in range(0, 300, 30):
            part = slice(start, start + 30)
            state = partial_fit(model, X[part], PRICES[part], plan=plan, state=state)

    assert model.target_scale.shift == pytest.approx((PRICES[:30].mean(),))
    assert r2_score(PRICES, model.predict(X)) > 0.9


def test_a_stream_of_single_rows_is_learnt():
    model, state = network(), None
    plan = Plan(loss="squared_error", optimizer=SGD(0.01))

    for _ in range(5):
        for row, price in zip(X, PRICES, strict=True):
            state = partial_fit(model, row[None], [price], plan=plan, state=state)

    assert r2_score(PRICES, model.predict(X)) > 0.5


def test_networks_of_a_pack_learn_as_each_alone_by_the_scale_of_its_own_rows():
    plans = [Plan(loss="squared_error", seed=k, epochs=4, validation=0.3) for k in range(3)]
    pack = [MLP(Architecture(5, (Layer(16, "relu"), Layer(2))), seed=k, dtype=np.float64) for k in range(3)]
    alone = [copy.copy(model) for model in pack]

    training = fit_packed(pack, X, BOTH, plans=plans)
    record = list(training)[-1]
    for k, model in enumerate(alone):
        last = list(fit(model, X, BOTH, plan=plans[k]))[-1]
        np.testing.assert_allclose(pack[k].predict(X), model.predict(X), rtol=1e-9)
        assert record.validation_loss[k] == pytest.approx(last.validation_loss, rel=1e-9)
        assert record.metric[k] == pytest.approx(last.metric, rel=1e-9)
        assert pack[k].target_scale == model.target_scale

    assert training.models == tuple(pack)
    assert pack[0].target_scale != pack[1].target_scale


# --- every reader ---


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_every_reader_of_the_file_predicts_in_the_targets_units(tmp_path, loss, outputs):
    y = np.abs(PRICES) if outputs == 1 else np.abs(BOTH)
    model = network(outputs)
    trained(model, y, loss=loss)
    expected = model.predict(X)
    assert 1e4 < np.abs(expected).max() < 1e6

    model.save(tmp_path / "m.npz")
    export_onnx(model, tmp_path / "m.onnx")
    export_standalone(model, tmp_path / "m.py")

    assert MLP.load(tmp_path / "m.npz").predict(X).tobytes() == expected.tobytes()
    with np.load(tmp_path / "m.npz") as file:  # the reader of docs/format.md
        manifest = json.loads(file["manifest"].tobytes())
        x = X
        for i, layer in enumerate(manifest["architecture"]["layers"]):
            x = x @ file[f"layer{i}/weight"] + file[f"layer{i}/bias"]
            x = np.maximum(x, 0) if layer["activation"] == "relu" else x
    x = np.exp(x) if loss == "poisson" else x
    np.testing.assert_allclose(x.reshape(expected.shape), expected, rtol=1e-5)
    (by_onnx,) = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(["values"], {"rows": X})
    np.testing.assert_allclose(by_onnx, expected, rtol=1e-4)
    rows = "\n".join(",".join(map(str, row)) for row in X.tolist())
    told = subprocess.run(
        [sys.executable, tmp_path / "m.py"], input=rows, capture_output=True, text=True, check=True
    ).stdout
    np.testing.assert_allclose([json.loads(line) for line in told.splitlines()], expected, rtol=1e-4)


# --- many targets ---


def test_targets_scaled_batch_by_batch_give_the_same_bits(monkeypatch):
    once, by_batch = network(2), network(2)
    trained(once, BOTH, validation=0.2)

    monkeypatch.setattr(standardized_targets, "MAX_SCALED_BYTES", 0)
    trained(by_batch, BOTH, validation=0.2)

    assert by_batch.parameters.tobytes() == once.parameters.tobytes()
    assert by_batch.metrics == once.metrics


def test_a_mapped_file_of_targets_is_not_copied_into_memory(tmp_path):
    rows = 2**24
    y = np.lib.format.open_memmap(str(tmp_path / "y.npy"), "w+", np.float64, (rows,))
    y[:] = 70_000
    y[::2] += 54_000
    data = Split(np.zeros((rows, 5), np.float32), y[:, None], np.arange(rows))

    tracemalloc.start()
    made = standardized_targets.rescaled(network(), Plan(loss="squared_error"), data)
    split = made.train_split(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert made.trained.target_scale == TargetScale((97_000.0,), (27_000.0,))
    assert split.scaled_targets is None
    assert peak < y.nbytes / 2
