"""The weights of classes in a plan, and their JSON form."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, cast

import numpy as np

from layerwise.checks import choice, fields, real_number, shown
from layerwise.errors import InvalidInput, Place, within

ClassWeights: TypeAlias = Literal["balanced"] | tuple[float, ...] | Mapping[str, float] | None


def checked_class_weight(value: object) -> ClassWeights:
    """Return `value` as the weights of classes, their labels as text. Raises InvalidInput."""
    if value is None or (isinstance(value, str) and value == "balanced"):
        return cast(ClassWeights, value)
    if isinstance(value, Mapping):
        return _by_label(cast(Mapping[object, object], value))
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidInput(
            "class_weight", f"expected balanced, a weight for each class, or weights by label, got {shown(value)}"
        )
    given = enumerate(cast(Iterable[object], value))
    weights = tuple(real_number(Place("class_weight", i), weight, least=0) for i, weight in given)
    if not any(weights):
        raise InvalidInput("class_weight", "expected a weight above 0 for at least one class")
    return weights


def class_weight_to_json(weight: ClassWeights) -> object:
    """Return the JSON form, which says whether weights are by label or in the order of the labels."""
    if isinstance(weight, tuple):
        return {"kind": "per_class", "weights": list(weight)}
    return {"kind": "by_label", "weights": dict(weight)} if isinstance(weight, Mapping) else weight


def class_weight_from_json(value: object) -> object:
    """Return what the JSON `value` describes, its weights not checked. Raises InvalidInput."""
    if not _has_kind(value):
        return value
    with within("class_weight"):
        known = fields("", value, known=("kind", "weights"), required=("kind", "weights"))
        by_label = choice("kind", known["kind"], ("per_class", "by_label")) == "by_label"
        if by_label is not isinstance(known["weights"], Mapping):
            wanted = "weights by label" if by_label else "a list of weights"
            raise InvalidInput("weights", f"expected {wanted}, got {shown(known['weights'])}")
    return known["weights"]


def _has_kind(value: object) -> bool:
    """Return whether the JSON `value` says its kind; {"kind": 2} is the weight of a label."""
    return isinstance(value, Mapping) and isinstance(cast(Mapping[str, object], value).get("kind"), str)


def label_text(label: object) -> str:
    """Return a label as a key of `class_weight`: 1, yes, true."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _by_label(given: Mapping[object, object]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for label, weight in given.items():
        plain = cast(object, label.item()) if isinstance(label, np.generic) else label
        if not isinstance(plain, int | str):
            raise InvalidInput("class_weight", f"expected weights by integers, strings or booleans, got {shown(plain)}")
        if (text := label_text(plain)) in found:
            raise InvalidInput("class_weight", f"expected labels of one type, got {text} twice")
        found[text] = real_number(Place("class_weight", text), weight, least=0)
    if not found:
        raise InvalidInput("class_weight", "expected a weight for at least one label, got none")
    return found
