"""What an optimiser is: `init` and `update` over plain state.

State is a few vectors as long as the parameters. An update runs over all of them in chunks that stay in the
processor's cache, in place, without allocating. Formulas and defaults are those of PyTorch 2: g is the gradient, p the
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
"""Numbers a pass handles at once: four float32 vectors of them, 1 MiB, stay in the caches close to the core."""

SHARED = 16_384
"""Parameters from which the products of a step are so large that they run on several cores."""

LINE = 16
"""Words of 4 bytes in a line of a cache."""


@dataclass(frozen=True, slots=True)
class Optimizer(Variant, ABC):
    """Moves the parameters against their gradient."""

    learning_rate: Positive | None
    """None leaves it open: `Plan.completed` chooses one."""

    usual_rate: ClassVar[float]
    """The learning rate that its authors, or everybody's use, recommend."""
    usual_decay: ClassVar[float] = 0.0
    """The decoupled weight decay that goes with the optimiser, unless the plan gives another."""
    full_batch: ClassVar[bool] = False
    """Whether each of its steps takes all rows, and evaluates the loss as often as it likes."""
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
        """The same optimiser with the learning rate `rate`, if it leaves its own open."""
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
        """Changes `parameters` and `state` in place by step number `step`, counted from 1, at the learning rate `rate`.

        `scratch` holds at least CHUNK numbers.
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
        """What `move` needs to know of this step: the rate, or what is found from it once for all chunks."""
        del state, step
        return (rate,)

    @property
    def constants(self) -> tuple[float, ...]:
        """What the compiled loop needs to know beside `numbers`."""
        return ()

    def compiled(self) -> Callable[..., None] | None:
        """A compiled loop that does what `move` does, over (p, g, *own, *constants, *numbers), if there is one."""
        return None

    @abstractmethod
    def move(
        self, p: Floats, g: Floats, own: Sequence[Floats], spare: Sequence[Floats], numbers: tuple[float, ...], /
    ) -> None:
        """The formula, for one chunk: changes `p` and the vectors `own` of the state; `spare` is overwritten."""


def claim(vector: Floats) -> None:
    """Writes what is there, once to each cache line of the contiguous `vector`.

    Weights that a product of two threads has read are in the caches of both cores. The first write to such a line waits
    until the other core has let go of it, and every write behind it waits too; claims alone wait side by side.
    """
    words = vector.view(np.uint32)[::LINE]
    np.bitwise_or(words, 0, out=words)


def chunks(size: int, length: int = CHUNK) -> Iterator[slice]:
    """Slices of at most `length` that cover `size` numbers."""
    return (slice(start, min(start + length, size)) for start in range(0, size, length))
