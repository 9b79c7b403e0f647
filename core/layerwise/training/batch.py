"""The rows of one step: the buffers they are copied to, and the pass over them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.reader import Gather, Split
from layerwise.model import MLP
from layerwise.network.target_scale import ScaledTargets
from layerwise.plan import Plan
from layerwise.training.passes import TrainingPass
from layerwise.types import Floats
from layerwise.workspace import Arena


class TrainingBatch:
    """The buffers for batches of `rows` rows: inputs, targets, weights, and the pass over them."""

    def __init__(self, model: MLP, gradient: Floats, plan: Plan, data: Split, *, rows: int, arena: Arena) -> None:
        arena.rewind()
        self.rows = rows
        self.network = TrainingPass(
            model.architecture,
            model.parameters,
            gradient,
            plan.loss,
            statistics=model.statistics,
            rows=rows,
            arena=arena,
        )
        dtype = np.dtype(np.intp) if data.targets.ndim == 1 else model.dtype
        self.targets: NDArray[Any] = arena.empty((rows, *data.targets.shape[1:]), dtype)
        factor, shift = model.architecture.input_scale, model.architecture.input_shift
        inputs = Gather(data.table, self.network.inputs, scale=factor, shift=shift)
        given = data.targets if data.scaled_targets is None else data.scaled_targets
        scale = None if data.scaled_targets is not None else data.scale
        self._scaled = ScaledTargets(scale.shifts, scale.scales, self.targets) if scale else None
        self._gathers = [inputs, Gather(given, self._scaled.given if self._scaled else self.targets)]
        self.weights: Floats | None = None
        if data.weights is not None:
            self.weights = arena.empty((rows,), model.dtype)
            self._gathers.append(Gather(data.weights, self.weights))

    def gather(self, rows: NDArray[np.intp]) -> None:
        """Copy the rows of these numbers into the buffers."""
        for gather in self._gathers:
            gather(rows)
        if self._scaled:
            self._scaled()
