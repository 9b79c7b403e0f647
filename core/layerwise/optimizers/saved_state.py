"""The state of an optimiser that is stored in a model, so that another training can continue from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from layerwise.checks import choice, fields, real_number, shown, whole_number
from layerwise.errors import InvalidInput, Place, within
from layerwise.optimizers import OPTIMIZERS, Optimizer
from layerwise.types import Floats

PREFIX = "optimizer/"
"""Prefix of the names of the vectors in a model file."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptOptimizer:
    """The state of an optimiser of `kind` after `updates` updates: vectors as long as the parameters, and numbers.

    Their names are those of the class: "mean" and "variance" of Adam.
    """

    kind: str
    updates: int
    vectors: dict[str, Floats]
    numbers: dict[str, float]

    @staticmethod
    def of(optimizer: Optimizer, state: Mapping[str, Floats], updates: int) -> "KeptOptimizer":
        """Return a copy of the `state` of `optimizer`."""
        vectors = {name: state[name].copy() for name in optimizer.vectors}
        numbers = {name: float(state[name][0]) for name in state if name not in vectors}
        return KeptOptimizer(optimizer.kind, updates, vectors, numbers)

    def state(self) -> dict[str, Floats]:
        """Return a copy in the form that `Optimizer.update` needs."""
        vectors = {name: vector.copy() for name, vector in self.vectors.items()}
        return vectors | {name: np.array([number]) for name, number in self.numbers.items()}

    def fits(self, optimizer: Optimizer, parameters: Floats) -> bool:
        """Return whether `optimizer` can continue from this state."""
        return self.kind == optimizer.kind and self.state().keys() == optimizer.init(parameters).keys()

    def to_json(self) -> dict[str, object]:
        """Return all but the content of the vectors."""
        return {"kind": self.kind, "updates": self.updates, "vectors": [*self.vectors], "numbers": self.numbers}


def kept_optimizer_from_json(value: object) -> KeptOptimizer:
    """Return the state that the JSON `value` describes, with empty vectors. Raises InvalidInput."""
    names = ("kind", "updates", "vectors", "numbers")
    given = fields("", value, known=names, required=names)
    kind = choice("kind", given["kind"], [name for name, cls in OPTIMIZERS.items() if not cls.full_batch])
    cls = OPTIMIZERS[kind]
    updates = whole_number("updates", given["updates"], least=0, most=2**62)
    vectors = given["vectors"]
    if not isinstance(vectors, list):
        raise InvalidInput("vectors", f"expected a list of names, got {shown(vectors)}")
    empty: Floats = np.empty(0)
    known = [choice(Place("vectors", i), name, cls.state_vectors) for i, name in enumerate(cast(list[object], vectors))]
    with within("numbers"):
        numbers = fields("", given["numbers"], known=cls.state_numbers)
        found = {name: real_number(name, number) for name, number in numbers.items()}
    return KeptOptimizer(kind, updates, dict.fromkeys(known, empty), found)
