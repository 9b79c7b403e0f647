"""How far to go along a direction: a step that satisfies the strong Wolfe conditions.

With φ(t) the loss at the distance t, which falls at first, φ'(0) < 0, the step t is taken if

    φ(t) ≤ φ(0) + c₁ t φ'(0)    the loss has fallen enough, and
    |φ'(t)| ≤ c₂ |φ'(0)|        would not fall much further.

Nocedal and Wright 2006, Numerical Optimization, equations 3.7, algorithms 3.5 and 3.6.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

GROWTH = 2.0
"""How much further the next try lies while the loss goes on falling."""
MARGIN = 0.1
"""The share at either end of an interval in which nothing is tried: intervals shrink at least by this much."""


@dataclass(frozen=True, slots=True)
class Point:
    """The loss and its slope along the direction, at a distance."""

    at: float
    loss: float
    slope: float


def strong_wolfe(
    phi: Callable[[float], Point], start: Point, *, first: float, c1: float, c2: float, most: int
) -> Point | None:
    """A step that satisfies both conditions, tried at the distance `first` first.

    After `most` evaluations the lowest point found that has fallen enough, None if there is none. The last call of
    `phi` was at the point that is returned.
    """
    search = _Search(phi, start, c1, c2, most)
    found = search.bracket(first)
    if found is start:
        return None
    if found is not search.last:
        phi(found.at)
    return found


class _Search:
    """The two algorithms, and how many evaluations they have left."""

    def __init__(self, phi: Callable[[float], Point], start: Point, c1: float, c2: float, most: int) -> None:
        self._phi, self._start, self._c1, self._c2, self._left = phi, start, c1, c2, most
        self.last = start

    def bracket(self, first: float) -> Point:
        """Algorithm 3.5: goes further until an interval holds a step that will do."""
        before, at = self._start, first
        while self._left:
            point = self._evaluate(at)
            if not self._falls_enough(point) or (before is not self._start and point.loss >= before.loss):
                return self._zoom(before, point)
            if self._is_flat(point):
                return point
            if point.slope >= 0:
                return self._zoom(point, before)
            before, at = point, GROWTH * at
        return before

    def _zoom(self, low: Point, high: Point) -> Point:
        """Algorithm 3.6: `low` is the lowest point that has fallen enough; from it the loss falls towards `high`."""
        while self._left and low.at != high.at:
            point = self._evaluate(_between(low, high))
            if not self._falls_enough(point) or point.loss >= low.loss:
                high = point
                continue
            if self._is_flat(point):
                return point
            if point.slope * (high.at - low.at) >= 0:
                high = low
            low = point
        return low

    def _evaluate(self, at: float) -> Point:
        self._left -= 1
        self.last = self._phi(at)
        return self.last

    def _falls_enough(self, point: Point) -> bool:
        """Not so of a loss that is not a number."""
        return point.loss <= self._start.loss + self._c1 * point.at * self._start.slope

    def _is_flat(self, point: Point) -> bool:
        return abs(point.slope) <= -self._c2 * self._start.slope


def _between(a: Point, b: Point) -> float:
    """Where the cubic through both points with their slopes is lowest (equation 3.59), well inside the interval.

    The middle, where there is no such cubic.
    """
    width = b.at - a.at
    inner = a.slope + b.slope - 3 * (b.loss - a.loss) / width
    root = inner * inner - a.slope * b.slope
    share = 0.5
    if math.isfinite(root) and root >= 0:
        root = math.copysign(math.sqrt(root), width)
        below = b.slope - a.slope + 2 * root
        share = 1 - (b.slope + root - inner) / below if below else 0.5
    return a.at + width * min(max(share, MARGIN), 1 - MARGIN)
