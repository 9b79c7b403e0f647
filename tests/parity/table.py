"""What PyTorch has of each thing a network is trained with: one line each, ours by name and fields, and theirs.

What it has under no name of its own is written in its operations, and differentiated by its autograd.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, optim
from torch.nn import functional
from torch.optim import lr_scheduler


@dataclass(frozen=True)
class Row:
    """Ours, the class of this `kind` made with `fields`, and PyTorch's."""

    kind: str
    fields: dict[str, Any]
    torch: Callable[..., Any]
    plan: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.kind, *(f"{name}={value}" for name, value in (self.fields | self.plan).items())])


def row_of(rows: Sequence[Row], thing: Any) -> Row:
    """The row of an object of ours, whose fields are as the row has them."""
    return next(
        row
        for row in rows
        if row.kind == thing.kind and all(getattr(thing, name) == value for name, value in row.fields.items())
    )


# of z and the learnt slope
ACTIVATIONS = [
    Row("identity", {}, lambda z, _: z),
    Row("sigmoid", {}, lambda z, _: torch.sigmoid(z)),
    Row("tanh", {}, lambda z, _: torch.tanh(z)),
    Row("relu", {}, lambda z, _: functional.relu(z)),
    Row("leaky_relu", {"slope": 0.2}, lambda z, _: functional.leaky_relu(z, 0.2)),
    Row("prelu", {}, functional.prelu),
    Row("elu", {"alpha": 0.7}, lambda z, _: functional.elu(z, 0.7)),
    Row("selu", {}, lambda z, _: functional.selu(z)),
    Row("gelu", {}, lambda z, _: functional.gelu(z, approximate="tanh")),
    Row("silu", {}, lambda z, _: functional.silu(z)),
    Row("softplus", {}, lambda z, _: functional.softplus(z)),
    Row("maxout", {"pieces": 3}, lambda z, _: z.unflatten(1, (3, -1)).amax(dim=1)),
]

NORMALIZATIONS = ["batch", "layer"]  # in twin.py


def one_vs_rest(s: Tensor, y: Tensor) -> Tensor:
    """Margins of each class against the rest."""
    return functional.relu(1 - s * (2 * functional.one_hot(y, s.shape[1]) - 1))


def tweedie(s: Tensor, y: Tensor, p: float) -> Tensor:
    """Unit deviance of power p, without 1 and 2, of the mean exp(s)."""
    return 2 * (
        y ** (2 - p) / ((1 - p) * (2 - p)) - y * torch.exp((1 - p) * s) / (1 - p) + torch.exp((2 - p) * s) / (2 - p)
    )


# of scores and targets: classes, or values or flags (n, k)
LOSSES = [
    Row("softmax_cross_entropy", {}, functional.cross_entropy),
    Row(
        "softmax_cross_entropy",
        {"label_smoothing": 0.1},
        lambda s, y: functional.cross_entropy(s, y, label_smoothing=0.1),
    ),
    Row("sigmoid_cross_entropy", {}, functional.binary_cross_entropy_with_logits),
    Row("hinge", {}, lambda s, y: functional.multi_margin_loss(s, y) * s.shape[1]),
    Row("hinge", {"form": "one_vs_rest"}, lambda s, y: one_vs_rest(s, y).sum(dim=1).mean()),
    Row("squared_hinge", {}, lambda s, y: functional.multi_margin_loss(s, y, p=2) * s.shape[1]),
    Row("squared_hinge", {"form": "one_vs_rest"}, lambda s, y: one_vs_rest(s, y).square().sum(dim=1).mean()),
    Row("squared_error", {}, functional.mse_loss),
    Row("absolute_error", {}, functional.l1_loss),
    Row("huber", {"delta": 0.5}, lambda s, y: functional.huber_loss(s, y, delta=0.5)),
    Row("quantile", {"quantile": 0.8}, lambda s, y: torch.maximum(0.2 * (s - y), 0.8 * (y - s)).mean()),
    Row("poisson", {}, lambda s, y: 2 * (functional.poisson_nll_loss(s, y) + (torch.xlogy(y, y) - y).mean())),
    Row("gamma", {}, lambda s, y: 2 * (s - torch.log(y) + y * torch.exp(-s) - 1).mean()),
    Row("tweedie", {"power": 1.5}, lambda s, y: tweedie(s, y, 1.5).mean()),
]

