"""A training that is left and taken up again ends with the same bits as one that never stopped."""

import hashlib
import json

import numpy as np
import pytest

from layerwise import (
    MLP,
    SGD,
    Adam,
    Architecture,
    EarlyStopping,
    InvalidInput,
    Layer,
    Maxout,
    Plan,
    TrainingState,
    fit,
    partial_fit,
)

ARCHITECTURE = Architecture(
    4, (Layer(8, Maxout(2), dropout=0.3), Layer(6, "prelu"), Layer(3)), input_dropout=0.1, input_noise=0.1
)
PLANS = {
    "adam": Plan(epochs=4, batch_size=16, validation=0.2),
    "momentum": Plan(epochs=4, batch_size=7, optimizer=SGD(0.1, 0.9), l2=1e-3, l1=1e-4),
    "held back": Plan(epochs=4, batch_size=16, weight_decay=0.1, max_norm=1.0, clip_norm=0.5, clip_value=0.1),
    "averaged": Plan(epochs=4, batch_size=16, average=0.9, warmup=1.5, validation=0.2),
    "early stopping": Plan(
        epochs=12, batch_size=16, optimizer=Adam(0.1), validation=0.2, early_stopping=EarlyStopping(patience=2)
    ),
    "in order": Plan(epochs=3, batch_size=16, shuffle=False, max_steps=10),
}


def table(rows=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 4)), rng.integers(0, 3, rows)


def digest(model, state, records):
    told = [(r.epoch, r.step, r.loss, r.metric, r.validation_loss, r.learning_rate, r.stopped) for r in records]
    content = [model.parameters.tobytes(), json.dumps(model.metrics).encode(), json.dumps(told).encode()]
    content += [array.tobytes() for name, array in sorted(state.to_arrays().items()) if name != "state"]
    return hashlib.sha256(b"".join(content)).hexdigest()


def whole(plan, dtype):
    X, y = table()
    model = MLP(ARCHITECTURE, seed=1, dtype=dtype)
    run = fit(model, X, y, plan=plan, every="step")
    records = list(run)
    return digest(model, run.state, records), records


def interrupted(plan, dtype, stops, steps):
    """The same, left after each of `stops` steps and taken up by a model and a process that know nothing of it."""
    X, y = table()
    records, saved = [], None
    for stop in [*stops, steps]:
        model = MLP(ARCHITECTURE, seed=99, dtype=dtype) if saved else MLP(ARCHITECTURE, seed=1, dtype=dtype)
        state = TrainingState.from_arrays(saved) if saved else None
        run = fit(model, X, y, plan=plan, state=state, every="step")
        for record in run:
            records.append(record)
            if record.step == stop:
                break
        saved = run.state.to_arrays()
    return digest(model, run.state, records)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_left_anywhere_and_taken_up_again_it_ends_with_the_same_bits(plan, dtype):
    expected, records = whole(plan, dtype)
    steps = records[-1].step

    for stops in ([1], [steps // 2], [steps - 1], [2, 3, steps // 2 + 1]):
        assert interrupted(plan, dtype, stops, steps) == expected


def test_a_state_is_plain_data_that_a_file_holds(tmp_path):
    X, y = table()
    run = fit(MLP(ARCHITECTURE), X, y, plan=PLANS["averaged"])
    next(run)
    saved = run.state.to_arrays()

    np.savez(tmp_path / "state.npz", **saved)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as file:
        loaded = TrainingState.from_arrays(dict(file))

    again = loaded.to_arrays()
    assert again.keys() == saved.keys()
    assert all(np.array_equal(again[name], saved[name]) for name in saved)


def test_a_saved_state_stays_as_it_is_when_training_goes_on():
    X, y = table()
    run = fit(MLP(ARCHITECTURE), X, y, plan=PLANS["adam"])
    next(run)
    kept = run.state.copy()
    before = kept.parameters.tobytes()

    next(run)

    assert kept.parameters.tobytes() == before != run.state.parameters.tobytes()
    assert (kept.epoch, run.state.epoch) == (1, 2)


def test_a_training_that_has_ended_goes_on_with_a_plan_of_more_epochs():
    X, y = table()
    model, longer = MLP(ARCHITECTURE), MLP(ARCHITECTURE)
    run = fit(model, X, y, plan=Plan(epochs=2))
    list(run)
    list(fit(longer, X, y, plan=Plan(epochs=5)))

    records = list(fit(model, X, y, plan=Plan(epochs=5), state=run.state))

    assert [record.epoch for record in records] == [3, 4, 5]
    assert model.parameters.tobytes() == longer.parameters.tobytes()
    assert list(fit(model, X, y, plan=Plan(epochs=2), state=run.state)) == []


def test_a_state_of_something_else_is_refused():
    X, y = table()
    run = fit(MLP(ARCHITECTURE), X, y, plan=Plan(epochs=1))
    list(run)

    with pytest.raises(InvalidInput, match="state: expected the state of a training with the same network, plan"):
        fit(MLP(Architecture(4, (Layer(3),))), X, y, plan=Plan(), state=run.state)
    with pytest.raises(InvalidInput, match="state: expected the state of a training"):
        fit(MLP(ARCHITECTURE), X, y, plan=Plan(optimizer="sgd"), state=run.state)
    with pytest.raises(InvalidInput, match=r"state: expected JSON as an array \(n,\) of uint8, got none"):
        TrainingState.from_arrays({"parameters": np.zeros(3)})


def test_batches_that_arrive_one_by_one_train_as_an_epoch_in_order_does():
    X, y = table(64)
    architecture = Architecture(4, (Layer(8, "relu"), Layer(3)))
    plan = Plan(epochs=1, batch_size=16, shuffle=False, l2=1e-3)
    online, whole_epoch = MLP(architecture), MLP(architecture)
    online.labels = (0, 1, 2)
    state = None

    for start in range(0, 64, 16):
        state = partial_fit(online, X[start : start + 16], y[start : start + 16], plan=plan, state=state)
    list(fit(whole_epoch, X, y, plan=plan))

    assert online.parameters.tobytes() == whole_epoch.parameters.tobytes()
    assert state.step == 4


def test_a_plan_without_an_average_leaves_the_average_of_the_state_behind():
    X, y = table()
    run = fit(MLP(ARCHITECTURE), X, y, plan=Plan(average=0.9, batch_size=16), every="step")
    next(run)
    model = MLP(ARCHITECTURE)

    going_on = fit(model, X, y, plan=Plan(epochs=3, batch_size=16), state=run.state)
    list(going_on)

    assert going_on.state.average is None
    assert model.parameters.tobytes() != run.state.average.tobytes()
