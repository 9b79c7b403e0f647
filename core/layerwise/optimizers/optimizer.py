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

SHARED = 16_384
"""The number of parameters from which matrix products run on several cores."""

LINE = 16
"""Words of 4 bytes in a cache line."""


@dataclass(frozen=True, slots=True)
class Optimizer(Variant, ABC):
    """A rule that changes parameters by their gradient. To add one, see docs/architecture.md."""

    learning_rate: Positive | None
    """None is chosen by `Plan.completed`."""

    usual_rate: ClassVar[float]
    """The usual learning rate."""
    usual_decay: ClassVar[float] = 0.0
    """The decoupled weight decay unless the plan has one."""
    full_batch: ClassVar[bool] = False
    """Whether a step uses all rows and may evaluate the loss several times."""
    temporaries: ClassVar[int] = 1
    """How many vectors `move` needs besides the state."""
    state_vectors: ClassVar[tuple[str, ...]] = ()
    """The names of the vectors that it may keep from step to step, as long as the parameters; they start as zeros."""
    state_numbers: ClassVar[Mapping[str, float]] = {}
    """The numbers that it keeps from step to step, and what they start as."""

    @property
    def vectors(self) -> tuple[str, ...]:
        """The names of the `state_vectors` that it keeps with the fields that it has."""
        return self.state_vectors

    @property
    def vector_count(self) -> int:
        """How many vectors as long as the parameters it keeps, for estimates of memory."""
        return len(self.vectors)

    def at(self, rate: float) -> Self:
        """Return the optimiser with the learning rate `rate` if its own is None."""
        return self if self.learning_rate is not None else replace(self, learning_rate=rate)

    def init(self, parameters: Floats) -> dict[str, Floats]:
        """Return the state before the first step: arrays of the shape of `parameters`, and of (1,) for numbers."""
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
        """Change `parameters` and `state` in place by one step, whose number `step` counts from 1.

        `rate` is the learning rate, and `scratch` has at least CHUNK numbers.
        """
        if parameters.size >= SHARED:
            claim(parameters)
        numbers = self.numbers(state, rate, step)
        vectors = [state[name] for name in self.vectors]
        if (loop := self.compiled()) is not None:
            loop(parameters, gradient, *vectors, *self.constants, *numbers)
            return
        length = CHUNK // self.temporaries
        spare = scratch[: length * self.temporaries].reshape(self.temporaries, length)
        for chunk in chunks(parameters.size, length):
            p = parameters[chunk]
            own = [vector[chunk] for vector in vectors]
            self.move(p, gradient[chunk], own, [s[: p.size] for s in spare], numbers)

    def numbers(self, state: Mapping[str, Floats], rate: float, step: int) -> tuple[float, ...]:
        """Return the numbers that `move` needs in this step: the rate, or what follows from it for all chunks."""
        del state, step
        return (rate,)

    @property
    def constants(self) -> tuple[float, ...]:
        """The arguments of the compiled loop before `numbers`."""
        return ()

    def compiled(self) -> Callable[..., None] | None:
        """Return a compiled loop of (p, g, *own, *constants, *numbers) that does what `move` does, or None."""
        return None

    @abstractmethod
    def move(
        self, p: Floats, g: Floats, own: Sequence[Floats], spare: Sequence[Floats], numbers: tuple[float, ...], /
    ) -> None:
        """Apply the formula to a chunk: change `p` and the vectors `own` of the state. `spare` is overwritten."""


def claim(vector: Floats) -> None:
    """Write the present value once to each cache line of the contiguous `vector`.

    Weights that two threads have read in a product are in the caches of both cores. The first write to such a line
    waits for the other core, and blocks the writes after it. These writes alone wait in parallel.
    """
    words = vector.view(np.uint32)[::LINE]
    np.bitwise_or(words, 0, out=words)


def chunks(size: int, length: int = CHUNK) -> Iterator[slice]:
    """Return slices of at most `length` that cover `size` numbers."""
    return (slice(start, min(start + length, size)) for start in range(0, size, length))
