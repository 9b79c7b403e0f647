"""The base class of optimisers: `init` and `update` over a state of plain arrays.

The state is a few vectors as long as the parameters. An update changes them in place, in chunks that fit the
processor's cache, and allocates nothing. Formulas and defaults are those of PyTorch 2: g is the gradient, p the
parameters, η the learning rate.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from layerwise.limits import Positive
from layerwise.types import Floats
from layerwise.variants import Variant

CHUNK = 65_536
"""Numbers per chunk: four float32 vectors of them are 1 MiB, which fits the caches of a core."""

PARALLEL_SIZE = 16_384
"""The number of weights from which on BLAS uses several cores for a matrix product."""

CACHE_LINE = 16
"""The 4-byte words of a cache line."""


@dataclass(frozen=True, slots=True)
class Optimizer(Variant, ABC):
    """A rule that changes parameters by their gradient. To add one, see docs/architecture.md.

    Attributes
    ----------
    kind : str
        The name of the class.
    learning_rate : float or None
        None is chosen by `Plan.completed` from `usual_rate`.
    usual_rate : float
        The usual learning rate.
    usual_decay : float
        The decoupled weight decay unless the plan has one.
    full_batch : bool
        Whether a step uses all rows and may evaluate the loss several times.
    temporaries : int
        The number of temporary vectors that `move` needs.
    state_vectors : tuple of str
        The names of the vectors, as long as the parameters, that the state may have. They start as zeros.
    state_numbers : mapping of str to float
        The names of the numbers that the state has, and their initial values.
    """

    learning_rate: Positive | None

    usual_rate: ClassVar[float]
    usual_decay: ClassVar[float] = 0.0
    full_batch: ClassVar[bool] = False
    temporaries: ClassVar[int] = 1
    state_vectors: ClassVar[tuple[str, ...]] = ()
    state_numbers: ClassVar[Mapping[str, float]] = {}

    @property
    def vectors(self) -> tuple[str, ...]:
        """The names of those `state_vectors` that the optimiser needs with its fields."""
        return self.state_vectors

    @property
    def vector_count(self) -> int:
        """The number of vectors as long as the parameters in the state, for estimates of memory."""
        return len(self.vectors)

    def with_rate(self, rate: float) -> Self:
        """Return the optimiser with a learning rate, unless it has one.

        Parameters
        ----------
        rate : float
            The learning rate.

        Returns
        -------
        Optimizer
        """
        return self if self.learning_rate is not None else replace(self, learning_rate=rate)

    def init(self, parameters: Floats) -> dict[str, Floats]:
        """Return the state before the first step.

        Parameters
        ----------
        parameters : ndarray (p,)
            The parameters to be trained.

        Returns
        -------
        dict of str to ndarray
            Vectors (p,), and numbers as arrays (1,), by name.
        """
        vectors = {name: np.zeros_like(parameters) for name in self.vectors}
        return vectors | {name: np.full(1, start) for name, start in self.state_numbers.items()}

    def update(
        self,
        parameters: Floats,
        gradient: Floats,
        state: Mapping[str, Floats],
        *,
        rate: float,
        step: int,
        scratch: Floats,
    ) -> None:
        """Make one step: change `parameters` and `state` in place.

        Parameters
        ----------
        parameters, gradient : ndarray (p,)
            The parameters, and the gradient of the loss.
        state : mapping of str to ndarray
            The state that `init` returned, as changed by the steps before.
        rate : float
            The learning rate.
        step : int
            The number of the step, counted from 1.
        scratch : ndarray
            A buffer of at least CHUNK numbers, which is overwritten.
        """
        if parameters.size >= PARALLEL_SIZE:
            claim_cache_lines(parameters)
        numbers = self.numbers(state, rate, step)
        vectors = [state[name] for name in self.vectors]
        if (loop := self.compiled()) is not None:
            loop(parameters, gradient, *vectors, *self.constants, *numbers)
            return
        length = CHUNK // self.temporaries
        temporaries = scratch[: length * self.temporaries].reshape(self.temporaries, length)
        for chunk in chunks(parameters.size, length):
            p = parameters[chunk]
            state_parts = [vector[chunk] for vector in vectors]
            self.move(p, gradient[chunk], state_parts, [s[: p.size] for s in temporaries], numbers)

    def numbers(self, state: Mapping[str, Floats], rate: float, step: int) -> tuple[float, ...]:
        """Return the numbers that `move` needs in a step, by default the learning rate.

        Parameters
        ----------
        state : mapping of str to ndarray
            The state; numbers in it may be changed.
        rate : float
            The learning rate.
        step : int
            The number of the step, counted from 1.

        Returns
        -------
        tuple of float
        """
        del state, step
        return (rate,)

    @property
    def constants(self) -> tuple[float, ...]:
        """The arguments of the compiled loop before `numbers`."""
        return ()

    def compiled(self) -> Callable[..., None] | None:
        """Return a compiled loop that does what `move` does to whole vectors.

        Returns
        -------
        function of (p, g, *vectors, *constants, *numbers), or None
            None if there is none, or Numba is not in use.
        """
        return None

    @abstractmethod
    def move(
        self, p: Floats, g: Floats, vectors: Sequence[Floats], scratch: Sequence[Floats], numbers: tuple[float, ...], /
    ) -> None:
        """Apply the formula to a chunk of the parameters, in place.

        Parameters
        ----------
        p, g : ndarray (m,)
            The parameters, which are changed, and their gradient.
        vectors : sequence of ndarray (m,)
            The chunk of each of `vectors` of the state, which are changed.
        scratch : sequence of ndarray (m,)
            As many as `temporaries`; they are overwritten.
        numbers : tuple of float
            What the method `numbers` returned for this step.
        """


def claim_cache_lines(vector: Floats) -> None:
    """Write to each cache line of the contiguous `vector` once, without changing it.

    Weights that two threads have read in a matrix product are in the caches of both cores. The first write to such a
    line waits until the other core gives it up, and delays the writes after it. Writes that do nothing else wait in
    parallel.
    """
    words = vector.view(np.uint32)[::CACHE_LINE]
    np.bitwise_or(words, 0, out=words)


def chunks(size: int, length: int = CHUNK) -> Iterator[slice]:
    """Return slices of at most `length` numbers that cover `size` numbers."""
    return (slice(start, min(start + length, size)) for start in range(0, size, length))
