"""The whole state of a training, as plain data for checkpoints."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import fields as checked_fields
from layerwise.checks import shown, whole_number
from layerwise.errors import InvalidInput, Place
from layerwise.types import Floats


@dataclass(slots=True)
class TrainingState:
    """The state of a training between two steps: with architecture, plan and data, all that the next steps depend on.

    The order of the rows is not part of it, because it follows from the plan's seed and `epoch`. `to_arrays` returns
    the state as plain data, and `from_arrays` reads that. With standardised targets, all parameters are those of the
    network that learns the standardised targets.

    Attributes
    ----------
    parameters : ndarray (p,)
        The parameters.
    optimizer : dict of str to ndarray
        The state of the optimiser.
    generator : Generator
        Draws dropout masks and noise.
    loss_sum, metric_sums : float, and ndarray
        Sums of loss and metric over the rows of the current epoch.
    epoch, position, step : int
        Completed epochs, rows of the current epoch that were trained on, and optimiser steps.
    updates_before : int
        Updates in earlier trainings, if the optimiser's state was kept.
    seconds : float
        Training time so far, in seconds.
    average : ndarray (p,) or None
        The moving average of the parameters, if the plan has one.
    statistics : ndarray (s,) or None
        The running statistics of batch normalisation.
    best, best_statistics, best_metrics, best_value : ndarray (p,), ndarray (s,), dict, and float, or None
        Of the best epoch so far, if there is early stopping: the parameters and statistics that it may restore, all
        metrics, and the value that it watches.
    waited : int
        Epochs since the best.
    target_scale : ndarray (2, outputs) or None
        The shifts and the divisors of standardised targets.
    metrics : dict of str to float, or None
        The metrics of the last epoch, which become the model's when training ends there.
    plateau, health : dict of str to float
        The memory of a schedule that watches a value, and of the doctor.
    stopped : str or None
        Why training ended, as in `Record.stopped`; None while it goes on.
    """

    parameters: Floats
    optimizer: dict[str, Floats]
    generator: np.random.Generator
    metric_sums: NDArray[np.float64]
    loss_sum: float = 0.0
    epoch: int = 0
    position: int = 0
    step: int = 0
    updates_before: int = 0
    seconds: float = 0.0
    average: Floats | None = None
    statistics: Floats | None = None
    best: Floats | None = None
    best_statistics: Floats | None = None
    target_scale: NDArray[np.float64] | None = None
    best_metrics: dict[str, float] | None = None
    best_value: float | None = None
    waited: int = 0
    metrics: dict[str, float] | None = None
    plateau: dict[str, float] = field(default_factory=dict[str, float])
    health: dict[str, float] = field(default_factory=dict[str, float])
    stopped: str | None = None

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the state as arrays, for a checkpoint.

        Returns
        -------
        dict of str to ndarray
            Copies of all arrays by name, and the other fields under `state`: JSON in UTF-8, as uint8.
        """
        plain: dict[str, object] = {"generator": self.generator.bit_generator.state, "optimizer": [*self.optimizer]}
        found: dict[str, NDArray[Any]] = {f"optimizer/{name}": vector.copy() for name, vector in self.optimizer.items()}
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, np.ndarray):
                found[part.name] = value.copy()
            elif part.name not in plain:
                plain[part.name] = value
        found["state"] = np.frombuffer(json.dumps(plain).encode(), np.uint8)
        return found

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> "TrainingState":
        """Return the state that was stored as arrays.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            As `to_arrays` returns them.

        Returns
        -------
        TrainingState

        Raises
        ------
        InvalidInput
            At the name of an array that is wrong.
        """
        if not isinstance(arrays, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidInput("arrays", f"expected arrays by name, got {shown(arrays)}")
        plain = _plain(arrays)
        names = plain.pop("optimizer")
        if not isinstance(names, list):
            raise InvalidInput(Place("state", "optimizer"), f"expected a list of names, got {shown(names)}")
        state = TrainingState(
            parameters=_vector("parameters", arrays),
            optimizer={str(name): _vector(f"optimizer/{name}", arrays) for name in cast(list[object], names)},
            generator=_generator(plain.pop("generator")),
            metric_sums=cast("NDArray[np.float64]", _vector("metric_sums", arrays)),
        )
        for name in OPTIONAL:
            if plain.pop(name, None) is not None:
                raise InvalidInput(Place("state", name), "expected an array of its own, or none")
            if name in arrays:
                setattr(state, name, _vector(name, arrays))
        for name, check in PLAIN.items():
            setattr(state, name, check(Place("state", name), plain[name]))
        return state

    def copy(self) -> "TrainingState":
        """Return a copy that shares no memory with this state.

        Returns
        -------
        TrainingState
        """
        return TrainingState.from_arrays(self.to_arrays())


def _plain(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the contents of the array `state`: every field that is not a vector."""
    given = arrays.get("state")
    if not isinstance(given, np.ndarray) or given.dtype != np.uint8 or given.ndim != 1:
        raise InvalidInput("state", f"expected JSON as an array (n,) of uint8, got {_described(given)}")
    try:
        plain: object = json.loads(given.tobytes())
    except ValueError as error:  # of JSON, and of UTF-8
        raise InvalidInput("state", f"expected JSON in UTF-8: {error}") from None
    required = ("generator", "optimizer", *PLAIN)
    return checked_fields("state", plain, known=(*required, *OPTIONAL), required=required)


def _vector(name: str, arrays: Mapping[str, NDArray[Any]]) -> Floats:
    """Return a copy of the array `name`."""
    found: object = arrays.get(name)
    if not isinstance(found, np.ndarray) or found.dtype.name not in FLOATS or not found.ndim:
        raise InvalidInput(name, f"expected an array of float32 or float64, got {_described(found)}")
    return np.array(cast(Floats, found))


def _described(found: object) -> str:
    if isinstance(found, np.ndarray):
        array = cast(NDArray[Any], found)
        return f"{array.dtype} {array.shape}"
    return "none" if found is None else shown(found)


def _generator(state: object) -> np.random.Generator:
    generator = np.random.Generator(np.random.PCG64())
    try:
        generator.bit_generator.state = cast(Any, state)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        detail = f"expected the state of a PCG64, got {shown(state)}"
        raise InvalidInput(Place("state", "generator"), detail) from error
    return generator


def _count(pointer: Place, value: object) -> int:
    return whole_number(pointer, value, least=0, most=2**62)


def _number(pointer: Place, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidInput(pointer, f"expected a number, got {shown(value)}")
    return value


def _numbers(pointer: Place, value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise InvalidInput(pointer, f"expected numbers by name, got {shown(value)}")
    return {
        str(name): _number(Place(pointer, str(name)), number)
        for name, number in cast(dict[object, object], value).items()
    }


def _unless_none(check: Callable[[Place, object], object]) -> Callable[[Place, object], object]:
    return lambda pointer, value: None if value is None else check(pointer, value)


def _reason(pointer: Place, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput(pointer, f"expected a word, got {shown(value)}")
    return value


PLAIN: Mapping[str, Callable[[Place, object], object]] = {
    "loss_sum": _number,
    "epoch": _count,
    "position": _count,
    "step": _count,
    "updates_before": _count,
    "seconds": _number,
    "best_metrics": _unless_none(_numbers),
    "best_value": _unless_none(_number),
    "waited": _count,
    "metrics": _unless_none(_numbers),
    "plateau": _numbers,
    "health": _numbers,
    "stopped": _unless_none(_reason),
}
"""The check of each field of a TrainingState that is not an array."""

FLOATS = ("float32", "float64")

OPTIONAL = ("average", "statistics", "best", "best_statistics", "target_scale")
"""The fields of a TrainingState that are arrays or None."""
