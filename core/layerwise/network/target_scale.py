"""Scaling of regression targets during training."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import choice, fields, real_number, shown
from layerwise.errors import InvalidInput, Place
from layerwise.types import Floats

LINKS = ("identity", "exp")


@dataclass(frozen=True, slots=True)
class TargetScale:
    """Shift and scale of each of k targets: a network is trained on (y - shift) / scale.

    With the link "exp" the output is the logarithm of the mean, and all shifts are 0.
    """

    shift: tuple[float, ...]
    scale: tuple[float, ...]
    link: str = "identity"

    @property
    def shifts(self) -> NDArray[np.float64]:
        return np.array(self.shift)

    @property
    def scales(self) -> NDArray[np.float64]:
        return np.array(self.scale)

    def scale_targets(self, targets: NDArray[Any]) -> NDArray[np.float64]:
        """Return the scaled `targets` (n, k), as the network is trained on them."""
        found: NDArray[np.float64] = targets - self.shifts
        found /= self.scales
        return found

    def scale_outputs(self, outputs: Floats) -> Floats:
        """Return `outputs` (n, k), given in the units of the targets, in the units of the scaled targets."""
        if self.link == "exp":
            return (outputs - np.log(self.scales)).astype(outputs.dtype, copy=False)
        return self.scale_targets(outputs).astype(outputs.dtype, copy=False)

    def to_json(self) -> dict[str, object]:
        """Return the fields by name."""
        return {"link": self.link, "shift": list(self.shift), "scale": list(self.scale)}

    @staticmethod
    def from_json(value: object, outputs: int) -> "TargetScale":
        """Return the scale that the JSON `value` describes, for a network of `outputs` outputs. Raises InvalidInput."""
        names = ("link", "shift", "scale")
        given = fields("", value, known=names, required=names)
        shift, scale = (_numbers(name, given[name], outputs) for name in ("shift", "scale"))
        for i, number in enumerate(scale):
            real_number(Place("scale", i), number, above=0)
        return TargetScale(shift, scale, choice("link", given["link"], LINKS))

    def to_array(self) -> NDArray[np.float64]:
        """Return shifts and scales as the rows of an array (2, k)."""
        return np.array([self.shift, self.scale])

    @staticmethod
    def from_array(array: NDArray[Any], outputs: int, link: str) -> "TargetScale":
        """Return the scale whose `to_array` is `array`. Raises InvalidInput."""
        good = array.shape == (2, outputs) and np.isfinite(array).all() and (array[1] > 0).all()
        if not good:
            detail = f"expected finite shifts and positive scales, shape (2, {outputs}), got {shown(array)}"
            raise InvalidInput(Place("state", "target_scale"), detail)
        shift, scale = cast("list[list[float]]", array.tolist())
        return TargetScale(tuple(shift), tuple(scale), link)


class ScaledTargets:
    """Scaling of a batch of targets into `out` (n, k), without allocation.

    `shifts` and `scales` broadcast to (n, k). The caller writes the targets into `given`, float64, then calls this.
    """

    def __init__(self, shifts: NDArray[np.float64], scales: NDArray[np.float64], out: Floats) -> None:
        self.given: NDArray[np.float64] = np.empty(out.shape)
        self._shifts, self._scales, self._out = shifts, scales, out

    def __call__(self) -> None:
        """Scale `given` in place and copy it to `out`."""
        np.subtract(self.given, self._shifts, out=self.given)
        np.divide(self.given, self._scales, out=self.given)
        np.copyto(self._out, self.given, casting="same_kind")


def _numbers(name: str, value: object, outputs: int) -> tuple[float, ...]:
    got = shown(value)
    given = cast("list[object]", value) if isinstance(value, list) else []
    if len(given) != outputs:
        raise InvalidInput(name, f"expected {outputs} numbers, one for each output, got {got}")
    return tuple(real_number(Place(name, i), number) for i, number in enumerate(given))
