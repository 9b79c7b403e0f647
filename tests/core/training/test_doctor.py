"""What the doctor finds in networks that are ill in known ways, and that it finds nothing in healthy ones."""

import time

import numpy as np
import pytest
from sklearn.datasets import load_digits

from layerwise import MLP, SGD, Adam, Architecture, Layer, Plan, fit
from layerwise.network.parameters import views
from layerwise.training.doctor import _check_overfitting, findings


def table(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 6))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def last(model, X, y, **plan):
    """The last record at which the doctor looked, and the last of all."""
    records = list(fit(model, X, y, plan=Plan(**plan)))
    return [record for record in records if record.layers][-1], records[-1]


def network(*layers, inputs=6):
    return MLP(Architecture(inputs, layers))


def told(record):
    return {finding.kind: finding for finding in record.findings}


def test_a_healthy_training_is_left_in_peace():
    X, y = table()

    looked, end = last(network(Layer(16, "relu"), Layer(16, "tanh"), Layer(2)), X, y, epochs=30)

    assert end.findings == ()
    assert [layer.dead is None for layer in looked.layers] == [False, True, True]
    assert [layer.saturated is None for layer in looked.layers] == [True, False, True]
    assert all(1e-5 < layer.update_ratio < 0.1 for layer in looked.layers)


def test_dead_units_are_counted_and_told_with_advice():
    X, y = table()
    model = network(Layer(20, "relu"), Layer(2))
    views(model.architecture, model.parameters)[0].bias[:9] = -1e3  # no row wakes them

    looked, end = last(model, X, y, epochs=3)

    assert looked.layers[0].dead == 9 / 20
    assert told(end)["dead"].message == (
        "layer 0: 45 % of its ReLU units are dead since epoch 1: lower the learning rate, or use leaky ReLU or maxout"
    )
    assert (told(end)["dead"].layer, told(end)["dead"].value, told(end)["dead"].since) == (0, 0.45, 1)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_saturated_units_are_told(activation):
    X, y = table()
    model = network(Layer(20, activation), Layer(2))
    views(model.architecture, model.parameters)[0].weight[:] *= 100

    looked, end = last(model, X, y, epochs=3)

    assert looked.layers[0].saturated > 0.8
    assert "use ReLU" in told(end)["saturated"].message


def test_steps_that_are_too_large_or_too_small_are_told():
    X, y = table()

    _, wild = last(network(Layer(16, "tanh"), Layer(2)), X, y, epochs=3, optimizer=Adam(1.0))
    _, still = last(network(Layer(16, "tanh"), Layer(2)), X, y, epochs=3, optimizer=SGD(1e-9))

    assert "lower the learning rate" in told(wild)["large_update"].message
    assert "raise the learning rate" in told(still)["small_update"].message


def test_overfitting_is_told_since_the_epoch_after_the_best():
    X, _ = table(60)
    y = np.random.default_rng(5).integers(0, 2, 60)  # nothing but noise to learn
    records = list(
        fit(network(Layer(64, "relu"), Layer(2)), X, y, plan=Plan(epochs=60, optimizer=Adam(0.01), validation=0.5))
    )

    best = int(np.argmin([record.validation_loss for record in records])) + 1
    finding = told(records[-1])["overfitting"]
    assert finding.since == best + 1
    assert "raise l2 or dropout, or stop early; do not use fewer units" in finding.message
    assert "overfitting" not in told(records[best - 1])


def test_inputs_on_another_scale_are_told_with_their_column():
    X, y = table()
    X[:, 4] = X[:, 4] * 50 + 1000

    _, end = last(network(Layer(16, "relu"), Layer(2)), X, y, epochs=2)

    assert "column 4 has a root mean square of 1,0" in told(end)["inputs"].message


def test_a_finding_ends_when_it_is_no_longer_so():
    X, y = table()
    model = network(Layer(20, "relu"), Layer(2))
    views(model.architecture, model.parameters)[0].bias[:9] = -1e3
    run = fit(model, X, y, plan=Plan(epochs=200))
    assert "dead" in told(next(run))

    views(model.architecture, model.parameters)[0].bias[:] = 0
    ended = [told(record) for record in run if record.layers]

    assert ended
    assert "dead" not in ended[-1]


