"""What a trained network is worth: every metric that fits its loss, reports, and a check of its gradients."""

from layerwise.evaluation.evaluate import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
