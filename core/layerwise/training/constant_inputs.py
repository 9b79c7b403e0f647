"""The doctor's finding about inputs that are the same in every row."""

import numpy as np

from layerwise.checks import shown
from layerwise.data.variation import is_constant
from layerwise.model import MLP
from layerwise.tables import DateColumn, TableEncoder
from layerwise.training.records import Finding
from layerwise.types import Floats

MOST_NAMED = 5
"""The most inputs that the finding names."""


def constant_inputs(model: MLP, x: Floats) -> Finding | None:
    """Return the finding about the constant inputs of `model`, or None; `x` (n, inputs) are training rows."""
    if model.encoder is not None:
        names = _constant_columns(model.encoder)
        rest = "was the same in every row, so it is ignored: predictions do not depend on it"
        many = "were the same in every row, so they are ignored: predictions do not depend on them"
    else:
        names = _constant_numbers(model.scaled(x))
        rest = "is the same in every row examined: leave it out; predictions for another value would be arbitrary"
        many = "are the same in every row examined: leave them out; predictions for other values would be arbitrary"
    if not names:
        return None
    named = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return Finding("constant", None, float(len(names)), 1, f"{named} {rest if len(names) == 1 else many}")


def _constant_columns(encoder: TableEncoder) -> list[str]:
    """Return the names of the columns that are ignored, and of the parts of dates that are constant.

    Other constant outputs are expected: categories that no row has, or the hour of dates without a time.
    """
    names: list[str] = []
    for column in encoder.columns:
        if column.is_ignored:
            names.append(f"column {shown(column.name)}")
        elif isinstance(column, DateColumn):
            outputs = [column.names[output] for output in column.constant]
            names += [shown(name) for name in outputs if not name.startswith(f"{column.name}.hour")]
    return names


def _constant_numbers(x: Floats) -> list[str]:
    """Return the constant columns with numbers above 1; small constants are common, as at the borders of images."""
    if len(x) < 2:
        return []
    large = np.abs(x).max(axis=0) > 1
    return [f"input {column}" for column in np.flatnonzero(is_constant(x) & large)]
