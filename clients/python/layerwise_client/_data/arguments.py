"""Arguments of calls that are numbers, times or texts."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import SupportsFloat, SupportsIndex, cast

from layerwise_client.errors import InvalidRequest

_MOST_INT = 2**63 - 1  # largest int64 of protobuf
_MOST_SECONDS = 1_000_000  # gRPC and sockets fail at once with a time that they cannot count


def whole(value: object, name: str) -> int:
    """Return `value` as an int of 64 bits. Raises `InvalidRequest` with the argument's `name` for anything else."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise InvalidRequest(f"{name}: expected a whole number, got {value!r}", pointer=name)
    number = operator.index(value)
    if abs(number) > _MOST_INT:
        raise InvalidRequest(f"{name}: expected a whole number of at most 64 bits, got a larger one", pointer=name)
    return number


def seconds(value: object, name: str) -> float:
    """Return `value`, a time above 0. Raises `InvalidRequest` with the argument's `name` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | SupportsFloat):
        raise InvalidRequest(f"{name}: expected a number of seconds, got {value!r}", pointer=name)
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        number = float("inf")
    if not 0 < number <= _MOST_SECONDS:
        raise InvalidRequest(f"{name}: expected seconds above 0, up to {_MOST_SECONDS:,}, got {number:g}", pointer=name)
    return number


def labels_of(value: object, name: str) -> dict[str, str]:
    """Return `value`, texts by name. Raises `InvalidRequest` with the argument's `name` for anything else."""
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{name}: expected texts by name, got {type(value).__name__}", pointer=name)
    given = cast("Mapping[object, object]", value)
    return {text(key, name): text(each, f"{name}.{key}") for key, each in given.items()}


def note_of(value: object) -> str:
    """Return `value`, a note, which may have several lines. Raises `InvalidRequest` for anything else."""
    lines = value.split("\n") if isinstance(value, str) else [text(value, "note")]
    return "\n".join(text(line.replace("\t", " "), "note") for line in lines)


def text(value: object, name: str) -> str:
    """Return `value`, a printable string. Raises `InvalidRequest` with the argument's `name` for anything else."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{name}: expected a string, got {type(value).__name__}", pointer=name)
    if not value.isprintable():  # such as lone surrogates, which cannot be encoded
        raise InvalidRequest(f"{name}: expected printable text, got {value!r}", pointer=name)
    return value
