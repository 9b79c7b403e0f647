"""The schedules of the learning rate: each a factor of the optimiser's rate over the epochs, and the table of names."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from layerwise.kinds import Kind


@dataclass(frozen=True, slots=True)
class Schedule(Kind, ABC):
    """How the learning rate changes while training goes on."""

    @abstractmethod
    def factor(self, done: float, total: float, /) -> float:
        """What the optimiser's rate is multiplied by when `done` of `total` epochs are done; steps are fractions."""

    def observe(self, values: Mapping[str, float], memory: dict[str, float], /) -> None:
        """Is told each epoch's values; a schedule that reacts to them keeps what it needs in `memory`.

        What it leaves there as `factor` multiplies the rate too.
        """


@dataclass(frozen=True, slots=True)
class Constant(Schedule):
    """The same rate throughout."""

    kind = "constant"

    def factor(self, _done: float, _total: float, /) -> float:
        return 1.0


SCHEDULES: dict[str, type[Schedule]] = {cls.kind: cls for cls in (Constant,)}
"""Every schedule by its name; a name stands for the class's default object."""
