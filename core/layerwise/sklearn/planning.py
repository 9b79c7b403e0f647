"""From an estimator's arguments to hidden layers and a plan."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np

from layerwise.checks import choice, instance, real_number, shown
from layerwise.errors import InvalidInput, Place
from layerwise.losses import LOSSES, Loss
from layerwise.network.architecture import Layer
from layerwise.optimizers import OPTIMIZERS
from layerwise.optimizers.schedule import WATCHED
from layerwise.plan import Plan
from layerwise.plan.early_stopping import EarlyStopping
from layerwise.variants import chosen

LOSS_PLATEAU = EarlyStopping("loss", patience=10, tolerance=1e-4, restore=False)
"""Stops when the training loss no longer falls."""
DEFAULT_VALIDATION = 0.1
"""The share of the rows held out if something watches them and no share is given."""


def hidden_layers(hidden: object, activation: Any, dropout: Any) -> tuple[Layer, ...]:
    """Return the hidden layers: Layers as they are, numbers of units with `activation` and `dropout`."""
    got = shown(hidden)
    one = isinstance(hidden, Layer | int | np.integer)
    if not one and (isinstance(hidden, str | Mapping) or not isinstance(hidden, Iterable)):
        raise InvalidInput("hidden", f"expected numbers of units, or Layers, got {got}")
    found: list[Layer] = []
    for i, given in enumerate([hidden] if one else cast(Iterable[Any], hidden)):
        try:
            found.append(given if isinstance(given, Layer) else Layer(given, activation, dropout))
        except InvalidInput as error:
            where = Place("hidden", i) if error.place == Place("units") else error.place
            raise InvalidInput(where, error.detail) from None
    return tuple(found)


def build_plan(arguments: Mapping[str, Any], defaults: Mapping[str, Any], default_loss: Loss, seed: int | None) -> Plan:
    """Return the plan of an estimator's `arguments`, with `default_loss` unless they name a loss.

    If they include a plan, the others must have their `defaults`. `seed`, if given, is that of the plan. Raises
    InvalidInput.
    """
    given = arguments["plan"]
    if given is not None:
        plan = instance("plan", given, Plan)
        for name in PLAN_ARGUMENTS:
            if name in arguments and arguments[name] is not defaults[name] and arguments[name] != defaults[name]:
                detail = f"expected the default, as the plan replaces this argument, got {shown(arguments[name])}"
                raise InvalidInput(name, detail)
        return plan if seed is None else replace(plan, seed=seed)
    optimizer = chosen("optimizer", arguments["optimizer"], OPTIMIZERS)
    if arguments["learning_rate"] is not None:
        rate = real_number("learning_rate", arguments["learning_rate"], above=0)
        optimizer = replace(optimizer, learning_rate=rate)
    stopping = _stopping(arguments["early_stopping"])
    taken: dict[str, Any] = {
        name: arguments[name] for name in (field.name for field in fields(Plan)) if name in arguments
    }
    taken |= {
        "loss": default_loss if arguments["loss"] is None else chosen("loss", arguments["loss"], LOSSES),
        "optimizer": optimizer,
        "early_stopping": stopping,
        "validation": 0.0 if arguments["validation"] is None else arguments["validation"],
        "seed": seed or 0,
    }
    plan = Plan(**taken)
    watched = plan.schedule.watched, stopping.watch if stopping else None
    if arguments["validation"] is None and any(value and value.startswith("validation") for value in watched):
        return replace(plan, validation=DEFAULT_VALIDATION)
    return plan


PLAN_ARGUMENTS = (*(field.name for field in fields(Plan)), "learning_rate")
"""The arguments of an estimator that a plan replaces, as far as the estimator has them."""


def _stopping(given: object) -> EarlyStopping | None:
    """Return the rule of the argument `early_stopping`: a watched value, a rule, True (validation loss), or nothing."""
    if given is None or given is False or isinstance(given, EarlyStopping):
        return given or None
    watch = choice("early_stopping", "validation_loss" if given is True else given, WATCHED)
    return LOSS_PLATEAU if watch == "loss" else EarlyStopping(watch)
