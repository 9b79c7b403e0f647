"""The schedules of the learning rate: each a factor of the optimiser's rate over the epochs, and the table of names.

t is the number of epochs done, steps being fractions of them, T the plan's epochs.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from layerwise.errors import InvalidInput
from layerwise.limits import Count, Limits, NotNegative, OneOf, OpenFraction, Positive
from layerwise.variants import Variant

WATCHED = ("loss", "metric", "validation_loss", "validation_metric")
"""The values of an epoch that a schedule may react to."""

Factor: TypeAlias = Annotated[float, Limits(least=0, most=1)]
"""From 0 to 1."""
Multiplier: TypeAlias = Annotated[float, Limits(above=0, most=1)]
"""Above 0, 1 at most."""

PLATEAU = ("best", "waited", "factor")
"""What a schedule that reacts keeps."""


@dataclass(frozen=True, slots=True)
class Schedule(Variant, ABC):
    """How the learning rate changes while training goes on."""

    @abstractmethod
    def factor(self, done: float, total: float, /) -> float:
        """What the optimiser's rate is multiplied by when `done` of `total` epochs are done; steps are fractions."""

    @property
    def watched(self) -> str | None:
        """Which value of the epochs it reacts to, None if to none."""
        return None

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


@dataclass(frozen=True, slots=True)
class StepDecay(Schedule):
    """multiplier^⌊t / every⌋: the rate is multiplied by `multiplier` every `every` epochs, which is at least 1e-9."""

    every: Annotated[float, Limits(least=1e-9)] = 10.0
    multiplier: Multiplier = 0.1

    kind = "step"

    def factor(self, done: float, _total: float, /) -> float:
        return math.pow(self.multiplier, math.floor(done / self.every))


@dataclass(frozen=True, slots=True)
class ExponentialDecay(Schedule):
    """multiplierᵗ: the rate is multiplied by `multiplier` each epoch, a little with every step."""

    multiplier: Multiplier = 0.95

    kind = "exponential"

    def factor(self, done: float, _total: float, /) -> float:
        return math.pow(self.multiplier, done)


@dataclass(frozen=True, slots=True)
class InverseTimeDecay(Schedule):
    """1 / (1 + decay · t). Robbins and Monro 1951."""

    decay: NotNegative = 1.0

    kind = "inverse_time"

    def factor(self, done: float, _total: float, /) -> float:
        return 1 / (1 + self.decay * done)


@dataclass(frozen=True, slots=True)
class PolynomialDecay(Schedule):
    """end + (1 - end) (1 - t/T)^power: a straight line to `end` for the power 1."""

    power: Positive = 1.0
    end: Factor = 0.0

    kind = "polynomial"

    def factor(self, done: float, total: float, /) -> float:
        return self.end + (1 - self.end) * math.pow(1 - _passed(done, total), self.power)


@dataclass(frozen=True, slots=True)
class CosineDecay(Schedule):
    """end + (1 - end) (1 + cos(π t/T)) / 2. Loshchilov and Hutter 2017.

    With a `period` in epochs the rate starts again from 1 after it, each further period `period_factor` times as long.
    """

    end: Factor = 0.0
    period: Positive | None = None
    period_factor: Count = 1

    kind = "cosine"

    def check_together(self) -> None:
        if self.period is None and self.period_factor != 1:
            raise InvalidInput("period_factor", f"expected a period to go with it, got {self.period_factor} alone")

    def factor(self, done: float, total: float, /) -> float:
        return _cosine(1.0, self.end, self._phase(done, total))

    def _phase(self, done: float, total: float) -> float:
        """How much of the period at `done` has passed, from 0 to 1."""
        if self.period is None:
            return _passed(done, total)
        if self.period_factor == 1:
            return math.fmod(done, self.period) / self.period
        start, length = 0.0, self.period
        while done >= start + length:
            start, length = start + length, length * self.period_factor
        return (done - start) / length


@dataclass(frozen=True, slots=True)
class OneCycle(Schedule):
    """From `start` up to 1 over the share `rising` of the epochs, then down to `end`, both along a cosine.

    Smith and Topin 2018, as PyTorch's OneCycleLR without a cycle of the momentum: `start` is its 1 / div_factor, `end`
    its 1 / (div_factor · final_div_factor). The optimiser's rate is the largest.
    """

    rising: OpenFraction = 0.3
    start: Factor = 0.04
    end: Factor = 4e-6

    kind = "one_cycle"

    def factor(self, done: float, total: float, /) -> float:
        passed = _passed(done, total)
        if passed < self.rising:
            return _cosine(self.start, 1.0, passed / self.rising)
        return _cosine(1.0, self.end, (passed - self.rising) / (1 - self.rising))


@dataclass(frozen=True, slots=True)
class ReduceOnPlateau(Schedule):
    """Multiplies the rate by `multiplier` when `watch` has not improved for `patience` epochs, down to `least`.

    `watch`, a value of the epochs' records, improves by more than `tolerance` or not at all; a loss by falling, a
    metric by rising. Patience is counted as early stopping counts it; PyTorch waits one epoch more.
    """

    watch: Annotated[str, OneOf(WATCHED)] = "validation_loss"
    multiplier: OpenFraction = 0.1
    patience: Count = 10
    tolerance: NotNegative = 1e-4
    least: Factor = 0.0

    kind = "reduce_on_plateau"

    @property
    def watched(self) -> str | None:
        return self.watch

    def factor(self, _done: float, _total: float, /) -> float:
        return 1.0

    def observe(self, values: Mapping[str, float], memory: dict[str, float], /) -> None:
        """Keeps the best value (`best`), the epochs since it or since the last reduction (`waited`), and `factor`."""
        value = values[self.watch]
        gain = 0.0 if "best" not in memory else memory["best"] - value
        if not self.watch.endswith("loss"):
            gain = -gain
        if "best" not in memory or gain > self.tolerance:
            memory["best"], memory["waited"] = value, 0.0
            return
        memory["waited"] += 1.0
        if memory["waited"] >= self.patience:
            memory["waited"] = 0.0
            memory["factor"] = max(self.least, memory.get("factor", 1.0) * self.multiplier)


def _cosine(start: float, end: float, passed: float) -> float:
    """From `start` to `end` along half a cosine, of which `passed`, from 0 to 1, is done."""
    return end + (start - end) * (1 + math.cos(math.pi * passed)) / 2


def _passed(done: float, total: float) -> float:
    """How much of the training has passed, 1 at most: a stream of batches may go on longer than its plan says."""
    return min(done / total, 1.0)


SCHEDULES: dict[str, type[Schedule]] = {
    cls.kind: cls
    for cls in (
        Constant,
        StepDecay,
        ExponentialDecay,
        InverseTimeDecay,
        PolynomialDecay,
        CosineDecay,
        OneCycle,
        ReduceOnPlateau,
    )
}
"""Every schedule by its name; a name stands for the class's default object."""
