"""Which rows are held out: at random, by class, at the end, or given."""

import numpy as np
import pytest
from sklearn.model_selection import StratifiedShuffleSplit

from layerwise import MLP, Architecture, InvalidInput, Layer, Plan, fit
from layerwise.data import mapped_files
from layerwise.data.mapped_files import FileTable, open_table
from layerwise.data.splits import Runs, all_rows, random_split, stratified_split, temporal_split


def table(rows=200, outputs=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 4)).astype(np.float32), rng.integers(0, outputs, rows)


def model(outputs=3):
    return MLP(Architecture(4, (Layer(6, "relu"), Layer(outputs))))


@pytest.fixture
def in_file(tmp_path, monkeypatch):
    """Makes an array a file that counts as large, read in blocks of 64 rows of 4 numbers."""
    monkeypatch.setattr(mapped_files, "LARGE", 1)
    monkeypatch.setattr(mapped_files, "BLOCK", 1024)
    monkeypatch.setattr(mapped_files, "WINDOW", 4096)

    def make(X, name="X"):
        np.save(tmp_path / f"{name}.npy", X)
        return np.load(tmp_path / f"{name}.npy", mmap_mode="r")

    return make


def test_a_random_split_holds_out_the_fraction_and_follows_from_the_seed():
    X, _ = table(101)

    kept, held = random_split(X, 0.25, np.random.default_rng(3))
    again = random_split(X, 0.25, np.random.default_rng(3))
    other = random_split(X, 0.25, np.random.default_rng(4))

    assert len(held) == 25
    assert sorted(np.concatenate([kept, held])) == list(range(101))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()
    assert np.array_equal(again[1], held)
    assert not np.array_equal(other[1], held)


def test_a_temporal_split_holds_out_the_last_rows():
    X, y = table(40)
    X[30:] = 1000.0  # training that saw them would not stay finite for long
    network = model()

    kept, held = temporal_split(X, 0.25)
    record = next(fit(network, X, y, plan=Plan(epochs=1, validation=0.25, split="temporal")))

    assert kept.tolist() == list(range(30))
    assert held.tolist() == list(range(30, 40))
    assert record.validation_loss > 20 > record.loss


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.8])
def test_a_stratified_split_keeps_the_shares_as_scikit_learn_does(fraction):
    y = np.repeat([0, 1, 2, 3], [500, 300, 190, 10])
    np.random.default_rng(0).shuffle(y)

    kept, held = stratified_split(y[:, None], y, fraction, np.random.default_rng(1))
    (_, peer), *_ = StratifiedShuffleSplit(1, test_size=fraction, random_state=0).split(y[:, None], y)

    assert len(held) == len(peer)
    assert np.bincount(y[held]).tolist() == np.bincount(y[peer]).tolist()
    assert sorted(np.concatenate([kept, held])) == list(range(1000))


def test_a_stratified_split_leaves_every_class_a_row_to_train_on():
    y = np.array([0] * 50 + [1] * 2 + [2])

    kept, _ = stratified_split(y[:, None], y, 0.9, np.random.default_rng(0))

    assert set(y[kept].tolist()) == {0, 1, 2}


def test_every_row_of_a_class_is_as_likely_to_be_held_out():
    y = np.array([0, 1] * 10)
    rng = np.random.default_rng(0)
    times = np.zeros(20)

    for _ in range(2000):
        times[stratified_split(y[:, None], y, 0.3, rng)[1]] += 1

    # 600 expected, with a deviation of √(2000 · 0.3 · 0.7) = 20
    assert np.abs(times - 600).max() < 100


def test_fit_holds_out_by_class():
    X = np.zeros((100, 4), np.float32)
    y = np.array([0] * 90 + [1] * 10)
    network = model(2)

    run = fit(network, X, y, plan=Plan(epochs=1, validation=0.2, split="stratified"))
    record = next(run)

    # all rows are alike, so that one class is predicted for all, and its share is the accuracy
    assert record.validation_metric in (0.1, 0.9)


def test_rows_that_are_given_are_measured_with_their_weights():
    X, y = table(60)
    given, targets = table(3, seed=1)
    one, both = model(), model()

    first = next(fit(one, X, y, plan=Plan(epochs=1), validation=(given[:1], targets[:1])))
    second = next(fit(both, X, y, plan=Plan(epochs=1, split="stratified"), validation=(given, targets)))

    assert one.parameters.tobytes() == both.parameters.tobytes()
    assert first.validation_loss == pytest.approx(-log_softmax(one.outputs(given[:1]))[0, targets[0]], rel=1e-5)
    every = -log_softmax(both.outputs(given))[np.arange(3), targets]
    assert second.validation_loss == pytest.approx(every.mean(), rel=1e-5)


