"""The fields of frozen dataclasses are checked by their types."""

import dataclasses
import inspect
import math
import pickle
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pytest

from layerwise import Architecture, EarlyStopping, InvalidInput, Layer, Plan
from layerwise.activations import ACTIVATIONS
from layerwise.initializers import INITIALIZERS
from layerwise.limits import Limits, OneOf, OpenFraction, check_fields
from layerwise.losses import LOSSES
from layerwise.optimizers import OPTIMIZERS
from layerwise.optimizers.schedules import SCHEDULES


@dataclass(frozen=True, slots=True)
class Example:
    number: float = 0.0
    rate: OpenFraction | None = None
    count: Annotated[int, Limits(least=1, most=9)] = 1
    name: Annotated[str, OneOf(("a", "b"))] = "a"
    form: Literal["x", "y"] = "x"
    on: bool = False
    other: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("number", math.nan, "number: expected a finite number, got nan"),
        ("number", "1", "number: expected a finite number, got '1'"),
        ("rate", 1, "rate: expected a finite number above 0 and below 1, got 1"),
        ("rate", 0.0, "rate: expected a finite number above 0 and below 1, got 0"),
        ("count", 0, "count: expected a whole number of at least 1, got 0"),
        ("count", 10, "count: expected a whole number of at most 9, got 10"),
        ("count", 1.0, "count: expected a whole number of at least 1, got 1.0"),
        ("count", None, "count: expected a whole number of at least 1, got None"),
        ("name", "c", "name: expected one of a, b, got 'c'"),
        ("form", "z", "form: expected one of x, y, got 'z'"),
        ("on", 1, "on: expected true or false, got 1"),
    ],
)
def test_a_field_outside_its_limits_is_refused(field, value, message):
    with pytest.raises(InvalidInput) as caught:
        Example(**{field: value})

    assert str(caught.value) == message


def test_a_checked_object_is_a_plain_frozen_dataclass():
    made = Example(np.float32(2), np.float64(0.5), np.int64(3), on=np.bool_(True))

    assert made == Example(2.0, 0.5, 3, on=True)
    assert hash(made) == hash(Example(2.0, 0.5, 3, on=True))
    assert repr(made) == "Example(number=2.0, rate=0.5, count=3, name='a', form='x', on=True, other=())"
    assert pickle.loads(pickle.dumps(made)) == made
    assert dataclasses.replace(made, rate=None).rate is None
    with pytest.raises(InvalidInput, match=r"^rate: "):
        dataclasses.replace(made, rate=2.0)


VARIANTS = [cls for table in (ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES) for cls in table.values()]


@pytest.mark.parametrize("cls", VARIANTS, ids=lambda cls: cls.__name__)
def test_a_variant_refuses_what_is_no_value_of_its_field_by_the_name_of_the_field(cls):
    for field in dataclasses.fields(cls):
        for wrong in (math.nan, object(), "no such text"):
            with pytest.raises(InvalidInput) as caught:
                cls(**{field.name: wrong})
            assert caught.value.pointer == field.name


@pytest.mark.parametrize("cls", [Plan, Layer, Architecture, EarlyStopping])
def test_the_fields_are_the_parameters_of_the_constructor(cls):
    assert [field.name for field in dataclasses.fields(cls)] == list(inspect.signature(cls).parameters)
