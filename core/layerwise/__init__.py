"""Multilayer perceptrons on NumPy: built, trained, saved."""

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
from layerwise.architecture import Architecture, Layer
from layerwise.errors import CorruptModel, Diverged, InvalidInput
from layerwise.gradients import GradientCheck, gradient_check
from layerwise.initializers import Constant, Orthogonal
from layerwise.metrics import metric_name
from layerwise.model import MLP
from layerwise.optimizers import SGD, Adam
from layerwise.plan import EarlyStopping, Plan
from layerwise.records import Record, TrainingState
from layerwise.summary import Summary
from layerwise.training import Training, fit, partial_fit

__all__ = [
    "ELU",
    "GELU",
    "MLP",
    "SELU",
    "SGD",
    "Adam",
    "Architecture",
    "Constant",
    "CorruptModel",
    "Diverged",
    "EarlyStopping",
    "GradientCheck",
    "Identity",
    "InvalidInput",
    "Layer",
    "LeakyReLU",
    "Maxout",
    "Orthogonal",
    "PReLU",
    "Plan",
    "ReLU",
    "Record",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Summary",
    "Tanh",
    "Training",
    "TrainingState",
    "fit",
    "gradient_check",
    "metric_name",
    "partial_fit",
]
