"""Evaluation of trained networks: metrics, reports and a gradient check."""

from layerwise.evaluation.contributions import Contributions, integrated_gradients
from layerwise.evaluation.evaluate import evaluate
from layerwise.evaluation.importances import Importances
from layerwise.evaluation.permutation import permutation_importance
from layerwise.evaluation.result import Evaluation

__all__ = [
    "Contributions",
    "Evaluation",
    "Importances",
    "evaluate",
    "integrated_gradients",
    "permutation_importance",
]
