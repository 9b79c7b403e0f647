"""Batch and layer normalisation against their formulas."""

import numpy as np
import pytest

from layerwise import MLP, SGD, Adam, Architecture, Diverged, EarlyStopping, Layer, Maxout, Plan, TrainingState, fit

X = np.random.default_rng(0).normal(2, 3, size=(33, 4))
Y = np.random.default_rng(1).normal(size=(33, 3))
STILL = SGD(1e-30)  # moves no weight


def network(normalization, *, activation="tanh", dtype=np.float64, **arguments):
    layers = (Layer(6, activation, normalization=normalization, **arguments), Layer(3))
    model = MLP(Architecture(4, layers), seed=1, dtype=dtype)
    model.parameters[:] += np.random.default_rng(2).normal(0, 0.1, model.parameters.size)
    return model


def normalised(z, mean, variance, own):
    return own["layer0/scale"] * (z - mean) / np.sqrt(variance + 1e-5) + own["layer0/bias"]


def squared_error(model, hidden, y):
    return np.mean((hidden @ model.weights["layer1/weight"] + model.weights["layer1/bias"] - y) ** 2)


def test_training_uses_mean_and_variance_of_the_batch():
    model = network("batch")
    z = X @ model.weights["layer0/weight"]
    hidden = np.tanh(normalised(z, z.mean(axis=0), z.var(axis=0), model.weights))
    expected = squared_error(model, hidden, Y)

    record = next(
        fit(
            model,
            X,
            Y,
            plan=Plan(loss="squared_error", standardize_targets=False, optimizer=STILL, batch_size=33, epochs=1),
        )
    )

    assert record.loss == pytest.approx(expected, rel=1e-12)


def test_predictions_use_the_running_statistics():
    model = network("batch")
    model.statistics[:] = np.random.default_rng(3).uniform(1, 2, 12)
    mean, variance = model.statistics[:6], model.statistics[6:]

    hidden = np.tanh(normalised(X @ model.weights["layer0/weight"], mean, variance, model.weights))

    expected = hidden @ model.weights["layer1/weight"] + model.weights["layer1/bias"]
    np.testing.assert_allclose(model.outputs(X), expected, rtol=1e-12)
    np.testing.assert_allclose(model.outputs(X[:1]), expected[:1], rtol=1e-12)


