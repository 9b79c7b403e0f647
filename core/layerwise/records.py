"""What training reports, and everything it consists of at any moment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.activations import Floats
from layerwise.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class LayerHealth:
    """How one layer does, over a sample of the rows held out, or else of those trained on."""

    dead: float | None
    """The share of ReLU units that no row wakes; None of other activations."""
    saturated: float | None
    """The share of outputs of sigmoid or tanh units where the derivative is next to nothing; None of others."""
    gradient_norm: float
    """The length of the gradient in the weights in the last step."""
    weight_norm: float
    """The length of the weights."""
    update_ratio: float
    """The length of the last step's change of the weights over theirs; about 1e-3 is usual."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the doctor found, and has found ever since the epoch `since`."""

    kind: str
    """A stable word: dead, saturated, large_update, small_update, overfitting or inputs."""
    layer: int | None
    """Counted from 0; None if it is about no single layer."""
    value: float
    """The number that caused it."""
    since: int
    message: str
    """What it is and what may help, in words."""


@dataclass(frozen=True, slots=True)
class Record:
    """The state of training after a step.

    On the last step of an epoch (`epoch_end`), `loss` and `metric` are means over the epoch's training rows, taken as
    they were trained on, and the validation values are there if rows were held out. On any other step `loss` and
    `metric` are those of its batch. Losses include the penalties. `metric` is accuracy, or R² of a regression.
    """

    epoch: int
    """Counted from 1."""
    epochs: int
    step: int
    """Optimiser steps since training began, counted from 1."""
    loss: float
    metric: float
    validation_loss: float | None
    validation_metric: float | None
    learning_rate: float
    """Of this step, as the schedule has it."""
    epoch_end: bool
    """Whether this step ended an epoch, or training in the middle of one."""
    stopped: str | None = None
    """Why training ended with this step: epochs, max_steps, max_seconds, early_stopping, or converged of L-BFGS."""
    layers: tuple[LayerHealth, ...] = ()
    """How each layer does, at the epochs when the doctor looks."""
    findings: tuple[Finding, ...] = ()
    """What the doctor has found and still finds."""
    progress: float = field(default=0.0, compare=False)
    """How much of the training is done, from 0 to 1."""
    rows_per_second: float = field(default=0.0, compare=False)
    """Training rows over the whole time since training began."""
    seconds_left: float = field(default=0.0, compare=False)


@dataclass(slots=True)
class TrainingState:
    """Training between two steps: with architecture, plan and data, everything that decides how it goes on.

    The order of the rows is not here, for it follows from the plan's seed and `epoch`. `to_arrays` gives it as plain
    data, `from_arrays` takes it back.
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
    seconds: float = 0.0
    """Spent training so far."""
    average: Floats | None = None
    """The moving average of the parameters, if the plan wants one."""
    statistics: Floats | None = None
    """What batch normalisation has seen of the data."""
    best: Floats | None = None
    """The parameters of the best epoch so far, if they may be wanted back."""
    best_statistics: Floats | None = None
    best_metrics: dict[str, float] | None = None
    best_value: float | None = None
    waited: int = 0
    """Epochs since the best."""
    plateau: dict[str, float] = field(default_factory=dict[str, float])
    """What a schedule that watches the loss has seen."""
    health: dict[str, float] = field(default_factory=dict[str, float])
    """What the doctor has seen."""
    stopped: str | None = None

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Copies of all its vectors by name, and under `state` the rest, JSON in UTF-8, as uint8."""
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
        """The state that `to_arrays` gave. Raises InvalidInput."""
        try:
            plain: dict[str, Any] = json.loads(bytes(arrays["state"]))
            generator = np.random.Generator(np.random.PCG64())
            generator.bit_generator.state = plain.pop("generator")
            optimizer = {name: arrays[f"optimizer/{name}"].copy() for name in plain.pop("optimizer")}
            vectors: dict[str, Any] = {
                part.name: arrays[part.name].copy() for part in fields(TrainingState) if part.name in arrays
            }
            return TrainingState(**{**plain, **vectors}, optimizer=optimizer, generator=generator)
        except (KeyError, ValueError, TypeError) as error:
            raise InvalidInput("state", f"expected what TrainingState.to_arrays gave: {error}") from error

    def copy(self) -> "TrainingState":
        """The same state in memory of its own."""
        return TrainingState.from_arrays(self.to_arrays())
