"""Checks of single values. Each returns the value as a plain Python one, or raises InvalidInput at `pointer`."""

import math
from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

import numpy as np

from layerwise.errors import InvalidInput, Place
from layerwise.wording import did_you_mean, number_words

T = TypeVar("T")


def shown(value: object) -> str:
    """Return `value` as text for a message, at most 60 characters long."""
    plain = _plain(value)
    try:
        text = repr(plain)
    except ValueError:  # Python refuses to print integers of thousands of digits
        text = "an integer too long to print"
    return text if len(text) <= 60 else f"{text[:57]}..."


def counted(count: float, noun: str, plural: str = "") -> str:
    """Return the count with the noun: "1 number", "0.5 epochs"; `plural` if that is not the noun and an s."""
    number = f"{count:,}" if isinstance(count, int) else number_words(count)
    return f"{number} {noun if count == 1 else plural or f'{noun}s'}"


def is_unicode(text: str) -> bool:
    """Return whether `text` can be encoded as UTF-8; lone surrogates cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: object) -> object:
    """Return a NumPy scalar as a Python value, and other values unchanged."""
    return cast(object, value.item()) if isinstance(value, np.generic) else value  # pyright: ignore[reportUnknownMemberType]


def whole_number(pointer: Place | str, value: object, *, least: int, most: int = 2**31) -> int:
    """Return `value` as an int from `least` to `most`. NumPy integers are accepted, booleans and floats are not."""
    wanted = f"expected a whole number of at least {least}"
    number = _plain(value)
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidInput(pointer, f"{wanted}, got {shown(value)}")
    if number < least:
        raise InvalidInput(pointer, f"{wanted}, got {shown(number)}")
    if number > most:
        raise InvalidInput(pointer, f"expected a whole number of at most {most}, got {shown(number)}")
    return number


def real_number(
    pointer: Place | str,
    value: object,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Return `value` as a finite float, `least` <= value <= `most` and `above` < value < `below`. Not a boolean."""
    limits = [
        text
        for text, bound in ((f"of at least {least:g}", least), (f"above {above:g}", above), (f"below {below:g}", below))
        if math.isfinite(bound)
    ]
    wanted = " ".join(["expected a finite number", " and ".join(limits)]).rstrip()
    plain = _plain(value)
    if not isinstance(plain, int | float) or isinstance(plain, bool):
        raise InvalidInput(pointer, f"{wanted}, got {shown(value)}")
    try:
        number = float(plain)
    except OverflowError:
        raise InvalidInput(pointer, f"{wanted}, got {shown(value)}") from None
    if not (math.isfinite(number) and least <= number and above < number < below):
        raise InvalidInput(pointer, f"{wanted}, got {shown(number).removesuffix('.0')}")
    if number > most:
        raise InvalidInput(pointer, f"expected a number of at most {most:g}, got {shown(number).removesuffix('.0')}")
    return number


def decided(pointer: Place | str, value: T | None) -> T:
    """Return `value` of a completed plan, which is not None."""
    if value is None:
        raise InvalidInput(pointer, "expected a value, but the plan leaves it open: take its `completed`")
    return value


def truth(pointer: Place | str, value: object) -> bool:
    """Return `value` as a bool. Numbers are refused."""
    plain = _plain(value)
    if not isinstance(plain, bool):
        raise InvalidInput(pointer, f"expected true or false, got {shown(value)}")
    return plain


def choice(pointer: Place | str, value: object, options: Iterable[str]) -> str:
    """Return `value` if it is one of `options`."""
    known = tuple(options)
    if not isinstance(value, str) or value not in known:
        raise InvalidInput(
            pointer, f"expected one of {', '.join(known)}, got {shown(value)}{did_you_mean(value, known)}"
        )
    return value


def instance(pointer: Place | str, value: object, cls: type[T]) -> T:
    """Return `value` if it is an object of `cls`."""
    if not isinstance(value, cls):
        article = "an" if cls.__name__[0] in "AEIOUM" else "a"  # an MLP
        raise InvalidInput(pointer, f"expected {article} {cls.__name__}, got {shown(value)}")
    return value


def fields(
    pointer: Place | str, value: object, *, known: Iterable[str], required: Iterable[str] = ()
) -> dict[str, object]:
    """Return `value` as the fields of a JSON object that has only `known` fields, and all `required` ones."""
    if not isinstance(value, Mapping):
        raise InvalidInput(pointer, f"expected an object, got {shown(value)}")
    given = cast(Mapping[object, object], value)
    names = tuple(known)
    wanted = f"expected one of {', '.join(names)}" if names else "this kind has none"
    found: dict[str, object] = {}
    for name, field in given.items():
        if not isinstance(name, str) or name not in names:
            where = name if isinstance(name, str) and len(name) <= 60 else shown(name)
            raise InvalidInput(Place(pointer, where), f"unknown field; {wanted}{did_you_mean(name, names)}")
        found[name] = field
    for name in required:
        if name not in found:
            raise InvalidInput(Place(pointer, name), "expected a value, the field is missing")
    return found
