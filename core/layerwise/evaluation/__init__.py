"""Evaluation of trained networks: metrics, reports and a gradient check."""

from layerwise.evaluation.evaluate import evaluate
from layerwise.evaluation.result import Evaluation

__all__ = ["Evaluation", "evaluate"]
