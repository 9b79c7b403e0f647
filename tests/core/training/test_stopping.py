"""When training ends: budgets, early stopping, divergence; and with which weights."""

import math

import numpy as np
import pytest

from layerwise import MLP, SGD, Adam, Architecture, Diverged, EarlyStopping, InvalidInput, Layer, Plan, fit


def small(**fields):
    return MLP(Architecture(4, (Layer(8, "relu"), Layer(3)), **fields))


def table(rows=60):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 4)), rng.integers(0, 3, rows)


def test_the_last_record_says_why_training_ended():
    X, y = table()

    assert [r.stopped for r in fit(small(), X, y, plan=Plan(epochs=3))] == [None, None, "epochs"]
    by_steps = list(fit(small(), X, y, plan=Plan(batch_size=10, max_steps=8)))
    assert [(r.epoch, r.step, r.stopped, r.epoch_end) for r in by_steps] == [
        (1, 6, None, True),
        (2, 8, "max_steps", True),
    ]
    by_seconds = list(fit(small(), X, y, plan=Plan(epochs=10**6, max_seconds=0.2)))
    assert by_seconds[-1].stopped == "max_seconds"
    assert by_seconds[-1].progress == 1.0


def test_progress_rises_from_zero_to_one():
    X, y = table()

    progress = [r.progress for r in fit(small(), X, y, plan=Plan(epochs=3, batch_size=10), every="step")]

    assert progress == sorted(progress)
    assert progress[0] == pytest.approx(1 / 18)
    assert progress[-1] == 1.0


def test_an_epoch_that_is_broken_off_is_told_with_the_rows_it_had():
    X, y = table()
    plan = Plan(batch_size=10, max_steps=2, optimizer=SGD(1e-300), shuffle=False)
    model = small()
    scores = model.outputs(X[:20])

    (record,) = fit(model, X, y, plan=plan)

    assert record.metric == np.mean(scores.argmax(axis=1) == y[:20])


def noisy():
    """Rows whose labels are noise: the validation loss rises once the network begins to learn them by heart."""
    X, y = table(120)
    return X[:60], y[:60], (X[60:], y[60:])


def test_early_stopping_waits_for_its_patience_and_restores_the_best():
    X, y, held = noisy()
    model = small()
    plan = Plan(optimizer=Adam(0.03), epochs=500, early_stopping=EarlyStopping(patience=5))
    weights = []

    records = []
    for record in fit(model, X, y, plan=plan, validation=held):
        records.append(record)
        weights.append(model.parameters.copy())

    losses = [record.validation_loss for record in records]
    best = int(np.argmin(losses))
    assert records[-1].stopped == "early_stopping"
    assert len(records) == best + 1 + 5 < 500
    assert model.parameters.tobytes() == weights[best].tobytes()
    assert model.metrics["validation_loss"] == losses[best]


def test_an_epoch_as_good_as_the_best_is_no_better():
    X, y = table()
    stopping = EarlyStopping("loss", patience=3, tolerance=0.0)
    plan = Plan(optimizer=SGD(1e-300), epochs=9, shuffle=False, early_stopping=stopping)

    losses = [record.loss for record in fit(small(), X, y, plan=plan)]

    assert losses == [losses[0]] * 4


def test_early_stopping_may_leave_the_last_weights():
    X, y, held = noisy()
    model = small()
    plan = Plan(optimizer=Adam(0.03), epochs=500, early_stopping=EarlyStopping(patience=5, restore=False))

    records = list(fit(model, X, y, plan=plan, validation=held))

    assert model.metrics["validation_loss"] == records[-1].validation_loss


@pytest.mark.parametrize("watch", ["loss", "metric", "validation_metric"])
def test_any_value_of_the_records_may_be_watched(watch):
    X, y, held = noisy()
    stopping = EarlyStopping(watch=watch, patience=1, tolerance=10.0)  # nothing improves by so much

    records = list(fit(small(), X, y, plan=Plan(epochs=9, early_stopping=stopping), validation=held))

    assert [record.stopped for record in records] == [None, "early_stopping"]


