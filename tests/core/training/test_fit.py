"""fit(): its records, what it leaves in the model, and that it can be left."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from helpers.small_trainings import digits, run, small, table
from layerwise import (
    MLP,
    SGD,
    Adam,
    Architecture,
    Diverged,
    InvalidInput,
    Layer,
    Maxout,
    Plan,
    fit,
    held_out_rows,
    metric_name,
)


def test_digits_are_learnt():
    X, y = digits()
    layers = (Layer(64, activation="relu", dropout=0.2), Layer(32, activation=Maxout(2)), Layer(10))
    model = MLP(Architecture(64, layers))

    held = np.arange(len(X)) % 5 == 0

    plan = Plan(optimizer=Adam(3e-3), epochs=50, l2=1e-4)
    records = run(model, X[~held], y[~held], plan=plan, validation=(X[held], y[held]))

    assert records[-1].validation_metric >= 0.96
    assert records[-1].validation_metric == np.mean(model.predict(X[held]) == y[held])
    assert records[-1].loss < 0.3 * records[0].loss


def test_every_epoch_gives_a_record():
    X, y = table(50)

    records = run(small(), X, y, plan=Plan(epochs=3, batch_size=20, optimizer=Adam(0.01)))

    assert [(r.epoch, r.epochs, r.step, r.epoch_end) for r in records] == [
        (1, 3, 3, True),
        (2, 3, 6, True),
        (3, 3, 9, True),
    ]
    assert all(r.validation_loss is None and r.validation_metric is None for r in records)
    assert all(r.learning_rate == 0.01 and r.rows_per_second > 0 for r in records)
    assert records[-1].seconds_left == 0 < records[0].seconds_left


def test_every_step_gives_a_record_when_asked():
    X, y = table(50)
    plan = Plan(epochs=2, batch_size=20, validation=0.2)

    records = run(small(), X, y, plan=plan, every="step")

    assert [(r.epoch, r.step, r.epoch_end) for r in records] == [
        (1, 1, False),
        (1, 2, True),
        (2, 3, False),
        (2, 4, True),
    ]
    assert [r.validation_loss is None for r in records] == [True, False, True, False]
    assert [r for r in records if r.epoch_end] == run(small(), X, y, plan=plan)


def test_the_loss_and_metric_of_an_epoch_are_means_over_its_rows():
    """A learning rate too small to move anything keeps every batch at the initial weights."""
    X, y = table(50)
    model = small(dtype=np.float64)
    scores = model.outputs(X)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

    record = run(model, X, y, plan=Plan(epochs=1, batch_size=15, optimizer=SGD(1e-300)))[0]

    assert record.loss == pytest.approx(-np.log(p[np.arange(50), y]).mean(), rel=1e-12)
    assert record.metric == np.mean(scores.argmax(axis=1) == y)


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_metric_of_a_regression_is_r2_as_scikit_learn_has_it(outputs):
    X, _ = table(50)
    targets = np.random.default_rng(1).normal(3, 2, size=(50, outputs))
    model = small(outputs, dtype=np.float64)
    guess, held = model.outputs(X), model.outputs(X[:7])
    plan = Plan(loss="squared_error", standardize_targets=False, epochs=1, batch_size=15, optimizer=SGD(1e-300))

    record = run(model, X, targets, plan=plan, validation=(X[:7], targets[:7]))[0]

    assert record.metric == pytest.approx(r2_score(targets, guess))
    assert record.validation_metric == pytest.approx(r2_score(targets[:7], held))
    assert model.metrics == {
        "loss": record.loss,
        "r2": record.metric,
        "validation_loss": record.validation_loss,
        "validation_r2": record.validation_metric,
    }


def test_r2_of_targets_that_are_all_equal_is_zero_unless_they_are_met():
    model = MLP(Architecture(1, (Layer(2),)), dtype=np.float64)
    model.parameters[:] = [0, 0, 5, 5]
    plan = Plan(loss="squared_error", epochs=1, optimizer=SGD(1e-300))

    record = run(model, np.zeros((4, 1)), np.tile([5.0, 4.0], (4, 1)), plan=plan)[0]

    assert record.metric == 0.5  # 1 for the first output, 0 for the second


def test_the_metric_goes_with_the_loss():
    assert [metric_name(loss) for loss in ("softmax_cross_entropy", "hinge", "squared_error")] == [
        "accuracy",
        "accuracy",
        "r2",
    ]


@pytest.mark.parametrize("split", ["random", "stratified", "temporal"])
def test_the_rows_held_out_can_be_asked(split):
    X, y = table(50)
    model = small()

    training = fit(model, X, y, plan=Plan(epochs=1, validation=0.2, split=split))
    *_, record = training

    held = training.held_out_rows
    assert held is not None
    assert len(held) == len(set(held.tolist())) == 10
    assert record.validation_metric == np.mean(model.predict(X[held]) == y[held])
    assert held_out_rows(y, plan=Plan(epochs=1, validation=0.2, split=split)).tolist() == held.tolist()
    assert held_out_rows(y, plan=Plan(epochs=1)).tolist() == []
    for validation in (0, (X, y)):
        training = fit(small(), X, y, plan=Plan(epochs=1), validation=validation)
        assert training.held_out_rows is None
        training.finish()


def test_validation_rows_are_held_out_of_training():
    X, y = table(50)
    outlier = X.copy()
    plan = Plan(epochs=2, validation=0.2)
    model, other = small(), small()
    run(model, X, y, plan=plan)
    order = np.random.Generator(np.random.PCG64(np.random.SeedSequence(0, spawn_key=(0,)))).permutation(50)

    outlier[order[:10]] += 100  # the rows that the plan's seed holds out
    run(other, outlier, y, plan=plan)

    assert model.parameters.tobytes() == other.parameters.tobytes()
    assert model.metrics["validation_loss"] != other.metrics["validation_loss"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_seed_gives_the_same_bits(dtype):
    X, y = table(70)
    layers = (Layer(8, Maxout(2), dropout=0.3), Layer(5, "prelu"), Layer(3))
    architecture = Architecture(4, layers, input_dropout=0.1, input_noise=0.1)

    def weights(seed):
        model = MLP(architecture, seed=1, dtype=dtype)
        records = run(model, X, y, plan=Plan(epochs=3, batch_size=16, seed=seed, validation=0.1))
        return model.parameters.tobytes(), records

    assert weights(5) == weights(5)
    assert weights(5)[0] != weights(6)[0]


def test_global_randomness_plays_no_part():
    X, y = table()
    first, second = small(), small()

    run(first, X, y, plan=Plan(epochs=2))
    np.random.default_rng().random(3)
    state = np.random.get_state()[1].tobytes()  # noqa: NPY002 - that it stays as it is
    run(second, X, y, plan=Plan(epochs=2))

    assert first.parameters.tobytes() == second.parameters.tobytes()
    assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002


def test_leaving_the_loop_stops_at_that_step_and_keeps_its_weights():
    X, y = table(60)
    plan = Plan(epochs=5, batch_size=10)
    left, weights = small(), []

    for record in fit(left, X, y, plan=plan, every="step"):
        if record.step == 8:
            break
    for _ in fit(whole := small(), X, y, plan=plan, every="step"):
        weights.append(whole.parameters.tobytes())

    assert left.parameters.tobytes() == weights[7] != weights[8]
    assert left.labels == (0, 1, 2)
    assert left.plan == plan.completed(rows=60)


def test_a_record_every_step_or_every_epoch_does_not_change_the_weights():
    X, y = table(60)
    by_step, by_epoch = small(), small()

    run(by_step, X, y, plan=Plan(epochs=3, batch_size=7), every="step")
    run(by_epoch, X, y, plan=Plan(epochs=3, batch_size=7))

    assert by_step.parameters.tobytes() == by_epoch.parameters.tobytes()


def test_training_visits_every_row_once_an_epoch_in_an_order_that_changes():
    """Weights of zero that never move: the loss of a batch of one row is the square of its target."""
    targets = np.arange(12.0)

    def visits(shuffle):
        model = MLP(Architecture(1, (Layer(1),)), dtype=np.float64)
        model.parameters[:] = 0
        plan = Plan(
            loss="squared_error",
            standardize_targets=False,
            batch_size=1,
            epochs=2,
            optimizer=SGD(1e-300),
            shuffle=shuffle,
        )
        records = fit(model, np.zeros((12, 1)), targets, plan=plan, every="step")
        # the last record of an epoch tells its mean instead
        return [round(record.loss**0.5) for record in records if not record.epoch_end]

    straight, shuffled = visits(False), visits(True)

    assert straight == [*range(11), *range(11)]
    assert len(set(shuffled[:11])) == len(set(shuffled[11:])) == 11
    assert shuffled[:11] != shuffled[11:]


def test_dropout_and_noise_act_in_training_alone_and_keep_the_mean():
    rows = np.ones((1, 2000))
    architecture = Architecture(2000, (Layer(1),), input_dropout=0.4)
    model = MLP(architecture, dtype=np.float64)
    model.parameters[:-1], model.parameters[-1] = 1 / 2000, 0
    plan = Plan(loss="squared_error", standardize_targets=False, optimizer=SGD(1e-300), epochs=400)

    losses = [record.loss for record in fit(model, rows, [0.0], plan=plan)]

    assert model.outputs(rows)[0, 0] == pytest.approx(1)
    # the mean of 2,000 numbers that are 1/0.6 with probability 0.6, else 0: mean 1, variance 0.4/0.6/2000
    assert np.mean(losses) == pytest.approx(1 + 0.4 / 0.6 / 2000, rel=0.01)
    assert np.std(np.sqrt(losses)) == pytest.approx((0.4 / 0.6 / 2000) ** 0.5, rel=0.2)


def test_a_loss_that_is_not_finite_stops_training_with_advice():
    X, y = table(50)
    model = small(1)

    with pytest.raises(Diverged, match=r"step \d+: the loss is not finite.*Lower the learning rate") as caught:
        run(model, X, y * 1e3, plan=Plan(loss="squared_error", optimizer=SGD(1e6), epochs=100))

    assert caught.value.step > 1
    assert not np.isfinite(caught.value.loss)


def test_weights_that_are_not_finite_stop_training_at_the_end_of_the_epoch():
    model = MLP(Architecture(1, (Layer(1),)))
    model.parameters[:] = 0

    with pytest.raises(Diverged, match="a weight is not finite"):
        run(
            model,
            [[1e10]],
            [1e10],
            plan=Plan(loss="squared_error", standardize_targets=False, optimizer=SGD(1e30), epochs=1),
        )


def test_bad_arguments_are_refused_when_fit_is_called_not_at_the_first_step():
    X, y = table(10)

    with pytest.raises(InvalidInput, match="every: expected one of epoch, step, got 'batch'"):
        fit(small(), X, y, plan=Plan(), every="batch")
    with pytest.raises(InvalidInput, match="plan: expected a Plan, got 'adam'"):
        fit(small(), X, y, plan="adam")
    with pytest.raises(
        InvalidInput, match=r"validation: expected rows to train on, but holding out 0.5 of 1 leaves none"
    ):
        fit(small(), X[:1], y[:1], plan=Plan(validation=0.5))
    with pytest.raises(InvalidInput, match=r"validation: expected a finite number of at least 0 and below 1, got 2"):
        fit(small(), X, y, plan=Plan(), validation=2)
    with pytest.raises(InvalidInput, match=r"validation.X\[0\]: expected 4 numbers, got 2"):
        fit(small(), X, y, plan=Plan(), validation=(X[:, :2], y))
    with pytest.raises(InvalidInput, match=r"layers\[1\].units: expected an output for each class, at least 2, got 1"):
        fit(small(1), X, y, plan=Plan())
