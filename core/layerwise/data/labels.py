"""Labels of a classifier, and their encoding as class indices."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from layerwise.checks import counted, is_unicode, shown
from layerwise.data.arrays import check_unmasked
from layerwise.errors import InvalidInput, Place

Label: TypeAlias = int | str | bool

MAX_INTEGER = 2**63 - 1
"""The largest integer label: labels are signed integers of 64 bits."""
EXPECTED = "expected a label (an integer, a string or a boolean)"


def checked_labels(labels: Iterable[object], outputs: int, pointer: str = "labels") -> tuple[Label, ...]:
    """Return `labels`: distinct, of one type, one for each of the `outputs`, two for a single output.

    Raises InvalidInput.
    """
    found: list[Label] = []
    for i, label in enumerate(labels):
        found.append(_label(label, pointer, i, like=found[0] if found else None))
    classes = _class_count(outputs)
    if len(found) != classes:
        detail = f"expected {classes} labels, as the network has {counted(outputs, 'output')}, got {len(found)}"
        raise InvalidInput(pointer, detail)
    if len(set(found)) != len(found):
        twice = next(label for label in found if found.count(label) > 1)
        raise InvalidInput(pointer, f"expected distinct labels, got {shown(twice)} twice")
    return tuple(found)


def unfit_text(text: str) -> str:
    """Return what was expected instead of `text` as a label, "" if it can be one."""
    if text.endswith("\0"):
        return "expected a label that does not end in a NUL character, which NumPy drops"
    return "" if is_unicode(text) else "expected text that UTF-8 can hold"


def label_array(labels: tuple[Label, ...]) -> NDArray[Any]:
    """Return the labels as an array of integers, booleans or strings."""
    return np.array(labels)


def encode_labels(
    y: ArrayLike, labels: tuple[Label, ...] | None, *, outputs: int, rows: int, pointer: str
) -> tuple[NDArray[Any], tuple[Label, ...]]:
    """Return `y` as class indices (n,), and the labels of the classes.

    Each output has a label; a single output has two. Without `labels`, integers below the number of classes are class
    indices; otherwise the labels are the sorted distinct values of `y`, as many as there are classes. Raises
    InvalidInput at the row of a wrong label.
    """
    column, classes = label_column(y, rows, pointer), _class_count(outputs)
    if labels is None:
        if column.dtype.kind in "iu" and column.min() >= 0 and column.max() < classes:
            return column, tuple(range(classes))
        labels = _labels_in(column, outputs, pointer)
    known = label_array(labels)
    if column.dtype.kind != known.dtype.kind and not (column.dtype.kind in "iu" and known.dtype.kind in "iu"):
        raise InvalidInput(Place(pointer, 0), f"expected one of {label_list(labels)}, got {shown(column[0])}")
    if labels == tuple(range(classes)) and column.dtype.kind in "iu":
        wrong = (column < 0) | (column >= classes)
        indices = column
    else:
        order = np.argsort(known, kind="stable")
        place = np.searchsorted(known, column, sorter=order).clip(max=classes - 1)
        indices = order[place].astype(np.int32)
        wrong = known[indices] != column
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InvalidInput(Place(pointer, row), f"expected one of {label_list(labels)}, got {shown(column[row])}")
    return indices, labels


def checked_indices(y: NDArray[Any], *, outputs: int, rows: int, pointer: str) -> NDArray[Any]:
    """Return `y`, class indices (n,); only its shape and type are checked. Raises InvalidInput."""
    if y.ndim != 1 or y.dtype.kind not in "iu":
        wanted = f"expected class indices below {_class_count(outputs)}"
        raise InvalidInput(pointer, f"{wanted}, got {y.dtype} in {counted(y.ndim, 'dimension')}")
    if len(y) != rows:
        raise InvalidInput(pointer, f"expected {rows} labels, one for each row of X, got {len(y)}")
    return y


def label_column(y: ArrayLike, rows: int | None, pointer: str) -> NDArray[Any]:
    """Return `y` as an array (n,) of integers, booleans or strings: `rows` of them, or at least one.

    Raises InvalidInput.
    """
    check_unmasked(y, pointer)
    try:
        column = np.asarray(y)
        if column.dtype.kind == "U" and not isinstance(y, np.ndarray):
            # keep the 1 in [1, "a"] a number
            column = np.asarray(y, dtype=object)
    except ValueError:
        raise InvalidInput(pointer, "expected one label for each row, got lists of different lengths") from None
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise InvalidInput(pointer, f"expected one label for each row, got {column.ndim} dimensions")
    if rows is None and not len(column):
        raise InvalidInput(pointer, "expected at least one row, got none")
    if rows is not None and len(column) != rows:
        raise InvalidInput(pointer, f"expected {rows} labels, one for each row of X, got {len(column)}")
    if column.dtype.kind in "OT" and len(column):
        column = _of_one_type(column.tolist(), pointer)
    if column.dtype.kind == "u" and len(column) and column.max() > MAX_INTEGER:
        row = int(np.argmax(column > MAX_INTEGER))
        raise InvalidInput(Place(pointer, row), f"expected an integer of 64 bits, got {column[row]}")
    if column.dtype.kind not in "iubU":
        hint = "; whole numbers may be converted by y.astype(int)" if column.dtype.kind == "f" else ""
        raise InvalidInput(Place(pointer, 0), f"{EXPECTED}, got {shown(cast(object, column[0]))}{hint}")
    return column


def _of_one_type(values: Sequence[object], pointer: str) -> NDArray[Any]:
    first = _label(values[0], pointer, 0, like=None)
    return np.array([_label(value, pointer, i, like=first) for i, value in enumerate(values)])


def _label(value: object, pointer: str, index: int, *, like: Label | None) -> Label:
    """Return `value` as a Python label of the same type as `like`."""
    plain = cast(object, value.item()) if isinstance(value, np.generic) else value
    if not isinstance(plain, int | str):
        raise InvalidInput(Place(pointer, index), f"{EXPECTED}, got {shown(plain)}")
    if isinstance(plain, str) and (wanted := unfit_text(plain)):
        raise InvalidInput(Place(pointer, index), f"{wanted}, got {shown(plain)}")
    if isinstance(plain, int) and not -(2**63) <= plain < 2**63:
        raise InvalidInput(Place(pointer, index), f"expected an integer of 64 bits, got {shown(plain)}")
    if like is not None and type(plain) is not type(like):
        raise InvalidInput(
            Place(pointer, index), f"expected labels of one type, got {shown(plain)} after {shown(like)}"
        )
    return plain


def _labels_in(column: NDArray[Any], outputs: int, pointer: str) -> tuple[Label, ...]:
    labels, classes = cast(list[Label], np.unique(column).tolist()), _class_count(outputs)
    if len(labels) != classes:
        wanted = f"expected {classes} different labels, as the network has {counted(outputs, 'output')}"
        raise InvalidInput(pointer, f"{wanted}, got {len(labels)}: {label_list(tuple(labels))}")
    return tuple(labels)


def _class_count(outputs: int) -> int:
    """Return the number of labels for `outputs`; a single output has two."""
    return max(outputs, 2)


def label_list(labels: Sequence[Label]) -> str:
    """Return the labels as text, at most the first ten."""
    return ", ".join(shown(label) for label in labels[:10]) + (", …" if len(labels) > 10 else "")
