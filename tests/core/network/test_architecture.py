"""Architectures and plans: counted by arithmetic, checked when made, the same in JSON."""

import dataclasses
import json
import tracemalloc

import numpy as np
import pytest

from layerwise import (
    ELU,
    MLP,
    SGD,
    Adam,
    Architecture,
    Constant,
    InvalidInput,
    Layer,
    LeakyReLU,
    Maxout,
    Orthogonal,
    Plan,
    PReLU,
    ReLU,
)
from layerwise.activations import ACTIVATIONS
from layerwise.initializers import INITIALIZERS


@pytest.mark.parametrize(("units", "parameters"), [((4, 2), 26), ((4, 4, 1), 41)])
def test_the_networks_of_the_notes_have_as_many_parameters_as_the_notes_say(units, parameters):
    architecture = Architecture(inputs=3, layers=tuple(Layer(n, activation="relu") for n in units))

    model = MLP(architecture)

    assert architecture.parameters == parameters
    assert model.summary().parameters == parameters
    assert model.parameters.shape == (parameters,)
    assert model.summary().neurons == sum(units)


@pytest.mark.parametrize(
    ("activation", "parameters"),
    [("relu", 3 * 4 + 4), ("prelu", 3 * 4 + 4 + 4), (Maxout(2), 2 * (3 * 4 + 4)), (Maxout(3), 3 * (3 * 4 + 4))],
)
def test_a_learnt_slope_counts_once_a_unit_and_a_maxout_counts_every_piece(activation, parameters):
    assert Architecture(3, (Layer(4, activation),)).parameters == parameters


def test_the_printed_summary_names_each_layer_and_the_sum():
    model = MLP(Architecture(3, (Layer(4, "relu"), Layer(2))))

    lines = str(model.summary()).splitlines()

    assert [line.split() for line in lines] == [
        ["layer", "activation", "units", "weights", "biases", "parameters"],
        ["layer0", "relu", "4", "12", "4", "16"],
        ["layer1", "identity", "2", "8", "2", "10"],
        ["sum", "6", "20", "6", "26", "(104", "bytes)"],
    ]


def test_the_summary_counts_scales_slopes_and_running_statistics():
    layers = (
        Layer(5, Maxout(2), normalization="batch"),
        Layer(4, "prelu", normalization="layer"),
        Layer(3, "prelu"),
    )
    model = MLP(Architecture(2, layers), dtype=np.float64)

    summary = model.summary()

    counts = [(own.weights, own.biases, own.scales, own.slopes, own.statistics) for own in summary.layers]
    assert counts == [(20, 10, 10, 0, 20), (20, 4, 4, 4, 0), (12, 3, 0, 3, 0)]
    assert [own.parameters for own in summary.layers] == [40, 32, 18]
    assert (summary.neurons, summary.parameters, summary.statistics, summary.bytes) == (12, 90, 20, 110 * 8)
    assert (model.parameters.size, model.statistics.size) == (90, 20)


