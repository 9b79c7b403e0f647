"""The losses, and a table of their names."""

from layerwise.losses.cross_entropy import SigmoidCrossEntropy, SoftmaxCrossEntropy
from layerwise.losses.deviance import Gamma, Poisson, Tweedie
from layerwise.losses.hinge import Hinge, SquaredHinge
from layerwise.losses.links import exponential, sigmoid, softmax
from layerwise.losses.loss import Loss, LossBuffers
from layerwise.losses.regression import AbsoluteError, Huber, Quantile, SquaredError

LOSSES: dict[str, type[Loss]] = {
    cls.kind: cls
    for cls in (
        SoftmaxCrossEntropy,
        SigmoidCrossEntropy,
        Hinge,
        SquaredHinge,
        SquaredError,
        AbsoluteError,
        Huber,
        Quantile,
        Poisson,
        Gamma,
        Tweedie,
    )
}
"""The losses by name; a name stands for the default object of the class."""

__all__ = [
    "LOSSES",
    "AbsoluteError",
    "Gamma",
    "Hinge",
    "Huber",
    "Loss",
    "LossBuffers",
    "Poisson",
    "Quantile",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "SquaredError",
    "SquaredHinge",
    "Tweedie",
    "exponential",
    "sigmoid",
    "softmax",
]
