"""Twenty steps of training beside PyTorch, from the same weights, over the same batches, in float64."""

import numpy as np
import pytest
import torch

from layerwise import MLP, Architecture, Layer, Plan, fit
from layerwise.activations import ACTIVATIONS
from layerwise.losses import LOSSES
from layerwise.network.architecture import NORMALIZATIONS
from layerwise.optimizers import OPTIMIZERS
from layerwise.optimizers.schedules import SCHEDULES
from parity import table
from parity.twin import Twin, named

EPOCHS, BATCH = 4, 16
STEPS = 5
"""In an epoch: twenty in all."""
CLOSE = 1e-6
MOVED = 1e-4
"""Every array of parameters must move at least so far: equal and unmoved would show nothing."""


def data(loss, *, rows=STEPS * BATCH, inputs=6, outputs=3):
    """Rows, and targets such as the loss wants."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, inputs))
    if loss.kind == "sigmoid_cross_entropy":
        return X, rng.integers(0, 2, (rows, outputs)).astype(np.float64)
    if loss.targets == "classes":
        return X, rng.integers(0, outputs, rows)
    return X, rng.gamma(2.0, 1.0, (rows, outputs))


def network(*layers, inputs=6):
    """Layers of small random numbers throughout, biases and slopes too, for zeros would hide mistakes."""
    model = MLP(Architecture(inputs, layers), seed=1, dtype=np.float64)
    model.parameters[:] += np.random.default_rng(2).normal(0, 0.1, model.parameters.size)
    return model


def batches(X, y):
    return [(X[i : i + BATCH], y[i : i + BATCH]) for _ in range(EPOCHS) for i in range(0, len(X), BATCH)]


def stepping(scheduler):
    """Moves PyTorch's scheduler on after each step; one that watches the loss, after each epoch."""
    if not isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
        return lambda _losses: scheduler.step()
    return lambda losses: scheduler.step(np.mean(losses[-STEPS:])) if len(losses) % STEPS == 0 else None


def assert_parity(model, *, loss=None, optimizer=None, schedule=None, plan=None, rows=STEPS * BATCH, **hooks):
    """Trains `model` and its twin; rows of the tables say by what."""
    loss = loss or table.LOSSES[0]
    optimizer = optimizer or table.Row("sgd", {"learning_rate": 0.05}, lambda p: torch.optim.SGD(p, 0.05))
    made = {
        "loss": LOSSES[loss.kind](**loss.fields),
        "optimizer": OPTIMIZERS[optimizer.kind](**optimizer.fields),
        "schedule": SCHEDULES[schedule.kind](**schedule.fields) if schedule else "constant",
    }
    extras = optimizer.plan | (schedule.plan if schedule else {}) | (plan or {})
    X, y = data(made["loss"], rows=rows)
    twin, before = Twin(model), model.parameters.copy()

    records = fit(
        model,
        X,
        y,
        plan=Plan(**made, **extras, batch_size=BATCH, epochs=EPOCHS, shuffle=False, standardize_targets=False),
        every="step",
    )
    found = [(record.epoch_end, record.loss) for record in records]
    by_torch = (lambda by: stepping(schedule.torch(by, STEPS, EPOCHS))) if schedule else None
    losses = twin.train(batches(X, y), loss=loss.torch, optimizer=optimizer.torch, schedule=by_torch, **hooks)

    assert len(found) == len(losses)
    if "l2" not in extras:  # PyTorch's weight decay is not in its loss
        pairs = np.array([(ours, theirs) for (ended, ours), theirs in zip(found, losses, strict=True) if not ended])
        np.testing.assert_allclose(pairs[:, 0], pairs[:, 1], rtol=0, atol=CLOSE)
    start, ours = named(model.architecture, before), named(model.architecture, model.parameters)
    for name, theirs in twin.arrays().items():
        np.testing.assert_allclose(ours[name], theirs, rtol=0, atol=CLOSE, err_msg=name)
        assert np.abs(ours[name] - start[name]).max() > MOVED, name
    return twin


