"""The JSON form: the same names as the messages, and a pointer in every error."""

from __future__ import annotations

from dataclasses import fields
from inspect import signature
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message

from helpers.column_names import AWKWARD_NAMES
from layerwise import SGD, Architecture, EarlyStopping, Layer, LeakyReLU, Maxout, Plan, TableEncoder
from layerwise.activations import ACTIVATIONS
from layerwise.errors import Place
from layerwise.initializers import INITIALIZERS
from layerwise.losses import LOSSES
from layerwise.optimizers import OPTIMIZERS
from layerwise.optimizers.schedules import SCHEDULES
from layerwise.tables import ENCODINGS, FORMATS
from layerwise_proto.json_form import JSONFormError, enum_name, to_json, to_message
from layerwise_proto.v1 import tables_pb2, types_pb2

FULL: list[tuple[type[Message], dict[str, Any]]] = [
    (
        types_pb2.Architecture,
        {
            "inputs": 4,
            "layers": [
                {"units": 8, "activation": "relu", "dropout": 0.5, "initializer": "he_normal"},
                {"units": 8, "activation": {"kind": "leaky_relu", "slope": 0.1}},
                {"units": 6, "activation": {"kind": "maxout", "pieces": 3}},
                {},
            ],
            "input_dropout": 0.25,
            "input_noise": 0.5,
        },
    ),
    (
        types_pb2.Plan,
        {
            "loss": "hinge",
            "optimizer": {"kind": "sgd", "learning_rate": 0.5, "momentum": 0.75},
            "l2": 0.5,
            "batch_size": 16,
            "epochs": 3,
            "validation": 0.25,
            "seed": 2**64 - 1,
            "shuffle": False,
        },
    ),
    (types_pb2.Plan, {"optimizer": "adam"}),
    (
        tables_pb2.Encoder,
        {
            "columns": {
                "carrier": "one_hot",
                "delay": {"kind": "min_max", "missing": -0.5},
                "distance": {"kind": "log", "missing": "median", "negative": "clip"},
                "size": {"kind": "ordinal", "order": ["S", "M", "L"]},
            },
            "ignore": ["id"],
            "rest": "ignore",
            "extra": "error",
        },
    ),
]


@pytest.mark.parametrize(("message_type", "value"), FULL)
def test_json_comes_back_as_it_went_in(message_type: type[Message], value: dict[str, Any]) -> None:
    assert to_json(to_message(value, message_type)) == value


def test_the_library_reads_and_writes_the_same_form() -> None:
    hidden = Layer(8, activation=LeakyReLU(0.5)), Layer(4, activation=Maxout(3), dropout=0.5)
    architecture = Architecture(inputs=4, layers=(*hidden, Layer(2)), input_noise=0.5)
    plan = Plan(loss="hinge", optimizer=SGD(momentum=0.5), l2=0.5, validation=0.25)

    architecture_message = to_message(architecture.to_json(), types_pb2.Architecture)
    plan_message = to_message(plan.to_json(), types_pb2.Plan)

    assert Architecture.from_json(to_json(architecture_message)) == architecture
    assert Plan.from_json(to_json(plan_message)) == plan


def test_the_library_reads_and_writes_the_same_form_of_an_encoder() -> None:
    columns = {name: cls() for name, cls in ENCODINGS.items()}
    formats = {name: cls() for name, cls in FORMATS.items()}
    encoder = TableEncoder(columns, formats=formats, ignore=("id",), rest="ignore", extra="ignore")
    chosen = {name: value for name, value in encoder.to_json().items() if name != "fitted"}

    message = to_message(chosen, tables_pb2.Encoder)

    assert len(message.columns) == len(ENCODINGS)
    assert TableEncoder.from_json(to_json(message)) == encoder


def test_what_an_encoder_takes_is_in_its_message() -> None:
    assert {field.name for field in tables_pb2.Encoder.DESCRIPTOR.fields} == set(signature(TableEncoder).parameters)
    for choice in ("rest", "extra"):
        enum = tables_pb2.Encoder.DESCRIPTOR.fields_by_name[choice].enum_type
        for value in enum.values[1:]:
            TableEncoder.from_json({choice: enum_name(enum, value.number)})


