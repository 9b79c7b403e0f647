"""Inputs that do not vary in training: which they are, in words."""

import numpy as np

from layerwise.checks import shown
from layerwise.data.variation import unvaried
from layerwise.model import MLP
from layerwise.tables import DateColumn, TableEncoder
from layerwise.training.records import Finding
from layerwise.types import Floats

MOST = 5
"""How many are named."""


def constant_inputs(model: MLP, x: Floats) -> Finding | None:
    """What to say of the inputs that `model` can learn nothing from; `x` (n, inputs) are rows of the training."""
    if model.encoder is not None:
        names = _of_table(model.encoder)
        rest = "was the same in every row, so it is ignored: predictions do not depend on it"
        many = "were the same in every row, so they are ignored: predictions do not depend on them"
    else:
        names = _of_rows(model.scaled(x))
        rest = "is the same in every row looked at: leave it out; what another value does to a prediction is chance"
        many = "are the same in every row looked at: leave them out; what other values do to a prediction is chance"
    if not names:
        return None
    told = ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
    return Finding("constant", None, float(len(names)), 1, f"{told} {rest if len(names) == 1 else many}")


def _of_table(encoder: TableEncoder) -> list[str]:
    """Columns that are ignored, and parts of dates.

    Other outputs go without saying: of categories that nobody has, or the hour of dates that have none.
    """
    names: list[str] = []
    for column in encoder.columns:
        if column.is_ignored:
            names.append(f"column {shown(column.name)}")
        elif isinstance(column, DateColumn):
            outputs = [column.names[output] for output in column.constant]
            names += [shown(name) for name in outputs if not name.startswith(f"{column.name}.hour")]
    return names


def _of_rows(x: Floats) -> list[str]:
    """Columns of numbers beyond 1; of small ones, such as the border of images, nothing is said."""
    if len(x) < 2:
        return []
    large = np.abs(x).max(axis=0) > 1
    return [f"input {column}" for column in np.flatnonzero(unvaried(x) & large)]
