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
        """Return the factor of the learning rate.

        Parameters
        ----------
        done : float
            The number of epochs done, with a fraction within an epoch.
        total : float
            The plan's epochs.

        Returns
        -------
        float
        """

    @property
    def watched(self) -> str | None:
        """The value of the epochs that it depends on, or None."""
        return None

    def observe(self, values: Mapping[str, float], memory: dict[str, float], /) -> None:
        """Update the memory of the schedule after an epoch; by default it has none.

        Parameters
        ----------
        values : mapping of str to float
            Those of `WATCHED` that the epoch has.
        memory : dict of str to float
            Is changed; `factor` in it, if there is one, also multiplies the learning rate.
        """
