"""How a training ends: by its plan, by its caller, or before it began, from the state of one that had ended."""

import numpy as np
import pytest

from layerwise import MLP, Adam, Architecture, EarlyStopping, InvalidInput, Layer, Plan, TrainingState, fit, partial_fit

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4)).astype(np.float32)
Y = (X**2).sum(axis=1) > 3


def network():
    return MLP(Architecture(4, (Layer(16, "relu"), Layer(2))), seed=1)


ENDINGS = [
    {"average": 0.9},
    {"early_stopping": EarlyStopping(watch="validation_loss", patience=2), "validation": 0.25},
    {"average": 0.9, "early_stopping": EarlyStopping(watch="validation_loss", patience=2), "validation": 0.25},
    {},
    {"keep_optimizer": True},
]


@pytest.mark.parametrize("options", ENDINGS)
def test_the_state_of_a_training_that_has_ended_gives_the_model_it_ended_with(options):
    model, plan = network(), Plan(epochs=12, optimizer=Adam(0.05), **options)
    training = fit(model, X, Y, plan=plan)
    last = [*training][-1]
    arrays = training.state.to_arrays()

    again = network()
    resumed = fit(again, X, Y, plan=plan, state=TrainingState.from_arrays(arrays))

    assert [*resumed] == []
    assert last.stopped
    assert again.parameters.tobytes() == model.parameters.tobytes()
    assert again.metrics == model.metrics
    assert (again.kept_optimizer is None) == (model.kept_optimizer is None)


@pytest.mark.parametrize("options", ENDINGS[:3])
def test_a_training_may_be_ended_as_if_its_plan_had_been_to(options):
    whole = network()
    for _ in fit(whole, X, Y, plan=Plan(epochs=3, optimizer=Adam(0.05), **options)):
        pass

    model = network()
    training = fit(model, X, Y, plan=Plan(epochs=30, optimizer=Adam(0.05), **options))
    for record in training:
        if record.epoch == 3:
            break
    training.finish()

    assert model.parameters.tobytes() == whole.parameters.tobytes()
    assert model.metrics == whole.metrics
    assert [*training] == []


def test_metrics_of_the_average_are_not_told_of_the_weights_of_a_training_that_is_left():
    model = network()
    training = fit(model, X, Y, plan=Plan(epochs=9, average=0.99, validation=0.25))

    record = next(training)
    left = dict(model.metrics)
    training.finish()

    assert left == {}
    assert model.metrics["validation_accuracy"] == record.validation_metric


@pytest.mark.parametrize("options", [*ENDINGS[1:4], {**ENDINGS[1], "l2": 0.01}])
def test_the_last_record_that_is_marked_as_kept_is_of_the_weights_that_the_network_ends_with(options):
    model, plan = network(), Plan(epochs=60, optimizer=Adam(0.05), **options)
    ends, records = [], []

    training = fit(
        model, X, np.random.default_rng(3).permutation(Y), plan=plan
    )  # nothing to learn: the loss soon rises
    for record in training:
        records.append(record)
        ends.append((model.parameters if training.state.average is None else training.state.average).copy())

    kept = max(index for index, record in enumerate(records) if record.kept)
    assert model.parameters.tobytes() == ends[kept].tobytes()
    assert model.metrics.get("validation_accuracy") == records[kept].validation_metric
    if "early_stopping" in options:
        assert kept < len(records) - 1
        assert records[kept].validation_loss == min(record.validation_loss for record in records)


def test_no_step_within_an_epoch_is_kept():
    records = [*fit(network(), X, Y, plan=Plan(epochs=2, batch_size=50), every="step")]

    assert [record.kept for record in records] == [False, False, False, True] * 2


@pytest.mark.parametrize("options", [{"average": 0.999}, {"average": 0.999, "l2": 0.1}, ENDINGS[2]])
def test_what_is_told_of_the_rows_trained_on_is_what_the_average_does(options):
    from layerwise import evaluate, fit_packed

    plan = Plan(epochs=4, optimizer=Adam(0.05), **options)
    model, packed = network(), network()
    *_, last = fit(model, X, Y, plan=plan, validation=(X[:50], Y[:50]))
    for _ in fit_packed([packed], X, Y, plans=plan, validation=(X[:50], Y[:50])):
        pass

    found = evaluate(model, X, Y)
    penalty = (
        model.plan.l2 / 2 * sum(float((each**2).sum()) for name, each in model.weights.items() if "weight" in name)
    )
    assert model.metrics["accuracy"] == pytest.approx(found.accuracy, abs=1e-6)
    assert model.metrics["loss"] == pytest.approx(found.loss + penalty, rel=1e-5)
    assert abs(last.metric - found.accuracy) > 0.01  # it is of the weights that were trained
    assert packed.metrics == pytest.approx(model.metrics, rel=1e-4)


def test_a_batch_as_it_arrives_moves_what_the_model_keeps_of_the_optimiser():
    model, plan = network(), Plan(keep_optimizer=True)
    state = partial_fit(model, X[:32], Y[:32], plan=plan)
    partial_fit(model, X[32:64], Y[32:64], plan=plan, state=state)

    assert model.kept_optimizer.updates == 2

    partial_fit(model, X[:32], Y[:32], plan=Plan(optimizer="sgd"))

    assert model.kept_optimizer is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.predict(np.zeros((0, 3))), r"X: expected rows of 4 numbers, got shape \(0, 3\)"),
        (lambda model: setattr(model, "labels", 5), "labels: expected a list of labels, one for each output, got 5"),
        (
            lambda model: setattr(model, "labels", "ab"),
            "labels: expected a list of labels, one for each output, got 'ab'",
        ),
        (lambda model: MLP.load(None), "file: expected a path or an open binary file, got None"),
        (lambda model: fit(model, X, Y, plan=Plan(), check="no"), "check: expected true or false, got 'no'"),
        (
            lambda model: fit(model, X[:2], np.array([2**63, 1], np.uint64), plan=Plan()),
            r"y\[0\]: expected an integer of 64 bits, got 9223372036854775808",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words(call, message):
    with pytest.raises(InvalidInput, match=message):
        call(network())


def test_no_rows_are_predicted_as_none():
    model = network()
    model.plan, model.labels = Plan(), ("a", "b")

    assert model.predict([]).shape == (0,)
    assert model.predict_proba(np.empty((0, 4))).shape == (0, 2)


def test_a_model_that_no_reader_would_take_is_not_written(tmp_path):
    model = network()
    model.parameters[3] = np.nan

    with pytest.raises(InvalidInput, match="layer 0 weight: expected finite numbers"):
        model.save(tmp_path / "m.npz")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("loss", "standardize", "told"),
    [("squared_error", False, True), ("squared_error", True, False), ("poisson", False, False)],
)
def test_only_targets_that_may_be_scaled_and_are_not_are_advised_to_be(loss, standardize, told):
    from layerwise import SGD, Diverged

    with pytest.raises(Diverged, match=r"not finite, first in layer 0 \(loss") as raised:
        for _ in fit(
            MLP(Architecture(4, (Layer(1),))),
            X,
            np.full(200, 9.0),
            plan=Plan(loss=loss, optimizer=SGD(1e38), epochs=99, standardize_targets=standardize),
        ):
            pass
    assert ("Standardize the targets" in str(raised.value)) is told
