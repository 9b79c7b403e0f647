"""Which rows a training holds out."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import decided, instance
from layerwise.data.labels import label_column
from layerwise.data.splits import split_rows
from layerwise.errors import InvalidInput
from layerwise.plan import Plan
from layerwise.randomness import SPLIT, stream


def held_out_rows(y: ArrayLike, *, plan: Plan) -> NDArray[np.intp]:
    """Return the numbers of the rows that a training by `plan` holds out.

    They follow from the plan and the number of rows, and with the split "stratified" from the labels. Not so for rows
    in a mapped file of 256 MiB or more, of which whole blocks are held out.

    Parameters
    ----------
    y : array-like (n,) or (n, k)
        The labels or targets of all rows, in their order.
    plan : Plan
        The plan, such as that of a version.

    Returns
    -------
    ndarray (m,)
        Sorted, counted from 0; empty if the plan holds out none.

    Raises
    ------
    InvalidInput
        If the plan cannot split so many rows.

    Examples
    --------
    >>> from layerwise import Plan, held_out_rows
    >>> held_out_rows([0, 1, 0, 1, 1, 0, 1, 1], plan=Plan(validation=0.25, split="temporal"))
    array([6, 7])
    """
    instance("plan", plan, Plan)
    rows = len(np.asarray(y))
    if not rows:
        raise InvalidInput("y", "expected at least one row, got none")
    share = decided("validation", plan.completed(rows=rows).validation)
    if not share:
        return np.empty(0, np.intp)
    classes = np.unique(label_column(y, rows, "y"), return_inverse=True)[1] if plan.split == "stratified" else None
    table = np.empty((rows, 0))
    _, held = split_rows(table, classes, share, kind=plan.split, rng=stream(plan.seed, SPLIT))
    return np.asarray(held)