@pytest.mark.parametrize("row", table.ACTIVATIONS, ids=str)
def test_activation(row):
    units = ACTIVATIONS[row.kind](**row.fields)

    assert_parity(network(Layer(7, units), Layer(5, units), Layer(3)))


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("kind", table.NORMALIZATIONS)
def test_normalization(kind, residual):
    layers = Layer(7, "tanh", normalization=kind), Layer(7, "relu", normalization=kind, residual=residual), Layer(3)
    model = network(*layers)

    twin = assert_parity(model)

    X, _ = data(LOSSES["softmax_cross_entropy"]())
    predicted = twin.scores(torch.from_numpy(X), training=False).detach().numpy()
    np.testing.assert_allclose(model.outputs(X), predicted, rtol=0, atol=CLOSE)


def test_residual():
    assert_parity(network(Layer(6, "relu", residual=True), Layer(6, "tanh", residual=True), Layer(3)))


def test_a_last_batch_that_is_shorter():
    assert_parity(network(Layer(7, "relu"), Layer(3)), rows=STEPS * BATCH - 5)


@pytest.mark.parametrize("row", table.LOSSES, ids=str)
def test_loss(row):
    assert_parity(network(Layer(7, "tanh"), Layer(3)), loss=row)


@pytest.mark.parametrize("row", table.OPTIMIZERS, ids=str)
def test_optimizer(row):
    assert_parity(network(Layer(7, "tanh"), Layer(3)), optimizer=row)


@pytest.mark.parametrize("row", table.SCHEDULES, ids=str)
def test_schedule(row):
    assert_parity(network(Layer(7, "tanh"), Layer(3)), schedule=row)


def test_clipping_by_value():
    assert_parity(
        network(Layer(7, "tanh"), Layer(3)),
        plan={"clip_value": 0.01},
        before_update=lambda parameters: torch.nn.utils.clip_grad_value_(parameters, 0.01),
    )


def test_clipping_by_norm():
    assert_parity(
        network(Layer(7, "tanh"), Layer(3)),
        plan={"clip_norm": 0.1},
        before_update=lambda parameters: torch.nn.utils.clip_grad_norm_(parameters, 0.1),
    )


def test_the_moving_average_of_the_weights():
    model = network(Layer(7, "tanh"), Layer(3))
    averages = {name: array.copy() for name, array in named(model.architecture, model.parameters).items()}
    ema = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    averaged = [torch.from_numpy(array) for array in averages.values()]
    loss = LOSSES["softmax_cross_entropy"]()
    X, y = data(loss)
    twin = Twin(model)

    list(fit(model, X, y, plan=Plan(average=0.9, batch_size=BATCH, epochs=EPOCHS, shuffle=False)))
    twin.train(
        batches(X, y),
        loss=table.LOSSES[0].torch,
        optimizer=torch.optim.Adam,
        after_update=lambda parameters: ema(averaged, [p.detach() for p in parameters], None),
    )

    for name, ours in named(model.architecture, model.parameters).items():
        np.testing.assert_allclose(ours, averages[name], rtol=0, atol=CLOSE, err_msg=name)
        assert np.abs(ours - twin.arrays()[name]).max() > MOVED, name


@pytest.mark.parametrize(
    ("topic", "ours", "rows"),
    [
        ("activations", ACTIVATIONS, table.ACTIVATIONS),
        ("losses", LOSSES, table.LOSSES),
        ("optimizers", OPTIMIZERS, table.OPTIMIZERS),
        ("schedules", SCHEDULES, table.SCHEDULES),
    ],
)
def test_everything_is_compared_or_said_to_have_no_peer(topic, ours, rows):
    compared, without = {row.kind for row in rows}, set(table.PYTORCH_HAS_NONE.get(topic, {}))

    assert compared | without == set(ours)
    assert not compared & without


def test_every_normalization_is_compared():
    assert set(table.NORMALIZATIONS) == set(NORMALIZATIONS)