def test_each_batch_moves_the_running_statistics_by_a_tenth_to_its_mean_and_unbiased_variance():
    model = network("batch")
    mean, variance = np.zeros(6), np.ones(6)
    for rows in (X[:11], X[11:22], X[22:]) * 2:
        z = rows @ model.weights["layer0/weight"]
        mean = 0.9 * mean + 0.1 * z.mean(axis=0)
        variance = 0.9 * variance + 0.1 * z.var(axis=0, ddof=1)

    plan = Plan(
        loss="squared_error", standardize_targets=False, optimizer=STILL, batch_size=11, epochs=2, shuffle=False
    )
    list(fit(model, X, Y, plan=plan))

    np.testing.assert_allclose(model.weights["layer0/mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(model.weights["layer0/variance"], variance, rtol=1e-12)


def test_a_last_batch_of_one_row_is_normalised_by_the_running_statistics_and_leaves_them():
    model, without = network("batch"), network("batch")
    plan = Plan(
        loss="squared_error", standardize_targets=False, optimizer=STILL, batch_size=32, epochs=1, shuffle=False
    )
    list(fit(without, X[:32], Y[:32], plan=plan))
    alone = np.mean((without.outputs(X[32:]) - Y[32:]) ** 2)

    records = list(fit(model, X, Y, plan=plan, every="step"))

    assert model.statistics.tobytes() == without.statistics.tobytes()
    assert records[-1].epoch_end
    assert records[-1].loss == pytest.approx((32 * records[0].loss + alone) / 33, rel=1e-12)


def test_batches_of_one_row_alone_train_without_statistics():
    model = network("batch")

    records = list(fit(model, X, Y, plan=Plan(loss="squared_error", standardize_targets=False, batch_size=1, epochs=5)))

    assert records[-1].loss < records[0].loss
    assert model.statistics.tolist() == [0] * 6 + [1] * 6


@pytest.mark.parametrize("activation", ["relu", Maxout(2)], ids=str)
def test_layer_normalisation_takes_each_row_by_itself_in_training_and_prediction(activation):
    model = network("layer", activation=activation)
    z = X @ model.weights["layer0/weight"]
    mean, variance = z.mean(axis=1, keepdims=True), z.var(axis=1, keepdims=True)
    z = normalised(z, mean, variance, model.weights)
    hidden = np.maximum(z, 0) if activation == "relu" else np.maximum(z[:, :6], z[:, 6:])
    expected = squared_error(model, hidden, Y)

    assert np.mean((model.outputs(X) - Y) ** 2) == pytest.approx(expected, rel=1e-12)
    record = next(
        fit(
            model,
            X,
            Y,
            plan=Plan(loss="squared_error", standardize_targets=False, optimizer=STILL, batch_size=8, epochs=1),
        )
    )

    assert record.loss == pytest.approx(expected, rel=1e-12)
    assert model.statistics.size == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_constant_columns_and_rows_become_the_bias(normalization, dtype):
    model = MLP(Architecture(3, (Layer(5, normalization=normalization, initializer="zeros"), Layer(2))), dtype=dtype)
    model.weights["layer0/bias"][:] = [1, 2, 3, 4, 5]
    expected = (np.arange(1, 6) @ model.weights["layer1/weight"]).astype(np.float64)

    record = next(
        fit(
            model,
            X[:, :3],
            Y[:, :2],
            plan=Plan(loss="squared_error", standardize_targets=False, optimizer=STILL, epochs=1),
        )
    )

    assert record.loss == pytest.approx(np.mean((expected - Y[:, :2]) ** 2), rel=1e-5)
    np.testing.assert_allclose(model.outputs(X[:, :3]), np.tile(expected, (33, 1)), rtol=1e-5)


def plan(**arguments):
    rule = EarlyStopping(patience=3)
    return Plan(
        loss="squared_error",
        standardize_targets=False,
        optimizer=Adam(0.1),
        batch_size=8,
        validation=0.3,
        early_stopping=rule,
        **({"epochs": 30} | arguments),
    )


def test_the_best_epoch_is_restored_with_its_running_statistics():
    model = network("batch")

    run = fit(model, X, Y, plan=plan())
    records = list(run)

    assert records[-1].stopped == "early_stopping"
    assert model.statistics.tobytes() == run.state.best_statistics.tobytes()
    assert model.statistics.tobytes() != run.state.statistics.tobytes()
    best = min(record.validation_loss for record in records)
    again = next(
        fit(
            model,
            X,
            Y,
            plan=Plan(loss="squared_error", standardize_targets=False, optimizer=STILL, batch_size=1, validation=0.3),
        )
    )
    # batches of one row leave the statistics, and this optimiser the weights: the same network is measured
    assert again.validation_loss == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_left_and_taken_up_again_it_ends_with_the_same_bits(dtype):
    whole = network("batch", dtype=dtype, dropout=0.2)
    records = list(fit(whole, X, Y, plan=plan(), every="step"))
    saved, steps = None, 0

    for stop in (1, 5, 9, records[-1].step):
        model = network("batch", dtype=dtype, dropout=0.2)
        state = TrainingState.from_arrays(saved) if saved else None
        run = fit(model, X, Y, plan=plan(), state=state, every="step")
        for record in run:
            steps += 1
            if record.step == stop:
                break
        saved = run.state.to_arrays()

    assert steps == len(records)
    assert model.parameters.tobytes() == whole.parameters.tobytes()
    assert model.statistics.tobytes() == whole.statistics.tobytes()


def test_an_ended_training_goes_on_from_the_statistics_it_left():
    model, longer = network("batch"), network("batch")
    run = fit(model, X, Y, plan=plan(epochs=2))
    list(run)
    list(fit(longer, X, Y, plan=plan(epochs=3)))

    list(fit(model, X, Y, plan=plan(epochs=3), state=run.state))

    assert model.statistics.tobytes() == longer.statistics.tobytes()


def test_a_training_that_diverges_leaves_finite_statistics():
    model = network("batch", activation="identity", dtype=np.float32)

    with pytest.raises(Diverged):
        list(
            fit(
                model,
                X * 1e15,
                Y,
                plan=Plan(loss="squared_error", standardize_targets=False, optimizer=SGD(1e30), epochs=50),
            )
        )

    assert np.isfinite(model.parameters).all()
    assert np.isfinite(model.statistics).all()


def test_a_running_variance_that_overflows_is_told():
    model = network("batch", dtype=np.float32)

    with pytest.raises(Diverged, match="a running statistic is not finite"):
        list(fit(model, X * 1e25, Y, plan=Plan(loss="squared_error", standardize_targets=False, epochs=1)))

    assert np.isfinite(model.statistics).all()


def test_normalised_layers_train_in_float32_as_in_float64():
    losses = [
        list(
            fit(
                network("batch", dtype=dtype),
                X,
                Y,
                plan=Plan(loss="squared_error", standardize_targets=False, epochs=3),
            )
        )[-1].loss
        for dtype in (np.float32, np.float64)
    ]

    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