# of parameter groups; "plan" is what our plan says beside it
OPTIMIZERS = [
    Row("sgd", {"learning_rate": 0.05}, lambda p: optim.SGD(p, 0.05)),
    Row("sgd", {"learning_rate": 0.05, "momentum": 0.9}, lambda p: optim.SGD(p, 0.05, momentum=0.9)),
    Row(
        "sgd",
        {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
        lambda p: optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    ),
    Row("sgd", {"learning_rate": 0.05}, lambda p: optim.SGD(p, 0.05, weight_decay=0.1), {"l2": 0.1}),
    Row("adagrad", {}, optim.Adagrad),
    Row("rmsprop", {}, optim.RMSprop),
    Row("rmsprop", {"momentum": 0.9}, lambda p: optim.RMSprop(p, momentum=0.9)),
    Row("adadelta", {}, optim.Adadelta),
    Row("adam", {}, optim.Adam),
    Row("adam", {"beta1": 0.8, "beta2": 0.9}, lambda p: optim.Adam(p, betas=(0.8, 0.9))),
    Row("adam", {}, lambda p: optim.Adam(p, weight_decay=0.1), {"l2": 0.1}),
    Row("adamw", {}, optim.AdamW),
    Row("adamw", {"learning_rate": 0.01}, lambda p: optim.AdamW(p, 0.01, weight_decay=0.2), {"weight_decay": 0.2}),
    Row("nadam", {}, optim.NAdam),
]


def one_cycle(by: optim.Optimizer, steps: int, epochs: int) -> lr_scheduler.LRScheduler:
    """PyTorch's rise ends one step before the share `pct_start` of its steps; the last of them we do not take."""
    total = steps * epochs
    return lr_scheduler.OneCycleLR(by, 0.05, total + 1, pct_start=(0.3 * total + 1) / (total + 1), cycle_momentum=False)


def plateau(by: optim.Optimizer, _steps: int, _epochs: int) -> lr_scheduler.ReduceLROnPlateau:
    """PyTorch waits one epoch more than its patience."""
    return lr_scheduler.ReduceLROnPlateau(by, factor=0.3, patience=0, threshold=10.0, threshold_mode="abs")


# of an optimiser, the steps an epoch and the epochs; PyTorch counts steps where we count epochs
SCHEDULES = [
    Row("constant", {}, lambda by, _steps, _epochs: lr_scheduler.ConstantLR(by, factor=1.0)),
    Row("step", {"every": 2, "multiplier": 0.3}, lambda by, steps, _: lr_scheduler.StepLR(by, 2 * steps, 0.3)),
    Row("exponential", {"multiplier": 0.7}, lambda by, steps, _: lr_scheduler.ExponentialLR(by, 0.7 ** (1 / steps))),
    Row("polynomial", {"power": 2}, lambda by, steps, epochs: lr_scheduler.PolynomialLR(by, steps * epochs, 2)),
    Row("cosine", {}, lambda by, steps, epochs: lr_scheduler.CosineAnnealingLR(by, steps * epochs)),
    Row(
        "cosine",
        {"period": 1, "period_factor": 2},
        lambda by, steps, _: lr_scheduler.CosineAnnealingWarmRestarts(by, steps, T_mult=2),
    ),
    Row("one_cycle", {"rising": 0.3}, one_cycle),
    Row("reduce_on_plateau", {"watch": "loss", "multiplier": 0.3, "patience": 1, "tolerance": 10.0}, plateau),
    Row(
        "constant",
        {},
        lambda by, steps, _: lr_scheduler.LinearLR(by, 1 / (2 * steps + 1), total_iters=2 * steps),
        {"warmup": 2},
    ),
]

# Why there is nothing to compare with.
PYTORCH_HAS_NONE = {
    "optimizers": {"lbfgs": "its line search takes other points, so that twenty steps end elsewhere"},
    "schedules": {"inverse_time": "it has no such schedule"},
}
