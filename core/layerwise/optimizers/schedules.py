"""Schedules of the learning rate, and a table of their names.

t is the number of epochs done, a fraction within an epoch, and T the plan's epochs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from layerwise.errors import InvalidInput
from layerwise.limits import Count, Limits, NotNegative, OneOf, OpenFraction, Positive
from layerwise.optimizers.schedule import WATCHED, Schedule

Factor: TypeAlias = Annotated[float, Limits(least=0, most=1)]
"""From 0 to 1."""
Multiplier: TypeAlias = Annotated[float, Limits(above=0, most=1)]
"""Above 0, 1 at most."""


@dataclass(frozen=True, slots=True)
class Constant(Schedule):
    """The same rate throughout."""

    kind = "constant"

    def factor(self, _done: float, _total: float, /) -> float:
        return 1.0


@dataclass(frozen=True, slots=True)
class StepDecay(Schedule):
    """After t epochs, the rate is multiplied by multiplier^⌊t / every⌋.

    Parameters
    ----------
    every : float, default 10
        Epochs between changes, at least 1e-9.
    multiplier : float, default 0.1
        Factor of each change, above 0, at most 1.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    every: Annotated[float, Limits(least=1e-9)] = 10.0
    multiplier: Multiplier = 0.1

    kind = "step"

    def factor(self, done: float, _total: float, /) -> float:
        return math.pow(self.multiplier, math.floor(done / self.every))


@dataclass(frozen=True, slots=True)
class ExponentialDecay(Schedule):
    """After t epochs, the rate is multiplied by multiplierᵗ. It changes in each step.

    Parameters
    ----------
    multiplier : float, default 0.95
        Factor per epoch, above 0, at most 1.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    multiplier: Multiplier = 0.95

    kind = "exponential"

    def factor(self, done: float, _total: float, /) -> float:
        return math.pow(self.multiplier, done)


@dataclass(frozen=True, slots=True)
class InverseTimeDecay(Schedule):
    """After t epochs, the rate is multiplied by 1 / (1 + decay · t). Robbins and Monro 1951.

    Parameters
    ----------
    decay : float, default 1
        At least 0.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    decay: NotNegative = 1.0

    kind = "inverse_time"

    def factor(self, done: float, _total: float, /) -> float:
        return 1 / (1 + self.decay * done)


@dataclass(frozen=True, slots=True)
class PolynomialDecay(Schedule):
    """After t of T epochs, the rate is multiplied by end + (1 - end) (1 - t/T)^power.

    Parameters
    ----------
    power : float, default 1
        Above 0. 1 gives a straight line.
    end : float, default 0
        Factor at the end, 0 to 1.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    power: Positive = 1.0
    end: Factor = 0.0

    kind = "polynomial"

    def factor(self, done: float, total: float, /) -> float:
        return self.end + (1 - self.end) * math.pow(1 - _passed(done, total), self.power)


@dataclass(frozen=True, slots=True)
class CosineDecay(Schedule):
    """After t of T epochs, the rate is multiplied by end + (1 - end) (1 + cos(π t/T)) / 2. Loshchilov and Hutter 2017.

    Parameters
    ----------
    end : float, default 0
        Factor at the end of a period, 0 to 1.
    period : float, optional
        Epochs after which the factor starts again from 1. None is the whole training.
    period_factor : int, default 1
        Length of each period relative to the one before.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
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
        """Return the share of the current period that is done."""
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
    """Up from `start` to 1, then down to `end`, both along a cosine. Smith and Topin 2018.

    PyTorch's OneCycleLR without a cycle of the momentum. The optimiser's rate is the largest.

    Parameters
    ----------
    rising : float, default 0.3
        Share of the epochs before the largest rate, above 0 and below 1.
    start : float, default 0.04
        First factor, 0 to 1: PyTorch's 1 / div_factor.
    end : float, default 4e-6
        Last factor, 0 to 1: PyTorch's 1 / (div_factor · final_div_factor).

    Raises
    ------
    InvalidInput
        If an argument is invalid.
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
    """Reduce the rate when a value of the epochs has not improved for some epochs.

    Patience is counted as in early stopping; PyTorch waits one epoch longer.

    Parameters
    ----------
    watch : {"validation_loss", "validation_metric", "loss", "metric"}, default "validation_loss"
        The value of the records. A loss improves by falling, a metric by rising.
    multiplier : float, default 0.1
        Factor of each reduction, above 0 and below 1.
    patience : int, default 10
        Epochs without improvement before a reduction.
    tolerance : float, default 1e-4
        The value must change by more than this to improve.
    least : float, default 0
        Smallest factor of the optimiser's rate, 0 to 1.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
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
        """Update the best value (`best`), the epochs since it or since the last reduction (`waited`), and `factor`."""
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
    """Return the point `passed`, from 0 to 1, of half a cosine from `start` to `end`."""
    return end + (start - end) * (1 + math.cos(math.pi * passed)) / 2


def _passed(done: float, total: float) -> float:
    """Return the share of the training done, at most 1: a stream of batches may be longer than the plan's epochs."""
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
"""The schedules by name; a name stands for the default object of the class."""
