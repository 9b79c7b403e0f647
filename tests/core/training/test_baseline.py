"""A network that is no better than one constant answer says so when its training ends, and what helps."""

import numpy as np
import pytest

from layerwise import MLP, SGD, Adam, Architecture, EarlyStopping, Layer, Plan, Quantile, TrainingState, fit

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 6))
NOISE = RNG.normal(size=400)
CLASSES = (X[:, 0] > 0.7).astype(int)
STILL = SGD(1e-30)


def found(y, *, outputs=1, hidden=32, weights=None, **plan):
    """The finding of a training on `y`, and its last record."""
    model = MLP(Architecture(6, (Layer(hidden, "relu"), Layer(outputs))))
    records = list(fit(model, X, y, plan=Plan(**{"batch_size": 32} | plan), weights=weights))
    assert not any(finding.kind == "baseline" for record in records[:-1] for finding in record.findings)
    findings = [finding for finding in records[-1].findings if finding.kind == "baseline"]
    return (findings or [None])[0], records[-1]


@pytest.mark.parametrize("validation", [0.0, 0.25])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson", "gamma", "tweedie"])
def test_a_regression_no_better_than_the_mean_says_so(loss, validation):
    still, record = found(np.exp(X[:, 0]), loss=loss, validation=validation, optimizer=STILL, epochs=2)
    learnt, _ = found(np.exp(X[:, 0]), loss=loss, validation=validation, optimizer=Adam(0.01))

    rows = "rows held out" if validation else "rows trained on"
    assert f"no better than the mean: R² is {still.value:.2g} on the {rows}: train for more epochs" in still.message
    assert (still.kind, still.layer, still.since) == ("baseline", None, 2)
    assert still.value == pytest.approx(record.validation_metric if validation else record.metric, rel=1e-5)
    assert learnt is None


def test_a_network_that_learnt_its_rows_by_heart_is_advised_otherwise():
    finding, record = found(NOISE, loss="squared_error", validation=0.5, optimizer=Adam(0.01), epochs=100)

    assert record.metric > 0.3
    assert finding.message.startswith("no better than the mean: R² is -")
    assert "does not hold for others: raise l2 or dropout, stop early, or train on more rows" in finding.message


@pytest.mark.parametrize("loss", ["absolute_error", "quantile", Quantile(0.9)])
def test_quantiles_are_compared_with_the_best_constant_and_not_with_the_mean(loss):
    skewed = np.exp(X[:, 0] + 0.1 * NOISE)

    still, record = found(skewed, loss=loss, validation=0.25, optimizer=STILL, epochs=1)
    learnt, _ = found(skewed, loss=loss, validation=0.25, optimizer=Adam(0.01))

    assert still.message.startswith(f"no better than a constant: the loss is {record.validation_loss:.4g} on the rows")
    assert learnt is None


@pytest.mark.parametrize("validation", [0.0, 0.25])
def test_a_classifier_no_better_than_the_most_frequent_class_says_so(validation):
    plan = {"validation": validation, "split": "stratified" if validation else "random"}

    still, record = found(CLASSES, outputs=2, optimizer=SGD(1e-30), epochs=1, **plan)
    learnt, _ = found(CLASSES, outputs=2, optimizer=Adam(0.01), **plan)

    assert still.message.startswith(f"no better than the most frequent class: {still.value:.1%} of the rows")
    assert f"that class has {np.mean(CLASSES == 0):.0%}"[:-2] in still.message
    assert still.value == pytest.approx(record.validation_metric if validation else record.metric)
    assert learnt is None


def test_weights_count_in_what_is_most_frequent():
    weights = np.where(CLASSES, 9.0, 1.0)

    finding, record = found(CLASSES, outputs=2, optimizer=STILL, epochs=1, weights=weights)

    share = weights[CLASSES == 1].sum() / weights.sum()
    assert f"that class has {share:.1%}" in finding.message
    assert finding.value == pytest.approx(record.metric)