TABLES: dict[str, dict[str, Any]] = {
    "Activation": ACTIVATIONS,
    "Initializer": INITIALIZERS,
    "Loss": LOSSES,
    "Optimizer": OPTIMIZERS,
    "Schedule": SCHEDULES,
    "Encoding": ENCODINGS,
    "Format": FORMATS,
}


@pytest.mark.parametrize("name", TABLES)
def test_the_messages_carry_every_kind_of_the_library_with_every_option(name: str) -> None:
    file = tables_pb2 if name in ("Encoding", "Format") else types_pb2
    kinds = file.DESCRIPTOR.message_types_by_name[name].oneofs_by_name["kind"].fields

    found = {kind.name: {field.name for field in kind.message_type.fields} for kind in kinds}

    assert found == {name: {field.name for field in fields(cls)} for name, cls in TABLES[name].items()}


@pytest.mark.parametrize(
    ("message", "cls"),
    [
        (types_pb2.Architecture, Architecture),
        (types_pb2.Layer, Layer),
        (types_pb2.Plan, Plan),
        (types_pb2.EarlyStopping, EarlyStopping),
    ],
)
def test_the_messages_have_the_fields_of_the_librarys_classes(message: Any, cls: Any) -> None:
    assert {field.name for field in message.DESCRIPTOR.fields} == {field.name for field in fields(cls)}


def test_every_value_of_an_enum_is_one_of_the_librarys() -> None:
    for split in names_of("SplitKind"):
        Plan.from_json({"split": split})
    for normalization in names_of("Normalization"):
        Architecture.from_json({"inputs": 2, "layers": [{"units": 2, "normalization": normalization}]})
    for class_weight in ("balanced", {"kind": "per_class", "weights": [1.0, 2.0]}, {"yes": 2.0}):
        plan = Plan.from_json({"class_weight": class_weight})
        assert Plan.from_json(to_json(to_message(plan.to_json(), types_pb2.Plan))) == plan


def names_of(enum: str) -> list[str]:
    descriptor = types_pb2.DESCRIPTOR.enum_types_by_name[enum]
    return [enum_name(descriptor, value.number) for value in descriptor.values if value.number]


def test_numpys_numbers_are_numbers() -> None:
    message = to_message({"epochs": np.int64(3), "l2": np.float32(0.5)}, types_pb2.Plan)

    assert to_json(message) == {"epochs": 3, "l2": 0.5}


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "by_label", "weights": {"1": 5, "true": 2, "yes": 0.5}},
        {np.int64(1): 5, "true": 2, "yes": 0.5},
        {"1": 5, True: 2, "yes": 0.5},
        {"1": 5, "true": 2, "yes": 0.5},
    ],
)
def test_a_map_may_stand_for_the_kind_that_is_one(given: Any) -> None:
    message = to_message({"class_weight": given}, types_pb2.Plan)

    assert to_json(message)["class_weight"] == {"kind": "by_label", "weights": {"1": 5.0, "true": 2.0, "yes": 0.5}}


def test_a_label_may_be_named_kind() -> None:
    message = to_message({"class_weight": {"kind": 2, "unkind": 1}}, types_pb2.Plan)

    assert dict(message.class_weight.by_label.weights) == {"kind": 2.0, "unkind": 1.0}


def told(error: JSONFormError) -> str:
    return f"{Place(error.place)}: {error.detail}" if error.place else error.detail


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"yes": "a lot"}, "class_weight.yes: expected a number, got 'a lot'"),
        ({1.5: 1}, "class_weight.1.5: expected a name of Unicode text, got 1.5"),
        ({"kind": "nope"}, "class_weight: expected one of balanced, per_class, by_label, got 'nope'"),
    ],
)
def test_a_map_that_is_none_of_weights_is_refused(given: Any, words: str) -> None:
    with pytest.raises(JSONFormError) as caught:
        to_message({"class_weight": given}, types_pb2.Plan)

    assert told(caught.value).startswith(words)