def test_57_a_network_too_large_is_refused_before_anything_is_allocated():
    tracemalloc.start()

    with pytest.raises(InvalidInput, match=r"at most 2,147,483,648 parameters, these layers have 1,000,001,000,000"):
        Architecture(10**6, (Layer(10**6),))

    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Layer(0), "units: expected a whole number of at least 1, got 0"),
        (lambda: Layer(True), "units: expected a whole number of at least 1, got True"),
        (lambda: Layer(2.0), "units: expected a whole number of at least 1, got 2.0"),
        (lambda: Layer("2"), "units: expected a whole number of at least 1, got '2'"),
        (lambda: Layer(10**10), "units: expected a whole number of at most 2147483648, got 10000000000"),
        (
            lambda: Layer(10**5000),
            "units: expected a whole number of at most 2147483648, got an integer too long to print",
        ),
        (lambda: Layer(1, dropout=1), "dropout: expected a finite number of at least 0 and below 1, got 1"),
        (
            lambda: Layer(1, dropout=float("nan")),
            "dropout: expected a finite number of at least 0 and below 1, got nan",
        ),
        (
            lambda: Layer(1, activation="rellu"),
            f"activation: expected one of {', '.join(ACTIVATIONS)}, got 'rellu'",
        ),
        (
            lambda: Layer(1, initializer="he"),
            f"initializer: expected one of {', '.join(INITIALIZERS)}, got 'he'",
        ),
        (lambda: Layer(1, initializer=1), "initializer: expected one of he_normal, he_uniform,"),
        (lambda: Layer(1, normalization="group"), "normalization: expected one of batch, layer, got 'group'"),
        (lambda: Layer(1, normalization=True), "normalization: expected one of batch, layer, got True"),
        (
            lambda: Layer(1, normalization="layer"),
            "normalization: expected none or batch, because layer normalisation needs more",
        ),
        (lambda: Layer(1, residual=1), "residual: expected true or false, got 1"),
        (
            lambda: Architecture(3, (Layer(3, residual=True), Layer(4, residual=True))),
            "layers[1].residual: expected as many units as the layer receives numbers, 4 units receive 3",
        ),
        (lambda: ELU(0), "alpha: expected a finite number above 0, got 0"),
        (lambda: Constant(float("nan")), "value: expected a finite number of at least -1e+38 and below 1e+38, got nan"),
        (lambda: Orthogonal(0), "gain: expected a finite number above 0, got 0"),
        (lambda: Maxout(1), "pieces: expected a whole number of at least 2, got 1"),
        (lambda: LeakyReLU(-0.1), "slope: expected a finite number of at least 0 and below 1, got -0.1"),
        (lambda: PReLU(float("inf")), "slope: expected a finite number, got inf"),
        (lambda: Architecture(0, (Layer(1),)), "inputs: expected a whole number of at least 1, got 0"),
        (lambda: Architecture(1, ()), "layers: expected 1 to 1000 layers, got 0"),
        (lambda: Architecture(1, (1,)), "layers[0]: expected a Layer, got 1"),
        (lambda: Architecture(1, 1), "layers: expected a sequence of layers, got 1"),
        (
            lambda: Architecture(1, (Layer(1), Layer(1, dropout=0.5))),
            "layers[1].dropout: expected 0, because the output layer has no dropout, got 0.5",
        ),
        (
            lambda: Architecture(1, (Layer(1),), input_scale=0),
            "input_scale: expected a finite number above 0, got 0",
        ),
        (
            lambda: Architecture(1, (Layer(1),), input_shift=float("inf")),
            "input_shift: expected a finite number, got inf",
        ),
        (
            lambda: Architecture(1, (Layer(1),), input_noise=-1),
            "input_noise: expected a finite number of at least 0, got -1",
        ),
        (lambda: Plan(loss="mse"), "loss: expected one of softmax_cross_entropy, sigmoid_cross_entropy, hinge, "),
        (lambda: Plan(l2=-1), "l2: expected a finite number of at least 0, got -1"),
        (lambda: Plan(batch_size=0), "batch_size: expected a whole number of at least 1, got 0"),
        (lambda: Plan(epochs=0), "epochs: expected a whole number of at least 1, got 0"),
        (lambda: Plan(validation=1), "validation: expected a finite number of at least 0 and below 1, got 1"),
        (lambda: Plan(seed=-1), "seed: expected a whole number of at least 0, got -1"),
        (lambda: Plan(shuffle=1), "shuffle: expected true or false, got 1"),
        (lambda: Plan(optimizer="lion"), "optimizer: expected one of sgd, adagrad, rmsprop, adadelta, "),
        (lambda: Plan(optimizer=1), "optimizer: expected one of sgd, adagrad, rmsprop, adadelta, adam, adamw, nadam"),
        (lambda: SGD(0), "learning_rate: expected a finite number above 0, got 0"),
        (lambda: SGD(momentum=1), "momentum: expected a finite number of at least 0 and below 1, got 1"),
        (lambda: Adam(epsilon=0), "epsilon: expected a finite number above 0, got 0"),
        (lambda: MLP(Architecture(1, (Layer(1),)), dtype=np.int32), "dtype: expected float32 or float64, got <class "),
        (lambda: MLP("mlp"), "architecture: expected an Architecture, got 'mlp'"),
    ],
)
def test_what_is_wrong_is_said_with_what_was_wanted_and_where(make, message):
    with pytest.raises(InvalidInput) as caught:
        make()

    assert str(caught.value).startswith(message)
    assert str(caught.value) == f"{caught.value.pointer}: {caught.value.detail}"


def test_numbers_of_numpy_become_plain_numbers():
    layer = Layer(np.int64(3), dropout=np.float32(0.5))

    assert (type(layer.units), type(layer.dropout)) == (int, float)
    assert type(Plan(l2=1).l2) is float


def test_a_name_stands_for_the_default_of_its_class():
    assert Layer(1, activation="leaky_relu").activation == LeakyReLU(0.01)
    assert Layer(1, activation="relu").activation == ReLU()
    assert Plan(optimizer="adam").optimizer == Adam() == Plan().optimizer


