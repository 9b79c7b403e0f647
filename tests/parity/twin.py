"""The same network in PyTorch: the same weights in the same layout, differentiated by autograd."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from layerwise import MLP, Architecture
from layerwise.network.parameters import views
from parity.table import ACTIVATIONS, row_of

MOMENTUM = 0.1
"""By how much a batch moves the running statistics of batch normalisation; PyTorch's own default."""


def named(architecture: Architecture, vector: Any) -> dict[str, Any]:
    """Each layer's parts of `vector` (parameters,), by names such as layer0/weight."""
    return {
        f"layer{i}/{field.name}": part
        for i, own in enumerate(views(architecture, vector))
        for field in dataclasses.fields(own)
        if (part := getattr(own, field.name)).size
    }


class Twin:
    """A copy of `model`'s architecture and weights."""

    def __init__(self, model: MLP) -> None:
        self.layers = model.architecture.layers
        self.parameters = {
            name: torch.tensor(array, requires_grad=True)
            for name, array in named(model.architecture, model.parameters).items()
        }
        self.means = [torch.zeros(layer.columns, dtype=torch.float64) for layer in self.layers]
        self.variances = [torch.ones(layer.columns, dtype=torch.float64) for layer in self.layers]

    def scores(self, x: Tensor, *, training: bool = True) -> Tensor:
        """The outputs of the last layer."""
        for i, layer in enumerate(self.layers):
            own = {name.split("/")[1]: p for name, p in self.parameters.items() if name.startswith(f"layer{i}/")}
            z = self.linear(i, x, own, training)
            row = row_of(ACTIVATIONS, layer.activation)
            a = row.torch(z, own.get("slope"))
            x = a + x if getattr(layer, "residual", False) else a
        return x

    def linear(self, i: int, x: Tensor, own: dict[str, Tensor], training: bool) -> Tensor:
        """x W + b; normalised, the normal of x W times a scale, plus b."""
        z = x @ own["weight"]
        kind = getattr(self.layers[i], "normalization", None)
        if kind == "batch":
            mean, variance = self.means[i], self.variances[i]
            return functional.batch_norm(
                z, mean, variance, own["scale"], own["bias"], training=training, momentum=MOMENTUM
            )
        if kind == "layer":
            return functional.layer_norm(z, z.shape[1:], own["scale"], own["bias"])
        assert kind is None
        return z + own["bias"]

    def train(
        self,
        batches: Iterable[tuple[Any, Any]],
        *,
        loss: Callable[[Tensor, Tensor], Tensor],
        optimizer: Callable[[Any], torch.optim.Optimizer],
        schedule: Callable[[Any], Callable[[list[float]], object]] | None = None,
        before_update: Callable[[list[Tensor]], object] | None = None,
        after_update: Callable[[list[Tensor]], object] | None = None,
    ) -> list[float]:
        """One step on each of `batches`; gives their losses. Biases, slopes and scales are spared weight decay.

        What `schedule` makes of the optimiser is called after each step with the losses so far.
        """
        everything = list(self.parameters.values())
        weights = [p for name, p in self.parameters.items() if name.endswith("/weight")]
        others = [p for name, p in self.parameters.items() if not name.endswith("/weight")]
        by = optimizer([{"params": weights}, {"params": others, "weight_decay": 0.0}])
        next_rate = schedule(by) if schedule else None
        losses: list[float] = []
        for x, y in batches:
            by.zero_grad()
            value = loss(self.scores(torch.from_numpy(x)), torch.from_numpy(y))
            value.backward()
            if before_update:
                before_update(everything)
            by.step()
            if after_update:
                after_update(everything)
            losses.append(value.item())
            if next_rate:
                next_rate(losses)
        return losses

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """The parameters by name."""
        return {name: p.detach().numpy() for name, p in self.parameters.items()}