def test_what_cannot_be_watched_is_refused():
    X, y = table()

    with pytest.raises(InvalidInput, match=r"early_stopping.watch: validation_loss needs rows that are held out"):
        fit(small(), X, y, plan=Plan(validation=0, early_stopping=EarlyStopping()))
    with pytest.raises(InvalidInput, match="patience: expected a whole number of at least 1, got 0"):
        EarlyStopping(patience=0)
    with pytest.raises(InvalidInput, match="watch: expected one of loss, metric, validation_loss"):
        EarlyStopping(watch="accuracy")
    with pytest.raises(InvalidInput, match=r"early_stopping.patience: expected a whole number"):
        Plan.from_json({"early_stopping": {"patience": "long"}})


def test_divergence_tells_layer_and_cause_and_keeps_the_last_finite_weights():
    X, y = table()
    model = MLP(Architecture(4, (Layer(8, "relu"), Layer(1))))
    plan = Plan(loss="squared_error", standardize_targets=False, optimizer=SGD(1e6), epochs=100)

    with pytest.raises(
        Diverged, match=r"step \d+: the loss is not finite, first in layer \d .*learning rate 1e\+06"
    ) as caught:
        list(fit(model, X, y, plan=plan))

    assert caught.value.layer in (0, 1)
    assert np.isfinite(model.parameters).all()
    assert "Standardize the targets" in str(caught.value)


def test_large_inputs_are_named_as_the_likely_cause():
    X, y = table()
    model = MLP(Architecture(4, (Layer(8, "relu"), Layer(1))))
    plan = Plan(loss="squared_error", optimizer=SGD(0.1), epochs=100)

    with pytest.raises(Diverged, match=r"The inputs are large, up to [\d.e+]+: standardize them to zero mean"):
        list(fit(model, X * 1e4, y, plan=plan))


def test_the_moving_average_is_what_the_network_ends_with():
    X, y = table()
    model, plain = small(), small()
    plan = Plan(epochs=3, batch_size=20, average=0.9)
    expected = model.parameters.astype(np.float64)

    for _ in fit(plain, X, y, plan=Plan(epochs=3, batch_size=20), every="step"):
        expected = 0.9 * expected + 0.1 * plain.parameters
    list(fit(model, X, y, plan=plan))

    np.testing.assert_allclose(model.parameters, expected, rtol=1e-5, atol=1e-7)


def test_the_validation_of_an_averaged_training_is_the_averages():
    X, y = table()
    model = small()

    records = list(fit(model, X[:40], y[:40], plan=Plan(epochs=3, average=0.9), validation=(X[40:], y[40:])))

    assert records[-1].validation_metric == np.mean(model.predict(X[40:]) == y[40:])


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"warmup": -1}, "warmup: expected a finite number of at least 0"),
        ({"l1": math.nan}, "l1: expected a finite number"),
        ({"max_norm": 0}, "max_norm: expected a finite number above 0"),
        ({"clip_norm": -1}, "clip_norm: expected a finite number above 0"),
        ({"clip_value": "a"}, "clip_value: expected a finite number above 0"),
        ({"average": 1.0}, "average: expected a finite number above 0 and below 1"),
        ({"max_steps": 0}, "max_steps: expected a whole number of at least 1"),
        ({"max_seconds": 0}, "max_seconds: expected a finite number above 0"),
        ({"early_stopping": 5}, "early_stopping: expected an EarlyStopping or None, got 5"),
        (
            {"class_weight": "even"},
            "class_weight: expected balanced, a weight for each class, or weights by label, got 'even'",
        ),
        ({"class_weight": [1, -1]}, r"class_weight\[1\]: expected a finite number of at least 0, got -1"),
        ({"class_weight": [0, 0]}, "class_weight: expected a weight above 0"),
        ({"split": "half"}, "split: expected one of random, stratified, temporal, got 'half'"),
        ({"schedule": "sometimes"}, "schedule: expected one of constant"),
    ],
)
def test_an_impossible_plan_cannot_be_made(plan, words):
    with pytest.raises(InvalidInput, match=words):
        Plan(**plan)


def test_a_plan_goes_through_json_and_back():
    plan = Plan(
        loss="hinge", l1=0.1, average=0.5, early_stopping=EarlyStopping("loss", 3), class_weight=[1, 2], max_seconds=3
    )

    assert Plan.from_json(plan.to_json()) == plan
