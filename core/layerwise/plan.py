"""How to train: loss, optimiser, regularisation, batches, epochs, validation and seed, checked when made."""

from dataclasses import dataclass, fields

from layerwise import kinds
from layerwise.checks import choice, real_number, truth, whole_number
from layerwise.checks import fields as checked_fields
from layerwise.losses import LOSSES
from layerwise.optimizers import OPTIMIZERS, Optimizer

MOST_SEED = 2**64 - 1
"""What a seed of 64 bits holds."""


@dataclass(frozen=True, slots=True, init=False)
class Plan:
    """One way to train a network.

    `optimizer` is an object or its name. `l2` adds l2/2 · (sum of squared weights) to the loss; biases and slopes are
    left alone. `validation` is the fraction of the rows held out to measure on. `seed` starts every random choice of
    training: split, order, dropout and noise. `shuffle` visits the rows in a new order each epoch. Raises InvalidInput.
    """

    loss: str
    optimizer: Optimizer
    l2: float
    batch_size: int
    epochs: int
    validation: float
    seed: int
    shuffle: bool

    def __init__(
        self,
        *,
        loss: str = "softmax_cross_entropy",
        optimizer: str | Optimizer = "adam",
        l2: float = 0.0,
        batch_size: int = 32,
        epochs: int = 20,
        validation: float = 0.0,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        put = object.__setattr__
        put(self, "loss", choice("loss", loss, LOSSES))
        put(self, "optimizer", kinds.chosen("optimizer", optimizer, OPTIMIZERS))
        put(self, "l2", real_number("l2", l2, least=0))
        put(self, "batch_size", whole_number("batch_size", batch_size, least=1))
        put(self, "epochs", whole_number("epochs", epochs, least=1))
        put(self, "validation", real_number("validation", validation, least=0, below=1))
        put(self, "seed", whole_number("seed", seed, least=0, most=MOST_SEED))
        put(self, "shuffle", truth("shuffle", shuffle))

    def to_json(self) -> dict[str, object]:
        """The fields, by name."""
        own: dict[str, object] = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**own, "optimizer": self.optimizer.to_json()}

    @staticmethod
    def from_json(value: object) -> "Plan":
        """The plan that the JSON `value` describes. Raises InvalidInput with the pointer of the field."""
        given = checked_fields("", value, known=[f.name for f in fields(Plan)])
        if "optimizer" in given:
            given["optimizer"] = kinds.from_json("optimizer", given["optimizer"], OPTIMIZERS)
        return Plan(**given)  # type: ignore[arg-type]  # the constructor checks the types