def test_null_is_a_field_left_out() -> None:
    assert to_json(to_message({"inputs": None, "layers": [{}]}, types_pb2.Architecture)) == {"layers": [{}]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected an object, got a list"),
        ({"layer": 1}, "layer: unknown field; the fields here are: inputs, layers, input_dropout, input_noise"),
        ({"layers": 3}, "layers: expected a list, got 3"),
        ({"layers": "relu"}, "layers: expected a list, got 'relu'"),
        ({"layers": [3]}, "layers[0]: expected an object, got 3"),
        ({"layers": [{}, {"units": 1.5}]}, "layers[1].units: expected a whole number, got 1.5"),
        ({"layers": [{"units": True}]}, "layers[0].units: expected a number, got true"),
        ({"layers": [{"units": "8"}]}, "layers[0].units: expected a whole number, got '8'"),
        (
            {"layers": [{"units": 2**70}]},
            f"layers[0].units: expected a whole number from {-(2**63)} to {2**63 - 1}, got {2**70}",
        ),
        ({"layers": [{"dropout": {}}]}, "layers[0].dropout: expected a number, got an object"),
        (
            {"layers": [{"activation": "rleu"}]},
            "layers[0].activation: expected one of identity, sigmoid, tanh, relu, ",
        ),
        ({"layers": [{"activation": {"pieces": 2}}]}, "layers[0].activation.kind: missing; expected one of identity"),
        (
            {"layers": [{"activation": {"kind": "maxout", "pices": 2}}]},
            "layers[0].activation.pices: unknown field; the fields here are: pieces",
        ),
        ({"layers": [{"initializer": "ones"}]}, "layers[0].initializer: expected one of he_normal, he_uniform"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(value: object, message: str) -> None:
    with pytest.raises(JSONFormError) as caught:
        to_message(value, types_pb2.Architecture)

    assert told(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"columns": []}, "columns: expected an object, got a list"),
        ({"columns": {"a": None}}, "columns.a: expected one of standardize, min_max, quantile, log, identity, one_hot"),
        ({"columns": {"a": "onehot"}}, "columns.a: expected one of standardize, min_max, quantile, log, identity, one"),
        ({"columns": {1: "one_hot"}}, "columns.1: expected a name of Unicode text, got 1"),
        ({"columns": {"a": {"kind": "one_hot", "most": 1.5}}}, "columns.a.most: expected a whole number, got 1.5"),
        (
            {"columns": {"a": {"kind": "log", "missing": True}}},
            "columns.a.missing: expected a string or a number, got true",
        ),
        ({"columns": {"a": {"kind": "log", "missing": []}}}, "columns.a.missing: expected a string or a number, got a"),
        ({"rest": "drop"}, "rest: expected one of infer, ignore, got 'drop'"),
    ],
)
def test_what_does_not_fit_an_encoder_is_named_with_its_place(value: object, message: str) -> None:
    with pytest.raises(JSONFormError) as caught:
        to_message(value, tables_pb2.Encoder)

    assert told(caught.value).startswith(message)


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_a_columns_name_is_one_step_of_the_place_whatever_it_holds(name: str) -> None:
    with pytest.raises(JSONFormError) as caught:
        to_message({"columns": {name: {"kind": "one_hot", "most": "many"}}}, tables_pb2.Encoder, at=("encoder",))

    assert caught.value.place == ("encoder", "columns", name, "most")


def test_a_seed_out_of_range_is_refused_with_the_range() -> None:
    for seed in (-1, 2**64):
        with pytest.raises(JSONFormError, match=f"expected a whole number from 0 to {2**64 - 1}, got {seed}"):
            to_message({"seed": seed}, types_pb2.Plan)


@pytest.mark.parametrize("value", [10**400, -(10**400), np.array([1.0, 2.0])], ids=["large", "small", "array"])
def test_a_number_that_no_float_can_hold_is_refused_in_its_place(value: object) -> None:
    with pytest.raises(JSONFormError, match="expected a number that 64 bits can hold") as error:
        to_message({"l2": value}, types_pb2.Plan)

    assert error.value.place == ("l2",)


@pytest.mark.parametrize(
    ("form", "place"),
    [({"ignore": ["a", "\ud800"]}, ("ignore", 1)), ({"columns": {"\ud800": "log"}}, ("columns", "\ud800"))],
)
def test_text_that_utf_8_cannot_hold_is_refused_in_its_place(form: object, place: tuple[object, ...]) -> None:
    with pytest.raises(JSONFormError, match="Unicode") as error:
        to_message(form, tables_pb2.Encoder)

    assert error.value.place == place
