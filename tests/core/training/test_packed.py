"""Packed training: each network comes out as `fit` trains it alone, whatever is trained and however."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from helpers.tracing import least_peak
from layerwise import (
    MLP,
    SGD,
    Adam,
    Architecture,
    Diverged,
    EarlyStopping,
    Hinge,
    InvalidInput,
    Layer,
    Maxout,
    Plan,
    ReduceOnPlateau,
    SoftmaxCrossEntropy,
    fit,
    fit_packed,
)
from layerwise.activations import ACTIVATIONS
from layerwise.losses import LOSSES
from layerwise.optimizers import OPTIMIZERS

SIZE = 4
"""Networks in a pack."""
ROWS = 57
"""Batches of 16 leave 9 rows for the last."""

SEEDS = {"seed": [3, 4, 4, 5]}
OWN = SEEDS | {
    "rate": [0.01, 0.03, 0.002, 0.01],
    "l2": [0.0, 0.1, 0.01, 0.0],
    "l1": [0.01, 0.0, 0.02, 0.0],
    "weight_decay": [0.0, 0.1, None, 0.3],
}


def rows(inputs=5):
    return np.random.default_rng(0).normal(size=(ROWS, inputs))


def answers(kind, outputs=3):
    rng = np.random.default_rng(1)
    if kind == "classes":
        return np.array(["ant", "bee", "cat"])[rng.integers(0, outputs, ROWS)]
    if kind == "flags":
        return rng.integers(0, 2, (ROWS, outputs))
    return rng.gamma(2.0, size=(ROWS, outputs))


def plans_of(*, own=OWN, optimizer="adam", **same):
    """A plan for each network: what is its own, and what is the same for all."""
    found = []
    for k in range(SIZE):
        fields = {name: values[k] for name, values in own.items() if name != "rate"}
        step = OPTIMIZERS[optimizer]() if isinstance(optimizer, str) else optimizer  # type: ignore[call-arg]
        rate = own["rate"][k] if "rate" in own else step.learning_rate
        fields["optimizer"] = dataclasses.replace(step, learning_rate=rate)
        found.append(Plan(**({"epochs": 3, "batch_size": 16} | same | fields)))
    return found


def both_ways(architecture, y, plans, dtype=np.float64, **arguments):
    """Models and records of one after the other, and of all together."""
    X = rows(architecture.inputs)
    alone, pack = ([MLP(architecture, seed=k, dtype=dtype) for k in range(SIZE)] for _ in range(2))
    records = [list(fit(model, X, y, plan=plan, **arguments)) for model, plan in zip(alone, plans, strict=True)]
    packed = list(fit_packed(pack, X, y, plans=plans, **arguments))
    return alone, records, pack, packed


def assert_alike(alone, records, pack, packed, *, tolerance):
    assert len(packed) == max(len(own) for own in records)
    for k, (one, other) in enumerate(zip(alone, pack, strict=True)):
        np.testing.assert_allclose(other.parameters, one.parameters, rtol=tolerance, atol=tolerance)
        assert (other.plan, other.labels) == (one.plan, one.labels)
        assert other.metrics == pytest.approx(one.metrics, rel=tolerance, abs=tolerance)
        for own, record in zip(records[k], packed, strict=False):
            assert (record.epoch, record.step, record.stopped[k]) == (own.epoch, own.step, own.stopped)
            assert record.learning_rate[k] == own.learning_rate
            for name in ("loss", "metric", "validation_loss", "validation_metric"):
                expected, got = getattr(own, name), getattr(record, name)
                assert got is None if expected is None else got[k] == pytest.approx(expected, rel=tolerance)


TOLERANCES = [(np.float64, 1e-9), (np.float32, 1e-4)]


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("activation", [*ACTIVATIONS, Maxout(3)])
def test_every_activation_trains_as_alone(activation, dtype, tolerance):
    architecture = Architecture(5, (Layer(7, activation), Layer(6, activation), Layer(3)))

    found = both_ways(architecture, answers("classes"), plans_of(), dtype)

    assert_alike(*found, tolerance=tolerance)
    assert len({model.parameters.tobytes() for model in found[2]}) == SIZE


LOSS_CASES = [
    *((loss, LOSSES[loss].targets, 3) for loss in LOSSES),
    ("sigmoid_cross_entropy", "classes", 3),
    ("sigmoid_cross_entropy", "classes", 1),
    (Hinge("one_vs_rest"), "classes", 1),
    (Hinge("one_vs_rest"), "classes", 3),
    (SoftmaxCrossEntropy(0.1), "classes", 3),
    ("squared_error", "values", 1),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize(("loss", "kind", "outputs"), LOSS_CASES)
def test_every_loss_trains_as_alone(loss, kind, outputs, dtype, tolerance, weighted):
    architecture = Architecture(5, (Layer(7, "tanh"), Layer(outputs)))
    y = answers(kind, 2 if (kind, outputs) == ("classes", 1) else outputs)
    weights = np.random.default_rng(2).random(ROWS) if weighted else None

    found = both_ways(architecture, y, plans_of(loss=loss, validation=0.2), dtype, weights=weights)

    assert_alike(*found, tolerance=tolerance)


BATCHED = [name for name, cls in OPTIMIZERS.items() if not cls.full_batch]


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("optimizer", [*BATCHED, SGD(momentum=0.9), SGD(momentum=0.9, nesterov=True)])
@pytest.mark.parametrize("width", [6, 1300])
def test_every_optimizer_trains_as_alone(optimizer, width, dtype, tolerance):
    """The wider network has more parameters than an update handles at once."""
    architecture = Architecture(9, (Layer(width, "sigmoid"), Layer(3)))

    found = both_ways(architecture, answers("classes"), plans_of(optimizer=optimizer), dtype)

    assert_alike(*found, tolerance=tolerance)


NOISY = {"input_dropout": 0.2, "input_noise": 0.3, "input_scale": 0.5, "input_shift": 0.1}


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("shape", [{}, NOISY])
def test_dropout_noise_and_residual_layers_are_those_of_each_network_alone(shape, dtype, tolerance):
    layers = (Layer(8, "relu", dropout=0.4), Layer(8, "prelu", dropout=0.3, residual=True), Layer(3))

    found = both_ways(Architecture(5, layers, **shape), answers("classes"), plans_of(validation=0.2), dtype)

    assert_alike(*found, tolerance=tolerance)


PLANS = {
    "nothing of its own": {"own": {}},
    "seeds alone": {"own": SEEDS},
    "no shuffling": {"shuffle": False},
    "one batch": {"batch_size": 1000},
    "single rows": {"batch_size": 1, "epochs": 1},
    "a single row left over": {"batch_size": 8},
    "schedule": {"schedule": "cosine", "warmup": 1.5},
    "plateau": {"schedule": ReduceOnPlateau(patience=1, tolerance=0.5), "validation": 0.2, "epochs": 8},
    "bounds": {"clip_norm": 0.3, "clip_value": 0.1, "max_norm": 0.8},
    "average": {"average": 0.9, "validation": 0.2},
    "steps": {"max_steps": 6, "validation": 0.3},
    "random": {"validation": 0.25},
    "balanced by what each trains on": {"validation": 0.25, "class_weight": "balanced"},
    "stratified": {"validation": 0.25, "split": "stratified", "class_weight": "balanced"},
    "temporal": {"validation": 0.25, "split": "temporal", "class_weight": (0.5, 2.0, 1.0)},
    "stopping": {"validation": 0.3, "epochs": 40, "early_stopping": EarlyStopping(patience=1, tolerance=1e-3)},
    "average, best": {"average": 0.7, "validation": 0.3, "epochs": 30, "early_stopping": EarlyStopping(patience=2)},
    "last kept": {"epochs": 30, "early_stopping": EarlyStopping("metric", patience=2, restore=False)},
    "nadam stopping": {"optimizer": "nadam", "epochs": 30, "early_stopping": EarlyStopping("metric", patience=2)},
}


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("name", PLANS)
def test_every_plan_trains_as_alone(name, dtype, tolerance):
    architecture = Architecture(5, (Layer(12, "relu"), Layer(3)))

    found = both_ways(architecture, answers("classes"), plans_of(**PLANS[name]), dtype)

    assert_alike(*found, tolerance=tolerance)


def test_networks_stop_at_epochs_of_their_own_and_leave_the_others_running():
    """That the cases of early stopping above are such cases."""
    _, records, _, packed = both_ways(
        Architecture(5, (Layer(12, "relu"), Layer(3))), answers("classes"), plans_of(**PLANS["stopping"])
    )

    lengths = [len(own) for own in records]
    assert len(set(lengths)) > 1
    for k, length in enumerate(lengths):
        (left_with,) = {record.loss[k] for record in packed[length - 1 :]}
        assert left_with == pytest.approx(records[k][-1].loss)


def test_rows_may_be_held_out_by_the_caller():
    held = (rows()[:20] + 0.1, answers("classes")[:20], np.linspace(0, 1, 20))
    architecture = Architecture(5, (Layer(6, "relu"), Layer(3)))

    found = both_ways(architecture, answers("classes"), plans_of(class_weight="balanced"), validation=held)

    assert_alike(*found, tolerance=1e-9)


def test_one_plan_serves_all_and_the_networks_differ_by_their_initial_weights():
    plan = Plan(epochs=3, optimizer=Adam(0.01), batch_size=16)
    models = [MLP(Architecture(5, (Layer(6, "relu"), Layer(3))), seed=k, dtype=np.float64) for k in range(3)]
    alone = MLP(models[0].architecture, seed=2, dtype=np.float64)

    training = fit_packed(models, rows(), answers("classes"), plans=plan)
    first, _, last = training
    list(fit(alone, rows(), answers("classes"), plan=plan))

    assert training.models == tuple(models)
    assert last.stopped == ("epochs",) * 3
    assert (first.progress, last.progress) == pytest.approx((1 / 3, 1))
    assert last.rows_per_second > 0
    assert len(set(last.loss)) == 3
    np.testing.assert_allclose(models[2].parameters, alone.parameters, rtol=1e-9)


def test_tables_of_bytes_and_views_are_read_as_they_are():
    X = np.random.default_rng(0).integers(0, 256, (ROWS, 10), np.uint8)[:, ::2]
    architecture = Architecture(5, (Layer(6, "relu"), Layer(3)), input_scale=1 / 255)
    alone, model = MLP(architecture, dtype=np.float64), MLP(architecture, dtype=np.float64)

    list(fit(alone, X, answers("classes"), plan=Plan(epochs=2)))
    list(fit_packed([model], X, answers("classes"), plans=Plan(epochs=2)))

    np.testing.assert_allclose(model.parameters, alone.parameters, rtol=1e-9)


def test_a_network_that_diverges_keeps_its_last_finite_weights_and_does_not_end_the_others():
    plans = plans_of(
        own={"rate": [0.01, 1e200, 0.01, 0.01]},
        optimizer="sgd",
        loss="squared_error",
        epochs=4,
        standardize_targets=False,
    )
    architecture = Architecture(5, (Layer(12, "relu"), Layer(3)))
    X, y = rows(), answers("values")
    models = [MLP(architecture, seed=k, dtype=np.float64) for k in range(SIZE)]
    alone = [MLP(architecture, seed=k, dtype=np.float64) for k in range(SIZE)]
    start = models[1].parameters.copy()

    training = fit_packed(models, X, y, plans=plans)
    records = list(training)
    for k in (0, 2, 3):
        list(fit(alone[k], X, y, plan=plans[k]))
        np.testing.assert_allclose(models[k].parameters, alone[k].parameters, rtol=1e-9)
    with pytest.raises(Diverged) as caught:
        list(fit(alone[1], X, y, plan=plans[1]))

    assert models[1].parameters.tobytes() == start.tobytes() == alone[1].parameters.tobytes()
    assert [np.isnan(record.loss).tolist() for record in records] == [[False, True, False, False]] * 4
    assert {record.stopped[1] for record in records} == {"diverged"}
    assert [*training.diverged] == [1]
    assert str(training.diverged[1]) == str(caught.value)


def test_a_network_that_diverges_later_keeps_the_weights_of_its_last_finite_epoch():
    """A rate at which the weights grow for some epochs before they overflow."""
    plans = plans_of(own={"rate": [0.01, 40.0, 0.01, 0.01]}, optimizer="sgd", loss="squared_error", epochs=60)
    architecture = Architecture(5, (Layer(3),))
    X, y = rows(), answers("values")
    models = [MLP(architecture, seed=k) for k in range(SIZE)]
    alone = MLP(architecture, seed=1)

    training = fit_packed(models, X, y, plans=plans)
    records = list(training)
    with pytest.raises(Diverged) as caught:
        list(fit(alone, X, y, plan=plans[1]))

    assert len(records) == 60
    assert 1 < int(np.isfinite([record.loss[1] for record in records]).sum()) < 60
    assert training.diverged[1].step == caught.value.step
    assert np.isfinite(models[1].parameters).all()
    np.testing.assert_allclose(models[1].parameters, alone.parameters, rtol=1e-4)


def test_when_all_have_diverged_training_ends():
    models = [MLP(Architecture(5, (Layer(3),))) for _ in range(2)]
    plan = Plan(loss="squared_error", optimizer=SGD(1e30), epochs=9)

    records = list(fit_packed(models, rows(), answers("values"), plans=plan))

    assert len(records) < 9
    assert records[-1].stopped == ("diverged", "diverged")
    assert records[-1].progress == 1


def test_a_validation_loss_that_is_not_finite_is_divergence():
    models = [MLP(Architecture(1, (Layer(1),)), weights={"layer0/weight": [[w]]}) for w in (1e12, 1.0)]
    plan = Plan(loss="squared_error", optimizer=SGD(1e-30), epochs=2)
    y = np.zeros(4)

    training = fit_packed(models, np.ones((4, 1)), y, plans=plan, validation=([[1e12]] * 4, y))
    last = list(training)[-1]

    assert training.diverged[0].what == "the validation loss"
    assert last.stopped == ("diverged", "epochs")
    assert np.isfinite(last.validation_loss).tolist() == [False, True]


def test_a_budget_of_time_ends_all():
    models = [MLP(Architecture(5, (Layer(3),))) for _ in range(2)]

    records = list(fit_packed(models, rows(), answers("classes"), plans=Plan(epochs=1000, max_seconds=1e-9)))

    assert [record.stopped for record in records] == [("max_seconds",) * 2]
    assert records[0].step == 1


def test_the_same_seeds_give_the_same_bits():
    layers = (Layer(8, Maxout(2), dropout=0.3), Layer(5, "prelu"), Layer(3))
    architecture = Architecture(5, layers, input_dropout=0.1, input_noise=0.1)

    def bits():
        models = [MLP(architecture, seed=1) for _ in range(SIZE)]
        list(fit_packed(models, rows(), answers("classes"), plans=plans_of(validation=0.1)))
        return [model.parameters.tobytes() for model in models]

    assert bits() == bits()
    assert len(set(bits())) == SIZE


def test_an_epoch_allocates_next_to_nothing():
    X, y = np.random.default_rng(0).normal(size=(700, 24)), np.arange(700) % 10
    layers = (Layer(24, "relu", dropout=0.2), Layer(24, Maxout(2)), Layer(24, "prelu"), Layer(10))
    architecture = Architecture(24, layers, input_noise=0.1, input_dropout=0.1)
    models = [MLP(architecture, seed=k, dtype=np.float64) for k in range(8)]
    bounds = {"clip_norm": 1.0, "clip_value": 1.0, "average": 0.9, "max_norm": 3.0}
    plan = Plan(l1=1e-3, l2=1e-3, weight_decay=1e-3, batch_size=300, epochs=1000, **bounds)
    training = fit_packed(models, X, y, plans=plan)

    def go_on():
        for _ in range(30):
            next(training)

    for _ in range(3):
        next(training)
    peak = least_peak(go_on)

    # the scores of a batch take 192,000 bytes, the row numbers of an epoch 44,800, the weights of a layer 36,864;
    # the generators that shuffle, and what they are made of, some thousands
    assert peak < 25_000


def network(**arguments):
    return MLP(Architecture(5, (Layer(6, "relu"), Layer(3))), **arguments)


SAME = network()

REFUSED = [
    ({"models": []}, r"models: expected at least 1 network, got \[\]"),
    ({"models": SAME}, "models: expected at least 1 network, got <MLP 5-6-3"),
    ({"models": [SAME, "it"]}, r"models\[1\]: expected an MLP, got 'it'"),
    ({"models": ["it", SAME]}, r"models\[0\]: expected an MLP, got 'it'"),
    ({"models": [SAME, SAME]}, r"models\[1\]: expected another network: each may occur only once"),
    ({"models": [SAME, network(dtype=np.float64)]}, r"models\[1\].dtype: expected the value of the first, .*float32"),
    (
        {"models": [SAME, MLP(Architecture(5, (Layer(7, "relu"), Layer(3))))]},
        r"models\[1\].architecture.layers\[0\].units: expected the value of the first, 6, got 7",
    ),
    (
        {"models": [SAME, MLP(Architecture(5, (Layer(3),)))]},
        r"models\[1\].architecture.layers: expected the value of the first, ",
    ),
    (
        {"models": [MLP(Architecture(5, (Layer(4, normalization="batch"), Layer(3)))) for _ in range(2)]},
        r"models\[0\].architecture.layers\[0\].normalization: expected None, because packed training does not",
    ),
    ({"plans": "adam"}, "plans: expected a Plan, or one for each network, got 'adam'"),
    ({"plans": [Plan()]}, "plans: expected 2 plans, one for each network, got 1"),
    ({"plans": [Plan(), None]}, r"plans\[1\]: expected a Plan, got None"),
    (
        {"plans": [Plan(), Plan(batch_size=7)]},
        r"plans\[1\].batch_size: expected the value of the first plan, None, got 7; seed, l2, l1, weight_decay and "
        "optimizer.learning_rate may differ",
    ),
    ({"plans": [Plan(), Plan(optimizer=Adam(beta1=0.5))]}, r"plans\[1\].optimizer.beta1: expected .*0.9, got 0.5"),
    ({"plans": [Plan(), Plan(optimizer="sgd")]}, r"plans\[1\].optimizer: expected the value of the first plan, Adam"),
    ({"plans": Plan(optimizer="lbfgs")}, r"plans\[0\].optimizer: expected an optimiser that trains in batches, lbfgs"),
    ({"plans": Plan(validation=0, early_stopping=EarlyStopping())}, "early_stopping.watch: validation_loss needs rows"),
    ({"validation": 2}, "validation: expected a finite number of at least 0 and below 1"),
    ({"X": np.zeros((4, 3))}, r"X\[0\]: expected 5 numbers, got 3"),
    ({"weights": [1.0]}, "weights: expected 57 rows"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED)
def test_what_cannot_be_packed_is_refused_by_name(arguments, words):
    usual = {"models": [network(), network()], "X": rows(), "y": answers("classes"), "plans": Plan()}
    given = usual | arguments

    with pytest.raises(InvalidInput, match=words):
        fit_packed(given.pop("models"), given.pop("X"), given.pop("y"), **given)


def test_a_large_mapped_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("layerwise.data.mapped_files.LARGE", 1)
    X = np.memmap(tmp_path / "X", np.float32, "w+", shape=(ROWS, 5))

    with pytest.raises(InvalidInput, match="X: expected a table in memory"):
        fit_packed([network()], X, answers("classes"), plans=Plan())


def test_the_example_of_the_documentation_runs(capsys):
    text = (Path(__file__).parents[3] / "docs" / "core.md").read_text().split("## Packed training")[1]

    exec(text.split("```python\n")[1].split("```")[0], {})

    assert len(capsys.readouterr().out.splitlines()) == 10
