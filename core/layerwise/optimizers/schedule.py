"""The base class of schedules of the learning rate."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from layerwise.variants import Variant

WATCHED = ("loss", "metric", "validation_loss", "validation_metric")
"""The values of an epoch that schedules and early stopping may depend on."""

PLATEAU = ("best", "waited", "factor")
"""What `ReduceOnPlateau` stores in the training state."""


@dataclass(frozen=True, slots=True)
class Schedule(Variant, ABC):
    """A factor of the optimiser's learning rate that changes during training."""

    @abstractmethod
    def factor(self, done: float, total: float, /) -> float:
        """Return the factor when `done` of `total` epochs are done; `done` is a fraction within an epoch."""

    @property
    def watched(self) -> str | None:
        """The value of the epochs that it depends on, or None."""
        return None

    def observe(self, values: Mapping[str, float], memory: dict[str, float], /) -> None:
        """Update `memory` by the values of an epoch; its `factor`, if present, also multiplies the rate."""
