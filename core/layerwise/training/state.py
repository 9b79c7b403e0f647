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
    the state as plain data, and `from_arrays` reads that.
    """

    parameters: Floats
    optimizer: dict[str, Floats]
    generator: np.random.Generator
    """Draws dropout masks and noise."""
    metric_sums: NDArray[np.float64]
    loss_sum: float = 0.0
    epoch: int = 0
    """Completed epochs."""
    position: int = 0
    """Rows of the current epoch that were trained on."""
    step: int = 0
    updates_before: int = 0
    """Updates in earlier trainings, if the optimiser's state was kept."""
    seconds: float = 0.0
    """Time spent training so far."""
    average: Floats | None = None
    """The moving average of the parameters, if the plan has one."""
    statistics: Floats | None = None
    """The running statistics of batch normalisation."""
    best: Floats | None = None
    """The parameters of the best epoch so far, if early stopping may restore them."""
    best_statistics: Floats | None = None
    target_scale: NDArray[np.float64] | None = None
    """(2, outputs): the shifts and the divisors of standardised targets, or None. Parameters, moving average and best
    epoch are those of the network that learns standardised targets."""
    best_metrics: dict[str, float] | None = None
    best_value: float | None = None
    waited: int = 0
    """Epochs since the best."""
    metrics: dict[str, float] | None = None
    """The metrics of the last epoch, which become the model's when training ends there."""
    plateau: dict[str, float] = field(default_factory=dict[str, float])
    """The memory of a schedule that watches a value."""
    health: dict[str, float] = field(default_factory=dict[str, float])
    """The memory of the doctor."""
    stopped: str | None = None

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return copies of all vectors by name, and the other fields under `state`: JSON in UTF-8, as uint8."""
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
        """Return the state that `to_arrays` returned. Raises InvalidInput, naming the array."""
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
        """Return a copy that shares no memory with this state."""
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