def log_softmax(scores):
    scores = scores.astype(np.float64)
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("plan", "validation", "message"),
    [
        (
            {"loss": "squared_error", "split": "stratified"},
            0.5,
            "split: expected random or temporal, as targets of squared",
        ),
        ({"split": "temporal"}, 0.99, "validation: expected rows to train on, but holding out 0.99 of 12 leaves none"),
        (
            {"split": "stratified"},
            0.99,
            "validation: expected rows to train on, but holding out 0.99 of 12 leaves none",
        ),
        ({}, 0.99, "validation: expected rows to train on, but holding out 0.99 of 12 leaves none"),
        ({}, (1, 2, 3, 4), "validation: expected a fraction, (X, y) or (X, y, weights), got 4 items"),
        ({}, (np.ones((1, 4)),), "validation: expected a fraction, (X, y) or (X, y, weights), got 1 item"),
        ({}, (np.ones((1, 3)), [0]), "validation.X[0]: expected 4 numbers, got 3"),
        ({}, (np.ones((1, 4)), [7]), "validation.y[0]: expected one of 0, 1, 2, got 7"),
        ({}, (np.ones((2, 4)), [0, 1], [1, -1]), "validation.weights[1]: expected a weight of at least 0, got -1"),
    ],
)
def test_splits_that_cannot_be_made_are_refused(plan, validation, message):
    X, y = table(12)
    targets = y if plan.get("loss") is None else np.ones((12, 3))

    with pytest.raises(InvalidInput) as caught:
        fit(model(), X, targets, plan=Plan(**plan), validation=validation)

    assert str(caught.value).startswith(message)


def test_classes_of_one_row_each_cannot_be_stratified():
    y = np.arange(5)

    with pytest.raises(InvalidInput, match=r"^validation: expected rows to hold out, but every class has only one row"):
        stratified_split(y[:, None], y, 0.4, np.random.default_rng(0))


def test_runs_are_the_rows_they_stand_for():
    mask = np.random.default_rng(0).random(50) < 0.4
    starts, stops = np.array([0, 10, 30]), np.array([7, 20, 50])
    rows = np.concatenate([np.arange(a, b) for a, b in zip(starts, stops, strict=True)])

    for runs, expected in ((Runs(starts, stops), rows), (Runs(starts, stops, mask), rows[mask[rows]])):
        assert len(runs) == len(expected)
        assert np.asarray(runs).tolist() == expected.tolist()
        for start in range(len(expected) + 1):
            for stop in range(start, len(expected) + 3):
                assert runs[start:stop].tolist() == expected[start:stop].tolist()
        for part in (slice(None, None, 3), slice(2, 11, 4), slice(None, None, -1), slice(5, 2, 2)):
            assert runs[part].tolist() == expected[part].tolist()


def test_of_a_file_whole_blocks_are_held_out(in_file):
    X, _ = table(1000)
    file = open_table(in_file(X))

    kept, held = (np.asarray(part) for part in random_split(file, 0.25, np.random.default_rng(0)))

    assert isinstance(file, FileTable)
    assert sorted(np.concatenate([kept, held])) == list(range(1000))
    assert len(np.unique(held // 64)) == 4
    assert not set(held // 64) & set(kept // 64)


def test_of_a_file_the_last_rows_and_the_shares_of_classes_are_held_out_to_the_row(in_file):
    X, y = table(1000)
    file = open_table(in_file(X))

    early, late = temporal_split(file, 0.123)
    kept, held = stratified_split(file, y, 0.3, np.random.default_rng(0))

    assert np.asarray(early).tolist() == list(range(877))
    assert np.asarray(late).tolist() == list(range(877, 1000))
    assert sorted([*np.asarray(kept), *np.asarray(held)]) == list(range(1000))
    assert np.abs(np.bincount(y[np.asarray(held)]) - 0.3 * np.bincount(y)).max() <= 1
    assert len(all_rows(file)) == 1000


@pytest.mark.parametrize("split", ["random", "temporal", "stratified"])
def test_what_is_measured_on_a_file_is_what_the_model_predicts(in_file, split):
    X, y = table(1000)
    mapped_X = in_file(X)
    network = model()

    record = next(fit(network, mapped_X, y, plan=Plan(epochs=1, validation=0.2, split=split, doctor=False)))

    rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(0,)))
    file = open_table(mapped_X)
    held = {
        "random": lambda: random_split(file, 0.2, rng),
        "temporal": lambda: temporal_split(file, 0.2),
        "stratified": lambda: stratified_split(file, y, 0.2, rng),
    }[split]()[1]
    rows = np.asarray(held)
    assert record.validation_metric == pytest.approx(np.mean(network.predict(X[rows]) == y[rows]))
