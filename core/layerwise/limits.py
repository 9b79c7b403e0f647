"""The limits of a number as part of a field's type, and the check of a dataclass by the types of its fields.

A field of type `Annotated[float, Limits(least=0, below=1)]` accepts 0 <= number < 1. Type checkers read it as a float.
"""

import dataclasses
from collections.abc import Mapping
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from layerwise.checks import choice, real_number, truth, whole_number

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The numbers that a field accepts: least <= number <= most and above < number < below; None is no limit."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def check(self, name: str, value: object, number: type) -> float:
        """Return `value` as a number of the type `number`, or raise InvalidInput at `name`."""
        bounds = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        given = {bound: limit for bound, limit in bounds.items() if limit is not None}
        return whole_number(name, value, **given) if number is int else real_number(name, value, **given)


@dataclasses.dataclass(frozen=True, slots=True)
class OneOf:
    """The texts that a field accepts."""

    options: tuple[str, ...]

    def check(self, name: str, value: object, _text: type) -> str:
        """Return `value`, or raise InvalidInput at `name`."""
        return choice(name, value, self.options)


Positive: TypeAlias = Annotated[float, Limits(above=0)]
NotNegative: TypeAlias = Annotated[float, Limits(least=0)]
Fraction: TypeAlias = Annotated[float, Limits(least=0, below=1)]
"""At least 0 and below 1."""
OpenFraction: TypeAlias = Annotated[float, Limits(above=0, below=1)]
"""Above 0 and below 1."""
Count: TypeAlias = Annotated[int, Limits(least=1)]
"""A whole number of at least 1."""


def check_fields(made: "DataclassInstance", given: Mapping[str, object] | None = None) -> None:
    """Set each field of the frozen dataclass `made` to its checked value: numbers as plain Python ones.

    Parameters
    ----------
    made : dataclass instance
        What is being constructed. Checked are fields of float, bool, a `Literal` of texts, a type annotated with
        `Limits` or `OneOf`, and one of these or None. Fields of other types are set as they are.
    given : mapping, optional
        The values by field name; those that `made` has already if left out.

    Raises
    ------
    InvalidInput
        At the name of the first field that is invalid.
    """
    for field in dataclasses.fields(made):
        value = getattr(made, field.name) if given is None else given[field.name]
        object.__setattr__(made, field.name, _checked(field.name, value, field.type))


def _checked(name: str, value: object, wanted: Any) -> object:
    """Return `value` as the type `wanted`, or raise InvalidInput at `name`."""
    origin, options = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        plain, limits = options
        return limits.check(name, value, plain)
    if origin in (Union, UnionType) and options[1:] == (type(None),):
        return None if value is None else _checked(name, value, options[0])
    if origin is Literal:
        return choice(name, value, options)
    if wanted is float:
        return real_number(name, value)
    return truth(name, value) if wanted is bool else value
