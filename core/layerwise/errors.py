"""The errors of the library.

ValueError
├── InvalidInput      an architecture, a plan or data is not what was asked for; says where
└── CorruptModel      a model file is damaged, forged or of a later format
ArithmeticError
└── Diverged          training left the finite numbers
"""

from collections.abc import Generator
from contextlib import contextmanager


class InvalidInput(ValueError):
    """An argument is not what was asked for.

    `pointer` says where ("layers[0].units", "X[3]"), `detail` what was wanted and what came.
    """

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(pointer, detail)
        self.pointer = pointer
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.pointer}: {self.detail}" if self.pointer else self.detail


class CorruptModel(ValueError):
    """A model file cannot be trusted: damaged, forged, or written in a later format."""


class Diverged(ArithmeticError):
    """Training left the finite numbers at `step`, where the loss was `loss`."""

    def __init__(self, step: int, loss: float, what: str = "the loss") -> None:
        super().__init__(step, loss, what)
        self.step = step
        self.loss = loss
        self.what = what

    def __str__(self) -> str:
        return (
            f"step {self.step}: {self.what} is not finite (loss {self.loss}). Lower the learning rate, "
            "and bring the inputs (and the targets of a regression) to zero mean and unit variance"
        )


@contextmanager
def within(pointer: str) -> Generator[None]:
    """Puts `pointer` before the pointer of any InvalidInput raised inside: `units` becomes `layers[0].units`."""
    try:
        yield
    except InvalidInput as error:
        inner = error.pointer
        joined = f"{pointer}{inner}" if not inner or inner.startswith("[") else f"{pointer}.{inner}"
        raise InvalidInput(joined, error.detail) from None
