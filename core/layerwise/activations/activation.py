"""What an activation is: its value, its derivative, and where both are written.

A layer computes z = x @ weight + bias and a = activation(z). Most activations overwrite z with a and find their
derivative from a alone; those with `keeps_input` need z afterwards and get a separate place for a.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from numpy.typing import NDArray

from layerwise.types import Flags, Floats
from layerwise.variants import Variant


@dataclass(slots=True)
class UnitBuffers:
    """What the derivative of an activation reads and writes, for n rows and one layer.

    `delta` (n, units) comes as the gradient of the loss in a and may be overwritten; `z_gradient`, the same memory
    as `delta` or as `z`, receives the gradient in z, (n, units), or (n, pieces * units) of a maxout. The rest, but
    for `slope`, may be overwritten too.
    """

    z: Floats
    a: Floats
    delta: Floats
    z_gradient: Floats
    slope: Floats
    slope_gradient: Floats
    scratch: Floats
    mask: Flags


class Compiled(NamedTuple):
    """Loops that do what an activation does, in one pass each; `constants` are handed to all after the arrays."""

    value: Callable[..., None]
    """Of (z, bias): turns z into activation(z + bias)."""
    derivative: Callable[..., None]
    """Of (delta, a): turns the gradient in a into the gradient in z."""
    packed: Callable[..., None]
    """Of K networks (z, bias), (K, n, units) and (K, units): `value` for each."""
    constants: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Activation(Variant, ABC):
    """Turns the linear part of a layer into its output."""

    usual_initializer: ClassVar[str] = "glorot_normal"
    """The name of the initialiser that fits: He's where a part of the inputs is flattened, LeCun's for SELU."""
    overwrites_alone: ClassVar[bool] = False
    """Whether the value is found in the memory of z, without scratch."""
    keeps_input: ClassVar[bool] = False
    """Whether the derivative needs z, so that a must stand elsewhere."""
    learns_slope: ClassVar[bool] = False
    """Whether a slope per unit is learnt beside weight and bias."""
    can_die: ClassVar[bool] = False
    """Whether a unit may output 0 for every row, which also stops its gradient."""
    saturation: ClassVar[tuple[float, float] | None] = None
    """The outputs below and above which a unit is saturated: the derivative is under a twentieth of its largest."""
    onnx_operator: ClassVar[str | None] = None
    """The ONNX operator of one input that computes it, or None: then `onnx.layers.NODES` has its nodes."""
    onnx_attributes: ClassVar[Mapping[str, str]] = {}
    """The field that holds the value of each attribute of the operator; their defaults are equal."""
    formula: ClassVar[str]
    """The value as a NumPy expression of `z`, the fields and the learnt `slope`, for standalone programs."""

    @property
    def slope_below_zero(self) -> float | None:
        """The slope s if a = max(z, s · z), else None; compiled predictions support only these."""
        return None

    @property
    def linear_pieces(self) -> int:
        """How many linear functions of its inputs a unit computes."""
        return 1

    @abstractmethod
    def value(self, z: Floats, slope: Floats, out: Floats, scratch: Floats, /) -> None:
        """Writes a into `out` (n, units); unless the class keeps its input, `out` may be `z` itself.

        `scratch` has the shape of `out` and is overwritten.
        """

    @abstractmethod
    def derivative(self, at: UnitBuffers, /) -> None:
        """Turns the gradient in a (`at.delta`) into the gradient in z (`at.z_gradient`)."""

    def compiled(self) -> Compiled | None:
        """Compiled loops that do the same in place, if there are any; only of a class that does not keep its input."""
        return None

    def side(self, z: Floats, /) -> NDArray[Any] | None:
        """Which linear piece each unit is on, or None of a smooth activation: it changes where a kink is crossed."""
        del z
        return None
