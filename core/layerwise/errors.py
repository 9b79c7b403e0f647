"""The exceptions of the library.

ValueError
├── InvalidInput      an argument is invalid; says where
└── CorruptModel      a model file is damaged, forged or of a later format
ArithmeticError
└── Diverged          training produced NaN or infinity
"""

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Self


class Place(tuple[str | int, ...]):
    """Where something is wrong: the names and indices that lead there, from the outside in.

    The name of a column is one step, whatever characters it has. A step may be a place itself; a leading "" is dropped.

    >>> place = Place("rows", 17, "Sepal.Length")
    >>> str(place)
    'rows[17].Sepal.Length'
    >>> place.json_pointer
    '/rows/17/Sepal.Length'
    """

    __slots__ = ()

    def __new__(cls, *steps: "str | int | tuple[str | int, ...]") -> Self:
        flat: list[str | int] = []
        for step in steps:
            if isinstance(step, tuple):
                flat += step
            elif step != "" or flat:
                flat.append(step)
        return super().__new__(cls, flat)

    def __str__(self) -> str:
        text = ""
        for step in self:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text

    @property
    def json_pointer(self) -> str:
        """The place as a JSON Pointer, RFC 6901."""
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self)


class InvalidInput(ValueError):
    """An argument is invalid.

    Attributes
    ----------
    place : Place
        Where, as names and indices; made from a `Place`, or from the name of one field.
    pointer : str
        The place as text, such as "layers[0].units" or "X[3]".
    detail : str
        What was expected, and what was given.
    reason : str
        A stable code that a caller may act on, such as "EMPTY_COLUMN", or "".

    Examples
    --------
    >>> from layerwise import InvalidInput, Layer
    >>> try:
    ...     Layer(0)
    ... except InvalidInput as error:
    ...     print(error)
    units: expected a whole number of at least 1, got 0
    """

    def __init__(self, place: Place | str, detail: str, reason: str = "") -> None:
        super().__init__(place, detail, reason)
        self.place = Place(place)
        self.detail = detail
        self.reason = reason

    @property
    def pointer(self) -> str:
        """The place as text: "layers[0].units", "X[3]"."""
        return str(self.place)

    def __str__(self) -> str:
        return f"{self.place}: {self.detail}" if self.place else self.detail


class CorruptModel(ValueError):
    """A model file is damaged, forged, or written in a later format."""


class Diverged(ArithmeticError):
    """Training produced NaN or infinity; the model keeps its last finite weights.

    Attributes
    ----------
    step : int
        The optimisation step at which it happened.
    loss : float
        The loss of that step.
    what : str
        What was not finite, such as "the loss".
    layer : int or None
        The first layer, from 0, with a number that is not finite, if known.
    largest_input : float
        The largest absolute input of the last batch.
    rate : float
        The learning rate of the step.
    free_targets : bool
        Whether the targets are values of any sign and size, which rescaling may help.
    """

    def __init__(
        self,
        step: int,
        loss: float,
        what: str = "the loss",
        *,
        layer: int | None = None,
        largest_input: float = 0.0,
        rate: float = 0.0,
        free_targets: bool = False,
    ) -> None:
        super().__init__(step, loss, what)
        self.step = step
        self.loss = loss
        self.what = what
        self.layer = layer
        self.largest_input = largest_input
        self.rate = rate
        self.free_targets = free_targets

    def __str__(self) -> str:
        where = "" if self.layer is None else f", first in layer {self.layer}"
        what = f"step {self.step}: {self.what} is not finite{where} (loss {self.loss}, learning rate {self.rate:g})"
        if not math.isfinite(self.largest_input):
            return f"{what}. Some inputs are NaN or infinite: remove or fill those rows"
        advice = "Lower the learning rate, or clip the gradient"
        if self.largest_input > LARGE_INPUT:
            large = f"The inputs are large, up to {self.largest_input:.3g}"
            return f"{what}. {advice}. {large}: standardize them to zero mean and unit variance"
        if self.free_targets:
            return f"{what}. {advice}. Standardize the targets to zero mean and unit variance"
        return f"{what}. {advice}"


LARGE_INPUT = 30.0
"""Standardised inputs are hardly ever beyond 10; larger ones may be why training diverged."""


@contextmanager
def within(*steps: str | int | tuple[str | int, ...]) -> Generator[None]:
    """Put `steps` before the place of any InvalidInput raised inside: `units` becomes `layers[0].units`."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(Place(*steps, error.place), error.detail, error.reason) from None
