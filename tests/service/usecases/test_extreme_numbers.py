"""Any number in any field of a plan or an architecture is refused, or trains to an end that has a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layerwise import MLP, Architecture, Diverged, InvalidInput, Plan, fit
from layerwise.losses import LOSSES
from layerwise_proto.json_form import to_json, to_message
from layerwise_proto.v1 import types_pb2
from layerwise_service.domain.specs import Needs, check_batch, check_split, complete_plan, read_architecture, read_plan
from layerwise_service.errors import InvalidRequest
from layerwise_service.settings import Settings

ROWS = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
PLAN = {"epochs": 2, "batch_size": 8, "validation": 0.25}
ARCHITECTURE = {"layers": [{"units": 4, "activation": "relu"}, {}]}
WHOLE = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
EXTREMES = [5e-324, 1e-310, 1e-45, 1e-16, 0.0, -5e-324, 1.5, 1e16, 3.5e38, 1e300, 1.7e308, -1e308, np.inf, np.nan]
WHOLE_EXTREMES = [0, 1, 2, -1, 2**31, 2**62, 2**63 - 1, -(2**63)]

Field = tuple[str, tuple[str, ...], FieldDescriptor]


def numbers(root: str, descriptor: Descriptor, at: tuple[str, ...] = ()) -> Iterator[Field]:
    """Every field that is a number, with the fields that lead to it; one layer stands for all."""
    for field in descriptor.fields:
        if field.message_type is None:
            if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, *WHOLE):
                yield root, at, field
        elif not field.is_repeated:
            yield from numbers(root, field.message_type, (*at, field.name))


FIELDS = [
    *numbers("plan", types_pb2.Plan.DESCRIPTOR),
    *numbers("architecture", types_pb2.Architecture.DESCRIPTOR),
    *numbers("layer", types_pb2.Layer.DESCRIPTOR),
]


def sent(field: Field, value: float) -> tuple[types_pb2.Plan, types_pb2.Architecture]:
    """A plan and an architecture in which this field has this value."""
    root, at, leaf = field
    plan, architecture = to_message(PLAN, types_pb2.Plan), to_message(ARCHITECTURE, types_pb2.Architecture)
    message: Message = {"plan": plan, "architecture": architecture, "layer": architecture.layers[0]}[root]
    for name in at:
        message = getattr(message, name)
        message.SetInParent()
    if leaf.is_repeated:
        getattr(message, leaf.name).extend([value, 1.0])
    else:
        setattr(message, leaf.name, value)
    return plan, architecture


def train(plan_message: types_pb2.Plan, architecture_message: types_pb2.Architecture) -> None:
    """What intake and worker do with them. Raises what callers are told, and else what is a fault."""
    limits = Settings()
    loss = plan_message.loss.WhichOneof("kind") or "softmax_cross_entropy"
    has_labels = LOSSES[loss].targets == "classes"
    plan_json, architecture_json = dict(to_json(plan_message)), dict(to_json(architecture_message))
    read_architecture(architecture_json, None, limits)
    plan = read_plan(plan_json, has_labels=has_labels, settings=limits)
    check_split(plan, len(ROWS), has_labels=has_labels)
    architecture = read_architecture(architecture_json, Needs(3, 2 if has_labels else 1, has_labels), limits)
    check_batch(plan, architecture, len(ROWS), limits)
    plan = complete_plan(plan, architecture, len(ROWS), limits)
    plan = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    architecture = Architecture.from_json(json.loads(json.dumps(architecture.to_json())))
    to_message(plan.to_json(), types_pb2.Plan)
    targets: Any = np.arange(24) % 2
    if not has_labels:
        targets = ROWS[:, :1] > 0 if loss == "sigmoid_cross_entropy" else np.abs(ROWS[:, :1]) + 0.1
        targets = targets.astype(np.float32)
    with np.errstate(all="ignore"):
        for record in fit(MLP(architecture, seed=0), ROWS, targets, plan=plan, every="step", check=False):
            told = (record.loss, record.metric, record.learning_rate, record.progress, record.seconds_left)
            assert np.isfinite(told).all()


def is_told(field: Field, value: float) -> None:
    try:
        messages = sent(field, value)
    except ValueError:
        return  # beyond the field's type: no message can have it
    try:
        train(*messages)
    except (InvalidRequest, Diverged, InvalidInput):
        return  # with a reason


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: ".".join((field[0], *field[1], field[2].name)))
def test_an_extreme_number_is_refused_or_trains(field: Field) -> None:
    for value in WHOLE_EXTREMES if field[2].cpp_type in WHOLE else EXTREMES:
        is_told(field, value)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(field=st.sampled_from(FIELDS), number=st.floats(allow_subnormal=True), whole=st.integers(-(2**63), 2**63 - 1))
def test_any_number_is_refused_or_trains(field: Field, number: float, whole: int) -> None:
    is_told(field, whole if field[2].cpp_type in WHOLE else number)
