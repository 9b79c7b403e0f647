"""Loss and metric of a network on rows that it is not trained on."""

import numpy as np

from layerwise.data.arrays import blocks
from layerwise.data.reader import Split
from layerwise.losses import Loss, LossBuffers
from layerwise.metrics.running import metric_of
from layerwise.model import MLP
from layerwise.plan import Plan
from layerwise.training.regularization import Regularizer
from layerwise.workspace import Arena


def measured(model: MLP, plan: Plan, data: Split, regularizer: Regularizer) -> dict[str, float]:
    """Return the loss of `model` on the rows of `data`, with the penalties of `regularizer`, and its metric by name."""
    validation = Validation(model, plan.loss, data)
    loss, metric = validation.measure()
    return {"loss": loss + regularizer.penalty(), validation.metric.name: metric}


class Validation:
    """Measures loss and metric of `model` on the rows of `data`, in blocks of bounded memory."""

    def __init__(self, model: MLP, loss: Loss, data: Split) -> None:
        self._model, self._loss, self._data = model, loss, data
        widest = max(model.architecture.inputs, model.architecture.outputs)
        self._blocks = list(blocks(len(data.rows), widest))
        longest = self._blocks[0].stop
        self.metric = metric_of(
            loss, data.targets, data.rows, longest, model.dtype, weights=data.weights, scale=data.scale
        )

    def measure(self) -> tuple[float, float]:
        """Return the loss, without the penalties, and the metric; row weights count as in training."""
        model, data, metric = self._model, self._data, self.metric
        total, sums, part = 0.0, np.zeros(metric.sums), np.zeros(metric.sums)
        # overflow shows in the loss, which is checked
        with np.errstate(over="ignore", invalid="ignore"):
            for block in self._blocks:
                rows = data.rows[block]
                scores = model.outputs_by_products(data.table[rows])
                targets = data.targets[rows]
                if data.scale:
                    targets = data.scale.scale_targets(targets)
                targets = targets.astype(np.intp if targets.ndim == 1 else model.dtype, copy=False)
                weights = None if data.weights is None else data.weights[rows].astype(model.dtype, copy=False)
                buffers = LossBuffers(len(rows), model.architecture.outputs, model.dtype, Arena())
                total += self._loss.evaluate(scores, targets, buffers, weights) * len(rows)
                metric.measure(scores, targets, part, weights)
                sums += part
        return total / len(data.rows), metric.value(sums, len(data.rows))
