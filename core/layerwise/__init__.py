"""Multilayer perceptrons on NumPy: build, train, evaluate, save."""

from layerwise import metrics
from layerwise.activations import (
    ELU,
    GELU,
    SELU,
    Identity,
    LeakyReLU,
    Maxout,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from layerwise.errors import CorruptModel, Diverged, InvalidInput
from layerwise.evaluation import Evaluation, evaluate
from layerwise.evaluation.gradient_check import GradientCheck, gradient_check
from layerwise.initializers import Constant, Orthogonal
from layerwise.kernels import kernels_in_use
from layerwise.losses import (
    AbsoluteError,
    Gamma,
    Hinge,
    Huber,
    Loss,
    Poisson,
    Quantile,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SquaredError,
    SquaredHinge,
    Tweedie,
)
from layerwise.metrics.running import metric_name
from layerwise.model import MLP
from layerwise.network.architecture import Architecture, Layer
from layerwise.network.summary import Summary
from layerwise.optimizers import LBFGS, SGD, Adadelta, Adagrad, Adam, AdamW, NAdam, RMSprop
from layerwise.optimizers.schedules import (
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    OneCycle,
    PolynomialDecay,
    ReduceOnPlateau,
    StepDecay,
)
from layerwise.plan import Plan
from layerwise.plan.early_stopping import EarlyStopping
from layerwise.tables import (
    DateParts,
    Encoding,
    Hashing,
    Log,
    MinMax,
    OneHot,
    Ordinal,
    Quantiles,
    Standardize,
    TableEncoder,
    Unscaled,
)
from layerwise.training.fit import Training, fit, partial_fit
from layerwise.training.packed import PackedRecord, PackedTraining, fit_packed
from layerwise.training.rate_finder import RateFinding, find_learning_rate
from layerwise.training.records import Finding, LayerHealth, Record
from layerwise.training.state import TrainingState

__all__ = [
    "ELU",
    "GELU",
    "LBFGS",
    "MLP",
    "SELU",
    "SGD",
    "AbsoluteError",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Architecture",
    "Constant",
    "CorruptModel",
    "CosineDecay",
    "DateParts",
    "Diverged",
    "EarlyStopping",
    "Encoding",
    "Evaluation",
    "ExponentialDecay",
    "Finding",
    "Gamma",
    "GradientCheck",
    "Hashing",
    "Hinge",
    "Huber",
    "Identity",
    "InvalidInput",
    "InverseTimeDecay",
    "Layer",
    "LayerHealth",
    "LeakyReLU",
    "Log",
    "Loss",
    "Maxout",
    "MinMax",
    "NAdam",
    "OneCycle",
    "OneHot",
    "Ordinal",
    "Orthogonal",
    "PReLU",
    "PackedRecord",
    "PackedTraining",
    "Plan",
    "Poisson",
    "PolynomialDecay",
    "Quantile",
    "Quantiles",
    "RMSprop",
    "RateFinding",
    "ReLU",
    "Record",
    "ReduceOnPlateau",
    "SiLU",
    "Sigmoid",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "Softplus",
    "SquaredError",
    "SquaredHinge",
    "Standardize",
    "StepDecay",
    "Summary",
    "TableEncoder",
    "Tanh",
    "Training",
    "TrainingState",
    "Tweedie",
    "Unscaled",
    "evaluate",
    "find_learning_rate",
    "fit",
    "fit_packed",
    "gradient_check",
    "kernels_in_use",
    "metric_name",
    "metrics",
    "partial_fit",
]
