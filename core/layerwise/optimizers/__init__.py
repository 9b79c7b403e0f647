"""The optimisers, and a table of their names."""

from layerwise.optimizers.adam import Adam, AdamW, NAdam
from layerwise.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from layerwise.optimizers.full_batch import FullBatchOptimizer
from layerwise.optimizers.lbfgs import LBFGS
from layerwise.optimizers.optimizer import CHUNK, Optimizer, chunks
from layerwise.optimizers.sgd import SGD

__all__ = [
    "CHUNK",
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "FullBatchOptimizer",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "chunks",
]

OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.kind: cls for cls in (SGD, Adagrad, RMSprop, Adadelta, Adam, AdamW, NAdam, LBFGS)
}
"""The optimisers by name; a name stands for the default object of the class."""
