"""What an optimiser remembered when a training ended, kept in the model for a training that goes on from there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from layerwise.activations import Floats
from layerwise.checks import choice, fields, real_number, whole_number
from layerwise.errors import within
from layerwise.optimizers import OPTIMIZERS, Optimizer

PREFIX = "optimizer/"
"""Of the names of the vectors in a model file."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptOptimizer:
    """The state of an optimiser of `kind` after `updates` updates: vectors as long as the parameters, and numbers.

    The field names of `vectors` and `numbers` are the optimiser's own: "mean" and "variance" of Adam.
    """

    kind: str
    updates: int
    vectors: dict[str, Floats]
    numbers: dict[str, float]

    @staticmethod
    def of(optimizer: Optimizer, state: Mapping[str, Floats], updates: int) -> "KeptOptimizer":
        """A copy of the `state` of `optimizer` after so many updates."""
        vectors = {name: state[name].copy() for name in optimizer.remembers}
        numbers = {name: float(state[name][0]) for name in state if name not in vectors}
        return KeptOptimizer(optimizer.kind, updates, vectors, numbers)

    def state(self) -> dict[str, Floats]:
        """A copy, as the optimiser's `update` takes it."""
        vectors = {name: vector.copy() for name, vector in self.vectors.items()}
        return vectors | {name: np.array([number]) for name, number in self.numbers.items()}

    def to_json(self) -> dict[str, object]:
        """All but the vectors."""
        return {"kind": self.kind, "updates": self.updates, "numbers": self.numbers}


def described(value: object) -> KeptOptimizer:
    """What the JSON `value` describes, its vectors empty. Raises InvalidInput."""
    names = ("kind", "updates", "numbers")
    given = fields("", value, known=names, required=names)
    cls = OPTIMIZERS[choice("kind", given["kind"], [name for name in OPTIMIZERS if not OPTIMIZERS[name].full_batch])]
    optimizer = cast(Optimizer, cast(Any, cls)())
    empty: Floats = np.empty(0)
    expected = [name for name in optimizer.init(empty) if name not in optimizer.remembers]
    with within("numbers"):
        numbers = fields("", given["numbers"], known=expected, required=expected)
        found = {name: real_number(name, number) for name, number in numbers.items()}
    vectors: dict[str, Floats] = dict.fromkeys(optimizer.remembers, empty)
    return KeptOptimizer(optimizer.kind, whole_number("updates", given["updates"], least=0, most=2**62), vectors, found)