def test_configurations_cannot_be_changed_and_are_checked_again_when_replaced():
    layer = Layer(3)

    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.units = 4  # type: ignore[misc]
    with pytest.raises(InvalidInput, match="units"):
        dataclasses.replace(layer, units=0)


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture(3, (Layer(2),)),
        Architecture(
            5,
            (Layer(4, Maxout(3), dropout=0.25), Layer(3, LeakyReLU(0.2), initializer="he_uniform"), Layer(2, "tanh")),
            input_dropout=0.1,
            input_noise=0.5,
            input_scale=1 / 255,
            input_shift=-0.5,
        ),
        Architecture(
            4,
            (
                Layer(4, ELU(0.5), normalization="batch", residual=True),
                Layer(4, "selu", initializer=Orthogonal(2), normalization="layer"),
                Layer(2, initializer=Constant(0.1)),
            ),
        ),
    ],
)
def test_an_architecture_is_the_same_after_a_way_through_json(architecture):
    assert Architecture.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture


@pytest.mark.parametrize("plan", [Plan(), Plan(loss="hinge", optimizer=SGD(0.1, 0.9), l2=1e-3, seed=2**64 - 1)])
def test_a_plan_is_the_same_after_a_way_through_json(plan):
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_json_may_leave_out_what_has_a_default_and_name_what_has_no_fields():
    architecture = Architecture.from_json(
        {"inputs": 2, "layers": [{"units": 3, "activation": {"kind": "maxout"}}, {"units": 1, "initializer": None}]}
    )

    assert architecture == Architecture(2, (Layer(3, Maxout(2)), Layer(1)))
    assert Plan.from_json({"optimizer": {"kind": "sgd", "momentum": 0.5}}) == Plan(optimizer=SGD(momentum=0.5))


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (Architecture.from_json, [], "expected an object, got []"),
        (Architecture.from_json, {"inputs": 1}, "layers: expected a value, the field is missing"),
        (
            Architecture.from_json,
            {"inputs": 1, "layers": [], "depth": 3},
            "depth: unknown field; expected one of inputs, layers, input_dropout, input_noise, input_",
        ),
        (Architecture.from_json, {"inputs": 1, "layers": {}}, "layers: expected a list of layers, got {}"),
        (Architecture.from_json, {"inputs": 1, "layers": [3]}, "layers[0]: expected an object, got 3"),
        (
            Architecture.from_json,
            {"inputs": 1, "layers": [{"units": 1}, {"units": 0}]},
            "layers[1].units: expected a whole number of at least 1, got 0",
        ),
        (
            Architecture.from_json,
            {"inputs": 1, "layers": [{"units": 1, "width": 3}]},
            "layers[0].width: unknown field; expected one of units, activation, dropout, initializer, "
            "normalization, residual",
        ),
        (
            Architecture.from_json,
            {"inputs": 1, "layers": [{"units": 1, "activation": {"kind": "maxout", "pieces": 1}}]},
            "layers[0].activation.pieces: expected a whole number of at least 2, got 1",
        ),
        (
            Architecture.from_json,
            {"inputs": 1, "layers": [{"units": 1, "activation": {"kind": "relu", "slope": 1}}]},
            "layers[0].activation.slope: unknown field; this kind has none",
        ),
        (
            Architecture.from_json,
            {"inputs": 1, "layers": [{"units": 1, "activation": {"pieces": 1}}]},
            "layers[0].activation.kind: expected one of identity,",
        ),
        (Plan.from_json, {"epochs": 1.5}, "epochs: expected a whole number of at least 1, got 1.5"),
        (
            Plan.from_json,
            {"optimizer": {"kind": "adam", "beta1": 1}},
            "optimizer.beta1: expected a finite number of at least 0 and below 1, got 1",
        ),
        (Plan.from_json, {"optimizer": None}, "optimizer: expected one of sgd, adagrad, "),
    ],
)
def test_json_that_is_wrong_is_refused_with_the_pointer_of_the_field(read, value, message):
    with pytest.raises(InvalidInput) as caught:
        read(value)

    assert str(caught.value).startswith(message)


def test_the_seed_alone_decides_the_initial_weights():
    architecture = Architecture(3, (Layer(4, "relu"), Layer(2)))
    first, again, other = (MLP(architecture, seed=seed).parameters for seed in (1, 1, 2))
    double = MLP(architecture, seed=1, dtype=np.float64).parameters

    assert first.tobytes() == again.tobytes()
    assert not np.array_equal(first, other)
    assert double.astype(np.float32).tobytes() == first.tobytes()
