"""Maxout: the largest of several linear functions."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from layerwise.activations.activation import Activation, UnitBuffers
from layerwise.limits import Limits
from layerwise.types import Floats


@dataclass(frozen=True, slots=True)
class Maxout(Activation):
    """a = the largest of several linear functions of the layer's inputs. Goodfellow et al. 2013.

    The columns of z are (pieces * units), piece by piece, so that the pieces are contiguous slices.

    Parameters
    ----------
    pieces : int, default 2
        Number of linear functions per unit, at least 2.

    Raises
    ------
    InvalidInput
        If an argument is invalid.
    """

    pieces: Annotated[int, Limits(least=2)] = 2

    kind = "maxout"
    usual_initializer = "he_normal"
    keeps_input = True
    formula = "z.reshape(len(z), pieces, z.shape[1] // pieces).max(axis=1)"

    @property
    def linear_pieces(self) -> int:
        return self.pieces

    def value(self, z: Floats, _slope: Floats, out: Floats, _scratch: Floats, /) -> None:
        units = out.shape[1]
        np.maximum(z[:, :units], z[:, units : 2 * units], out=out)
        for start in range(2 * units, z.shape[1], units):
            np.maximum(out, z[:, start : start + units], out=out)

    def derivative(self, buffers: UnitBuffers, /) -> None:
        """da/dz = 1 for the first piece that attains the maximum, 0 for the others; overwrites z."""
        units = buffers.a.shape[1]
        for start in range(0, buffers.z.shape[1], units):
            piece = buffers.z[:, start : start + units]
            np.equal(piece, buffers.a, out=buffers.mask)
            np.copyto(buffers.scratch, buffers.mask)
            np.multiply(buffers.delta, buffers.scratch, out=piece)
            # the gradient goes to one piece only: take it from later pieces that are equal
            np.subtract(buffers.delta, piece, out=buffers.delta)

    def active_piece(self, z: Floats, /) -> NDArray[Any] | None:
        pieces = z.reshape(len(z), self.pieces, -1)
        first: NDArray[Any] = np.argmax(pieces, axis=1)
        return first
