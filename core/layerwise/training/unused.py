"""A warning for trainings that are never run."""

import warnings
from collections.abc import Iterator
from typing import TypeVar

R = TypeVar("R")


class TrainsWhenIterated(Iterator[R]):
    """An iterator whose records are computed when they are asked for; warns if it is dropped before the first."""

    _used = False

    def __del__(self) -> None:
        if not self._used:
            how = "iterate over it: `for record in fit(...)`, or `list(fit(...))`"
            warnings.warn(f"a training was dropped before its first step, so nothing was trained; {how}", stacklevel=2)
