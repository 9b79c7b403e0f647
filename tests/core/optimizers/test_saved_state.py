"""A model keeps what its optimiser remembers, if the plan says so, and another training goes on with it."""

import json

import numpy as np
import pytest

from layerwise import MLP, SGD, Adam, Architecture, CorruptModel, InvalidInput, Layer, Plan, RMSprop, fit
from layerwise.optimizers import LBFGS, OPTIMIZERS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3)).astype(np.float32)
Y = X.argmax(axis=1)


def network():
    return MLP(Architecture(3, (Layer(8, "relu"), Layer(3))), seed=1)


def train(model, **options):
    plan = Plan(**{"epochs": 2, "batch_size": 32, "shuffle": False, "keep_optimizer": True, "doctor": False} | options)
    for _ in fit(model, X, Y, plan=plan):
        pass
    return model


EVERY = [cls() for cls in OPTIMIZERS.values() if not cls.full_batch]  # type: ignore[call-arg]


@pytest.mark.parametrize("optimizer", [*EVERY, SGD(momentum=0.9), RMSprop(momentum=0.5), Adam(0.1)])
def test_two_trainings_that_keep_the_optimiser_are_one(tmp_path, optimizer):
    whole = train(network(), optimizer=optimizer, epochs=4)

    first = train(network(), optimizer=optimizer)
    first.save(tmp_path / "first.npz")
    second = train(MLP.load(tmp_path / "first.npz"), optimizer=optimizer)

    assert second.parameters.tobytes() == whole.parameters.tobytes()
    assert second.kept_optimizer.updates == whole.kept_optimizer.updates == 8


def test_a_plan_that_does_not_keep_the_optimiser_starts_it_anew_and_leaves_none():
    once = train(network())
    again = train(MLP(once.architecture, weights=once.weights), keep_optimizer=False)

    both = train(train(network()), keep_optimizer=False)

    assert both.kept_optimizer is None
    assert both.parameters.tobytes() == again.parameters.tobytes()


def test_another_kind_of_optimiser_starts_anew():
    model = train(train(network(), optimizer=Adam()), optimizer=SGD(momentum=0.9))

    assert model.kept_optimizer.kind == "sgd"
    assert model.kept_optimizer.updates == 4


def test_a_training_that_is_left_keeps_nothing_of_the_one_before():
    model = train(network())

    next(fit(model, X, Y, plan=Plan(keep_optimizer=True)))

    assert model.kept_optimizer is None


def test_an_optimiser_of_the_whole_batch_is_not_kept():
    with pytest.raises(InvalidInput, match="keep_optimizer: expected false, because lbfgs cannot continue"):
        Plan(optimizer=LBFGS(), keep_optimizer=True)


def altered(model, path, change):
    """`model` in a file whose manifest is changed."""
    model.save(path)
    with np.load(path) as file:
        members = dict(file)
    manifest = json.loads(members["manifest"].tobytes())
    change(manifest)
    members["manifest"] = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    np.savez(path, **members)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["optimizer"].update(kind="lbfgs"), "optimizer.kind: expected one of"),
        (
            lambda m: m["optimizer"].update(vectors=["mean", "squares"]),
            r"optimizer.vectors\[1\]: expected one of mean, variance, got 'squares'",
        ),
        (
            lambda m: m["optimizer"].update(kind="rmsprop", vectors=["variance", "velocity"]),
            "'optimizer/velocity.npy': missing from the file",
        ),
        (
            lambda m: m["optimizer"].update(vectors=["../mean"]),
            r"optimizer.vectors\[0\]: expected one of mean, variance",
        ),
        (lambda m: m["optimizer"].update(vectors="mean"), "optimizer.vectors: expected a list of names"),
        (lambda m: m["optimizer"].update(updates=-1), "optimizer.updates: expected a whole number"),
        (lambda m: m["optimizer"].update(numbers={"x": 1}), "optimizer.numbers.x: unknown field"),
        (lambda m: m.update(optimizer=None), "optimizer: expected an object, got None"),
        (lambda m: m.pop("optimizer"), "optimizer/mean.npy': unexpected array"),
    ],
)
def test_a_file_whose_optimiser_does_not_fit_is_refused(tmp_path, change, message):
    path = altered(train(network()), tmp_path / "m.npz", change)

    with pytest.raises(CorruptModel, match=message):
        MLP.load(path)


def test_a_file_without_an_optimiser_is_as_before(tmp_path):
    model = train(network(), keep_optimizer=False)
    model.save(tmp_path / "m.npz")

    with np.load(tmp_path / "m.npz") as file:
        assert "optimizer" not in json.loads(file["manifest"].tobytes())
        assert not [name for name in file if name.startswith("optimizer")]
