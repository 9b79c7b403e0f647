"""The base class of activations: value, derivative, and what other packages need to know of the class.

A layer computes z = x @ weight + bias and a = activation(z). Most activations overwrite z with a and compute the
derivative from a. Those with `keeps_input` need z for it, and write a into a separate array.
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
    """The arrays that the derivative of an activation reads and writes, for n rows and one layer.

    `delta` (n, units) holds the gradient of the loss with respect to a. `z_gradient` receives that with respect to z,
    (n, units), or (n, pieces * units) for maxout; it shares memory with `delta` or `z`. All may be overwritten except
    `slope`.
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
    """Compiled loops of an activation, one pass each. `constants` are passed to each of them after the arrays."""

    value: Callable[..., None]
    """(z, bias): replace z by activation(z + bias)."""
    derivative: Callable[..., None]
    """(delta, a): replace the gradient with respect to a by that with respect to z."""
    packed: Callable[..., None]
    """(z, bias) of K networks, (K, n, units) and (K, units): `value` for each."""
    constants: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Activation(Variant, ABC):
    """A function of the linear part of a layer. To add one, see docs/architecture.md."""

    usual_initializer: ClassVar[str] = "glorot_normal"
    """The name of the default initialiser: He's for activations that flatten some inputs, LeCun's for SELU."""
    works_in_place: ClassVar[bool] = False
    """Whether `value` can write into z itself and needs no scratch memory."""
    keeps_input: ClassVar[bool] = False
    """Whether the derivative needs z, so that a must be written elsewhere."""
    learns_slope: ClassVar[bool] = False
    """Whether a slope per unit is learnt in addition to weight and bias."""
    can_die: ClassVar[bool] = False
    """Whether a unit may output 0 for every row, which also stops its gradient."""
    saturation: ClassVar[tuple[float, float] | None] = None
    """(low, high): a unit is saturated if its output is strictly below low or above high; there the derivative is under
    5 % of its maximum. For a function that reaches its bounds, give numbers just inside."""
    onnx_operator: ClassVar[str | None] = None
    """The ONNX operator of one input that computes it, or None: then `onnx.layers.NODES` has its nodes."""
    onnx_attributes: ClassVar[Mapping[str, str]] = {}
    """The field that holds the value of each attribute of the operator; their defaults are equal."""
    formula: ClassVar[str]
    """The value as a NumPy expression of `z`, the fields and the learnt `slope`, for standalone programs."""

    @property
    def is_linear(self) -> bool:
        """Whether a = z, so that a scale and shift of the outputs can be folded into the weights."""
        return self.slope_below_zero == 1

    @property
    def slope_below_zero(self) -> float | None:
        """The slope s if a = max(z, s · z), else None; compiled predictions support only these."""
        return None

    @property
    def linear_pieces(self) -> int:
        """Number of linear functions of its inputs that a unit computes."""
        return 1

    @abstractmethod
    def value(self, z: Floats, slope: Floats, out: Floats, scratch: Floats, /) -> None:
        """Compute a = activation(z).

        Parameters
        ----------
        z : ndarray (n, units)
            The linear part of the layer; (n, pieces * units) for maxout.
        slope : ndarray (units,)
            The learnt slopes; empty unless the class has `learns_slope`.
        out : ndarray (n, units)
            Receives a. It may be `z` itself unless the class has `keeps_input`.
        scratch : ndarray (n, units)
            Is overwritten.
        """

    @abstractmethod
    def derivative(self, buffers: UnitBuffers, /) -> None:
        """Compute the gradient with respect to z from that with respect to a.

        Parameters
        ----------
        buffers : UnitBuffers
            `delta` holds the gradient with respect to a; `z_gradient` receives that with respect to z.
        """

    def compiled(self) -> Compiled | None:
        """Return compiled loops that compute value and derivative in place. A class with `keeps_input` has none.

        Returns
        -------
        Compiled or None
            None if there are none, or Numba is not in use.
        """
        return None

    def active_piece(self, z: Floats, /) -> NDArray[Any] | None:
        """Return which smooth piece of the function applies to each unit, so that `gradient_check` can leave out kinks.

        Parameters
        ----------
        z : ndarray (n, units)
            The linear part of the layer.

        Returns
        -------
        ndarray (n, units) or None
            A number or flag of the piece; None for a smooth activation.
        """
        del z
        return None