def test_the_rows_held_out_are_those_it_looks_at():
    X, y = table()
    model = network(Layer(4, "relu"), Layer(2))
    held = np.full((5, 6), -1.0), y[:5]
    for layer in views(model.architecture, model.parameters)[:1]:
        layer.weight[:], layer.bias[:] = 1, 0  # awake for some rows of X, dead for those held out

    (record,) = fit(model, X, y, plan=Plan(epochs=1, optimizer=SGD(1e-12)), validation=held)

    assert record.layers[0].dead == 1.0


def test_it_can_be_turned_off_and_changes_no_bit_of_the_training():
    X, y = table()
    watched, alone = network(Layer(16, "relu"), Layer(2)), network(Layer(16, "relu"), Layer(2))

    list(fit(watched, X, y, plan=Plan(epochs=5)))
    records = list(fit(alone, X, y, plan=Plan(epochs=5, doctor=False)))

    assert watched.parameters.tobytes() == alone.parameters.tobytes()
    assert all(record.layers == () and record.findings == () for record in records)


@pytest.mark.parametrize(("units", "batch"), [(16, 32), (100, 128)])
def test_looking_takes_a_few_percent_of_the_time_at_most(units, batch, monkeypatch):
    """Its own time over that of the training, the least of five: a machine that is busy elsewhere only adds to it."""
    from layerwise.training.doctor import Doctor

    X, y = load_digits(return_X_y=True)
    spent = 0.0

    def timed(method):
        def run(*arguments, **named):
            nonlocal spent
            start = time.thread_time()
            try:
                return method(*arguments, **named)
            finally:
                spent += time.thread_time() - start

        return run

    for name in ("before_update", "examine"):
        monkeypatch.setattr(Doctor, name, timed(getattr(Doctor, name)))
    shares = []
    for _ in range(5):
        model = MLP(Architecture(64, (Layer(units, "relu"), Layer(10))))
        spent, start = 0.0, time.thread_time()
        list(fit(model, X, y, plan=Plan(epochs=60, batch_size=batch, validation=0.2)))
        shares.append(spent / (time.thread_time() - start))

    assert min(shares) < 0.06


@pytest.mark.parametrize(("activation", "optimizer"), [("sigmoid", Adam(1.0)), ("tanh", SGD(1.0, momentum=0.9))])
def test_a_training_that_is_lost_is_not_advised_to_raise_its_rate(activation, optimizer):
    X, y = load_digits(return_X_y=True)
    model = network(Layer(32, activation), Layer(32, activation), Layer(10), inputs=64)

    records = list(fit(model, X / 16, y, plan=Plan(optimizer=optimizer, epochs=40)))

    small = [finding for finding in records[-1].findings if finding.kind == "small_update"]
    assert small
    assert all("start again with a lower learning rate" in finding.message for finding in small)
    assert all("raise the learning rate" not in finding.message for finding in records[-1].findings)


def test_steps_are_not_said_to_be_small_for_their_rate_where_dead_units_stop_the_gradient():
    X, y = table()
    model = network(Layer(20, "relu"), Layer(2))
    views(model.architecture, model.parameters)[0].bias[:] = -1e3

    _, end = last(model, X, y, epochs=3)

    assert told(end)["small_update"].message.endswith("dead or saturated units let no gradient through")


def test_the_growth_of_a_lost_network_and_a_step_of_nothing_are_written_for_people():
    health = {"lost": 1.0, "lost.value": 8_156_174.3, "small_update:2": 3.0, "small_update:2.value": 0.0}

    (message,) = (finding.message for finding in findings(health))
    assert message.startswith("layer 2: a step no longer changes its weights since epoch 3, and training has failed")
    assert "the norm of the weights grew more than 1,000-fold" in message
    (message,) = (
        finding.message for finding in findings(health | {"lost.value": 31.234, "small_update:2.value": 2e-8})
    )
    assert message.startswith("layer 2: a step changes its weights by 2e-08 of their size since epoch 3")
    assert "grew 31.2-fold" in message


@pytest.mark.parametrize(("rows", "rise", "found"), [(15, 1.3, False), (15, 1.6, True), (2500, 1.05, True)])
def test_a_rise_of_the_validation_loss_that_may_be_chance_is_not_told(rows, rise, found):
    health = {}
    for epoch, held in enumerate((1.0, rise, rise, rise, rise), 1):
        _check_overfitting(health, {"loss": 1 / epoch, "validation_loss": held}, epoch, rows=rows)

    assert bool(findings(health)) is found
