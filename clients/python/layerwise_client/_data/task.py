"""What is predicted: classes or an amount."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

from layerwise_client.errors import InvalidRequest
from layerwise_client.outcome import level_of_caller
from layerwise_proto.v1 import types_pb2

if TYPE_CHECKING:
    import numpy as np

TASKS = {"classification": types_pb2.TASK_CLASSES, "regression": types_pb2.TASK_AMOUNT}
"""What a column may be predicted as, and the number that the training API has for it."""


def classifies(loss: str) -> bool:
    """Return whether the loss of this name is for classes or flags."""
    return taken_by(loss, None) != "values"


def taken_by(loss: str | None, classification: bool | None) -> Literal["classes", "flags", "values"] | None:
    """Return what the loss of this name takes as targets; without one, what the task does, None if it is not known."""
    from layerwise.losses import LOSSES

    if loss is not None:
        return LOSSES[loss].targets
    return None if classification is None else "classes" if classification else "values"


def are_classes(array: np.ndarray[Any, np.dtype[Any]], kind: str) -> bool:
    """Return whether numbers (n,) are classes, by the rule of the service.

    Warns if their `kind` says otherwise: "integer" or "number".
    """
    import numpy as np

    from layerwise.data.arrays import blocks
    from layerwise.data.whole_numbers import SeenNumbers

    seen = SeenNumbers()
    for block in blocks(len(array), 1):
        part = array[block]
        try:
            seen.add(part if part.dtype.kind in "iuf" else np.array(part, np.float64))
        except OverflowError:  # a number of hundreds of digits, which is refused with its place as a label
            return True
    if seen.are_classes is (kind == "number"):
        warn_of_task(seen.why, are_classes=seen.are_classes)
    return seen.are_classes


def warn_of_task(why: str, *, are_classes: bool) -> None:
    """Warn of a target that is taken for something else than its type says."""
    other = "'regression' if they are an amount" if are_classes else "'classification' if they are classes"
    warnings.warn(f"y: {why}; give task={other}", stacklevel=level_of_caller())


def task_classifies(task: str | None, loss: str | None) -> bool | None:
    """Return whether the task is a classification; None if nobody chose it.

    Raises `InvalidRequest` if the loss is for the other one.
    """
    if task is None:
        return None
    if loss is not None and classifies(loss) is not (task == "classification"):
        raise InvalidRequest(f"task: expected what the loss {loss} is for, got {task!r}", pointer="task")
    return task == "classification"


def task_number(task: str | None) -> types_pb2.Task.ValueType:
    """Return the number of a task, 0 for None. Raises `InvalidRequest` for what is no task."""
    if task is not None and task not in TASKS:
        raise InvalidRequest(f"task: expected {' or '.join(TASKS)}, got {task!r}", pointer="task")
    return types_pb2.TASK_UNSPECIFIED if task is None else TASKS[task]


def task_name(number: int) -> str | None:
    """Return the task of a number, None if it has none."""
    return next((name for name, each in TASKS.items() if each == number), None)
