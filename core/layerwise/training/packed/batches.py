"""The batches of K networks: each takes the rows of the shared table in its own order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.data.reader import Gather
from layerwise.network.target_scale import ScaledTargets
from layerwise.training.packed.member import Matrices, Member
from layerwise.training.packed.metrics import PackedMetric
from layerwise.training.packed.network import PackedPass
from layerwise.types import Floats
from layerwise.workspace import Arena


class PackedBatch:
    """The buffers for batches of `rows` rows: inputs, targets, the pass and the metric over them, for all networks."""

    def __init__(
        self, members: Sequence[Member], weights: "RowWeights | None", pack: "Matrices", *, rows: int, arena: Arena
    ) -> None:
        arena.rewind()
        model, plan, data = members[0].model, members[0].plan, members[0].data
        networks, dtype, architecture = len(members), model.dtype, model.architecture
        self.rows = rows
        self._index: NDArray[np.intp] = arena.empty((networks, rows), np.intp)
        self._flat_index: NDArray[np.intp] = self._index.reshape(-1)
        self.network = PackedPass(architecture, pack.parameters, pack.gradient, plan.loss, rows=rows, arena=arena)
        kind = np.dtype(np.intp) if data.targets.ndim == 1 else dtype
        self.targets: NDArray[Any] = arena.empty((networks * rows, *data.targets.shape[1:]), kind)
        inputs = self.network.inputs.reshape(networks * rows, -1)
        scale, shift = architecture.input_scale, architecture.input_shift
        self._scaled = _scaled(members, self.targets.reshape(networks, rows, -1)) if data.scale else None
        given = self._scaled.given.reshape(self.targets.shape) if self._scaled else self.targets
        self._gathers = [Gather(data.table, inputs, scale=scale, shift=shift), Gather(data.targets, given)]
        self._row_weights = weights
        self.weights: Floats | None = arena.empty((networks * rows,), dtype) if weights else None
        self.metric = PackedMetric(plan.loss, data.targets, networks=networks, rows=rows, dtype=dtype, arena=arena)

    def gather(self, rows: NDArray[np.intp]) -> None:
        """Copy the `rows` (K, n) of the table for each network into the buffers."""
        np.copyto(self._index, rows)
        for gather in self._gathers:
            gather(self._flat_index)
        if self._scaled:
            self._scaled()
        if self._row_weights and self.weights is not None:
            np.add(self._index, self._row_weights.starts, out=self._index)
            self._row_weights.flat.take(self._flat_index, 0, self.weights, "clip")


def _scaled(members: Sequence[Member], targets: Floats) -> ScaledTargets:
    """Return the scaling of the `targets` (K, n, k), with the scale of each network."""
    scales = [member.data.scale for member in members]
    arrays = np.stack([scale.to_array() for scale in scales if scale])[:, :, None]
    return ScaledTargets(arrays[:, 0], arrays[:, 1], targets)


class RowWeights:
    """The row weights: (n,) if all networks share them, else those of each network, (K · n,)."""

    def __init__(self, given: Sequence[NDArray[Any]], dtype: np.dtype[Any]) -> None:
        shared = all(weights is given[0] for weights in given)
        self.flat: Floats = (given[0] if shared else np.concatenate(given)).astype(dtype)
        count = 0 if shared else len(given[0])
        self.starts: NDArray[np.intp] = count * np.arange(len(given), dtype=np.intp)[:, None]
