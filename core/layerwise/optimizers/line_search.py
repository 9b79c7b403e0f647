"""Line search: the length of a step along a direction, by the strong Wolfe conditions.

φ(t) is the loss at the distance t from the start, and φ'(0) < 0. A distance t is accepted if

    φ(t) ≤ φ(0) + c₁ t φ'(0)    sufficient decrease: the loss has fallen enough, and
    |φ'(t)| ≤ c₂ |φ'(0)|        curvature: the loss would not fall much further.

Nocedal and Wright 2006, Numerical Optimization, equations 3.7, algorithms 3.5 and 3.6.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

GROWTH = 2.0
"""The factor by which the distance grows while the loss goes on falling."""
MARGIN = 0.1
"""The share of an interval at each end in which no point is tried, so that intervals shrink by at least this share."""


@dataclass(frozen=True, slots=True)
class Point:
    """The loss and its derivative along the direction, at a distance from the start."""

    distance: float
    loss: float
    slope: float


def strong_wolfe(
    phi: Callable[[float], Point], start: Point, *, first: float, c1: float, c2: float, max_evaluations: int
) -> Point | None:
    """Return a point that satisfies both conditions.

    After `max_evaluations` evaluations it is the lowest point found with a sufficient decrease, or None if there is
    none. The last call of `phi` was at the point that is returned.

    Parameters
    ----------
    phi : function of a distance
        Evaluates the loss there.
    start : Point
        The point at distance 0.
    first : float
        The first distance to try.
    c1, c2 : float
        The constants of the conditions, 0 < c1 < c2 < 1.
    max_evaluations : int
        The most evaluations of the loss.
    """
    search = _Search(phi, start, c1, c2, max_evaluations)
    found = search.bracket(first)
    if found is start:
        return None
    if found is not search.last:
        phi(found.distance)
    return found


class _Search:
    """The two algorithms of a line search, with at most `evaluations` evaluations."""

    def __init__(self, phi: Callable[[float], Point], start: Point, c1: float, c2: float, evaluations: int) -> None:
        self._phi, self._start, self._c1, self._c2, self._left = phi, start, c1, c2, evaluations
        self.last = start

    def bracket(self, first: float) -> Point:
        """Increase the distance until an interval contains an acceptable point, and return that. Algorithm 3.5."""
        before, distance = self._start, first
        while self._left:
            point = self._evaluate(distance)
            if not self._decreases_enough(point) or (before is not self._start and point.loss >= before.loss):
                return self._zoom(before, point)
            if self._is_flat(point):
                return point
            if point.slope >= 0:
                return self._zoom(point, before)
            before, distance = point, GROWTH * distance
        return before

    def _zoom(self, low: Point, high: Point) -> Point:
        """Shrink the interval between `low` and `high` to an acceptable point, and return that. Algorithm 3.6.

        `low` is the lowest point so far with a sufficient decrease; from it the loss falls towards `high`.
        """
        while self._left and low.distance != high.distance:
            point = self._evaluate(_interpolated(low, high))
            if not self._decreases_enough(point) or point.loss >= low.loss:
                high = point
                continue
            if self._is_flat(point):
                return point
            if point.slope * (high.distance - low.distance) >= 0:
                high = low
            low = point
        return low

    def _evaluate(self, distance: float) -> Point:
        self._left -= 1
        self.last = self._phi(distance)
        return self.last

    def _decreases_enough(self, point: Point) -> bool:
        """Return whether the decrease is sufficient; False if the loss is NaN."""
        return point.loss <= self._start.loss + self._c1 * point.distance * self._start.slope

    def _is_flat(self, point: Point) -> bool:
        """Return whether the curvature condition holds."""
        return abs(point.slope) <= -self._c2 * self._start.slope


def _interpolated(a: Point, b: Point) -> float:
    """Return the distance at which the cubic through both points and slopes is lowest (equation 3.59).

    It is kept away from the ends of the interval by MARGIN. Where there is no such cubic, it is the middle.
    """
    width = b.distance - a.distance
    inner = a.slope + b.slope - 3 * (b.loss - a.loss) / width
    root = inner * inner - a.slope * b.slope
    share = 0.5
    if math.isfinite(root) and root >= 0:
        root = math.copysign(math.sqrt(root), width)
        denominator = b.slope - a.slope + 2 * root
        share = 1 - (b.slope + root - inner) / denominator if denominator else 0.5
    return a.distance + width * min(max(share, MARGIN), 1 - MARGIN)