def test_flags_are_compared_with_the_same_flags_for_all_rows():
    flags = np.stack([CLASSES, X[:, 1] > 0, X[:, 2] < -1], axis=1).astype(float)

    still, _ = found(flags, outputs=3, loss="sigmoid_cross_entropy", optimizer=STILL, epochs=1)
    learnt, _ = found(flags, outputs=3, loss="sigmoid_cross_entropy", optimizer=Adam(0.01))

    share = np.maximum(flags.mean(axis=0), 1 - flags.mean(axis=0)).mean()
    assert still.message.startswith("no better than the same flags for all rows: ")
    assert f"those have {share:.1%}" in still.message
    assert learnt is None


def test_a_network_that_learnt_while_its_only_epoch_ran_is_measured_as_it_is_at_the_end():
    finding, record = found(CLASSES, outputs=2, optimizer=SGD(0.05), epochs=1, batch_size=40)

    assert record.metric < np.mean(CLASSES == 0)
    assert finding is None


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "poisson"])
@pytest.mark.parametrize("value", [5.0, 14.62])
def test_a_target_that_is_the_same_in_every_row_is_told(loss, value):
    whole, _ = found(np.full(400, value), loss=loss, epochs=1)
    held_out, _ = found(np.full(400, value), loss=loss, epochs=1, validation=0.2)
    raw, _ = found(np.full(400, value), loss=loss, epochs=1, standardize_targets=False)

    assert whole.message == "the target is the same in every row trained on: there is nothing to learn"
    assert held_out.message.startswith("the target is the same in every row held out: there is nothing to learn, or")
    assert raw.message == whole.message


def test_nothing_can_be_better_than_the_constant_where_all_targets_are_equal():
    model = MLP(Architecture(6, (Layer(4, "relu"), Layer(2))))
    model.labels = (0, 1)
    record = list(fit(model, X, np.zeros(400, int), plan=Plan(epochs=20)))[-1]
    assert record.metric == 1
    assert record.findings == ()


def test_it_is_about_the_weights_that_are_kept():
    """Of a training that was lost after its best epoch."""
    rule = EarlyStopping(patience=12)
    plan = {"loss": "squared_error", "validation": 0.25, "epochs": 100, "early_stopping": rule, "clip_norm": 3.0}

    finding, record = found(X[:, 0], optimizer=SGD(3.0), warmup=30, **plan)

    assert record.stopped == "early_stopping"
    assert record.validation_metric < -1
    assert finding is None


def test_a_training_that_goes_on_after_its_end_has_it_no_longer():
    model = MLP(Architecture(6, (Layer(32, "relu"), Layer(1))))
    first = fit(model, X, X[:, 0], plan=Plan(loss="squared_error", optimizer=SGD(1e-30), epochs=1))
    ended = list(first)[-1]

    state = TrainingState.from_arrays(first.state.to_arrays())
    records = list(fit(model, X, X[:, 0], plan=Plan(loss="squared_error", optimizer=SGD(0.05), epochs=9), state=state))

    assert [finding.kind for finding in ended.findings if finding.kind == "baseline"] == ["baseline"]
    assert not any(finding.kind == "baseline" for record in records for finding in record.findings)


def test_without_a_doctor_nothing_is_found():
    assert found(NOISE, loss="squared_error", validation=0.25, doctor=False, epochs=2)[1].findings == ()


# --- targets ---


def kinds(y, dtype=np.float32, **plan):
    model = MLP(Architecture(6, (Layer(8, "relu"), Layer(1, plan.pop("last", "identity")))), dtype=dtype)
    record = list(fit(model, X, y, plan=Plan(loss="squared_error", epochs=1, **plan)))[-1]
    return {finding.kind: finding.message for finding in record.findings}


def test_large_targets_that_are_not_standardised_are_told():
    prices = 70_000 + 27_000 * X[:, 0]

    assert "output 0 has a root mean square of 7" in kinds(prices, standardize_targets=False)["targets"]
    assert "the output layer linear" in kinds(prices, last="softplus")["targets"]
    assert "targets" not in kinds(prices)
    assert "targets" not in kinds(X[:, 0], standardize_targets=False)


def test_targets_that_the_networks_numbers_hardly_tell_apart_are_told():
    y = 1e9 + X[:, 0]

    assert "subtract a constant from the targets, or use float64" in kinds(y)["precision"]
    assert "precision" not in kinds(y, np.float64)
    assert "precision" not in kinds(1e4 + X[:, 0])
