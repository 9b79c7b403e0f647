"""Every option of a plan acts in each kind of training, or is refused there: none is passed over in silence."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from layerwise import LBFGS, MLP, Adam, Architecture, EarlyStopping, InvalidInput, Layer, Plan, fit, fit_packed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] + 0.3 * RNG.normal(size=60) > 0.5).astype(int)
ARCHITECTURE = Architecture(inputs=3, layers=(Layer(8), Layer(2)))

CHANGED: dict[str, Any] = {
    "loss": "hinge",
    "optimizer": "sgd",
    "schedule": "cosine",
    "warmup": 1.5,
    "l2": 0.1,
    "l1": 0.1,
    "weight_decay": 0.1,
    "max_norm": 0.5,
    "clip_norm": 0.01,
    "clip_value": 0.001,
    "average": 0.9,
    "batch_size": 7,
    "epochs": 3,
    "max_steps": 2,
    "max_seconds": 1e-9,
    "early_stopping": EarlyStopping(watch="loss", patience=1, tolerance=10.0, restore=False),
    "validation": 0.5,
    "split": "temporal",
    "class_weight": (1.0, 5.0),
    "seed": 1,
    "shuffle": False,
}
SEEN = {"doctor", "keep_optimizer", "standardize_targets"}
"""Options that change no weights of a classifier: what is watched, what is kept, and how a regression learns."""


def plan(full_batch: bool, **options: Any) -> Plan:
    usual: dict[str, Any] = {
        "optimizer": LBFGS() if full_batch else Adam(learning_rate=0.01),
        "epochs": 4,
        "batch_size": 10,
        "validation": 0.2,
    }
    return Plan(**{**usual, **options})


def weights(kind: str, options: dict[str, Any]) -> bytes:
    model = MLP(ARCHITECTURE, seed=0)
    if kind == "packed":
        list(fit_packed([model], X, Y, plans=[plan(False, **options)]))
    else:
        list(fit(model, X, Y, plan=plan(kind == "full batch", **options)))
    return model.parameters.tobytes()


def test_every_option_is_tried():
    assert CHANGED.keys() | SEEN == {field.name for field in fields(Plan)}


NO_ORDER = {("full batch", "batch_size"), ("full batch", "shuffle")}
"""An optimiser that takes all rows at once makes one step an epoch, in whatever order."""
TRIED = {(kind, name) for kind in ("single", "full batch", "packed") for name in CHANGED} - NO_ORDER
REFUSED = {("full batch", name) for name in ("clip_norm", "clip_value", "max_norm", "weight_decay")}
"""A line search compares losses, which these would change between its evaluations."""


@pytest.mark.parametrize(("kind", "name"), sorted(TRIED - REFUSED))
def test_an_option_changes_the_weights(kind, name):
    usual = weights(kind, {})
    assert usual == weights(kind, {})
    other = LBFGS(history=1) if kind == "full batch" and name == "optimizer" else CHANGED[name]

    assert weights(kind, {name: other}) != usual


@pytest.mark.parametrize(("kind", "name"), sorted(REFUSED))
def test_an_option_that_cannot_act_is_refused_by_its_name(kind, name):
    with pytest.raises(InvalidInput, match=f"^{name}: expected None"):
        weights(kind, {name: CHANGED[name]})
